"""The root of the command line: which commands there are, and the options that all of them share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.lazy import FileGroup, LazyCommands
from codespar_cli.cli.reporting import hoist, reported
from codespar_cli.cli.session import Session
from codespar_cli.errors import UsageError

_HERE = "codespar_cli.cli.commands"
COMMANDS = {
    "init": (f"{_HERE}.init", "write a commented plugins.toml and policy.yaml that work as they are"),
    "doctor": (f"{_HERE}.doctor", "check configuration, stores, keys and clock, and say how to mend what is wrong"),
    "plugins": (f"{_HERE}.plugins", "what is active, what is installed, switch a backend on or off"),
    "policy": (f"{_HERE}.policy", "ask the policy, settle holds, look at budgets"),
    "approvals": (f"{_HERE}.approvals", "what waits for a human: look, approve, deny"),
    "metrics": (f"{_HERE}.metrics", "what calls took, cost and broke"),
    "hook": (f"{_HERE}.hook", "answer one event of an agent host: Claude Code, Codex, Cursor, Gemini, Copilot"),
    "hosts": (f"{_HERE}.hosts", "hooks in the settings of agent hosts: install, prove, uninstall"),
    "mcp": (f"{_HERE}.mcp", "a policy in front of MCP servers' tools"),
    "secrets": (f"{_HERE}.secrets", "keep, read and rotate credentials"),
    "webhook": (f"{_HERE}.webhook", "payloads through the integrations"),
    "trust": (f"{_HERE}.trust", "let a project's plugins.toml loosen what yours allows"),
    "untrust": (f"{_HERE}.untrust", "take that back"),
    "config": (f"{_HERE}.config", "what the configuration says, and where each value comes from"),
    "serve": (f"{_HERE}.serve", "receive webhooks, answer agents over HTTP"),
    "audit": (f"{_HERE}.audit", "the hash-chained record of decisions and secret access"),
}
EPILOG = (
    "exit codes: 0 done or allowed, 1 failed, 2 usage or configuration, 3 denied, 4 approval required, "
    "5 integrity (tampered data, bad signature), 6 not found"
)


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

        code = reported(lambda: _in_our_voice(act, arguments), arguments)
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


def _command_path(context: Any, arguments: Sequence[str]) -> str:
    """`codespar metrics record`, also where Typer's parser does not say in which command it was."""
    if context is not None:
        return str(context.command_path)
    words: list[str] = []
    table: Any = LazyCommands(COMMANDS)
    for word in hoist(arguments):
        if word in table:
            words.append(word)
            table = getattr(table[word], "commands", {})
    return " ".join(("codespar", *words))


def _in_our_voice(act: Callable[[], Any], arguments: Sequence[str]) -> Any:
    """Typer's own ways to end, as ours."""
    try:
        return act()
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
            sys.stderr.write(context.get_help() + "\n")
            return UsageError.exit_code
        message = str(error.format_message()).strip().rstrip(".")
        hint = f"{_command_path(context, arguments)} --help"
        raise UsageError(message[:1].lower() + message[1:], hint=hint) from None
