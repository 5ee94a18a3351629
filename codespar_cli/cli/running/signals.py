"""Signals that arrive while a command runs: passed on to it, with the one exception of those it got itself.

What is typed at a terminal (^C) reaches every process of the job. A command in our own job must not get it twice, since
for many programs a second interrupt means "at once". The kernel's signals are told from those that were sent by
`siginfo`; where there is none, those that a terminal can send are taken for the terminal's.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGCONT", "SIGWINCH", "SIGUSR1", "SIGUSR2")
_OF_A_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH})
_SENT_BY_KERNEL = 0x80  # SI_KERNEL


class SignalRelay:
    """From its start until `stop`, signals reach `handle(number, of_terminal)` on a thread, and nobody else."""

    def __init__(self, handle: Callable[[int, bool], None]) -> None:
        self._handle = handle
        named = (getattr(signal, name) for name in _FORWARDED)
        # An ignored signal stays ignored: `nohup` means us and the command.
        self._set = {number for number in named if signal.getsignal(number) is not signal.SIG_IGN}
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._set)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._relay, name="signals", daemon=True)

    def start(self) -> None:
        """Begin to pass on what came since the construction."""
        self._thread.start()

    def stop(self) -> None:
        """After this no signal is handled; what came last may be lost, as the command is gone."""
        if self._thread.is_alive():
            self._ended.set()
            wake = min(self._set, default=None)
            if wake is not None:
                signal.pthread_kill(self._thread.ident or 0, wake)
            self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def _relay(self) -> None:
        while self._set:
            number, of_terminal = _next(self._set)
            if self._ended.is_set():
                return
            self._handle(number, of_terminal)


def stop_as_asked() -> None:
    """Do what SIGTSTP does by itself: stop, unless our job has no shell that could make it go on."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})


def _next(numbers: set[signal.Signals]) -> tuple[int, bool]:
    if hasattr(signal, "sigwaitinfo"):
        found = signal.sigwaitinfo(numbers)
        return found.si_signo, found.si_code == _SENT_BY_KERNEL
    number = signal.sigwait(numbers)
    return number, number in _OF_A_TERMINAL and os.isatty(0)
