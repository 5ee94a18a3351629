"""Globs over a call's arguments that stop at a `/` where they were meant to match anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codespar_cli.plugins.policy.language.patterns import RE2, Pattern, name_pattern
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Approve, Deny, Rule
from codespar_cli.plugins.policy.review.comparing import covers
from codespar_cli.plugins.policy.review.diff_fields import entries_of


def globs_that_stop(policy: Policy) -> Iterator[tuple[Rule, str, str, str]]:
    """Rules that restrict, with a value's path, a glob on it, and the glob that is missing beside it.

    A path names an argument: those hold free text, where a `/` may stand anywhere. Of an allow such a glob only allows
    less.
    """
    for entry in entries_of(policy).values():
        if not isinstance(entry.rule, Deny | Approve):
            continue
        for path, operators in entry.conditions.items():
            texts = sorted(value for _, value in operators.get("glob", ()) if isinstance(value, str))
            globs = [name_pattern(text) for text in texts if path.startswith("args.") and not text.startswith(RE2)]
            for glob in globs:
                missing = _missing(glob, globs)
                if missing is not None:
                    yield entry.rule, path, glob.text, missing


def _missing(glob: Pattern, beside: Sequence[Pattern]) -> str | None:
    first, *_ = segments = glob.text.split("/")
    wanted = []
    if first.startswith("*") and first != "**":
        wanted.append(f"**/{glob.text}")
    if segments[-1].endswith("*") and segments[-1] != "**":
        wanted.append(f"{glob.text}/**")
    for text in wanted:
        if not any(covers(other, name_pattern(text)) for other in beside):
            return text
    return None
