"""What `codespar policy check` does, apart from how its command line is read."""

from __future__ import annotations

from typing import Any, NamedTuple

from codespar_cli.cli.session import Session
from codespar_cli.core import strict_json
from codespar_cli.core.clock import parse_moment
from codespar_cli.core.decision_document import decision_document
from codespar_cli.core.hooks import CallContext, PolicyDecision, ToolCall
from codespar_cli.errors import UsageError

ALLOWED, DENIED, APPROVAL = 0, 3, 4
_LARGEST_FILE = 4 * 1024 * 1024


class Options(NamedTuple):
    """As the command line gives them; the defaults are the command's."""

    tool: str
    agent: str = "cli"
    cost: str | None = None
    project: str | None = None
    session_id: str | None = None
    environment: str | None = None
    args: str | None = None
    attributes: str | None = None
    approval: str | None = None
    at: str | None = None
    explain: bool = False
    reserve: bool = False
    output: str = "table"


def run(session: Session, options: Options) -> int:
    """Evaluate one call and show the answer. Raises UsageError for JSON or a time that cannot be read."""
    from codespar_cli.cli.lost_configuration import lost_warning

    # One moment for the whole run: what is shown as "passes at" is counted from when the policy was asked.
    moment = _moment(options.at) or session.clock()
    if options.reserve and moment > session.clock():
        raise UsageError(
            "--at: a reservation cannot be made in the future: it would move the store's clock there for good",
            hint="leave out --reserve, or play the calls with codespar policy test",
        )
    session.clock = lambda: moment
    context = CallContext(
        tenant=session.tenant,
        project=options.project,
        session=options.session_id,
        args=_as_object(session, options.args, "--args"),
        approval_id=options.approval,
        environment=options.environment,
        attributes=_as_object(session, options.attributes, "--context") or {},
    )
    call = ToolCall(options.agent, options.tool, options.cost, context)
    gate = session.gate("policy")
    if (lost := lost_warning(session)) is not None:
        session.terminal.note(lost, style="yellow")
    elif gate.registry.policy is None:
        session.terminal.note("no policy is active: every call is allowed")
    elif not options.reserve and not callable(getattr(gate.registry.policy, "preview", None)):
        session.terminal.note("this backend has no preview: it was asked as for a real call")
    decision = gate.check(call) if options.reserve else gate.preview(call)
    _show(session, decision, options)
    if decision.allowed:
        return ALLOWED
    return APPROVAL if decision.requires_approval else DENIED


def _show(session: Session, decision: PolicyDecision, options: Options) -> None:
    from codespar_cli.cli.views import policy as view

    if options.output == "json":
        session.terminal.json(decision_document(decision))
        return
    for line, style in view.decision_lines(decision, session.clock()):
        session.terminal.line(line, style=style)
    if options.explain:
        session.terminal.line()
        session.terminal.table(view.EXPLAINED, view.trace_rows(decision))
    if step := view.next_step(decision):
        session.terminal.note(f"hint: {step}")


def _moment(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return parse_moment(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--at: expected a time such as 2026-11-23T09:00:00Z, found `{text}`") from None


def _as_object(session: Session, text: str | None, option: str) -> dict[str, Any] | None:
    """JSON from the command line, a file (`@args.json`) or stdin (`@-`)."""
    if text is None:
        return None
    try:
        value = strict_json.loads(_content(session, text, option))
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{option}: expected a JSON object such as '{{\"force\": true}}'")
    return value


def _content(session: Session, text: str, option: str) -> str | bytes:
    if not text.startswith("@"):
        return text
    try:
        if text == "@-":
            data = session.terminal.read_bytes(_LARGEST_FILE)
        else:
            with open(text[1:], "rb") as file:  # noqa: PTH123  pathlib is not needed otherwise
                data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{option}: `{text[1:]}` cannot be read: {words.lower()}") from None
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"{option}: larger than {_LARGEST_FILE // 1024 // 1024} MiB")
    return data
