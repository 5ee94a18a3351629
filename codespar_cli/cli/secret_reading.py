"""Values of several secrets for one command, each read put on record by the backend under this user's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codespar_cli.cli.private_file import write_private
from codespar_cli.cli.secrets_get import actor
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.secrets import Secret, SecretFacts
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import NotFoundError


def every_name(session: Session) -> list[str]:
    """The tenant's keys. Raises UsageError for a backend that cannot list them."""
    vault = session.able("secrets", "entries")
    return [facts.key for facts in vault.entries(session.tenant, actor=actor())]


def named(given: Sequence[str] | None) -> list[str] | None:
    """What `--only A,B` or several of it name, each once; None when it was not given."""
    if not given:
        return None
    return list(dict.fromkeys(name for text in given for name in text.split(",") if name))


def read(session: Session, key: str, *, tenant: str | None = None, version: int | None = None) -> Secret:
    """One secret with its value. Raises NotFoundError, and what the backend raises."""
    vault: Any = session.able("secrets", "get" if version is None else "fetch")
    owner = session.tenant if tenant is None else tenant
    if callable(getattr(vault, "fetch", None)):
        found: Secret = vault.fetch(owner, key, version=version, actor=actor())
        return found
    value = vault.get(owner, key)
    if value is None:
        raise NotFoundError(f"tenant `{owner}` has no secret `{key}`")
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
