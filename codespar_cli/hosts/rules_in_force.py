"""Which version of the rules answered a call: of every file that has a say, not what it says but that it is the one."""

from __future__ import annotations

from codespar_cli.core.hashing import sha256
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.storage.file_facts import Unknown, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def rules_in_force(files: Iterable[str]) -> str | None:
    """Another text once one of these files is another one; None where that cannot be told."""
    try:
        seen = repr([(path, facts_of(path)) for path in files])
    except Unknown:
        return None
    return sha256(seen.encode("utf-8", "backslashreplace")).hex()[:24]
