"""`codespar secrets import` and `export`: all or nothing, exact, and never a value where none belongs."""

import json
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secrets_kit import CANARY, Project, done

from codespar_cli.cli.dotenv import parse_dotenv, write_dotenv
from codespar_cli.errors import UsageError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8"))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


def parsed(text):
    data = text if isinstance(text, bytes) else text.encode()
    return {name: each.value for name, each in parse_dotenv(data, ".env").items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=b", {"A": "b"}),
        ("\n\n# c\n  # d\nA=b\n\nB=c", {"A": "b", "B": "c"}),
        ("A=", {"A": ""}),
        ("A= # c", {"A": ""}),
        ("A=b # c", {"A": "b"}),
        ("A=b#c", {"A": "b#c"}),
        ("A=b c  d \t ", {"A": "b c  d"}),
        ("  export  A = b", {"A": "b"}),
        ("export=1", {"export": "1"}),
        ("a.b-c_1=x=y=", {"a.b-c_1": "x=y="}),
        ("A='b # c' # d", {"A": "b # c"}),
        ("A='$b \"`\\n'", {"A": '$b "`\\n'}),
        ("A='b\nc'\nD=e", {"A": "b\nc", "D": "e"}),
        ('A="b\\n\\r\\t\\\\\\"\\$\\`\\u00e9"', {"A": 'b\n\r\t\\"$`é'}),
        ('A="b\nc\n"\nD=e', {"A": "b\nc\n", "D": "e"}),
        ('A="it\'s # no comment"', {"A": "it's # no comment"}),
        ("A=b\r\nC='d\r\ne'\r\n\r\nF=\"g\r\nh\"\r\n", {"A": "b", "C": "d\ne", "F": "g\nh"}),
        (b"\xef\xbb\xbfA=b", {"A": "b"}),
        ("A=日本", {"A": "日本"}),
        ("", {}),
    ],
)
def test_the_dialect(text, expected):
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"A=b\n{CANARY}", 2, "expected NAME=VALUE"),
        (f"\n\n1A={CANARY}", 3, "expected NAME=VALUE"),
        (f"A B={CANARY}", 1, "expected NAME=VALUE"),
        (f"export {CANARY}", 1, "expected NAME=VALUE"),
        (f"A='{CANARY}\nB=c", 1, "never closed"),
        (f'X=1\nA="{CANARY}\nB=c', 2, "never closed"),
        (f'A="{CANARY}" more', 1, "expected the end of the line"),
        (f'A="{CANARY}"#c', 1, "expected the end of the line"),
        (f"A=#{CANARY}", 1, "expected the end of the line"),
        (f"A={CANARY}$HOME", 1, "`$`"),
        (f'A="{CANARY}${{HOME}}"', 1, "`$`"),
        (f"A={CANARY}`id`", 1, "backtick"),
        (f'A="`{CANARY}`"', 1, "backtick"),
        (f"A={CANARY}'s", 1, "single quote"),
        (f"A={CANARY}\\n", 1, "backslash"),
        (f'A="{CANARY}\\x41"', 1, "backslash"),
        (f'A="{CANARY}\\ud800"', 1, "surrogate"),
        (f'A="{CANARY}\\u00"', 1, "backslash"),
        (f"A='{CANARY}\r'", 1, "carriage return"),
        (f'A="{CANARY}\r"', 1, "carriage return"),
        (f"A={CANARY}\rB=c", 1, "expected the end of the line"),
        (f"A={CANARY}\x01", 1, "control character"),
        (f"A={CANARY}\nB=c\nA=d", 3, "given twice, first on line 1"),
        (b"A=b\nC=\xff" + CANARY.encode(), 2, "UTF-8"),
    ],
)
def test_what_is_refused(text, line, words):
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert (caught.value.file, caught.value.line) == (".env", line)
    assert words in caught.value.message
    assert CANARY not in f"{caught.value} {caught.value.hint} {caught.value.__context__!r}"


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_written_is_read_back(values):
    assert parsed(write_dotenv(values)) == values


@given(st.text(st.sampled_from("Ab= \t#'\"\\$`\n\r1é"), max_size=40))
def test_any_text_is_read_or_refused_at_a_line_of_it(text):
    try:
        found = parse_dotenv(text.encode(), ".env")
    except UsageError as error:
        assert 1 <= error.line <= text.count("\n") + 1
    else:
        assert all(1 <= each.line <= text.count("\n") + 1 for each in found.values())
        assert parsed(write_dotenv({name: each.value for name, each in found.items()})) == parsed(text)


def test_import_then_export_gives_the_same(project):
    values = {
        "A": "plain",
        "B.c": "",
        "C": 'it\'s "x" $HOME `id` \\n',
        "D": "multi\nline\r\n",
        "E": "日本\x00\x1b\u2028",
        "F": " #x ",
    }
    done(project.run("import", "-", stdin=write_dotenv(values).encode()))
    exported = done(project.run("export", "--reveal")).stdout
    assert parsed(exported) == values
    assert project.values() == values
    done(project.run("import", "-", "--tenant", "other", stdin=exported))
    assert project.values("other") == values
    assert len(project.records("secret.set")) == 2 * len(values)
    assert CANARY not in str(project.records("secret.set"))


def test_shell_lines_mean_the_same_to_a_shell(project):
    values = {"A": "plain", "B": 'it\'s "x" $HOME `id` \\n', "C": "multi\nline"}
    project.keep_all(values)
    lines = done(project.run("export", "--reveal", "-o", "shell")).stdout.decode()
    shown = subprocess.check_output(["sh", "-c", lines + 'printf "%s\\0" "$A" "$B" "$C"'])
    assert shown.decode().split("\0")[:-1] == list(values.values())
    assert shlex.split(lines.split("\n")[0]) == ["export", "A=plain"]


def test_nothing_is_imported_from_a_broken_file(project):
    for text in (f"A={CANARY}\nB", f"A={CANARY}\nA={CANARY}", f"A={CANARY}\nB=" + "x" * 65_537):
        (project.directory / ".env").write_text(text)
        refused = done(project.run("import", ".env", "-o", "json"), 2)
        told = json.loads(refused.stderr)["error"]
        assert (told["file"], told["line"]) == (".env", 2)
    assert project.values() == {}


def test_conflicts(project):
    project.keep(A="old-a", B="old-b")
    new = b"A=new-a\nC=new-c\n"
    refused = done(project.run("import", "-", stdin=new), 1)
    assert b"`A`" in refused.stderr
    assert project.values() == {"A": "old-a", "B": "old-b"}
    skipped = done(project.run("import", "-", "--on-conflict", "skip", "-o", "json", stdin=new))
    assert json.loads(skipped.stdout) == [
        {"key": "A", "action": "skipped", "version": 1},
        {"key": "C", "action": "new", "version": 1},
    ]
    assert project.values() == {"A": "old-a", "B": "old-b", "C": "new-c"}
    done(project.run("import", "-", "--on-conflict", "replace", stdin=new))
    assert project.values() == {"A": "new-a", "B": "old-b", "C": "new-c"}
    assert done(project.run("get", "A", "--reveal", "--version", "1")).stdout == b"old-a"
    done(project.run("verify"))


def test_a_dry_run_tells_names_and_stores_nothing(project):
    project.keep(A="old-a")
    told = done(
        project.run("import", "-", "--dry-run", "--on-conflict", "replace", stdin=f"A={CANARY}\nB={CANARY}".encode())
    )
    assert [line.split()[:2] for line in told.stdout.decode().splitlines()[1:]] == [["A", "replaced"], ["B", "new"]]
    assert CANARY.encode() not in told.stdout
    assert project.values() == {"A": "old-a"}
    done(project.run("import", "-", "--dry-run", stdin=b"A=x"), 1)


def test_json_is_an_object_of_texts(project):
    done(project.run("import", "-", "--format", "json", stdin=json.dumps({"a/b": "1", "é": "\0"}).encode()))
    assert project.values() == {"a/b": "1", "é": "\0"}
    for text in (
        f'["{CANARY}"]',
        f'{{"A": 1, "B": "{CANARY}"}}',
        f'{{"A": "{CANARY}", "A": "x"}}',
        '{"A": "\\ud800"}',
        f'{{"A": "{CANARY}"',
    ):
        done(project.run("import", "-", "--format", "json", stdin=text.encode()), 2)
    done(project.run("export", "--reveal"), 2)
    done(project.run("export", "--reveal", "-o", "shell"), 2)


def test_a_file_that_others_can_read_is_told_of(project):
    path = project.directory / ".env"
    path.write_text("A=b\n")
    path.chmod(0o640)
    assert b"others can read" in done(project.run("import", ".env")).stderr
    path.chmod(0o600)
    assert b"others" not in done(project.run("import", ".env", "--on-conflict", "skip")).stderr
    done(project.run("import", "missing.env"), 6)
    done(project.run("import", "."), 2)


def test_an_export_is_asked_for_by_name_and_private(project):
    project.keep(A=CANARY, B="b")
    refused = done(project.run("export"), 2)
    assert refused.stdout == b""
    path = project.directory / "out.env"
    path.write_text("older")
    path.chmod(0o644)
    written = done(project.run("export", "--reveal", "--only", "A", "--output-file", "out.env"))
    assert written.stdout == b""
    assert path.read_text() == f"A={CANARY}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    (project.directory / "link").symlink_to(path)
    done(project.run("export", "--reveal", "--output-file", "link"), 2)
    done(project.run("export", "--reveal", "--output-file", "."), 2)
    done(project.run("export", "--reveal", "--output-file", "no/such/dir"), 1)
    done(project.run("export", "--reveal", "--only", "A,NOT"), 6)
    assert sorted(each.name for each in project.directory.iterdir()) == ["link", "out.env", "plugins.toml", "state"]
