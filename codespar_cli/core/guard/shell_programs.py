"""What well-known programs do with the words they are given: look, write, delete, or run the rest."""

from __future__ import annotations

from codespar_cli.core.guard.shell_text import REMOVERS, WRITERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

READERS = {
    *(
        "cat",
        "less",
        "more",
        "head",
        "tail",
        "tac",
        "nl",
        "ls",
        "stat",
        "wc",
        "file",
        "du",
        "tree",
        "readlink",
        "realpath",
    ),
    *(
        "grep",
        "egrep",
        "fgrep",
        "zgrep",
        "rg",
        "diff",
        "cmp",
        "comm",
        "jq",
        "yq",
        "cut",
        "sort",
        "uniq",
        "md5sum",
        "sha256sum",
    ),
    *(
        "sed",
        "awk",
        "gawk",
        "mawk",
        "bat",
        "xxd",
        "od",
        "strings",
        "column",
        "basename",
        "dirname",
        "which",
        "type",
        "man",
        "fd",
    ),
    *("test", "[", "[[", "echo", "printf", "true", "false", ":", "source", "."),
}
# With these a reader writes or runs something: a word that begins so.
_NOT_READING = {
    "sed": ("--i",),
    "rg": ("--pre", "--hostname-bin"),
    "file": ("-C", "--compile"),
    "yq": ("-i", "--in"),
    "fd": ("-x", "-X", "--exec"),
    "sort": ("--compress-program",),
    "less": ("+",),
    "man": ("-P", "--pager", "-H"),
}
_OUTPUTS = {
    "diff": ("--output",),
    "sort": ("-o", "--output"),
    "less": ("-o", "-O", "--log-file", "--LOG-FILE"),
    "tree": ("-o",),
    "git": ("--output",),
}
COPYING = {"cp", "mv", "install", "rsync", "ln", "scp"}
MAKERS = WRITERS | REMOVERS
CHANGING = {*REMOVERS, "chmod", "chown", "chattr", "ln", "rsync", "truncate"}
# Where these put what they make; and which do it where they stand, if no such option is given.
INTO = {
    "tar": ("-C", "--directory"),
    "bsdtar": ("-C", "--directory"),
    "unzip": ("-d",),
    "patch": ("-d", "--directory"),
    "wget": ("-P", "--directory-prefix"),
    "curl": ("--output-dir",),
    "cpio": ("-D", "--directory"),
    "7z": ("-o",),
    "cp": ("-t", "--target-directory"),
    "mv": ("-t", "--target-directory"),
    "install": ("-t", "--target-directory"),
    "ln": ("-t", "--target-directory"),
}
FETCHING = {"curl", "wget"}
SOURCING = {"source", "."}
UNPACKING = {"tar", "bsdtar", "unzip", "patch", "cpio", "7z", "git"}
SHELLS = {"sh", "bash", "zsh", "dash", "ksh", "ash", "fish"}
INTERPRETERS = {*SHELLS, "python", "python3", "perl", "ruby", "node", "php", "osascript", "at", "batch", "ssh"}
# They run the rest of their words; with these options, whose value is the next word.
WRAPPERS = {
    "sudo": ("-u", "-g", "-h", "-p", "-C", "-D", "-T", "-R", "-r", "-t", "--user", "--group", "--chdir"),
    "doas": ("-u", "-C"),
    "env": ("-u", "--unset", "-C", "--chdir", "-S", "--split-string"),
    "nohup": (),
    "timeout": ("-k", "-s", "--kill-after", "--signal"),
    "command": (),
    "builtin": (),
    "exec": ("-a",),
    "nice": ("-n", "--adjustment"),
    "ionice": ("-c", "-n", "-p"),
    "time": ("-o", "-f"),
    "stdbuf": ("-i", "-o", "-e"),
    "setsid": (),
    "xargs": ("-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E"),
    "busybox": (),
    "unbuffer": (),
    "caffeinate": (),
    "noglob": (),
    "nocorrect": (),
}
KEYWORDS = {"if", "then", "else", "elif", "fi", "do", "done", "while", "until", "!", "{", "}", "coproc", "esac"}
ASSIGNING = {"export", "declare", "local", "readonly", "typeset"}
GIT_READS = {
    *(
        "diff",
        "add",
        "stage",
        "log",
        "show",
        "status",
        "blame",
        "grep",
        "commit",
        "push",
        "fetch",
        "tag",
        "branch",
        "remote",
    ),
    *("ls-files", "ls-tree", "cat-file", "rev-parse", "rev-list", "describe", "shortlog", "check-ignore", "check-attr"),
    *("merge-base", "hash-object", "show-ref", "reflog", "for-each-ref", "whatchanged", "version", "help", "init"),
}
GIT_TELLS = {"merge", "stash", "notes"}
TELLING = {"gh", "glab", "hg", "svn", "jj"}
_TOLD = {"-m", "--message", "-b", "--body", "-t", "--title", "--notes", "--description", "--comment"}
_TOLD_WITHIN = tuple(f"{option}=" for option in _TOLD if option.startswith("--"))


def name_of(word: str) -> str:
    return word.rpartition("/")[2]


def only_looks(name: str, words: list[str]) -> bool:
    """Whether a reader is given nothing that makes it more than one."""
    if name not in READERS:
        return False
    signs = _NOT_READING.get(name)
    if signs and any(word.startswith(signs) for word in words):
        return False
    if name == "sed":  # `-i`, `-ni`, but not the `i` of `--quiet`; a script may write a file with `w`
        return not any((word[:1] == "-" and word[1:2] != "-" and "i" in word) or _sed_acts(word) for word in words[1:])
    if name.endswith("awk"):
        return not any(sign in word for word in words for sign in (">", "|", "system", "-i"))
    return True


def outputs_of(name: str, words: list[str]) -> list[str]:
    """The files that its options have it write."""
    return list(values_of(words, _OUTPUTS.get(name, ())))


def values_of(words: list[str], options: tuple[str, ...]) -> Iterator[str]:
    """Of `-o V`, `-oV`, `--output V` and `--output=V`, if the options are those."""
    if not options:
        return
    shorts = tuple(option for option in options if len(option) == 2)
    takes = False
    for word in words:
        if takes:
            yield word
            takes = False
        elif word in options:
            takes = True
        elif word.startswith(shorts) and shorts:
            yield word[2:]
        elif word.startswith("--") and word.partition("=")[0] in options:
            yield word.partition("=")[2]


def without_prose(words: list[str]) -> list[str]:
    """Without what is told to people: a commit's message, a title."""
    found = []
    told = False
    for word in words:
        if told:
            told = False
        elif word in _TOLD:
            told = True
        elif not word.startswith(_TOLD_WITHIN):
            found.append(word)
    return found


def takes_script(option: str) -> bool:
    """Whether it is `-c`, alone or among other letters."""
    return option[:1] == "-" and option[1:2] != "-" and "c" in option


def runs_its_input(words: list[str]) -> bool:
    """Whether what it reads is run, or is what it acts on: `sh`, `xargs rm`. Words as they are written."""
    passed = next((at for at, word in enumerate(words) if name_of(word) in {"xargs", "parallel"}), None)
    if passed is not None:
        rest = [word for word in words[passed + 1 :] if not word.startswith("-")]
        return not any(name_of(word) in READERS for word in rest[:2])
    name = name_of(next((word for word in words if "=" not in word and name_of(word) not in WRAPPERS), ""))
    if name == "eval" or (name in SOURCING and (len(words) < 2 or words[-1].startswith("/dev/"))):
        return True
    if name not in INTERPRETERS:
        return False
    given = words[next(at for at, word in enumerate(words) if name_of(word) == name) + 1 :]
    if name in SHELLS and any(map(takes_script, given)):
        return True
    return all(word.startswith("-") and word not in {"-m", "-c", "-e"} for word in given)


# ── inside ──


def _sed_acts(word: str) -> bool:
    """Whether a script of sed's may write a file: `w FILE` ends a line of it."""
    return any(part.endswith(("w", "W")) for part in word.split()[:-1])
