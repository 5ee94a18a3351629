"""Whose exception is it: the plugin's that was called, or the program's own that calls it?"""

from __future__ import annotations


def hosts_own(error: BaseException) -> bool:
    """For a coroutine that awaits a plugin's: an interrupt, its own task's cancellation, its own end.

    Everything else is the plugin's: it cannot end the program with SystemExit, or a task that nobody has cancelled.
    """
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    import asyncio

    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def words_of(error: BaseException) -> str:
    """The message of a stranger's exception; nothing when it cannot even say that."""
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return ""
