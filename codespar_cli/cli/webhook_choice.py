"""What the `webhook` commands share: who a provider is, which deliveries of the inbox are meant, where a request goes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from codespar_cli.cli.parameters import as_since
from codespar_cli.cli.session import Session
from codespar_cli.core.text import nearest, visible
from codespar_cli.errors import CodesparError, NotFoundError, UsageError

if TYPE_CHECKING:
    from codespar_cli.core.hooks import IntegrationHook
    from codespar_cli.net.exchange import Target
    from codespar_cli.webhooks.inbox.delivery import Filter, Status
    from codespar_cli.webhooks.inbox.inbox_address import InboxAddress
    from codespar_cli.webhooks.inbox.store import InboxStore
    from codespar_cli.webhooks.payload import Payload

MAX_BODY = 64 << 20

LastOption = Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="of the inbox: the newest N")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="received then or later: ISO 8601, or 2h for two hours ago"),
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="received before then, likewise")]
StatusOption = Annotated[
    str | None,
    typer.Option("--status", metavar="STATUS", help="received, dispatched, ignored, failed, dead or suspected_replay"),
]
HeaderOption = Annotated[
    list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="for payloads without it; repeatable")
]
AllowPrivateOption = Annotated[
    bool, typer.Option("--allow-private", help="let the target be on this machine or a private network")
]


class Choice(NamedTuple):
    """The options that choose deliveries of the inbox, as they were typed."""

    ids: tuple[int, ...] = ()
    last: int | None = None
    since: str | None = None
    until: str | None = None
    status: str | None = None
    provider: str | None = None
    event: str | None = None

    @property
    def inbox_only(self) -> str | None:
        """The first option given that can only mean the inbox."""
        given = {
            "--id": self.ids or None,
            "--last": self.last,
            "--since": self.since,
            "--until": self.until,
            "--status": self.status,
        }
        return next((option for option, value in given.items() if value is not None), None)

    def filter(self, session: Session) -> Filter:
        """Raises UsageError for a value that is none. A tenant counts when one was asked for, else all do."""
        from codespar_cli.webhooks.inbox.delivery import Filter

        tenant = session.environ.get("CODESPAR_TENANT") if session.tenant_option is None else session.tenant_option
        return Filter(
            ids=self.ids,
            tenant=tenant or None,
            provider=self.provider,
            event=self.event,
            status=_status(self.status),
            since=as_since(self.since, "--since", session.clock),
            until=as_since(self.until, "--until", session.clock),
            last=self.last,
        )


def _status(word: str | None) -> Status | None:
    from codespar_cli.webhooks.inbox.delivery import STATUSES

    if word is None:
        return None
    for known in STATUSES:
        if known == word:
            return known
    close = nearest(word, STATUSES)
    raise UsageError(
        f"--status: expected one of {', '.join(STATUSES)}, found `{visible(word[:60])}`",
        hint=f"did you mean `{close}`?" if close else "codespar webhook list",
    )


def inbox_address(session: Session) -> InboxAddress:
    """Where this configuration has its inbox; nothing is opened yet. Raises ConfigError, MissingExtra."""
    from codespar_cli.core.loader import services_for
    from codespar_cli.plugins import BUILTINS
    from codespar_cli.webhooks.inbox.inbox_address import InboxAddress

    config = session.config
    services = services_for(config, BUILTINS, clock=session.clock, environ=session.environ)
    return InboxAddress.from_options(config.inbox, services)


@contextmanager
def opened_inbox(session: Session) -> Iterator[InboxStore]:
    """The inbox of this configuration; it is not made by looking at it. Raises ConfigError, MissingExtra."""
    address = inbox_address(session)
    try:
        yield address.store
    finally:
        address.close()


def require_ids(store: InboxStore, ids: Iterable[int]) -> None:
    """Raises NotFoundError for the first that is not there."""
    from codespar_cli.webhooks.inbox.delivery import Filter

    wanted = tuple(dict.fromkeys(ids))
    if not wanted:
        return
    found = {delivery.id for delivery in store.deliveries(Filter(ids=wanted))}
    for number in wanted:
        if number not in found:
            raise NotFoundError(f"the inbox has no delivery {number}", hint="codespar webhook list --last 20")


def sender_of(provider: str | None, payload: Payload, integrations: Mapping[str, IntegrationHook]) -> str:
    """Whose webhook it is: as given, as its record or its headers say, else as its shape tells. Raises UsageError."""
    from codespar_cli.webhooks.recognition import claimed_by, shaped_like

    name = provider or payload.provider or claimed_by(integrations, payload.headers)
    if name is None:
        found = shaped_like(integrations, payload)
        if len(found) != 1:
            raise _unknown_sender(found, integrations)
        return found[0]
    require_known(name, integrations)
    return name


def _unknown_sender(found: Iterable[str], active: Iterable[str]) -> UsageError:
    fits, known = " and ".join(f"`{name}`" for name in found), ", ".join(f"`{name}`" for name in active)
    words = (
        f"it has the shape of {fits}" if fits else f"nothing in it says whose webhook it is, active: {known or 'none'}"
    )
    return UsageError(words, code="unknown_provider", hint=f"--provider {next(iter(found), 'NAME')}")


def payload_in(file: str, session: Session) -> Payload:
    """The delivery in a file or in stdin: a record of one, or its body alone, byte for byte. `raw` is never None.

    Raises NotFoundError, UsageError, CodesparError.
    """
    from codespar_cli.core.webhook_body import decode
    from codespar_cli.webhooks.payload import Payload, payload_of

    raw = body_of(file, session)
    try:
        payload = payload_of(file, decode(raw), raw)
    except ValueError:  # no text: whatever it is, it can be signed
        return Payload(file, raw=raw)
    if payload.raw is None or (payload.trouble is not None and payload.raw != raw):  # a bare body may be anything
        words = payload.error or "the record keeps the body as parsed JSON: the bytes to be signed are gone"
        hint = "record the raw body as text in `body`, or as base64 in `body_b64`"
        raise UsageError(words, file=None if file == "-" else file, hint=hint)
    return payload


def require_known(provider: str, active: Iterable[str]) -> None:
    """Raises UsageError for a provider that is not active."""
    names = list(active)
    if provider in names:
        return
    close = nearest(provider, names)
    listed = ", ".join(f"`{name}`" for name in names) or "none"
    raise UsageError(
        f"`{provider}` is not an active integration, active: {listed}",
        code="unknown_provider",
        hint=f"did you mean `{close}`?" if close else "codespar plugins list",
    )


def headers_of(given: list[str] | None) -> dict[str, str]:
    """Raises UsageError for one that is no NAME:VALUE."""
    headers: dict[str, str] = {}
    for item in given or ():
        name, colon, value = item.partition(":")
        if not colon or not name.strip():
            raise UsageError("--header: expected NAME:VALUE")
        headers[name.strip()] = value.strip()
    return headers


def target_of(url: str, *, allow_private: bool) -> Target:
    """Where `--to` leads, looked at once before anything is sent. Raises UsageError."""
    from codespar_cli.net.addresses import Refused, look_up, vetted
    from codespar_cli.net.exchange import Target

    try:
        target = Target.of(url)
    except ValueError as error:
        raise UsageError(f"--to: {error}", hint="--to https://host.example/path") from None
    try:
        addresses = look_up(target.host, target.port)
    except (OSError, UnicodeError):
        return target  # a name that cannot be resolved is told with each payload: it may be there by then
    try:
        vetted(target.host, target.port, allow_private=allow_private, look=lambda *_: addresses)
    except Refused as error:
        raise UsageError(f"--to: {error}", code="target_refused", hint=_way_out(target, addresses)) from None
    return target


def _way_out(target: Target, addresses: list[str]) -> str:
    """What lets a refused target pass, if anything does."""
    from codespar_cli.net.addresses import Refused, vetted

    try:
        vetted(target.host, target.port, allow_private=True, look=lambda *_: addresses)
    except Refused:
        return "nothing lets that pass; name another host: --to https://host.example/path"
    return "--allow-private lets it be on this machine or a private network"


def body_of(file: str, session: Session) -> bytes:
    """The bytes of a file, or of stdin. Raises NotFoundError, UsageError, CodesparError."""
    try:
        body = session.terminal.read_bytes(MAX_BODY) if file == "-" else _read(Path(file))
    except FileNotFoundError:
        hint = f"ls {shlex.quote(str(Path(file).parent))}"
        raise NotFoundError(f"no such file: `{visible(file)}`", hint=hint) from None
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise CodesparError(f"cannot be read: {words}", file=file, hint=f"ls -ld {shlex.quote(file)}") from None
    if len(body) > MAX_BODY:
        raise UsageError(f"the body is larger than {MAX_BODY >> 20} MiB")
    return body


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_BODY + 1)
