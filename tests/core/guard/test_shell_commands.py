"""A shell's text is split as bash splits it, and in a time that grows with its length and not faster."""

import subprocess
from time import perf_counter

import pytest
from governed_agent import Agent, world_in
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.guard.argument_paths import TooMuch
from codespar_cli.core.guard.shell_commands import Script, UnsplittableError
from codespar_cli.core.guard.shell_words import Variables


def split(text):
    return [Variables().words_of(command.words) for command in Script(text).commands]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a b;c&&d||e|f&g\nh", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]]),
        ("a 'b;c' \"d|e\" f\\;g", [["a", "b;c", "d|e", "f;g"]]),
        ("a\\\nb 'c\\' $'d\\x41\\101\\''", [["ab", "c\\", "dAA'"]]),
        ('echo $(a `b`) "$(c)"', [["b"], ["a", ""], ["c"], ["echo", "", ""]]),
        ("(a; (b)) | c", [["a"], ["b"], ["c"]]),
        ("a{b,c{d,e}}f {x} {y", [["abf", "acdf", "acef", "{x}", "{y"]]),
        ("a '{b,c}' \"{d,e}\"", [["a", "{b,c}", "{d,e}"]]),
        ("a $((1 << 2)) b # c", [["a", "", "b"]]),
        ("cat <<E >x\n$(a) 'b\nE\nc", [["cat"], ["a"], ["c"]]),
        ("cat <<'E'\n$(a)\nE\nc", [["cat"], ["c"]]),
        ("cat <<-E\n\ta\n\tE\nc", [["cat"], ["c"]]),
        ("a $(case b in b) c;; (d) e;; esac)f", [["case", "b", "in", "b"], ["c"], ["d"], ["e"], ["esac"], ["a", "f"]]),
        ("a 2>&1 3>b >&- <c d", [["a", "d"]]),
    ],
)
def test_it_is_split(text, commands):
    assert split(text) == commands


def test_where_it_writes_is_told():
    (command,) = Script("a >b 2>>c 2>&1 >|d &>e <>f >&g <h 3>&-").commands
    assert command.outputs == ["b", "c", "d", "e", "f", "g"]


@pytest.mark.parametrize("text", ["'", '"', "`", "$(", "(", "${", "$'", "$(" * 50 + ")" * 50])
def test_what_does_not_end_is_not_split(text):
    with pytest.raises(UnsplittableError):
        Script(text)


@given(st.lists(st.text("ab ;|&(){}$'\"\\\n<>#*~", max_size=6), min_size=1, max_size=5))
def test_a_word_is_what_bash_makes_of_it(words):
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    assert split(f"printf {quoted}") == [["printf", *words]]


@given(st.text("ab' \"\\", max_size=12))
def test_quotes_are_read_as_bash_reads_them(text):
    run = subprocess.run(["bash", "-c", f"printf '%s\\0' x {text}"], capture_output=True, check=False)
    if run.returncode == 0:
        assert split(f"printf '%s' x {text}") == [["printf", "%s", *run.stdout.decode().split("\0")[:-1]]]
    else:
        with pytest.raises(UnsplittableError):
            Script(text)


@given(st.text("ab;|&(){}$'\"`\\\n<>#*~!=, ", max_size=60))
def test_any_text_is_split_or_refused(text):
    try:
        commands = split(text)
    except (UnsplittableError, TooMuch):
        return
    assert all(isinstance(word, str) for words in commands for word in words)


SIZE = 1 << 18
HOSTILE = [
    "codespar ", "codespar -o ", "cd a;rm b;", "$(", "$((;))", "``", "(a)", "{", "{a,b}", "a=$a$a;", "<<a ", "cat <<a\nx\na\n", "sh -c 'a' ", "\\", "''",
    "a*b ", "~/*/*", "../", "sudo ", "eval ", "${a", '"$(', "echo a|xargs ", "for a in b; do ", ">a ", "find -exec ", "sh -c \"sh -c '", "# a\n", ";",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_long(tmp_path, piece):
    agent = Agent(world_in(tmp_path))
    text = (piece * (SIZE // len(piece) + 1))[:SIZE]
    took = []
    for _ in range(3):
        began = perf_counter()
        agent.runs(text)
        took.append(perf_counter() - began)
    assert min(took) < 0.5  # the slowest takes a tenth of it; what grows with the square took a minute


@pytest.mark.parametrize("command", ["rm {}", "cp {} x", "python x {}", "echo > {}"])
def test_many_names_are_refused_or_looked_at_soon(tmp_path, command):
    agent = Agent(world_in(tmp_path))
    text = command.format(" ".join(f"a/{number}*" if number % 40 == 0 else f"a/{number}" for number in range(16_000)))
    began = perf_counter()
    agent.runs(text)
    assert perf_counter() - began < 1
