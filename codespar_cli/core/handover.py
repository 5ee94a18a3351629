"""An answer on its way from another thread: for the one who waits, or given back when nobody waits any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from codespar_cli.core.light_typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """Exactly one of two things happens to an answer that was delivered: it is taken, or `give_back` gets it."""

    def __init__(self, give_back: Callable[[T], object]) -> None:
        self._give_back = give_back
        self._lock = threading.Lock()
        self._abandoned = False
        self._answers: list[T] = []

    def deliver(self, answer: T) -> T:
        """By the thread that has it."""
        with self._lock:
            unwanted = self._abandoned
            if not unwanted:
                self._answers.append(answer)
        if unwanted:
            self._give_back(answer)
        return answer

    def abandon(self) -> None:
        """By the one who waited and will not take it. An answer that is there already is given back at once."""
        with self._lock:
            self._abandoned = True
            answers, self._answers = self._answers, []
        for answer in answers:
            self._give_back(answer)

    def take(self) -> T | None:
        """The answer, if it has come; nothing that comes later is taken."""
        with self._lock:
            self._abandoned = True
            answers, self._answers = self._answers, []
        return answers[0] if answers else None


def within(seconds: float, act: Callable[[], T], give_back: Callable[[T], object]) -> T:
    """Run `act` on a thread of its own and wait a bounded time. Raises TimeoutError, or what `act` raised."""
    handover: Handover[T] = Handover(give_back)
    errors: list[BaseException] = []
    context = copy_context()

    def run() -> None:
        try:
            answer = context.run(act)
        except BaseException as error:
            errors.append(error)
            return
        handover.deliver(answer)

    thread = threading.Thread(target=run, name="codespar-policy", daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    except BaseException:  # interrupted while waiting
        handover.abandon()
        raise
    answer = handover.take()
    if answer is not None:
        return answer
    if errors:
        raise errors[0]
    raise TimeoutError(f"no answer within {seconds:g} s")
