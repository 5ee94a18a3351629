"""How every failure becomes an exit code and at most two lines on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from codespar_cli.cli.io import Terminal
from codespar_cli.errors import CodesparError, UsageError

INTERRUPTED = 130
BROKEN_PIPE = 141
_GLOBAL_VALUES = ("--config", "--tenant")
_GLOBAL_FLAGS = ("--no-color",)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options to the front, wherever they stand before a `--`. Raises UsageError for one without its value."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*front, *rest, word, *waiting]
        if word in _GLOBAL_VALUES:
            if not waiting:
                raise UsageError(f"option '{word}' requires an argument", hint="codespar --help")
            front += [word, waiting.pop(0)]
        elif word in _GLOBAL_FLAGS or word.startswith(tuple(f"{name}=" for name in _GLOBAL_VALUES)):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]


def reported(act: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Run, and answer the exit code. With `-o json` among the arguments an error is one JSON object."""
    code: Any = BROKEN_PIPE
    try:
        code = act()
        sys.stdout.flush()
    except CodesparError as error:
        return tell(error, arguments)
    except BrokenPipeError:
        # A command that had come to its end keeps its answer: a denial stays one when nobody reads it.
        _silence_stdout()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        _silence_stdout()
        return tell(CodesparError(f"output or input failed: {words}"), arguments)
    except BaseException as error:  # a plugin's SystemExit, too: it would end a command that has not answered with 0
        return _unforeseen(error, arguments)
    return code if isinstance(code, int) else 0


def tell(error: CodesparError, arguments: Sequence[str]) -> int:
    """Print an error in the product's voice, and answer its exit code."""
    try:
        if wants_json(arguments):
            import json

            found = {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "file": error.file,
                "line": error.line,
            }
            sys.stderr.write(json.dumps({"error": found}) + "\n")
        else:
            Terminal.of_process(os.environ, no_color="--no-color" in arguments).error(str(error), error.hint)
        sys.stdout.flush()
    except OSError:
        _silence_stdout()
    return error.exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether JSON is asked for, told from the words: a command line that cannot be parsed may ask for it, too."""
    for index, word in enumerate(arguments):
        if word == "--":
            return False
        value = arguments[index + 1] if word in {"-o", "--output"} and index + 1 < len(arguments) else ""
        if word.startswith("-o") and not word.startswith("--"):
            value = value or word[2:].removeprefix("=")
        elif word.startswith("--output="):
            value = word.partition("=")[2]
        if value in {"json", "jsonl"}:
            return True
    return False


def _unforeseen(error: BaseException, arguments: Sequence[str]) -> int:
    if os.environ.get("CODESPAR_DEBUG") == "1":
        if isinstance(error, Exception):
            raise error
        raise RuntimeError(f"a command ended with {type(error).__name__}") from error
    # Only the place: the message of an exception nobody foresaw may hold a secret.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rpartition(os.sep)[2]}:{trace.tb_lineno}" if trace else ""
    internal = CodesparError(
        f"unexpected {type(error).__name__}{place}",
        code="internal",
        hint="run again with CODESPAR_DEBUG=1 for the traceback, and please report it",
    )
    return tell(internal, arguments)


def _silence_stdout() -> None:
    # The reader has gone: nothing more to say, and nothing for the interpreter to complain about at exit either.
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
