"""Cases for the policy engine, each from one number: a policy, a moment to begin at, and what happens then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple


class Case(NamedTuple):
    policy: dict[str, Any]
    start: datetime
    history: list[tuple[timedelta, tuple]]


TOOLS = [
    "a/x", "a/x", "a/y", "a/b/x", "c", "mcp__a__x", "mcp_a_b_x", "MCP:a:y", "Bash", "run_shell_command", "Read",
    "a_b/x", "Mcp:a_b:x", "MCP__a__x", "mcp__a__b__x", "BASH", "Run_Shell_Command",
]  # fmt: skip
PATTERNS = [
    "a/x", "a/*", "a/**", "**", "c", "*", "a/**/x", "**/x", "*/b/**", "*x", "mcp__a__*", "mcp_a_b/x", "a_b/x", "Bash",
    "shell", "read_file", "fs/**", "*__a__x", "r*",
]  # fmt: skip
AGENTS = ["bot", "bot", "team/one", "team/two"]
# Each zone with a night or a day that is not like others.
STARTS = {
    "UTC": [(2026, 11, 30, 20), (2026, 12, 31, 23), (2028, 2, 28, 12)],
    "America/Sao_Paulo": [(2018, 11, 3, 23), (2018, 2, 17, 20)],
    "America/New_York": [(2026, 3, 8, 3), (2026, 11, 1, 3)],
    "America/Santiago": [(2026, 9, 5, 22), (2026, 4, 4, 22)],
    "Africa/Cairo": [(2026, 4, 23, 18), (2026, 10, 29, 18)],
    "Pacific/Apia": [(2011, 12, 29, 18), (2011, 12, 30, 6)],
    "Europe/Lisbon": [(2026, 3, 28, 22), (2026, 10, 24, 22)],
    "Asia/Kathmandu": [(2026, 5, 31, 16)],
    "Australia/Lord_Howe": [(2026, 4, 4, 10), (2026, 10, 3, 10)],
}
AMOUNTS = ["0", "0.5", "1", "2.25", "3", "7", "0.000001"]
WHENS = [
    {"args.n": 1}, {"args.n": {"not": 1}}, {"args.n": {"gt": 1}}, {"args.n": {"gte": 1, "lt": 2}}, {"args.s": "x"},
    {"args.s": {"glob": "a/**/b"}}, {"args.s": {"not": ["x", "y"]}}, {"args.n": [1, "x"]}, {"args.deep.er": True},
    {"cost": {"gt": 2}}, {"cost": {"lte": "2.25"}}, {"environment": "prod"}, {"environment": {"not": ["dev"]}},
    {"context.level": {"lt": 4}}, {"context.team": {"glob": "pay*"}}, {"args.n": {"gt": 0}, "environment": "prod"},
]  # fmt: skip
ARGS = [{}, {}, {"n": 1}, {"n": 2}, {"n": 1.5}, {"n": True}, {"n": "x", "s": "x"}, {"s": "a/z/b"}, {"s": "a/b"}, {"deep": {"er": True}}]  # fmt: skip
CONTEXTS = [{}, {}, {"level": 3}, {"level": 4, "team": "payments"}, {"owner": "Ann"}]
SPANS = [
    "Mon,Tue,Sun 08:00-18:00", "22:00-06:00", "Sat,Sun 20:00-03:30", "00:00-12:00", "02:30-04:00", "Fri 00:30-24:00",
    "23:30-00:30",
]  # fmt: skip
PERIODS = ["calendar day", "calendar week", "calendar month", "rolling 90m", "rolling 3h", "total"]
LIMITS = ["1 per 1h", "3 per 90m", "2/h burst 2", "1/m burst 1", "5/d burst 3"]
SCOPES = ["agent", "project", "tool", "tenant", ["agent", "project"], ["tool", "tenant"]]
EVERY_EFFECT = ["budget"] * 5 + ["rate"] * 4 + ["window"] * 3 + ["deny", "approve", "approve", "allow"]
IN_TIME = ["budget", "budget", "rate", "rate", "window"]
VOTERS = ["ann", "ANN", "bob", "cat", "bot"]
# Among them the lengths of every window and hold, so that histories meet each edge exactly.
WAITS = [timedelta()] * 8 + [
    timedelta(microseconds=1),
    timedelta(microseconds=-1),
    *(timedelta(minutes=m) for m in (1, 1, 10, 20, 30, 60, 90, 120, 180, 700, 1440, -45, -1440)),
]


def case(seed: int, *, timed: bool | None = None, longest: int = 14) -> Case:
    """`timed`: only rules that time can satisfy, about every call."""
    draw = Random(seed)
    # Few different calls in one history, so that they meet: the same budgets, the same requests.
    few = [call(draw) for _ in range(draw.choice([1, 2, 3, 8]))]
    zone = draw.choice(list(STARTS))
    start = datetime(*draw.choice(STARTS[zone]), tzinfo=UTC) + timedelta(minutes=draw.choice([0, 0, 59, 137]))
    policy = _policy(draw, zone, start, timed=draw.random() < 0.4 if timed is None else timed)
    return Case(policy, start, [(draw.choice(WAITS), _act(draw, few)) for _ in range(draw.randint(3, longest))])


def call(draw: Random) -> dict[str, Any]:
    return {
        "tool": draw.choice(TOOLS),
        "agent": draw.choice(AGENTS),
        "tenant": draw.choice(["default", "default", "default", "acme"]),
        "project": draw.choice([None, None, "p"]),
        "cost": draw.choice([*AMOUNTS, *AMOUNTS, None]),
        "args": draw.choice(ARGS),
        "environment": draw.choice([None, "prod", "dev"]),
        "context": draw.choice(CONTEXTS),
    }


def _act(draw: Random, few: list[dict[str, Any]]) -> tuple:
    kind = draw.choices(["call", "settle", "release", "usage", "vote", "again"], [14, 3, 1, 1, 5, 0.5])[0]
    if kind == "vote":
        return kind, draw.randrange(20), draw.choice(VOTERS), draw.random() < 0.7
    if kind in ("call", "usage"):
        return kind, draw.choice(few), draw.choice([1, 1, 1, 3])
    return kind, draw.randrange(20), draw.choice([*AMOUNTS, None])


def _policy(draw: Random, zone: str, start: datetime, *, timed: bool) -> dict[str, Any]:
    effects = IN_TIME if timed else EVERY_EFFECT
    rules = [_rule(draw, number, draw.choice(effects), start, timed=timed) for number in range(draw.randint(1, 4))]
    if timed or draw.random() < 0.9:
        rules.append({"id": "m-all", "effect": "allow"})
    policy = {"timezone": zone, "hold_ttl": draw.choice(["1m", "2h", "1d"]), "rules": rules}
    if draw.random() < 0.3:
        policy["default"] = draw.choice(["allow", "deny"])
    if draw.random() < 0.4:
        policy["costs"] = {pattern: draw.choice(AMOUNTS) for pattern in draw.sample(PATTERNS, 3)}
    return policy


def _rule(draw: Random, number: int, effect: str, start: datetime, *, timed: bool) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": f"{draw.choice('abcxyz')}{number}", "effect": effect}
    if not timed and (draw.random() < 0.35 or effect == "deny"):
        rule["tools"] = draw.sample(PATTERNS, draw.randint(1, 2))
    if not timed and draw.random() < 0.15:
        rule["agents"] = [draw.choice(["bot", "team/*", "**"])]
    if not timed and (draw.random() < 0.2 or effect == "deny"):
        rule["when"] = draw.choice(WHENS)
    if effect in ("budget", "rate") and draw.random() < 0.8:
        rule["per"] = draw.choice(SCOPES)
    if effect == "budget":
        rule |= {"limit": draw.choice(["1", "5", "7.5", "12"]), "window": draw.choice(PERIODS)}
    elif effect == "rate":
        rule["limit"] = draw.choice(LIMITS)
    elif effect == "window":
        for key in draw.choice([["open"], ["open"], ["closed"], ["open", "closed"]]):
            rule[key] = [_span(draw, start) for _ in range(draw.randint(1, 2))]
    elif effect == "approve":
        rule["expires"] = draw.choice(["1m", "90m", "1d"])
        rule["allow_self"] = draw.random() < 0.3
        if draw.random() < 0.6:
            rule["approvers"] = ["ann", "bob", "cat", "bot"]
        rule["quorum"] = draw.choice([1, 1, 2])
    return rule


def _span(draw: Random, start: datetime) -> str:
    if draw.random() < 0.75:
        return draw.choice(SPANS)
    first = start.date() + timedelta(days=draw.randint(-2, 8))
    last = first + timedelta(days=draw.randint(0, 3))
    return draw.choice([f"{first}", f"{first}..{last}", f"{first} 22:00-02:00", f"{first}..{last} 08:00-18:00"])
