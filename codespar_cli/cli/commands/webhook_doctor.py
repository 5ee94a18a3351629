"""`codespar webhook doctor`: why a signature fails."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.cli.webhook_choice import (
    Choice,
    HeaderOption,
    headers_of,
    opened_inbox,
    require_ids,
    require_known,
)
from codespar_cli.errors import CodesparError, IntegrityError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codespar_cli.webhooks.diagnosis import Diagnosis
    from codespar_cli.webhooks.payload import Payload


def doctor(
    context: typer.Context,
    file: Annotated[
        str | None, typer.Argument(help="a record of a delivery, or a bare body; - for stdin", metavar="[FILE]")
    ] = None,
    ids: Annotated[
        list[int] | None, typer.Option("--id", metavar="N", help="of the inbox: this one; repeatable")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="who sent it, where neither it nor its shape says")
    ] = None,
    header: HeaderOption = None,
    output: OutputOption = Output.table,
) -> int:
    """Say why a signature fails, and what to do about it.

    Tried are other secrets that are configured, the body as other programs would have written it, and the ways in which
    a signature is spelled wrong. Exit code 0 when every delivery is genuine, 5 when one is not.
    """
    from codespar_cli.webhooks.diagnosis import Doctor
    from codespar_cli.webhooks.recognition import shaped_like
    from codespar_cli.webhooks.replay import Replay

    session: Session = context.obj
    if (file is None) == (not ids):
        raise UsageError("expected a FILE or --id", hint="codespar webhook doctor --id N")
    integrations = session.registry("integrations").integrations
    if provider is not None:
        require_known(provider, integrations)
    asked = Replay(integrations, provider=provider, headers=headers_of(header))
    examiner = Doctor(integrations, session.clock(), session.tenant)

    def sender(payload: Payload, name: str | None) -> str | None:
        fits = shaped_like(integrations, payload) if name is None else ()
        return fits[0] if len(fits) == 1 else name

    with ExitStack() as stack:
        found = []
        for payload in _payloads(stack, session, file, tuple(ids or ())):
            _readable(payload)
            told, name = asked.told(payload)
            found.append(examiner.examine(told, sender(told, name)))
    if output is Output.json:
        session.terminal.json([_json(diagnosis) for diagnosis in found])
    else:
        for diagnosis in found:
            _tell(session, diagnosis)
    bad = sum(1 for diagnosis in found if not diagnosis.genuine)
    if not found:
        raise NotFoundError("there is no payload to look at", hint="codespar webhook doctor --id N")
    if bad:
        noun = "delivery is" if len(found) == 1 else "deliveries are"
        raise IntegrityError(f"{bad} of {len(found)} {noun} not genuine", code="bad_signature")
    return 0


def _payloads(stack: ExitStack, session: Session, file: str | None, ids: tuple[int, ...]) -> Iterator[Payload]:
    if file is not None:
        from codespar_cli.webhooks.payload_files import read_payloads

        return read_payloads([file], session.terminal.read_bytes)
    from codespar_cli.webhooks.inbox_payloads import inbox_payloads

    store = stack.enter_context(opened_inbox(session))
    require_ids(store, ids)
    return inbox_payloads(store.bodies(Choice(ids).filter(session)))


def _readable(payload: Payload) -> None:
    if payload.trouble == "missing":
        hint = f"ls {shlex.quote(str(Path(payload.source).parent))}"
        raise NotFoundError(f"no such file: `{payload.source}`", hint=hint)
    if payload.trouble == "unreadable":
        raise CodesparError(f"cannot be read: {payload.error}", file=payload.source)


def _json(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "source": diagnosis.source,
        "provider": diagnosis.provider,
        "genuine": diagnosis.genuine,
        "findings": [finding._asdict() for finding in diagnosis.findings],
    }


def _tell(session: Session, diagnosis: Diagnosis) -> None:
    verdict = "genuine" if diagnosis.genuine else "not genuine"
    style = "green" if diagnosis.genuine else "red"
    session.terminal.line(f"{diagnosis.source}: {diagnosis.provider or 'unknown provider'}: {verdict}", style=style)
    for finding in diagnosis.findings:
        session.terminal.line(f"  {finding.cause}: {finding.message}")
        session.terminal.line(f"  fix: {finding.fix}")
