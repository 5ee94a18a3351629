"""The simple commands of a shell's text, as bash splits it: quotes, substitutions and here-documents are followed, nothing is run.

What of a word the shell would still change is marked: U+E000 and U+E001 are a brace and a dollar sign that were quoted, a
variable stands between U+E002 and U+E003. `shell_words` reads the marks.
https://www.gnu.org/software/bash/manual/bash.html#Shell-Syntax
"""

from __future__ import annotations

from codespar_cli.core.guard.argument_paths import TooMuch

_SIGNS = " \t\r\n;&|()<>'\"\\$`#"
_PARTED = str.maketrans({sign: f"\0{sign}\0" for sign in _SIGNS} | dict.fromkeys("\0\ue000\ue001\ue002\ue003", " "))
_BLANKS = {" ", "\t", "\r"}
_WORD_ENDS = {*_BLANKS, "\n", ";", "&", "|", "(", ")", "<", ">"}
_LITERAL = str.maketrans({"{": "\ue000", "$": "\ue001"})
_NAME_SIGNS = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PARAMETERS = "0123456789@*?!-"
_ARITHMETIC = set("0123456789+-*/%<>=!&|^~?:,_ $()[]" + _NAME_SIGNS)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_DEEPEST = 40
_LONGEST_SUM = 48  # pieces
_MOST = 1 << 14  # words, redirections, substitutions and what stands between commands


class UnsplittableError(ValueError):
    """The text ends within a quote or a substitution, or is nested too deeply: no shell runs it so, or none that we follow."""


class Command:
    """One simple command. `scope`: the subshell that it runs in. `line`: the same for all parts of one pipeline."""

    __slots__ = ("line", "outputs", "scope", "texts", "words")

    def __init__(self, scope: int, line: int) -> None:
        self.words: list[str] = []
        self.outputs: list[str] = []  # where its redirections write
        self.texts: list[str] = []  # its here-documents
        self.scope = scope
        self.line = line


class Script:
    """Its commands, in the order in which they would run; `above[scope]` is the scope that one was opened in.

    Raises UnsplittableError; TooMuch where there are more than can be looked at in the time that a host gives.
    """

    def __init__(self, text: str) -> None:
        self.commands: list[Command] = []
        self.above = [0]
        self._line = 0
        self._left = _MOST
        self._open: list[tuple[str, bool, Command]] = []
        self._pieces = _parted(text)
        self._at = 0
        self._read("", 0, 0)

    # ── inside: commands ──

    def _read(self, closer: str, scope: int, depth: int) -> None:
        """What stands before the closing sign, which is taken too; without one, all."""
        if depth > _DEEPEST:
            raise UnsplittableError("nested too deeply")
        command = Command(scope, self._line)
        cases = 0  # in each of them `)` ends a pattern
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            if piece in _BLANKS or (piece == "\\" and self._peek(1) == "\n"):
                self._at += 1 if piece in _BLANKS else 2
                continue
            self._count()
            if piece in "<>":
                self._redirect(command, scope, depth)
            elif piece == closer or piece in "\n;&|()":
                if piece == "&" and self._peek(1) == ">":
                    self._at += 1
                    continue
                self._keep(command)
                self._at += 1
                cases += _opens_case(command.words) - (cases > 0 and command.words[:1] == ["esac"])
                if piece == closer and not cases:
                    return
                self._between(piece, scope, depth)
                command = Command(scope, self._line)
            elif piece == "#":
                self._at = self._next("\n")
            else:
                command.words.append(self._word(scope, depth))
        if closer:
            raise UnsplittableError(f"no {closer}")
        self._keep(command)

    def _between(self, piece: str, scope: int, depth: int) -> None:
        if piece == "(":
            if not self._skip_sum():
                self._read(")", self._opened(scope), depth + 1)
        elif piece == "\n":
            self._take_documents(scope, depth)
        elif piece == "|" and self._peek(0) == "&":
            self._at += 1
        if depth == 0 and (piece in "\n;&" or (piece == "|" and self._peek(0) == "|")):
            self._line += 1

    def _keep(self, command: Command) -> None:
        if command.words or command.outputs or command.texts:
            self.commands.append(command)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMuch(f"a command of more than {_MOST:,} words")

    def _opened(self, scope: int) -> int:
        self._count()
        self.above.append(scope)
        return len(self.above) - 1

    def _peek(self, ahead: int) -> str:
        return self._pieces[self._at + ahead] if self._at + ahead < len(self._pieces) else ""

    def _next(self, sign: str) -> int:
        try:
            return self._pieces.index(sign, self._at)
        except ValueError:
            return len(self._pieces)

    # ── inside: redirections ──

    def _redirect(self, command: Command, scope: int, depth: int) -> None:
        before = self._pieces[self._at - 1] if self._at else ""
        if before.isdigit() and command.words[-1:] == [before]:
            command.words.pop()  # `2>`
        signs = ""
        while self._peek(0) in ("<", ">") and len(signs) < 3:
            signs += self._peek(0)
            self._at += 1
        if self._peek(0) == "(":
            self._at += 1
            self._read(")", self._opened(scope), depth + 1)
            return
        copies = self._peek(0) == "&"
        if copies or self._peek(0) == "|":
            self._at += 1
        start = self._skip_blanks()
        target = self._word(scope, depth)
        if signs == "<<":
            quoted = any(piece in "'\"\\" for piece in self._pieces[start : self._at])
            self._open.append((target, quoted, command))
        elif signs == "<<<":
            command.texts.append(target)
        elif ">" in signs and not (copies and target.strip("0123456789-") == ""):
            command.outputs.append(target)

    def _skip_blanks(self) -> int:
        while self._peek(0) in _BLANKS:
            self._at += 1
        return self._at

    def _take_documents(self, scope: int, depth: int) -> None:
        opened, self._open = self._open, []
        for delimiter, quoted, command in opened:
            tabs = delimiter.startswith("-")
            lines = []
            while self._at < len(self._pieces):
                end = self._next("\n")
                line = "".join(self._pieces[self._at : end])
                self._at = end + 1
                if (line.lstrip("\t") if tabs else line) == delimiter[tabs:]:
                    break
                lines.append(line)
            text = "\n".join(lines)
            command.texts.append(text)
            if not quoted and ("$(" in text or "`" in text):
                self._read_elsewhere(text.replace('"', "") + '"', scope, depth, quoted=True)

    def _read_elsewhere(self, text: str, scope: int, depth: int, *, quoted: bool = False) -> None:
        kept = self._pieces, self._at, self._open
        self._pieces, self._at, self._open = _parted(text), 0, []
        if quoted:
            self._quote([], scope, depth + 1)
        else:
            self._read("", scope, depth + 1)
        self._pieces, self._at, self._open = kept

    # ── inside: words ──

    def _word(self, scope: int, depth: int) -> str:
        parts: list[str] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            if piece in _WORD_ENDS:
                break
            self._at += 1
            if piece == "'":
                end = self._closing("'")
                parts.append("".join(self._pieces[self._at : end]).translate(_LITERAL))
                self._at = end + 1
            elif piece == '"':
                self._quote(parts, scope, depth)
            elif piece == "\\":
                self._count()
                sign = self._escaped() or piece  # at the very end it is itself
                parts.append("" if sign == "\n" else sign.translate(_LITERAL))
            elif piece == "$":
                self._dollar(parts, scope, depth, quoted=False)
            elif piece == "`":
                self._backtick(scope, depth)
            else:
                parts.append(piece)
        return "".join(parts)

    def _closing(self, sign: str) -> int:
        end = self._next(sign)
        if end == len(self._pieces):
            raise UnsplittableError(f"no {sign}")
        return end

    def _escaped(self) -> str:
        """The sign after a backslash; the rest of its piece stays."""
        piece = self._peek(0)
        self._take(1)
        return piece[:1]

    def _take(self, count: int) -> None:
        """Pass over that many signs of the piece that is next."""
        if rest := self._peek(0)[count:]:
            self._pieces[self._at] = rest
        else:
            self._at += 1

    def _quote(self, parts: list[str], scope: int, depth: int) -> None:
        """What stands before the closing `"`."""
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if piece == '"':
                return
            if piece == "\\":
                sign = self._escaped()
                parts.append("" if sign == "\n" else sign.translate(_LITERAL) if sign in '$`"\\' else f"\\{sign}")
            elif piece == "$":
                self._dollar(parts, scope, depth, quoted=True)
            elif piece == "`":
                self._backtick(scope, depth)
            else:
                parts.append(piece.replace("{", "\ue000"))
        raise UnsplittableError('no "')

    def _backtick(self, scope: int, depth: int) -> None:
        inner: list[str] = []
        while (piece := self._peek(0)) != "`":
            if not piece:
                raise UnsplittableError("no `")
            self._at += 1
            if piece == "\\" and self._peek(0) in {"`", "\\", "$"}:
                piece = self._escaped()
            inner.append(piece)
        self._at += 1
        self._read_elsewhere("".join(inner), self._opened(scope), depth)

    def _dollar(self, parts: list[str], scope: int, depth: int, *, quoted: bool) -> None:
        following = self._peek(0)
        if following == "(":
            self._at += 1
            if not self._skip_sum():
                self._read(")", self._opened(scope), depth + 1)
        elif following == "'" and not quoted:
            self._at += 1
            parts.append(self._ansi())
        elif following == '"' and not quoted:
            pass
        elif following.startswith("{"):
            self._take(1)
            self._brace(parts, scope, depth)
        elif following in {"$", "#"} or following[:1] in _PARAMETERS:
            self._escaped()
        elif name := _leading_name(following):
            self._take(len(name))
            parts.append(f"\ue002{name}\ue003")
        else:
            parts.append("\ue001")

    def _brace(self, parts: list[str], scope: int, depth: int) -> None:
        """`${NAME…}`: the variable, or what it is said to be where it is not set."""
        if depth > _DEEPEST:
            raise UnsplittableError("nested too deeply")
        inner: list[str] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            before, end, _ = piece.partition("}")
            inner.append(before if piece not in "'\"\\$`" else "")
            if end:
                self._take(len(before) + 1)
                break
            self._at += 1
            if piece == "$":
                self._dollar(inner, scope, depth + 1, quoted=True)
            elif piece == "`":
                self._backtick(scope, depth)
        else:
            raise UnsplittableError("no }")
        text = "".join(inner)
        name = _leading_name(text)
        default = text[len(name) :].lstrip(":")
        parts.append(
            f"\ue002{name}\ue003" if default[:1] not in {"-", "=", "+"} else f"\ue002{name}:{default[1:]}\ue003"
        )

    def _ansi(self) -> str:
        found: list[str] = []
        while (piece := self._peek(0)) != "'":
            if not piece:
                raise UnsplittableError("no '")
            self._at += 1
            if piece != "\\":
                found.append(piece)
                continue
            following = self._peek(0)
            digits = following[1:3] if following[:1] == "x" else ""
            octal = following[:3]
            if digits and all(sign in "0123456789abcdefABCDEF" for sign in digits):
                found.append(chr(int(digits, 16)))
                self._take(3)
            elif len(octal) == 3 and all(sign in "01234567" for sign in octal):
                found.append(chr(int(octal, 8)))
                self._take(3)
            else:
                sign = self._escaped()
                found.append(_ESCAPES.get(sign, sign))
        self._at += 1
        return "".join(found).translate(_LITERAL)

    def _skip_sum(self) -> bool:
        """Whether arithmetic came, `((…))`, and was passed over: only a short one without any command in it is."""
        if self._peek(0) != "(":
            return False
        near = "".join(self._pieces[self._at : self._at + _LONGEST_SUM])
        end = near.find("))")
        if end < 0 or not _ARITHMETIC.issuperset(near[:end]) or "$(" in near[:end]:
            return False
        passed = 0
        while passed < end + 2:
            passed += len(self._pieces[self._at])
            self._at += 1
        return True


# ── inside ──


def _parted(text: str) -> list[str]:
    return [piece for piece in text.translate(_PARTED).split("\0") if piece]


def _opens_case(words: list[str]) -> bool:
    return "case" in words[:2] and "in" in words[2:4]


def _leading_name(text: str) -> str:
    name = text[: len(text) - len(text.lstrip(_NAME_SIGNS))]
    return "" if name[:1].isdigit() else name
