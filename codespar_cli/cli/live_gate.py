"""A gate for a process that lives longer than its configuration: made anew when plugins.toml or a rules file changes.

Each question costs a few looks at files. A change that cannot be used stops every call until it is mended: the old rules
are not what the file says any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from codespar_cli.cli.session import Session
from codespar_cli.errors import CodesparError

if TYPE_CHECKING:
    from codespar_cli.core.config import Config
    from codespar_cli.core.gate import Gate
    from codespar_cli.mcp.watcher import Watcher

Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]
_ATTEMPTS = 5
_DEFAULT_RULES = "policy.yaml"


class Loaded(NamedTuple):
    """What was made of one state of the files; `error` in place of a gate says why none could be."""

    signature: Signature
    gate: Gate | None = None
    watcher: Watcher | None = None
    error: CodesparError | None = None


class LiveGate:
    """Safe to share between threads. `make` answers a fresh session, whose configuration is read when it is asked for.

    `drifted` is told what is not as it was pinned in the lists that the watcher is shown.
    """

    def __init__(
        self, make: Callable[[], Session], *, drifted: Callable[[str, Sequence[Any]], object] = lambda *_: None
    ) -> None:
        self._make = make
        self._drifted = drifted
        self._lock = Lock()
        self._loaded: Loaded | None = None

    def prepare(self) -> None:
        """Begin to load on a thread of its own: whoever asks meanwhile waits for it."""
        Thread(target=self._current, name="policy", daemon=True).start()

    def gate(self) -> Gate:
        """The gate of the files as they are now. Raises CodesparError when there is none."""
        loaded = self._current()
        if loaded.gate is None:
            raise loaded.error or CodesparError("the policy could not be loaded")
        return loaded.gate

    def watcher(self) -> Watcher | None:
        """Who looks on, by the configuration that was loaded last.

        Waits until there is one: a client asks for the tools before anything else, and that list is to be seen.
        """
        return (self._loaded or self._current()).watcher

    def _current(self) -> Loaded:
        loaded = self._loaded
        if loaded is not None and _is_current(loaded):
            return loaded
        with self._lock:
            loaded = self._loaded
            if loaded is None or not _is_current(loaded):
                self._loaded = loaded = self._load()
            return loaded

    def _load(self) -> Loaded:
        from codespar_cli.startup import protection_of

        signature: Signature = ()
        try:
            for _ in range(_ATTEMPTS):
                session = self._make()
                looked = {path: _look(path) for path in _places(session)}
                signature = tuple(looked.values())
                looked |= {path: _look(path) for path in _inputs(session.config) if path not in looked}
                signature = tuple(looked.values())
                gate = session.gate("policy", "observability")
                gate.protection = gate.protection or protection_of(session.config)
                loaded = Loaded(signature, gate, self._watcher_of(session, gate))
                if _is_current(loaded):  # what was read is what was looked at
                    return loaded
            raise CodesparError("the configuration changes faster than it can be read", hint="codespar doctor")
        except CodesparError as error:
            return Loaded(signature, error=error)
        except Exception as error:  # no gate, no call
            return Loaded(signature, error=CodesparError(f"unexpected {type(error).__name__}"))

    def _watcher_of(self, session: Session, gate: Gate) -> Watcher:
        from codespar_cli.startup import tool_watcher

        return tool_watcher(session.config, gate.registry, clock=session.clock, drifted=self._drifted)


def _is_current(loaded: Loaded) -> bool:
    return all(_look(entry[0]) == entry for entry in loaded.signature)


def _places(session: Session) -> Iterator[str]:
    """Where plugins.toml is or could come to be: one that is put nearer than the one in use counts from then on.

    Those of the administrator and of the user, with rules beside them, bound what any other says.
    """
    from codespar_cli.core.config import FILE_NAME, find_config, working_directory

    own = session.environ.get("XDG_CONFIG_HOME") or f"{session.environ.get('HOME') or '/'}/.config"
    for bounds in ("/etc/codespar", f"{own}/codespar"):
        yield f"{bounds}/{FILE_NAME}"
        yield f"{bounds}/{_DEFAULT_RULES}"
    named = session.config_path or session.environ.get("CODESPAR_CONFIG")
    if named:
        yield str(Path(named).absolute())
        return
    here = working_directory()
    found = find_config(None, environ=session.environ, start=here)
    for directory in () if here is None else (here, *here.parents):
        yield str(directory / FILE_NAME)
        if found is not None and directory == found.parent:
            return
    if found is not None:
        yield str(found)


def _inputs(config: Config) -> Iterator[str]:
    """What decides whose word counts, every file that a policy's options name, and where its rules are by default."""
    from codespar_cli.core.options import texts_in

    yield from map(str, config.inputs)
    for layer in config.policy_layers or (config,):
        for text in () if layer.policy is None else {_DEFAULT_RULES, *texts_in(layer.policy.options)}:
            if "\0" not in text and len(text) < 4096 and "://" not in text:
                yield str(layer.directory / text)


def _look(path: str) -> tuple[str, int, int, int]:
    """What tells one state of a file from another; zeros where there is none."""
    try:
        facts = os.stat(path)  # noqa: PTH116  asked with every call, and three times as fast
    except (OSError, ValueError):
        return path, 0, 0, 0
    return path, facts.st_mtime_ns, facts.st_size, facts.st_ino
