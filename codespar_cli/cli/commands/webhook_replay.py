"""`codespar webhook replay`: payloads of files or of the inbox through the handlers once more."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import webhook as views
from codespar_cli.cli.webhook_choice import (
    AllowPrivateOption,
    Choice,
    HeaderOption,
    LastOption,
    SinceOption,
    StatusOption,
    UntilOption,
    headers_of,
    opened_inbox,
    require_ids,
    require_known,
    target_of,
)
from codespar_cli.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from codespar_cli.webhooks.inbox.store import InboxStore
    from codespar_cli.webhooks.outcome import Outcome
    from codespar_cli.webhooks.payload import Payload
    from codespar_cli.webhooks.replay import Deed


FilesArgument = Annotated[
    list[str] | None, typer.Argument(help="payload files, directories of them, or - for stdin", metavar="FILE...")
]
IdOption = Annotated[list[int] | None, typer.Option("--id", metavar="N", help="of the inbox: this one; repeatable")]
ProviderOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="who sent files that do not say it; of the inbox, only theirs")
]
EventOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="value of the event header, for bare files; of the inbox, a glob of types"),
]
VerifyOption = Annotated[bool, typer.Option("--verify", help="refuse what its provider did not sign")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="say what would be replayed, and run nothing")]
DiffOption = Annotated[bool, typer.Option("--diff", help="compare with what was recorded; exit 1 when it differs")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="URL", help="send the original bytes there, too")]
SignWithOption = Annotated[
    str | None, typer.Option(metavar="REF", help="sign for it anew: secret:KEY, env:NAME or file:PATH")
]
DispatchOption = Annotated[bool, typer.Option("--dispatch", help="of the inbox: let the routes have it again")]


def replay(
    context: typer.Context,
    files: FilesArgument = None,
    ids: IdOption = None,
    last: LastOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    status: StatusOption = None,
    provider: ProviderOption = None,
    event: EventOption = None,
    header: HeaderOption = None,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    to: ToOption = None,
    sign_with: SignWithOption = None,
    allow_private: AllowPrivateOption = False,
    dispatch: DispatchOption = False,
    output: OutputOption = Output.table,
) -> int:
    """Show the events that payloads become.

    They run through the handlers of the active integrations once more, without any other effect unless --to or
    --dispatch asks for one. A FILE holds a bare payload, a record of a delivery ({"headers", "body" or "body_b64",
    "provider"}), a JSON array or one document a line of either; without files an option chooses deliveries of the inbox,
    all tenants' unless --tenant NAME asks for one.
    Exit codes: 5 a signature is not good, 1 a handler failed, a target did not answer 2xx or --diff found a difference,
    6 a file or an id is missing or no integration took any payload.
    """
    from codespar_cli.webhooks.replay import Replay

    session: Session = context.obj
    choice = Choice(tuple(ids or ()), last, since, until, status, provider, event)
    _check(files, choice, to=to, sign_with=sign_with, dispatch=dispatch)
    integrations = session.registry("integrations").integrations
    if provider is not None:
        require_known(provider, integrations)
    with ExitStack() as stack:
        store = None if files else stack.enter_context(opened_inbox(session))
        payloads = _from_files(files or [], session) if store is None else _from_inbox(store, choice, session)
        deed = None
        if to is not None:
            deed = _resend(session, integrations, to, sign_with, allow_private=allow_private)
        elif dispatch and store is not None:
            deed = _dispatch(session, store)
        run = Replay(
            integrations,
            tenant=session.tenant,
            provider=provider,
            event=event if files else None,
            headers=headers_of(header),
            verify=verify,
            diff=diff,
            deed=deed,
            dry=dry_run,
        )
        asked = views.Asked(diff=diff, to=to is not None, dispatch=dispatch, dry=dry_run)
        return _finish(session, run.run(payloads), asked, output, files)


def _finish(
    session: Session, outcomes: Iterator[Outcome], asked: views.Asked, output: Output, files: list[str] | None
) -> int:
    """Show them as they come. Raises the error that all of them come to."""
    from codespar_cli.webhooks.outcome import Tally

    tally = Tally()
    views.show(session.terminal, tally.passing(outcomes), asked, as_json=output is Output.json)
    if output is not Output.json:
        session.terminal.note(views.replay_summary(tally, asked))
    if not tally.total:
        raise _nothing(files)
    failure = tally.failure()
    if failure is not None:
        raise failure
    return 0


def _nothing(files: list[str] | None) -> NotFoundError:
    if not files:
        words, hint = "no delivery of the inbox is like that", "codespar webhook list --last 20"
    else:
        words, hint = "there is no payload to replay", f"ls {shlex.join(files)}"
    return NotFoundError(words, code="not_handled", hint=hint)


def _check(files: list[str] | None, choice: Choice, *, to: str | None, sign_with: str | None, dispatch: bool) -> None:
    """Raises UsageError for options that cannot go together."""
    if files and choice.inbox_only:
        raise UsageError(
            f"{choice.inbox_only}: expected files or deliveries of the inbox, found both",
            hint="leave out the files, or the option",
        )
    if not files and not choice.inbox_only and choice.provider is None and choice.event is None:
        raise UsageError(
            "expected files, or an option that chooses deliveries of the inbox: --id, --last, --since, --until, --status,"
            " --provider or --event",
            hint="codespar webhook replay --last 10",
        )
    if sign_with is not None and to is None:
        raise UsageError("--sign-with: expected --to beside it", hint="--to https://host.example/path")
    if dispatch and to is not None:
        raise UsageError("--dispatch: expected no --to beside it", hint="replay twice, once with each")
    if dispatch and files:
        raise UsageError(
            "--dispatch: expected deliveries of the inbox, found files: routes get what was received",
            hint="codespar webhook replay --id N --dispatch",
        )


def _from_files(files: list[str], session: Session) -> Iterator[Payload]:
    from codespar_cli.webhooks.payload_files import read_payloads

    return read_payloads(files, session.terminal.read_bytes)


def _from_inbox(store: InboxStore, choice: Choice, session: Session) -> Iterator[Payload]:
    from codespar_cli.webhooks.inbox_payloads import inbox_payloads

    wanted = choice.filter(session)
    require_ids(store, choice.ids)
    return inbox_payloads(store.bodies(wanted))


def _resend(
    session: Session, integrations: Mapping[str, Any], url: str, sign_with: str | None, *, allow_private: bool
) -> Deed:
    from codespar_cli.webhooks.resend import Resend

    secret = None if sign_with is None else _secret(session, sign_with)
    target = target_of(url, allow_private=allow_private)
    return Resend(target, integrations, clock=session.clock, secret=secret, allow_private=allow_private)


def _secret(session: Session, reference: str) -> str:
    """Raises UsageError for what is no reference, which is never repeated: it may be the secret itself."""
    from codespar_cli.core.loader import services_for
    from codespar_cli.core.references import EXPECTED, is_reference
    from codespar_cli.plugins import BUILTINS

    if not is_reference(reference):
        raise UsageError(f"--sign-with: expected {EXPECTED}, never a value", hint="codespar secrets set KEY")
    services = services_for(session.config, BUILTINS, clock=session.clock, environ=session.environ)
    return services.require(reference, key="--sign-with")


def _dispatch(session: Session, store: InboxStore) -> Deed:
    from codespar_cli.webhooks.dispatch_again import DispatchAgain
    from codespar_cli.webhooks.routes.route import Route

    routes = [Route.of(table) for table in session.config.routes]
    return DispatchAgain(
        store,
        lambda event, tenant: [route.name for route in routes if route.wants(event, tenant)],
        session.clock,
    )
