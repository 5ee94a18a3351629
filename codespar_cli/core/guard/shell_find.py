"""What `find` is told: where to look, by which names, and what is done with what it finds. find(1) of GNU and BSD."""

from __future__ import annotations

from codespar_cli.core.guard.shell_programs import name_of

_NAMES = {"-name", "-iname", "-path", "-ipath", "-wholename", "-iwholename"}
_RUNS = {"-exec", "-execdir", "-ok", "-okdir"}
_OUTPUTS = {"-fprint", "-fprint0", "-fprintf", "-fls"}
_NO_START = ("-", "(", "!")
# They widen what is found again, or say it in a way that is not followed here.
_UNREAD = {"-not", "!", "-regex", "-iregex", ","}


class Find:
    """`names` are patterns of which what is found fits one, or is below what does; empty where all may be found."""

    def __init__(self, words: list[str]) -> None:
        at = 1
        while at < len(words) and not words[at].startswith(_NO_START):
            at += 1
        self.starts = words[1:at] or ["."]
        self.names: list[str] = []
        self.outputs: list[str] = []
        self.commands: list[list[str]] = []
        self.removes = False
        self.acts = False
        self._read(words, at)
        if not _UNREAD.isdisjoint(words):
            self.names = []

    def _read(self, words: list[str], at: int) -> None:
        while at < len(words):
            word = words[at]
            if word == "-delete":
                self.removes = True
            elif word in _NAMES:
                self.names += [name_of(one) for one in words[at + 1 : at + 2]]
                at += 1
            elif word in _OUTPUTS:
                self.outputs += words[at + 1 : at + 2]
                at += 1
            elif word in _RUNS:
                end = at + 1
                while end < len(words) and words[end] not in {";", "+"}:
                    end += 1
                self.commands.append(words[at + 1 : end])
                at = end
            at += 1
