"""The policy's semantics once more, by another hand: a list of everything that ever happened, added up at every question.

No index, no transactions, no counters, no windows as values: each question looks at the whole past. Slow and plain, so
that it can be checked by reading. Money is a Fraction of the unit, time a datetime, calendar windows a label of the
local date, time windows a set of the week's minutes.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * SECONDS[text[-1]])


def matches(pattern: str, name: str) -> bool:
    if pattern == "**":
        return name != ""
    text = re.escape(pattern).replace(r"\*\*", "DOUBLE").replace(r"\*", "[^/]*")
    if text.endswith("/DOUBLE"):
        text = text.removesuffix("DOUBLE") + "(?:.+)"
    return re.fullmatch(text, name, re.DOTALL) is not None


def minutes_of(spans: list[str]) -> set[int]:
    found = set()
    for span in spans:
        *days, times = span.split(" ")
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in times.split("-"))
        length = (end - start) % 1440 or 1440
        for index, day in enumerate(DAYS):
            if not days or day in days[0].split(","):
                found |= {(index * 1440 + start + step) % (7 * 1440) for step in range(length)}
    return found


class Naive:
    def __init__(self, policy: dict) -> None:
        self.policy = policy
        self.zone = ZoneInfo(policy.get("timezone", "UTC"))
        self.ttl = seconds(policy.get("hold_ttl", "10m"))
        self.spent: list[dict] = []  # one for each rule that counted something
        self.last: datetime | None = None

    # ── the past ──

    def label(self, rule: dict, at: datetime) -> str:
        day = at.astimezone(self.zone).date()
        match rule["window"].split():
            case ["calendar", "day"]:
                return str(day)
            case ["calendar", "week"]:
                return str(day - timedelta(days=day.weekday()))
            case ["calendar", "month"]:
                return str(day)[:7]
        return ""

    def used(self, rule: dict, scope: tuple, now: datetime) -> Fraction:
        total = Fraction(0)
        for event in self.spent:
            if (event["rule"], event["scope"]) != (rule["id"], scope) or event["state"] == "released":
                continue
            if event["state"] == "held" and now >= event["expires"]:
                continue
            if rule["effect"] == "rate":
                window = rule["limit"].split()[-1]
            else:
                window = rule["window"]
                if self.label(rule, event["at"]) != self.label(rule, now):
                    continue
                window = window.split()[1] if window.startswith("rolling") else ""
            if window and now >= event["at"] + seconds(window):
                continue
            total += event["amount"]
        return total

    def tokens_free(self, rule: dict, scope: tuple, now: datetime) -> bool:
        """A bucket, by playing it back: it leaks steadily, and each call fills it by one."""
        rate, burst = rule["limit"].split(" burst ")
        per_second = Fraction(int(rate.split("/")[0]), SECONDS[rate.split("/")[1]])
        level, before = Fraction(0), None
        for event in [*self.spent, None]:
            if event is not None and (event["rule"], event["scope"]) != (rule["id"], scope):
                continue
            at = now if event is None else event["at"]
            if before is not None:
                level = max(
                    Fraction(0), level - Fraction((at - before) // timedelta(microseconds=1), 10**6) * per_second
                )
            if event is None:
                return level + 1 <= int(burst)
            level, before = level + 1, at
        raise AssertionError

    # ── a question ──

    def ask(self, at: datetime, call: dict) -> tuple[bool, str | None, str | None]:
        """(allowed, code, rule), and what an allow takes."""
        self.last = now = at if self.last is None else max(at, self.last)
        about = [rule for rule in sorted(self.policy["rules"], key=lambda rule: rule["id"]) if self.about(rule, call)]
        verdict = self.verdict(about, call, at, now)
        if verdict[0]:
            for rule in about:
                if rule["effect"] in ("budget", "rate"):
                    money = rule["effect"] == "budget"
                    event = {"rule": rule["id"], "scope": self.scope(rule, call), "at": now, "call": call["number"]}
                    event |= {"amount": self.cost(call) if money else Fraction(1), "expires": now + self.ttl}
                    self.spent.append(event | {"state": "held" if money else "spent"})
        return verdict

    def verdict(
        self, about: list[dict], call: dict, at: datetime, now: datetime
    ) -> tuple[bool, str | None, str | None]:
        for effect, code in (("deny", "denied_by_rule"), ("approve", "approval_required")):
            for rule in about:
                if rule["effect"] == effect:
                    return False, code, rule["id"]
        for rule in about:
            if rule["effect"] == "budget":
                cost = self.cost(call)
                if cost is None:
                    return False, "cost_unknown", rule["id"]
                if self.used(rule, self.scope(rule, call), now) + cost > Fraction(rule["limit"]):
                    return False, "budget_exceeded", rule["id"]
        for rule in about:
            if rule["effect"] == "rate":
                scope = self.scope(rule, call)
                if "burst" in rule["limit"]:
                    free = self.tokens_free(rule, scope, now)
                else:
                    free = self.used(rule, scope, now) + 1 <= int(rule["limit"].split()[0])
                if not free:
                    return False, "rate_limited", rule["id"]
        for rule in about:
            if rule["effect"] == "window":
                wall = at.astimezone(self.zone)
                minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
                shut = minute in minutes_of(rule.get("closed", []))
                if shut or (rule.get("open") and minute not in minutes_of(rule["open"])):
                    return False, "outside_window", rule["id"]
        allows = [rule["id"] for rule in about if rule["effect"] == "allow"]
        if allows or self.policy.get("default") == "allow":
            return True, None, allows[0] if allows else None
        return False, "no_rule_allows", None

    def about(self, rule: dict, call: dict) -> bool:
        def any_of(patterns, name):
            return patterns is None or any(matches(pattern, name) for pattern in patterns)

        if not (any_of(rule.get("tools"), call["tool"]) and any_of(rule.get("agents"), call["agent"])):
            return False
        for path, wanted in rule.get("when", {}).items():
            found = self.cost(call) if path == "cost" else call["args"].get(path.removeprefix("args."))
            if found is None:
                return False
            if isinstance(wanted, dict):
                ((operator, bound),) = wanted.items()
                if operator == "not" and found == bound:
                    return False
                if operator == "gt" and not (not isinstance(found, str) and found > bound):
                    return False
            elif found != wanted:
                return False
        return True

    def cost(self, call: dict) -> Fraction | None:
        return None if call["cost"] is None else Fraction(call["cost"])

    def scope(self, rule: dict, call: dict) -> tuple:
        per = rule.get("per", "tenant")
        return tuple((name, call.get(name)) for name in ([per] if isinstance(per, str) else sorted(per)))

    # ── afterwards ──

    def close(self, number: int, cost: str | None, at: datetime) -> None:
        """Settle (or, without a cost, release) what call `number` holds."""
        self.last = at if self.last is None else max(at, self.last)
        for event in self.spent:
            if event["call"] == number and "expires" in event and event["state"] in ("held", "released"):
                if cost is None:
                    event["state"] = "released"
                else:
                    event |= {"state": "settled", "amount": Fraction(cost)}
