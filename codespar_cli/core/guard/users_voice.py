"""Commands of codespar that speak for the user: what is approved, trusted, switched off, given out, or told in a host's name."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = {"codespar", "codespar_cli", "codespar-cli", "-mcodespar_cli"}
_HOOK_MODULES = ("hook_main", "hook_main.py")
_VALUED = {"--config", "--tenant"}
_PLAIN = {"--no-color", "--version", "--yes", "--json"}
_HELP = {"--help", "-h"}
# The command, and which of its sub-commands; of `approvals` and `pins` all but looking.
_VOICE = {
    "trust": None,
    "hook": None,
    "policy": {"record", "release"},
    "plugins": {"enable", "disable"},
    "hosts": {"install", "uninstall"},
    "secrets": {"export", "grant"},
}
_LOOKING = {"list", "show"}
_MOST_SAID = 3


def speaks_for_the_user(words: list[str]) -> bool:
    """Whether one command, whatever runs it, is a codespar command that only its user may give."""
    places = [place for place, word in enumerate(words) if _is_program(word)]
    # Of one behind another the first has said what counts: `codespar codespar` is no command.
    return any(_is_the_users(words, place) for place in places[:_MOST_SAID] + places[-_MOST_SAID:])


# ── inside ──


def _is_program(word: str) -> bool:
    if "codespar" not in word and "hook_main" not in word:
        return False
    name = word.rpartition("/")[2]
    module = name.removeprefix("-m")
    return name in _PROGRAMS or module.startswith("codespar_cli.") or name in _HOOK_MODULES or _is_its_file(word)


def _is_its_file(word: str) -> bool:
    above, _, name = word.rpartition("/")
    return name in {"__main__.py", "app.py", "light.py"} and "codespar_cli" in above


def _is_the_users(words: list[str], place: int) -> bool:
    name = words[place].rpartition("/")[2]
    following = words[place + 1 :]
    if _asks_for_help(following):
        return False
    if name.removesuffix(".py").endswith("hook_main"):
        return True
    if name.endswith((".hook", ".hooks")):
        return True
    # An option that is not known may take the next word, or not: it is read both ways.
    return _is_voice(following, _said(following, valued=False)) or _is_voice(following, _said(following, valued=True))


def _said(words: list[str], *, valued: bool) -> list[str]:
    found: list[str] = []
    for word in _without_options(words, valued=valued):
        found.append(word)
        if len(found) == _MOST_SAID:
            break
    return [*found, "", "", ""][:_MOST_SAID]


def _without_options(words: list[str], *, valued: bool) -> Iterator[str]:
    skips = False
    for word in words:
        if not word or word[0] == "$":  # what a variable or a substitution left of a word that was none
            continue
        if skips:
            skips = False
        elif word in _VALUED:
            skips = True
        elif word.startswith("-") and len(word) > 1:
            skips = valued and "=" not in word and word not in _PLAIN
        else:
            yield word


def _asks_for_help(words: list[str]) -> bool:
    """Where no option before it could take it for its value."""
    before = ""
    for word in words:
        if word == "--":
            return False
        if word in _HELP and not before.startswith("-"):
            return True
        before = word
    return False


def _is_voice(words: list[str], said: list[str]) -> bool:
    command, sub, subsub = said
    if command == "approvals":
        return sub not in _LOOKING and bool(sub)
    if (command, sub) == ("mcp", "pins"):
        return subsub not in _LOOKING and bool(subsub)
    if command == "secrets" and "--reveal" in words:
        return True
    return command in _VOICE and ((subs := _VOICE[command]) is None or sub in subs)
