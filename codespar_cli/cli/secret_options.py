"""What the commands that write a secret share: their options, and what they tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, as_duration
from codespar_cli.cli.secrets_get import actor
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import SecretFacts, SecretReader
from codespar_cli.core.globs import is_glob
from codespar_cli.core.text import visible
from codespar_cli.errors import NotFoundError, UsageError

_EXAMPLES = {"--agents": "ci-*,deploy", "--tools": "stripe/**"}

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="the secret's name")]
FromFileOption = Annotated[str | None, typer.Option("--from-file", metavar="PATH", help="take the bytes of a file")]
GenerateOption = Annotated[int | None, typer.Option("--generate", metavar="N", help="make N random characters")]
ExpiresOption = Annotated[str | None, typer.Option("--expires", metavar="AGE", help="due for replacement after, 90d")]
NoteOption = Annotated[str | None, typer.Option("--note", help="a remark, stored in clear")]
AgentsOption = Annotated[
    str | None, typer.Option("--agents", metavar="GLOBS", help="only these agents: ci-*,deploy; ** for all")
]
ToolsOption = Annotated[
    str | None, typer.Option("--tools", metavar="GLOBS", help="only for these tools: stripe/**; ** for all")
]
VersionOption = Annotated[str | None, typer.Option("--version", metavar="N", help="an earlier version")]


def tell_written(session: Session, facts: SecretFacts, line: str, output: Output) -> None:
    if output is Output.json:
        session.terminal.json(view.secret_json(facts))
    else:
        session.terminal.note(line)
    if facts.advice:
        session.terminal.note(facts.advice, style="yellow")


def expiry(session: Session, text: str | None, command: str) -> datetime | None:
    """When a value given now is due. Raises UsageError, with `command` and an age that will do."""
    age = age_of(text, "--expires", f"{command} --expires 90d")
    if age is None:
        return None
    try:
        return session.clock() + age
    except OverflowError:
        raise UsageError("--expires: that is too far away", hint=f"{command} --expires 90d") from None


def globs_of(text: str | None, option: str, command: str) -> list[str] | None:
    """`ci-*,deploy` as a list. Raises UsageError, with `command` and globs that will do."""
    if text is None:
        return None
    globs = [glob.strip() for glob in text.split(",")]
    wrong = next((glob for glob in globs if not is_glob(glob)), None)
    if wrong is not None:
        example = _EXAMPLES[option]
        found = f"`{visible(wrong)[:80]}`" if wrong else "an empty one"
        raise UsageError(
            f"{option}: expected globs with commas between them, such as {example}, found {found}",
            hint=f"{command} {option} '{example}': * stands for some characters, ** for whole segments",
        )
    return globs


def current_version(session: Session, vault: SecretReader, key: str) -> int:
    """0 when there is no secret of this name."""
    try:
        return vault.describe(session.tenant, key, actor=actor()).version or 0
    except NotFoundError:
        return 0


def age_of(text: str | None, option: str, hint: str) -> timedelta | None:
    try:
        return as_duration(text, option)
    except UsageError:
        # It may be a value in the wrong place, so it is not repeated.
        raise UsageError(
            f"{option}: expected a duration such as 30s, 10m, 24h or 7d, found what is none", hint=hint
        ) from None
