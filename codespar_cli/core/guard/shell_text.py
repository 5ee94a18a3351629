"""Whether a shell's text changes what governs, as far as the text tells. A tripwire, and no wall: docs/threat-model.md."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.guard.protected_places import ProtectedPlaces

WRITERS = {
    *(
        "cp",
        "tee",
        "sed",
        "dd",
        "install",
        "patch",
        "touch",
        "ln",
        "rsync",
        "scp",
        "truncate",
        "chmod",
        "chown",
        "ed",
        "ex",
    ),
}
REMOVERS = {"rm", "mv", "rmdir", "unlink", "shred", "trash", "trash-put"}

# Without any other sign there is one command, and no path but a bare name.
_QUIET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_=+:,@%'\"")
_QUOTES = str.maketrans("", "", "\"'")
_OURS = ("codespar", "hook_main")


def found_in(text: str, places: ProtectedPlaces) -> str | None:
    """What it would change or say that is not an agent's to: the path as it is written, or what it says. None if nothing is seen.

    Raises TooMuch where it names more than can be looked at.
    """
    if _QUIET.issuperset(text):
        plain = text.translate(_QUOTES)
        words = plain.split()
        if WRITERS.isdisjoint(words) and REMOVERS.isdisjoint(words) and not any(name in plain for name in _OURS):
            return None
    from codespar_cli.core.guard.shell_judge import judged

    return judged(text, places)
