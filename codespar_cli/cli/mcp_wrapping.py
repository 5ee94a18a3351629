"""What stands between a client and a server that is running: the gate of now, the screen, the books, the two directions."""

from __future__ import annotations

import os
from contextlib import suppress

from codespar_cli.cli.live_gate import LiveGate
from codespar_cli.cli.session import Session
from codespar_cli.cli.standing_gate import standing_gate
from codespar_cli.mcp.bookkeeper import Bookkeeper
from codespar_cli.mcp.drift_notes import DriftNotes
from codespar_cli.mcp.identity import Identity
from codespar_cli.mcp.relay import Relay
from codespar_cli.mcp.screen import Screen
from codespar_cli.mcp.server_process import ServerProcess, has_reader

_DRAIN_S = 0.25
"""How long a server's output may be silent after its end, where another process holds it open."""
_BOOKS_S = 5.0


class Wrapping:
    """Everything between a server's start and its end."""

    def __init__(self, session: Session, identity: Identity, *, hide_denied: bool) -> None:
        self._terminal = session.terminal
        self._live = LiveGate(session.anew, drifted=DriftNotes(self._note))
        self._books = Bookkeeper()
        self._screen = Screen(
            identity,
            standing_gate(session, self._live),
            self._books,
            watcher=self._live.watcher,
            hide_denied=hide_denied,
            note=self._note,
        )

    def carry(self, process: ServerProcess) -> int:
        """Until it has ended and its output is out; its exit code, or minus its signal's number."""
        client_in, client_out = _taken_from_plugins()
        relay = Relay(
            self._screen,
            client_in=client_in,
            client_out=client_out,
            server_in=process.input,
            server_out=process.output,
            client_left=lambda: process.client_left(
                lambda: has_reader(client_out), lambda: len(self._screen.calls) > 0
            ),
        )
        relay.start()
        self._live.prepare()
        process.wait()
        relay.drain(_DRAIN_S)
        code = process.reap()
        self._screen.gone()
        self._close_books()
        return code

    def flush(self) -> None:
        """Out with what observability keeps back: nothing runs at exit when we die of a signal."""
        with suppress(Exception):
            self._live.gate().registry.observability.flush()  # type: ignore[union-attr]  # beyond its contract

    def _close_books(self) -> None:
        in_time = self._books.close(_BOOKS_S)
        if self._books.failures or not in_time:
            told = ", ".join(f"{name} {count} times" for name, count in sorted(self._books.failures.items()))
            self._note(f"some calls were not recorded or checked: {told or 'the store does not answer'}")

    def _note(self, text: str) -> None:
        self._terminal.note(f"codespar mcp wrap: {text}", style="yellow")


def _taken_from_plugins() -> tuple[int, int]:
    """The client's two ends under other numbers: what a plugin prints or reads must not get into the conversation."""
    client_in, client_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return client_in, client_out
