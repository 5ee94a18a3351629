"""The files that a patch is about: unified and context diffs, git's headers, and the format of `apply_patch`.

Names are read as GNU patch and `git apply` read them, and both ways where those two differ: a name that one of the
tools would open is named. https://git-scm.com/docs/diff-generate-patch, `fetchname` of GNU patch.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINS = ("*** ", "--- ", "+++ ", "diff --git", "Index: ", "rename ", "copy ")
_NAMING = (
    "*** Add File:",
    "*** Update File:",
    "*** Delete File:",
    "*** Move to:",
    "*** ",
    "+++ ",
    "--- ",
    "rename to ",
    "rename from ",
    "copy to ",
    "copy from ",
    "Index: ",
)
_BLANKS = " \t\r"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_OCTAL = "01234567"


def is_patch(text: str) -> bool:
    """Whether it begins as one, blanks left out."""
    return text.lstrip().startswith(_BEGINS)


def holds_patch(text: str) -> bool:
    """Whether one begins somewhere in it: those who apply patches skip what stands before."""
    return is_patch(text) or any(f"\n{begin}" in text for begin in _BEGINS)


def patched(text: str) -> list[str]:
    """Every name in it, as it stands and without its first directory (`a/`, `b/`), each once."""
    found: dict[str, None] = {}
    for header in _headers(text):
        for name in _names(header):
            found[name] = None
            found[name.partition("/")[2]] = None
    return [name for name in found if name]


# ── inside ──


def _headers(text: str) -> Iterator[str]:
    """The lines that are not the body of a hunk which says how long it is."""
    lines = text.split("\n")  # a name may hold every other line break
    counts = "*** Begin Patch" not in text  # there `@@` is followed by text, and an indented header is one
    old = new = 0
    for place, line in enumerate(lines):
        if old > 0 or new > 0:
            sign = line[:1]
            if sign in {" ", "-", "+", "\\", "", "\r"} and not _begins_file(lines, place):
                old -= sign in {" ", "-", "", "\r"}
                new -= sign in {" ", "+", "", "\r"}
                continue
            old = new = 0
        if counts and line.startswith("@@ -"):
            old, new = _lengths(line)
        else:
            yield line.lstrip()


def _begins_file(lines: list[str], place: int) -> bool:
    """`---`, `+++`, `@@` one after the other: a next file, for a reader that does not count."""
    at = place - lines[place].startswith("+++ ")
    three = lines[max(at, 0) : at + 3]
    starts = ("--- ", "+++ ", "@@ -")
    return len(three) == 3 and all(line.startswith(start) for line, start in zip(three, starts, strict=True))


def _lengths(line: str) -> tuple[int, int]:
    """How many old and new lines follow `@@ -1,2 +3,4 @@`; none where it cannot be read."""
    words = line.split()
    if len(words) < 3 or not words[2].startswith("+"):
        return 0, 0
    counts = [word[1:].partition(",")[2] or "1" for word in words[1:3]]
    if not all(count.isdecimal() and len(count) < 10 for count in counts):
        return 0, 0
    return int(counts[0]), int(counts[1])


def _names(header: str) -> list[str]:
    if header.startswith("diff --git "):
        rest = header[len("diff --git ") :].rstrip(_BLANKS)
        halves = [rest[: len(rest) // 2], rest[len(rest) // 2 + 1 :]]  # one name twice, whatever blanks it holds
        return [*_quoted(rest), *(halves if '"' not in rest else []), *rest.split()]
    start = next((start for start in _NAMING if header.startswith(start)), None)
    if start is None:
        return []
    name = header[len(start) :]
    if name.lstrip(_BLANKS).startswith('"'):
        return [*_quoted(name), name.strip(_BLANKS).strip('"')]
    name = name.partition("\t")[0]
    # Without a tab a time stamp follows a blank, and so may a part of the name.
    return [name.strip(_BLANKS), *name.split()[:1]]


def _quoted(text: str) -> list[str]:
    """What stands in C's quotes. The bytes of octal escapes are UTF-8."""
    names: list[str] = []
    place = text.find('"')
    while place >= 0:
        raw = bytearray()
        place += 1
        while place < len(text) and text[place] != '"':
            taken, place = _letter(text, place)
            raw += taken
        names.append(raw.decode("utf-8", "surrogateescape"))
        place = text.find('"', place + 1)
    return names


def _letter(text: str, place: int) -> tuple[bytes, int]:
    if text[place] != "\\":
        return text[place].encode("utf-8", "surrogatepass"), place + 1
    digits = text[place + 1 : place + 4]
    if len(digits) == 3 and all(digit in _OCTAL for digit in digits):
        return bytes((int(digits, 8) & 255,)), place + 4
    letter = text[place + 1 : place + 2]
    return _ESCAPES.get(letter, letter).encode("utf-8", "surrogatepass"), place + 2
