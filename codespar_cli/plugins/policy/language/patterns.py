"""Which names a rule is about: globs, and `re2:` expressions where google-re2 is installed. Never the backtracking `re`."""

from __future__ import annotations

from codespar_cli.core.globs import Matcher, compile_glob, literal_prefix
from codespar_cli.core.text import visible
from codespar_cli.errors import MissingExtra, UsageError

RE2 = "re2:"
# Stripping a text of these leaves nothing exactly when it holds nothing else: no expression has to be compiled for it.
LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TOOL_CHARACTERS = LETTERS_AND_DIGITS + "_.:/@-"
_LONGEST = 256
# What RE2 may take for one expression, compiled and at work. Its own default is four times that.
_MEMORY = 2 * 1024 * 1024


class TooLong(UsageError):
    """A text in the call is longer than a glob judges."""

    code = "invalid_request"


class Pattern:
    """`prefix` is what every match begins with; `exact` says that only the prefix itself matches."""

    __slots__ = ("exact", "matches", "prefix", "text")

    def __init__(self, text: str, matches: Matcher, prefix: str, exact: bool) -> None:
        self.text = text
        self.matches = matches
        self.prefix = prefix
        self.exact = exact


def tool_pattern(text: str) -> Pattern:
    """Raises ValueError for a glob that no tool's name can match, MissingExtra for `re2:` without google-re2."""
    if not text.startswith(RE2) and (len(text) > _LONGEST or text.strip(TOOL_CHARACTERS + "*")):
        raise ValueError(
            f"no tool can be named like `{text[:80]}`: names are letters, digits and `_.:/@-`, patterns add `*` and `**`"
        )
    return name_pattern(text)


def name_pattern(text: str) -> Pattern:
    """A pattern over any names, such as agents. Raises as `tool_pattern`."""
    if text.startswith(RE2):
        return Pattern(text, _expression(text.removeprefix(RE2)), "", exact=False)
    if any("**" in segment and segment != "**" for segment in text.split("/")):
        raise ValueError(f"`**` stands for whole segments and must stand alone between `/`, found `{text[:80]}`")
    return Pattern(text, compile_glob(text), literal_prefix(text), exact="*" not in text)


def _expression(text: str) -> Matcher:
    try:
        import re2  # type: ignore[import-untyped]  # an extra
    except ImportError:
        raise MissingExtra("a `re2:` pattern", "re2") from None
    if not text:
        raise ValueError("expected an RE2 expression after `re2:`, found nothing")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        fullmatch = re2.compile(text, options=options).fullmatch
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(f"`{visible(text[:80])}` is not an RE2 expression: {_words(error)}") from None

    def match(name: str) -> bool:
        try:
            return fullmatch(name) is not None
        except UnicodeEncodeError:
            # Half of a surrogate pair is one character that nothing spells; it must not hide the rest of the text.
            return fullmatch(name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")) is not None

    return match


def _words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a surrogate pair"
    words = error.args[0] if error.args else b""
    return visible(words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))[:160]
