"""Every mutation of a valid file is accepted, or refused with a line number. Never anything else."""

import tomllib
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from codespar_cli.core.config import parse_config
from codespar_cli.core.toml_source import line_of, set_names, set_value, statements
from codespar_cli.errors import ConfigError
from codespar_cli.plugins import builtin_options

ROOT = Path(__file__).parents[2]
VALID = (ROOT / "plugins.toml").read_bytes()
SNIPPETS = [
    b"[",
    b"]",
    b'"',
    b"'''",
    b"\n",
    b"=",
    b"{",
    b"}",
    b"[[routes]]",
    b"\x00",
    b"\xff",
    b"#",
    b"1e999",
    b"nan",
    b"\\u0000",
]


def parse(data):
    return parse_config(
        data, path=ROOT / "plugins.toml", environ={}, known=builtin_options(), installed=lambda kind: ()
    )


@st.composite
def mutated(draw):
    data = bytearray(VALID)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "delete", "replace", "cut", "twice"])):
            case "insert":
                data[at:at] = draw(st.sampled_from(SNIPPETS) | st.binary(max_size=4))
            case "delete":
                del data[at : at + draw(st.integers(1, 30))]
            case "replace":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del data[at:]
            case "twice":
                data[at:at] = data[at : at + draw(st.integers(1, 60))]
    return bytes(data)


@given(mutated())
@example(b"")
@example(VALID[:-3])
def test_every_mutation_is_accepted_or_refused_with_a_line(data):
    try:
        parse(data)
    except ConfigError as error:
        assert error.line is not None
        assert 1 <= error.line <= data.count(b"\n") + 1
        assert error.message
        assert "\n" not in str(error)


SCALARS = st.booleans() | st.integers(-9, 9) | st.text("ab \"'#\\=[]\n\t", max_size=8)


@given(
    st.sampled_from(
        [("policy", "backend"), ("integrations", "active"), ("secrets", "grace"), ("tenant",), ("new", "key")]
    ),
    SCALARS,
)
def test_an_edit_changes_that_value_and_nothing_else(path, value):
    import tomli_w

    text = VALID.decode()
    rendered = tomli_w.dumps({"x": value}).partition("=")[2].strip()
    changed = set_value(text, path, rendered)
    expected = tomllib.loads(text)
    table = expected
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value
    assert tomllib.loads(changed) == expected
    comments = [line.partition("#")[2] for line in text.split("\n") if "#" in line]
    assert all(comment in changed for comment in comments)
    before = text.split("\n")
    kept = [line for line in before if line in changed.split("\n")]
    assert len(kept) >= len(before) - 1


LIST = """\
[integrations]
active = [
    "github",   # the code
    # on trial
    "sentry"    # the errors
]
[integrations.sentry]
secret = "env:X"
"""


@given(st.lists(st.sampled_from(["github", "sentry", "linear", "jira"]), unique=True), st.booleans())
def test_a_list_over_several_lines_keeps_its_comments(names, crlf):
    import tomllib as toml

    text = LIST.replace("\n", "\r\n") if crlf else LIST
    changed = set_names(text, ("integrations", "active"), names)
    assert set(toml.loads(changed)["integrations"]["active"]) == set(names)
    assert "# on trial" in changed
    assert ("# the code" in changed) == ("github" in names)
    assert ("# the errors" in changed) == ("sentry" in names)
    assert changed.count("\r\n") == (changed.count("\n") if crlf else 0)


def test_statements_find_multi_line_values_arrays_of_tables_and_dotted_keys():
    text = 'a.b = 1\nx = """\n[not.a.table]\n"""\n[[routes]]\nname = "one"\n[[routes]]\nname = "two"\nlist = [\n 1, # c\n 2,\n]\n[routes.when]\nz = 1\n'
    assert [(s.path, s.first, s.last) for s in statements(text)] == [
        (("a", "b"), 1, 1),
        (("x",), 2, 4),
        (("routes", 0), 5, 5),
        (("routes", 0, "name"), 6, 6),
        (("routes", 1), 7, 7),
        (("routes", 1, "name"), 8, 8),
        (("routes", 1, "list"), 9, 12),
        (("routes", 1, "when"), 13, 13),
        (("routes", 1, "when", "z"), 14, 14),
    ]
    assert line_of(text, ("routes", 1, "name")) == 8
    assert line_of(text, ("routes", 1, "list", 1)) == 9
    assert line_of(text, ("absent",)) == 1
