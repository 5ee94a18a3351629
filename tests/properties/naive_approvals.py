"""Who has approved what, by another hand: one list of requests, read anew at every question."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from fractions import Fraction

from naive_policy import length


class NaiveApprovals:
    def __init__(self) -> None:
        self.requests: list[dict] = []

    def standing(self, call: dict, cost: Fraction | None, rules: list[dict], now: datetime) -> str:
        request = self.newest(call, cost)
        if self.over(request, now):
            return "approval_required"
        if not all(yes for _, yes in request["votes"]):
            return "approval_invalid"
        return "granted" if all(self.enough(request, rule) for rule in rules) else "approval_required"

    def answered(self, call: dict, cost: Fraction | None, rules: list[dict], now: datetime, answer: tuple) -> None:
        """What an answer does: ask for approval where nobody has, use up what allowed the call."""
        request = self.newest(call, cost)
        if answer[0] and rules:
            request["used"] = True
        elif answer[1] == "approval_required" and (self.over(request, now) or self.done(request)):
            expires = now + min(length(rule.get("expires", "10m")) for rule in rules)
            who = {call["agent"].casefold(), call["context"].get("owner", call["agent"]).casefold()}
            found = {
                "key": key(call, cost),
                "tenant": call["tenant"],
                "rules": rules,
                "votes": [],
                "who": who,
                "expires": expires,
                "used": False,
            }
            self.requests.append(found)

    def in_time(self, call: dict, cost: Fraction | None, at: datetime, answer: tuple) -> tuple:
        """No time would do at which what was approved has expired: a new approval is what is missing then."""
        request, retry = self.newest(call, cost), answer[3]
        if call["standing"] != "granted" or retry is None:
            return answer
        late = at + timedelta(microseconds=int(retry * 10**6)) >= request["expires"]
        return (*answer[:3], None, answer[4]) if late else answer

    def vote(self, index: int, name: str, yes: bool, now: datetime) -> bool:
        """Whether the vote counts."""
        request = self.requests[index]
        closed = self.over(request, now) or not all(vote[1] for vote in request["votes"])
        again = any(voter.casefold() == name.casefold() for voter, _ in request["votes"])
        if (
            closed
            or again
            or (yes and self.done(request))
            or not any(may(request, rule, name) for rule in request["rules"])
        ):
            return False
        request["votes"].append((name, yes))
        return True

    def newest(self, call: dict, cost: Fraction | None) -> dict | None:
        return next((each for each in reversed(self.requests) if each["key"] == key(call, cost)), None)

    def over(self, request: dict | None, now: datetime) -> bool:
        return request is None or request["used"] or now >= request["expires"]

    def done(self, request: dict) -> bool:
        return all(self.enough(request, rule) for rule in request["rules"])

    def enough(self, request: dict, rule: dict) -> bool:
        return sum(yes and may(request, rule, name) for name, yes in request["votes"]) >= rule.get("quorum", 1)


def may(request: dict, rule: dict, name: str) -> bool:
    own = name.casefold() in request["who"] and not rule.get("allow_self", False)
    return not own and name in rule.get("approvers", [name])


def key(call: dict, cost: Fraction | None) -> str:
    return json.dumps([call[name] for name in ("tenant", "agent", "tool", "args", "project", "environment")]) + str(
        cost
    )
