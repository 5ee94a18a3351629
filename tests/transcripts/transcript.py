"""A transcript is a session as a user would see it, and a test that it still goes so.

    # a comment
    $ codespar policy check fs/read
    allowed [..]
    ? 3

Lines after a `$` line are what it prints, stdout and stderr as they come; `[..]` stands for anything within a line, a
line of `...` for any lines; `? N` is the exit code when it is not 0. A line that ends in `\\` goes on. The ids of
approvals and reservations are random: one that is printed stands for the one in the transcript from there on.
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ID = re.compile(r"\b(?:ap|rs)-[0-9A-Za-z]{8,40}\b")


@dataclass
class Step:
    line: int
    command: str
    expected: list[str] = field(default_factory=list)
    code: int = 0


def parse(text):
    steps: list[Step] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("$ "):
            step = Step(at + 1, line[2:])
            while step.command.endswith("\\"):
                at += 1
                step.command += "\n" + lines[at]
            steps.append(step)
        elif line.startswith("? ") and steps:
            steps[-1].code = int(line[2:])
        elif steps and not line.startswith("#"):
            steps[-1].expected.append(line)
        at += 1
    for step in steps:
        while step.expected and not step.expected[-1].strip():
            step.expected.pop()
    return steps


def pattern(expected):
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r"[^\n]*?".join(re.escape(piece.rstrip()) for piece in line.split("[..]")) + r"[ ]*\n")
    return re.compile("".join(parts))


def run(text, directory: Path, environment):
    """Type every command into one shell; answers the first difference, or None."""
    shell = subprocess.Popen(
        ["sh"],
        cwd=directory,
        env=environment,
        text=True,
        errors="replace",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    ids: dict[str, str] = {}
    try:
        for step in parse(text):
            printed, code = _type(shell, ID.sub(lambda found: ids.get(found[0], found[0]), step.command))
            wanted = "\n".join(step.expected)
            learn(wanted, printed, ids)
            expected = [ID.sub(lambda found: ids.get(found[0], found[0]), line) for line in step.expected]
            if code != step.code or not pattern(expected).fullmatch(printed):
                return (
                    f"line {step.line}: $ {step.command}\n--- expected (exit {step.code})\n{wanted}\n"
                    f"--- printed (exit {code})\n{printed}"
                )
        return None
    finally:
        shell.stdin.close()
        shell.kill()
        shell.stdout.close()
        shell.wait()


def learn(wanted, printed, ids):
    """Which of the ids that were printed stand for those of the transcript, in the order in which they are new."""
    new = [each for each in dict.fromkeys(ID.findall(wanted)) if each not in ids]
    found = [each for each in dict.fromkeys(ID.findall(printed)) if each not in ids.values()]
    ids.update(zip(new, found, strict=False))


def _type(shell, command):
    # The mark cannot be mistaken for output, and is on a line of its own even after output without a newline.
    mark = "-- transcript --"
    shell.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{mark} %s\\n' $?\n")
    shell.stdin.flush()
    lines = []
    while not (line := shell.stdout.readline()).startswith(mark):
        if not line:
            raise AssertionError(f"the shell ended at: {command}\n{''.join(lines)}")
        lines.append(line)
    printed = "".join(lines).removesuffix("\n")
    tidy = "".join(part.rstrip() + "\n" for part in printed.splitlines())
    return tidy, int(line.rpartition(" ")[2])
