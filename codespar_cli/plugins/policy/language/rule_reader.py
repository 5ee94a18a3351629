"""One entry under `rules:` becomes one compiled rule."""

from __future__ import annotations

from codespar_cli.core.clock import MICROSECOND
from codespar_cli.core.light_datetime import timedelta
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.language.fields import Fields, amount_of, text_of
from codespar_cli.plugins.policy.language.money import parse_limit
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Table
from codespar_cli.plugins.policy.language.patterns import LETTERS_AND_DIGITS, Pattern, name_pattern, tool_pattern
from codespar_cli.plugins.policy.language.rules import SCOPES, About, Allow, Approve, Budget, Deny, Rate, Rule, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.plugins.policy.language.schedule import Span
    from codespar_cli.plugins.policy.language.zones import Zone

_ABOUT = ("id", "effect", "tools", "agents", "when", "reason")
_KEYS: dict[str, tuple[str, ...]] = {
    "deny": (),
    "approve": ("quorum", "approvers", "expires", "allow_self"),
    "budget": ("limit", "per", "window"),
    "rate": ("limit", "per"),
    "window": ("open", "closed"),
    "allow": (),
}
EFFECTS = tuple(_KEYS)
_LONGEST_ID = 64
_MOST_APPROVERS = 1000
_EXPIRES = timedelta(minutes=10)


def read_rule(node: Node, number: int, zone: Zone, currency: str) -> Rule:
    """Raises Refused."""
    every = {*_ABOUT, *(key for keys in _KEYS.values() for key in keys)}
    loose = Fields(node, f"rule {number}", every)
    name = loose.parsed("id", _id_of)
    what = f"rule `{name}`"
    effect = Fields(node, what, every).choice("effect", EFFECTS)
    fields = Fields(node, f"{what} ({effect})", (*_ABOUT, *_KEYS[effect]))
    about = _about(fields, name, node)
    match effect:
        case "deny":
            return Deny(about)
        case "allow":
            return Allow(about)
        case "approve":
            return _approve(fields, about)
        case "window":
            return _window(fields, about)
        case "budget":
            from codespar_cli.plugins.policy.language.periods import parse_period

            limit = fields.parsed("limit", lambda item: parse_limit(amount_of(item)))
            period = fields.parsed("window", lambda item: parse_period(text_of(item), zone))
            return Budget(about, limit, _per(fields), period, currency)
        case _:
            from codespar_cli.plugins.policy.language.rates import parse_rate

            text = fields.text("limit")
            return Rate(about, fields.parsed("limit", lambda item: parse_rate(text)), _per(fields), text)


def _about(fields: Fields, name: str, node: Node) -> About:
    when = None
    if "when" in fields:
        from codespar_cli.plugins.policy.language.conditions import compile_when

        when = compile_when(fields.node("when"), fields.what)
    tools = _patterns(fields, "tools")
    agents = _patterns(fields, "agents")
    return About(name, node.line, tools, agents, when, visible(fields.text("reason", "")))


def _patterns(fields: Fields, key: str) -> tuple[Pattern, ...]:
    if key not in fields:
        return ()
    compiled = tool_pattern if key == "tools" else name_pattern
    fields.texts(key)  # refuses empty lists and repetitions
    node = fields.node(key)
    items = node.items if isinstance(node, Listing) else [node]
    return tuple(fields.apply(key, item, lambda each: compiled(text_of(each))) for item in items)


def _approve(fields: Fields, about: About) -> Approve:
    quorum = fields.count("quorum", 1)
    approvers = fields.texts("approvers") if "approvers" in fields else ()
    if approvers and quorum > len(approvers):
        key = "quorum" if "quorum" in fields else "approvers"
        raise fields.refuse(key, f"a quorum of {quorum} cannot be met by {len(approvers)} approvers")
    expires = fields.duration("expires", _EXPIRES) // MICROSECOND
    allow_self = fields.flag("allow_self")
    _check_approvers(fields, about, quorum, approvers, allow_self=allow_self)
    return Approve(about, quorum, approvers, expires, allow_self)


def _check_approvers(
    fields: Fields, about: About, quorum: int, approvers: tuple[str, ...], *, allow_self: bool
) -> None:
    if len(approvers) > _MOST_APPROVERS:
        raise fields.refuse("approvers", f"expected at most {_MOST_APPROVERS}, found {len(approvers)}")
    from codespar_cli.plugins.policy.approvals.approval import folded

    people: dict[str, str] = {}
    for name in approvers:
        earlier = people.setdefault(folded(name), name)
        if earlier is not name:
            raise fields.refuse(
                "approvers", f"`{visible(earlier)}` and `{visible(name)}` are the same person, who has one vote"
            )
    if not approvers or allow_self:
        return
    for agent in [pattern.text for pattern in about.agents if pattern.exact]:
        asking = folded(agent)
        if len(people) - (asking in people) < quorum:
            others = [name for person, name in people.items() if person != asking]
            left = f"only {visible(', '.join(others))}" if others else "none of its approvers"
            raise fields.refuse(
                "approvers",
                f"when `{visible(agent)}` asks, {left} may vote, and a quorum of {quorum} cannot be met",
                "name another approver, or say `allow_self: true`",
            )


def _window(fields: Fields, about: About) -> Window:
    from codespar_cli.plugins.policy.language.schedule import Schedule

    opens, closes = _spans(fields, "open"), _spans(fields, "closed")
    if not opens and not closes:
        fields.node("open")
    return Window(about, Schedule(opens, closes))


def _spans(fields: Fields, key: str) -> tuple[Span, ...]:
    if key not in fields:
        return ()
    from codespar_cli.plugins.policy.language.schedule import parse_span

    node = fields.node(key)
    items = node.items if isinstance(node, Listing) else [node]
    if isinstance(node, Table) or not items:
        raise fields.refuse(key, "expected a list of spans such as `Mon-Fri 08:00-18:00`")
    return tuple(fields.apply(key, item, lambda each: parse_span(text_of(each))) for item in items)


def _per(fields: Fields) -> tuple[str, ...]:
    """The scopes in one order, so that a list means the same however it is written."""
    if "per" not in fields:
        return ("tenant",)
    names = fields.texts("per")
    for name in names:
        if name not in SCOPES:
            listed = ", ".join(f"`{scope}`" for scope in SCOPES)
            raise fields.refuse("per", f"expected {listed} or a list of them, found `{visible(name[:60])}`")
    return tuple(scope for scope in SCOPES if scope in names)


def _id_of(node: Node) -> str:
    text = text_of(node)
    if len(text) > _LONGEST_ID or text[0] in "_.-" or text.strip(LETTERS_AND_DIGITS + "_.-"):
        raise ValueError(f"expected letters, digits and `_.-`, at most 64, found `{visible(text[:60])}`")
    return text
