"""Many values at once: all of them are stored, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

OnConflict: TypeAlias = Literal["fail", "skip", "replace"]
"""What becomes of a key that is there already."""
ImportAction: TypeAlias = Literal["new", "replaced", "skipped"]


class Imported(NamedTuple):
    """What was done with one key, or would be. `version` is the one that is current afterwards."""

    key: str
    action: ImportAction
    version: int


class SecretImporter(Protocol):
    def put_all(
        self,
        tenant_id: str,
        values: Mapping[str, str],
        *,
        on_conflict: OnConflict = "fail",
        dry_run: bool = False,
        actor: str,
    ) -> Sequence[Imported]:
        """Store every value in one transaction, each with a record of its own. A dry run says what would be done.

        Raises WriteConflict with `fail` and a key that is there, UsageError for a name or value that cannot be stored.
        """
        ...
