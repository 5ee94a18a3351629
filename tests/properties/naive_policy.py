"""The policy's semantics once more, by another hand: a list of what ever happened, added up anew at every question.

No index, no counters, nothing of the engine: slow and plain, to be checked by reading. Money is a Fraction, a calendar
window a label of the local date, a time window a question put to each quarter of an hour. Who has approved what is told
by naive_approvals.py, what tools are called by naive_names.py.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from operator import ge, gt, le, lt
from zoneinfo import ZoneInfo

from naive_names import counted, names, priced

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
EFFECTS = ["deny", "approve", "budget", "rate", "window", "allow"]
SECONDS, ORDER = {"s": 1, "m": 60, "h": 3600, "d": 86400}, {"gt": gt, "gte": ge, "lt": lt, "lte": le}
TICK, QUARTER, FOREVER = timedelta(microseconds=1), timedelta(minutes=15), datetime.max.replace(tzinfo=UTC)


def length(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * SECONDS[text[-1]])


@cache
def matches(pattern: str, name: str) -> bool:
    def fit(parts: list[str], names: list[str]) -> bool:
        if parts in ([], ["**"]):
            return bool(parts) == bool(names)
        if parts[0] == "**":
            return any(fit(parts[1:], names[skip:]) for skip in range(len(names) + 1))
        text = "[^/]*".join(map(re.escape, parts[0].split("*")))
        return bool(names) and re.fullmatch(text, names[0]) is not None and fit(parts[1:], names[1:])

    return fit(pattern.split("/"), name.split("/"))


@cache
def covers(span: str, wall: datetime) -> bool:  # it began today or yesterday, and has not ended
    words = span.split(" ")
    start, end = words.pop().split("-") if ":" in words[-1] else ("00:00", "24:00")
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (start, end))
    for back in (0, 1):
        day, minute = wall.date() - timedelta(days=back), wall.hour * 60 + wall.minute + 1440 * back
        dated = bool(words) and words[0][:10] <= day.isoformat() <= words[0][-10:]
        begins = not words or dated or DAYS[day.weekday()] in words[0].split(",")
        if begins and first <= minute < (last if first < last else last + 1440):
            return True
    return False


def number(value: object) -> Fraction | None:
    return None if value is None or isinstance(value, bool | str | dict | list) else Fraction(str(value))


def test(found: object, operator: str, wanted: object) -> bool:
    if operator == "not" or isinstance(wanted, list):
        each = wanted if isinstance(wanted, list) else [wanted]
        return any(test(found, "is", one) for one in each) == (operator == "is")
    found, wanted = (value if isinstance(value, bool | str) else number(value) for value in (found, wanted))
    if operator == "is" or type(found) is not type(wanted) or isinstance(found, bool):
        return operator == "is" and type(found) is type(wanted) and found == wanted
    return matches(wanted, found) if operator == "glob" else ORDER[operator](found, wanted)


class Naive:
    def __init__(self, policy: dict) -> None:
        self.policy, self.zone = policy, ZoneInfo(policy.get("timezone", "UTC"))
        self.rules = sorted(policy["rules"], key=lambda rule: rule["id"])
        self.ttl, self.costs = length(policy["hold_ttl"]), policy.get("costs", {})
        self.spent: list[dict] = []  # one for each rule that counted something
        self.last = datetime.min.replace(tzinfo=UTC)

    def about(self, rule: dict, call: dict) -> bool:
        canonical, every = names(call["tool"])
        limits, few = rule["effect"] != "allow", {call["tool"], canonical}
        spelled = {
            text: every if limits and (text[0] != "*" or "__" in text) else few for text in rule.get("tools", ["**"])
        }
        if not any(matches(text, name) for text in spelled for name in spelled[text]):
            return False
        if not any(matches(text, call["agent"]) for text in rule.get("agents", ["**"])):
            return False
        for path, wanted in rule.get("when", {}).items():
            found = {**call, "cost": self.cost(call)}
            for name in path.split("."):
                found = found.get(name) if isinstance(found, dict) else None
            tests = (wanted if isinstance(wanted, dict) else {"is": wanted}).items()
            tests = [(each, Fraction(bound) if path == "cost" else bound) for each, bound in tests]
            if found is None or not all(test(found, *each) for each in tests):
                return False
        return True

    def cost(self, call: dict) -> Fraction | None:
        if call["cost"] is not None:
            return Fraction(call["cost"])
        fits = ([text for text in self.costs if matches(text, name)] for name in priced(call["tool"]))
        best = (max(each, key=lambda t: (len(t.partition("*")[0]), "*" not in t, t)) for each in fits if each)
        return max((Fraction(self.costs[text]) for text in best), default=None)

    def scope(self, rule: dict, call: dict) -> tuple:
        per, who = rule.get("per", []), {**call, "tool": counted(call["tool"])}
        return (call["tenant"], *((name, who[name]) for name in sorted([per] if isinstance(per, str) else per)))

    def label(self, rule: dict, at: datetime) -> date | None:
        day = at.astimezone(self.zone).date()
        first = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
        return first.get(rule.get("window", "").rpartition(" ")[2])

    def until(self, rule: dict, event: dict) -> datetime:  # by time alone, calendars apart
        window = (rule["limit"] if rule["effect"] == "rate" else rule["window"]).split()
        ends = [event["at"] + length(window[-1])] if window[-2:-1] in (["per"], ["rolling"]) else []
        return min([*ends, *([event["expires"]] if event["state"] == "held" else [])], default=FOREVER)

    def events(self, rule: dict, scope: tuple) -> list[dict]:
        return [each for each in self.spent if (each["rule"], each["scope"]) == (rule["id"], scope) and each["state"]]

    def used(self, rule: dict, scope: tuple, now: datetime) -> Fraction:
        found = [event for event in self.events(rule, scope) if now < self.until(rule, event)]
        same = [each for each in found if self.label(rule, each["at"]) == self.label(rule, now)]
        return sum((event["amount"] for event in same), Fraction(0))

    def passes_at(self, rule: dict, call: dict, now: datetime) -> datetime | None:
        """The least moment from `now` on at which a counter passes, if nothing else happens."""
        scope = self.scope(rule, call)
        if "burst" in rule["limit"]:  # played back: it leaks steadily, and each call fills it by one
            (count, unit), level, before = rule["limit"].split()[0].split("/"), Fraction(0), FOREVER
            for at in [*(event["at"] for event in self.events(rule, scope)), now]:
                leaked = Fraction(max(at - before, 0 * TICK) // TICK * int(count), 10**6 * SECONDS[unit])
                level, before = max(Fraction(0), level - leaked) + 1, at
            missing = max(Fraction(0), level - int(rule["limit"].split()[-1]))
            return now + math.ceil(missing * 10**6 * SECONDS[unit] / int(count)) * TICK
        moments, amount = [now, *(self.until(rule, event) for event in self.events(rule, scope))], Fraction(1)
        if rule["effect"] == "budget":
            amount, low, high = self.cost(call), now, now + timedelta(days=33)
            while self.label(rule, high) != self.label(rule, now) and high - low > TICK:
                middle = low + (high - low) // 2
                low, high = (middle, high) if self.label(rule, middle) == self.label(rule, now) else (low, middle)
            moments.append(high)
        room = Fraction(rule["limit"].split()[0]) - amount
        return next((at for at in sorted(moments) if now <= at < FOREVER and self.used(rule, scope, at) <= room), None)

    def ask(self, at: datetime, call: dict) -> tuple:
        """(allowed, code, rule, seconds until it would pass or None, never), and what an allow takes."""
        now = self.last = max(at, self.last)
        rules = [rule for rule in self.rules if self.about(rule, call)]
        by = {effect: [rule for rule in rules if rule["effect"] == effect] for effect in EFFECTS}
        failures = [("denied_by_rule", rule["id"]) for rule in by["deny"]]
        if by["approve"] and call["standing"] != "granted":
            failures.append((call["standing"], by["approve"][0]["id"]))
        lasting, start = bool(failures), at
        for rule in by["budget"] + by["rate"]:
            if rule["effect"] == "budget" and self.cost(call) is None:
                failures.append(("cost_unknown", rule["id"]))
                lasting = True
            elif (passes := self.passes_at(rule, call, now)) != now:
                failures.append(("budget_exceeded" if rule["effect"] == "budget" else "rate_limited", rule["id"]))
                start = max(start, passes or FOREVER)
        failures += [("outside_window", rule["id"]) for rule in by["window"] if not self.open(rule, at)]
        allows = [rule["id"] for rule in by["allow"]] or [None] * (self.policy.get("default") == "allow")
        if failures := failures + ([] if allows else [("no_rule_allows", None)]):
            lasting = lasting or not allows
            return False, *failures[0], *((None, False) if lasting else self.wait(by["window"], at, start))
        for rule in by["budget"] + by["rate"]:
            self.note(rule, call, "held" if rule["effect"] == "budget" else "spent")
        return True, None, allows[0], None, False

    def note(self, rule: dict, call: dict, state: str) -> None:
        amount = self.cost(call) if rule["effect"] == "budget" else Fraction(1)
        event = {"rule": rule["id"], "scope": self.scope(rule, call), "at": self.last, "call": call["number"]}
        self.spent.append(event | {"amount": amount, "state": state, "expires": self.last + self.ttl})

    def open(self, rule: dict, at: datetime) -> bool:
        wall = at.astimezone(self.zone).replace(second=0, microsecond=0, tzinfo=None)
        opens, closed = (any(covers(span, wall) for span in rule.get(key, [])) for key in ("open", "closed"))
        return (opens or not rule.get("open")) and not closed

    def wait(self, windows: list[dict], at: datetime, start: datetime) -> tuple:
        quarter = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
        for step in range(24 * 4 * 24 if start < FOREVER else 0):
            moment = max(start, quarter + QUARTER * step)
            if all(self.open(rule, moment) for rule in windows):
                return Fraction((moment - at) // TICK, 10**6), False
        return None, True

    def close(self, number: int, cost: Fraction | None, at: datetime) -> None:
        """Settle (or, without a cost, release) what call `number` holds; once."""
        self.last = max(at, self.last)
        for event in self.spent:
            if event["call"] == number and event["state"] in ("held", ""):
                event |= {"state": "settled", "amount": cost} if cost is not None else {"state": ""}

    def count(self, call: dict, at: datetime) -> None:
        self.last = max(at, self.last)
        for rule in self.rules:
            if rule["effect"] == "budget" and self.about(rule, call):
                self.note(rule, call | {"number": None}, "settled")
