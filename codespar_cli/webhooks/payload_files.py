"""Payloads from files, directories and standard input, in every documented form.

Nothing here raises for what a file holds or for a file that cannot be had: each payload, and each file without one, is
a `Payload` of its own, so that one bad file among a thousand costs one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from codespar_cli.core.webhook_body import decode, is_form
from codespar_cli.webhooks.documents import documents
from codespar_cli.webhooks.payload import Payload, Trouble, payload_of

MAX_FILE = 256 << 20
STDIN = "-"


def read_payloads(names: Iterable[str], read_stdin: Callable[[int], bytes]) -> Iterator[Payload]:
    """Every payload in these files, in order. `-` is standard input, of which at most a given size is read."""
    for name in names:
        if name == STDIN:
            yield from payloads_in(STDIN, read_stdin(MAX_FILE))
        else:
            yield from _from_path(Path(name))


def payloads_in(source: str, data: bytes) -> Iterator[Payload]:
    """The payloads in one file's bytes: a body, a record, an array or a line each of either."""
    if len(data) > MAX_FILE:
        yield Payload(source, trouble="malformed", error=f"larger than {MAX_FILE >> 20} MiB")
        return
    try:
        text = decode(data)
    except ValueError as error:
        yield Payload(source, raw=data, trouble="malformed", error=str(error))
        return
    if is_form(text):
        yield payload_of(source, text, data)
        return
    for document in documents(text):
        # A file that is one bare body is, to the last newline, what was signed.
        yield payload_of(f"{source}{document.place}", document.text, None if document.place else data)


def _from_path(path: Path) -> Iterator[Payload]:
    source = str(path)
    try:
        files = sorted(_members(path)) if path.is_dir() else [path]
    except OSError as error:
        yield _trouble(source, "unreadable", error)
        return
    for file in files:
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE + 1)
        except FileNotFoundError as error:
            yield _trouble(str(file), "missing", error)
        except (OSError, ValueError) as error:
            yield _trouble(str(file), "unreadable", error)
        else:
            yield from payloads_in(str(file), data)


def _members(directory: Path) -> Iterator[Path]:
    """The files right in a directory, hidden ones aside."""
    return (entry for entry in directory.iterdir() if not entry.name.startswith(".") and _is_tried(entry))


def _is_tried(entry: Path) -> bool:
    """Whether to open it: not a pipe or a device, which would wait for ever; a link that leads nowhere, for its row."""
    try:
        return entry.is_file() or not entry.exists()
    except OSError:
        return True  # opening it says why


def _trouble(source: str, trouble: Trouble, error: Exception) -> Payload:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Payload(source, trouble=trouble, error=reason.lower())
