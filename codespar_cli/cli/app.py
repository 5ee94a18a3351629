"""The root of the command line: which commands there are, and how every failure becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.lazy import FileGroup, LazyCommands
from codespar_cli.cli.session import Session
from codespar_cli.errors import CodesparError

_HERE = "codespar_cli.cli.commands"
COMMANDS = {
    "init": (f"{_HERE}.init", "write a commented plugins.toml and policy.yaml that work as they are"),
    "doctor": (f"{_HERE}.doctor", "check configuration, stores, keys and clock, and say how to mend what is wrong"),
    "plugins": (f"{_HERE}.plugins", "what is active, what is installed, switch a backend on or off"),
    "policy": (f"{_HERE}.policy", "ask the policy, settle holds, look at budgets"),
    "metrics": (f"{_HERE}.metrics", "what calls took, cost and broke"),
    "secrets": (f"{_HERE}.secrets", "keep, read and rotate credentials"),
    "webhook": (f"{_HERE}.webhook", "payloads through the integrations"),
    "audit": (f"{_HERE}.audit", "the hash-chained record of decisions and secret access"),
}
EPILOG = (
    "exit codes: 0 done or allowed, 1 failed, 2 usage or configuration, 3 denied, 4 approval required, "
    "5 integrity (tampered data, bad signature), 6 not found"
)
INTERRUPTED = 130
BROKEN_PIPE = 141
_GLOBAL_VALUES = ("--config", "--tenant")
_GLOBAL_FLAGS = ("--no-color",)


class Root(FileGroup):
    """Global options may stand before or after the command; what goes wrong is told in the product's voice."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands(COMMANDS)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoist(args))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        # From the table alone: help must not import what it speaks of.
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        self._main_shell_completion(extra, "codespar", complete_var)

        def act() -> Any:
            # Not Typer's own main: it answers a closed pipe with 1, and draws frames around errors.
            with self.make_context("codespar", arguments, **extra) as ctx:
                return self.invoke(ctx)

        code = _reported(act, arguments)
        if standalone_mode:
            sys.exit(code)
        return code


app = typer.Typer(
    cls=Root,
    name="codespar",
    help="Know and limit what AI agents do with their tools.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import codespar_cli

        typer.echo(f"codespar {codespar_cli.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[str | None, typer.Option("--config", metavar="PATH", help="the plugins.toml to use")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="for whom")] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="plain output")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    context.obj = Session(Terminal.of_process(os.environ, no_color=no_color), config_path=config, tenant_option=tenant)


def run(arguments: Sequence[str]) -> int:
    """One command line, to its exit code."""
    command = typer.main.get_command(app)
    return int(command.main(args=list(arguments), standalone_mode=False) or 0)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options to the front, wherever they stand before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*front, *rest, word, *waiting]
        if word in _GLOBAL_VALUES and waiting:
            front += [word, waiting.pop(0)]
        elif word in _GLOBAL_FLAGS or word.startswith(tuple(f"{name}=" for name in _GLOBAL_VALUES)):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]


def _reported(act: Any, arguments: list[str]) -> int:
    """Run, and turn whatever happens into an exit code and at most two lines on stderr."""
    code: Any = BROKEN_PIPE
    try:
        code = act()
        sys.stdout.flush()
    except CodesparError as error:
        return _tell(error, arguments)
    except BrokenPipeError:
        # A command that had come to its end keeps its answer: a denial stays one when nobody reads it.
        _silence_stdout()
    except typer.Exit as done:
        code = done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        _silence_stdout()
        return _tell(CodesparError(f"output or input failed: {words}"), arguments)
    except Exception as error:
        return _unexpected(error, arguments)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception, arguments: list[str]) -> int:
    if hasattr(error, "format_message"):
        return _usage(error, arguments)
    if os.environ.get("CODESPAR_DEBUG") == "1":
        raise error
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
    return _tell(internal, arguments)


def _usage(error: Any, arguments: list[str]) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        sys.stderr.write(context.get_help() + "\n")
        return 2
    message = str(error.format_message()).strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    hint = f"{context.command_path} --help" if context is not None else "codespar --help"
    return _tell(CodesparError(message, code="usage", hint=hint), arguments, exit_code=2)


def _tell(error: CodesparError, arguments: list[str], exit_code: int | None = None) -> int:
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
            terminal = Terminal.of_process(os.environ, no_color="--no-color" in arguments)
            terminal.error(str(error), error.hint)
        sys.stdout.flush()
    except OSError:
        _silence_stdout()
    return error.exit_code if exit_code is None else exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, told from the words: a command line that cannot be parsed may ask, too."""
    words = list(arguments)
    for index, word in enumerate(words):
        if word == "--":
            return False
        value = words[index + 1] if word in {"-o", "--output"} and index + 1 < len(words) else ""
        if word.startswith("-o") and not word.startswith("--"):
            value = value or word[2:].removeprefix("=")
        elif word.startswith("--output="):
            value = word.partition("=")[2]
        if value in {"json", "jsonl"}:
            return True
    return False


def _silence_stdout() -> None:
    # The reader has gone: nothing more to say, and nothing for the interpreter to complain about at exit either.
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
