import pytest

from codespar_cli.plugins.policy.language.document import MAX_BYTES, parse
from codespar_cli.plugins.policy.language.nodes import Listing, Refused, Scalar, Table


def test_scalars_keep_their_text_and_line():
    root = parse(b"a: 1.10\nb: 22:00\nc: 'on'\nd: 2026-12-25\n")
    assert isinstance(root, Table)
    found = {key: (node.text, node.plain, node.line) for key, (_, node) in root.entries.items()}
    assert found == {
        "a": ("1.10", True, 1),
        "b": ("22:00", True, 2),
        "c": ("on", False, 3),
        "d": ("2026-12-25", True, 4),
    }


def test_json_is_read_as_it_is():
    root = parse(b'{"rules": [{"id": "x"}, []]}')
    rules = root.entries["rules"][1]
    assert isinstance(rules, Listing)
    assert isinstance(rules.items[0].entries["id"][1], Scalar)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "given twice, first in line 1"),
        (b"a: &x [1]\nb: *x\n", 1, "anchors and aliases"),
        (b"a: !!python/object:os.system {}\n", 1, "tags"),
        (b"a: !!str 1\n", 1, "tags"),
        (b"a: 1\n---\nb: 2\n", 2, "a second"),
        (b"", None, "empty"),
        (b"# only a comment\n", None, "empty"),
        (b"a: [1, 2\nb: 3\n", 2, "not YAML"),
        (b"a: 1\n\tb: 2\n", 2, "not YAML"),
        (b"a: 1\nb: \x01\n", 2, "not YAML"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"[a, b]: 1\n", 1, "a key is text"),
        (b"? {a: 1}\n: 2\n", 1, "a key is text"),
        (b"a: " + b"[" * 40 + b"]" * 40, 1, "deeper than 32"),
        (b"a: " + b"[" * 200_000, 1, "deeper than 32"),
        (b"a: " + b"{x: " * 200_000, 1, "deeper than 32"),
        (b"#" * (MAX_BYTES + 1), None, "larger than"),
    ],
)
def test_what_a_rules_file_never_needs_is_refused_with_its_line(text, line, words):
    with pytest.raises(Refused) as caught:
        parse(text)
    assert caught.value.line == line
    assert words in caught.value.message


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    assert list(parse(b"\xef\xbb\xbfversion: 1\n").entries) == ["version"]
