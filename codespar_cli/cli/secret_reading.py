"""Values of several secrets for one command, each read put on record by the backend under this user's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codespar_cli.cli.private_file import write_private
from codespar_cli.cli.secrets_get import actor, not_there
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.secrets import Secret, SecretFacts, SecretReader
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import UsageError


def every_name(session: Session) -> list[str]:
    """The tenant's keys. Raises UsageError for a backend that cannot list them."""
    vault: SecretReader = session.able("secrets", "entries")
    found = vault.entries(session.tenant, actor=actor())
    # Of a destroyed one an older version may be left, which is not current.
    return [facts.key for facts in found if facts.state != "destroyed"]


def named(given: Sequence[str] | None) -> list[str] | None:
    """What `--only A,B` or several of it name, each once; None when it was not given. Raises UsageError."""
    if not given:
        return None
    names = [name for text in given for name in text.split(",")]
    if not all(names):
        raise UsageError(
            "--only: expected keys with commas between them, such as A,B, found an empty one",
            hint="see which there are: codespar secrets list; without --only it is all of them",
        )
    return list(dict.fromkeys(names))


def read(session: Session, key: str, *, tenant: str | None = None, version: int | None = None) -> Secret:
    """One secret with its value. Raises NotFoundError, and what the backend raises."""
    vault: Any = session.able("secrets", "get" if version is None else "fetch")
    owner = session.tenant if tenant is None else tenant
    if callable(getattr(vault, "fetch", None)):
        found: Secret = vault.fetch(owner, key, version=version, actor=actor())
        return found
    value = vault.get(owner, key)
    if value is None:
        raise not_there(session, vault, key, tenant=tenant)
    return Secret(SecretFacts(key, owner, None, "current", None, None, None, None, None), value)


def hand_out(session: Session, text: Hidden[bytes], output_file: Path | None) -> None:
    """Exactly these bytes, to stdout or into a file of mode 0600. Raises UsageError, StoreError."""
    if output_file is None:
        without_frames(lambda: session.terminal.raw(text.reveal()))
    else:
        without_frames(lambda: write_private(output_file, text.reveal(), "--output-file"))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in one line of talk."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
