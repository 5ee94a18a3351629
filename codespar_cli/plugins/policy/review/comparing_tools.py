"""What patterns of tools have in common, under all the names that a tool goes by (tool_names.py). Only what is certain.

An allow knows a tool by fewer names than a rule that limits, and some spellings can be read in two ways. Where that makes
a difference nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

from codespar_cli.plugins.policy.language.patterns import RE2, Pattern
from codespar_cli.plugins.policy.language.rule_index import names_a_spelling
from codespar_cli.plugins.policy.language.rules import Allow, Rule
from codespar_cli.plugins.policy.language.tool_names import canonical_name, every_name, names_of
from codespar_cli.plugins.policy.review.comparing import Width, covers, width_of_patterns

_SERVERS_OF_HOSTS = frozenset(canonical_name(name).partition("/")[0] for name in ("Read", "WebFetch"))


def covers_tools(limits: Sequence[Pattern], narrow: Sequence[Pattern]) -> bool:
    """Whether a rule that limits is about every call that a rule of any kind with the patterns `narrow` is about."""
    if not limits or any(pattern.text == "**" for pattern in limits):
        return True
    return bool(narrow) and all(any(_covers(pattern, other) for pattern in limits) for other in narrow)


def width_of_tools(first: Sequence[Pattern], second: Sequence[Pattern]) -> Width:
    """For the patterns of a rule that limits; those of an allow are compared as they are written."""
    if width_of_patterns(first, second) == "same":
        return "same"
    wider, narrower = covers_tools(second, first), covers_tools(first, second)
    if wider and narrower:
        return "same"
    return "wider" if wider else "narrower" if narrower else "unclear"


def are_apart(limits: Sequence[Pattern], allows: Sequence[Pattern]) -> bool:
    """Whether no call at all, under any of its names, is about both."""
    return bool(limits) and bool(allows) and all(_apart(one, other) for one in limits for other in allows)


def is_about(rule: Rule, tool: str) -> bool:
    """Whether a rule is about this tool."""
    if isinstance(rule, Allow):
        return not rule.tools or any(pattern.matches(name) for pattern in rule.tools for name in names_of(tool))
    return not rule.tools or any(_limits(pattern, tool) for pattern in rule.tools)


def has_one_name(pattern: Pattern) -> bool:
    """Whether the canonical name of every call that a limiting rule with this pattern is about matches it as well."""
    server, slash, _ = pattern.prefix.partition("/")
    # `a_b/c` is also `mcp_a_b_c`, which is `a/b_c`; hosts spell their own names in any case.
    return bool(slash) and not (_may_be_alias(pattern) or set(server) & set("_:") or server in _SERVERS_OF_HOSTS)


def _limits(pattern: Pattern, tool: str) -> bool:
    return any(pattern.matches(name) for name in (every_name(tool) if names_a_spelling(pattern) else names_of(tool)))


def _covers(wide: Pattern, narrow: Pattern) -> bool:
    if wide.text == narrow.text:
        return True
    if not narrow.exact:
        return names_a_spelling(wide) and covers(wide, narrow)
    names = every_name(narrow.prefix)
    if len(names) > 1 and not names_a_spelling(wide):
        return False
    # A name that can be read in two ways is matched by calls that go by only one of them.
    unambiguous = len({canonical_name(name) for name in names}) == 1
    return any(wide.matches(name) for name in (names if unambiguous else (narrow.prefix,)))


def _apart(one: Pattern, other: Pattern) -> bool:
    if one.exact and other.exact:
        return not _every_reading(one.prefix) & _every_reading(other.prefix)
    if one.exact or other.exact:
        name, glob = (one, other) if one.exact else (other, one)
        return not (_may_be_alias(glob) or any(map(glob.matches, _every_reading(name.prefix))))
    first, second = _flat(one.prefix), _flat(other.prefix)
    prefixes_agree = first.startswith(second) or second.startswith(first)
    return not (prefixes_agree or _may_be_alias(one) or _may_be_alias(other))


def _every_reading(tool: str) -> set[str]:
    """The names of whatever call goes by this name, or by one that it is spelled like."""
    return {reading for name in every_name(tool) for reading in every_name(name)}


def _flat(prefix: str) -> str:
    # `mcp_a_b_c` may be `a/b_c` or `a_b/c`: what separates server and tool tells nothing apart.
    return prefix.replace("/", "_").replace(":", "_")


def _may_be_alias(glob: Pattern) -> bool:
    """Whether some of a glob's matches may have a name that is spelled otherwise. Below a literal `a/` none has: hosts'
    own names for their tools hold no `/`, and other spellings of `a/b` are compared without their separators."""
    return glob.text.startswith(RE2) or "/" not in glob.prefix or glob.prefix.lower().startswith("mcp")
