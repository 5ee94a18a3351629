"""A command whose command line may hold a secret by mistake: what is wrong with it is told without repeating it.

Typer's own errors quote what was typed, and a value typed after the key, behind `--`, or in place of a number would go
from the shell into logs of CI runs as well.
"""

from __future__ import annotations

from typing import Any

import typer.core

from codespar_cli.cli.secret_input import refuse_value_in_argv
from codespar_cli.core.core_dumps import forbid_core_dumps
from codespar_cli.errors import UsageError


class DiscreetCommand(typer.core.TyperCommand):
    """Takes whatever stands after its arguments, in order to refuse it in words of ours."""

    allow_extra_args = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        forbid_core_dumps()  # before a value is read from anywhere
        try:
            rest: list[str] = super().parse_args(ctx, args)
        except Exception as error:
            finding = _finding(error)
            if finding is None:
                raise
            # `from None`: the exception would carry what was typed.
            raise UsageError(finding, hint=f"{ctx.command_path} --help") from None
        refuse_value_in_argv(ctx.command_path, ctx.params.get("key"), ctx.args)
        return rest


def _finding(error: Exception) -> str | None:
    """What to say in place of an error that quotes what was typed; None for one that does not."""
    name = type(error).__name__
    if name == "NoSuchOption":
        near = [f"`{option}`" for option in getattr(error, "possibilities", None) or ()]
        advice = f", did you mean {' or '.join(near)}?" if near else ""
        return f"there is no such option{advice}"
    if name != "BadParameter":
        return None
    parameter: Any = getattr(error, "param", None)
    option = max(getattr(parameter, "opts", None) or ["an option"], key=len)
    choices = getattr(getattr(parameter, "type", None), "choices", None)
    expected = " or ".join(str(getattr(choice, "value", choice)) for choice in choices) if choices else "a whole number"
    return f"{option}: expected {expected}{'' if choices else ' in its range'}"
