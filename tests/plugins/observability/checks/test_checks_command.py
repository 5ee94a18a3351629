from __future__ import annotations

import json

import pytest

TOOLS = {
    "tools": [
        {
            "name": "read_file",
            "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        }
    ]
}
GOOD = {"name": "read_file", "arguments": {"path": "a"}}
BAD = {"name": "read_file", "arguments": {"path": 5}}
KEYS = ["check", "severity", "tool", "path", "expected", "got", "suggestions", "call"]


@pytest.fixture
def bench(codespar):
    """`codespar` where nothing is configured: checks of files need no plugin."""
    (codespar.directory / "plugins.toml").unlink()
    (codespar.directory / "tools.json").write_text(json.dumps(TOOLS))
    return codespar


def written(bench, *calls):
    (bench.directory / "calls.jsonl").write_text("".join(json.dumps(call) + "\n" for call in calls))


def test_findings_as_json_and_exit_1(bench):
    written(bench, GOOD, BAD, {"name": "raed_file"})
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json", "-o", "json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert [list(each) for each in found] == [KEYS, KEYS]
    assert found[0] == {
        "check": "wrong_type",
        "severity": "error",
        "tool": "read_file",
        "path": "/path",
        "expected": "string",
        "got": "integer",
        "suggestions": [],
        "call": 1,
    }
    assert (found[1]["check"], found[1]["suggestions"], found[1]["call"]) == ("unknown_tool", ["read_file"], 2)


def test_nothing_found_is_exit_0(bench):
    written(bench, GOOD)
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing found\n")


@pytest.mark.parametrize("text", [
    json.dumps([BAD]), json.dumps([BAD], indent=2), "\ufeff" + json.dumps([BAD]), "\n\n" + json.dumps([BAD]) + "\n",
    json.dumps(BAD), "\ufeff" + json.dumps(BAD) + "\r\n\r\n",
    json.dumps({"id": "x", "type": "function", "function": {"name": "read_file", "arguments": '{"path": 5}'}}),
])  # fmt: skip
def test_calls_come_as_lines_or_as_an_array_from_a_file_or_stdin(bench, text):
    (bench.directory / "calls").write_text(text, encoding="utf-8")
    for source, given in (("calls", None), ("-", text)):
        done = bench.run("metrics", "checks", "--calls", source, "--tools", "tools.json", "-o", "json", given=given)
        assert done.returncode == 1, done.stderr
        assert [(each["check"], each["call"]) for each in json.loads(done.stdout)] == [("wrong_type", 0)]


def test_loops_need_no_catalogue_and_agents_are_told_apart(bench):
    written(bench, *[{**GOOD, "agent": agent} for _ in range(3) for agent in ("a", "b")])
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "-o", "json")
    assert [(each["check"], each["call"]) for each in json.loads(done.stdout)] == [
        ("repeat_identical", 4),
        ("repeat_identical", 5),
    ]
    written(bench, {**GOOD, "error": "ENOENT"}, {**GOOD, "error": "ENOENT"})
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "-o", "json")
    assert [each["check"] for each in json.loads(done.stdout)] == ["repeat_after_same_error"]


LINE = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (LINE + b"\n{\n", "calls:2", "not JSON"),
        (LINE + b"\n\n" + b'{"name": "t", "arguments": {"x": NaN}}\n', "calls:3", "NaN is not a JSON number"),
        (b'{"name": "t", "arguments": {"x": 1e400}}', "calls:1", "too large"),
        (LINE + b"\n5\n", "calls:2", "expected a call"),
        (b'"read_file"', "calls:1", "expected a call"),
        (b'{"arguments": {}}', "calls:1", "missing key `name`"),
        (b'{"name": "a", "name": "b"}', "calls:1", "given twice"),
        ('{"name": "a"}'.encode("utf-16"), "calls:1", "UTF-16"),
        (LINE + b"\n\xff\n", "calls:2", "not UTF-8"),
        (LINE + b"\n\xef\xbb\xbf{\n", "calls:2", "not JSON"),
        (b"[" + LINE + b", 7]", "calls:1", "call 1: expected a call"),
        (b"[" + LINE + b"\n,\n,]", "calls:3", "at column 1"),
        (b'{"name": "a", "arguments": ' + b"[" * 100_000, "calls:1", "nested"),
        (b'{"name": "t", "arguments": "' + b"a" * (5 << 20) + b'"}', "calls:1", "longer than"),
    ],
)
def test_what_is_no_call_is_named_with_its_line(bench, data, place, words):
    (bench.directory / "calls").write_bytes(data)
    done = bench.run("metrics", "checks", "--calls", "calls", "--tools", "tools.json")
    assert (done.returncode, done.stdout) == (2, "")
    error, *_ = done.stderr.splitlines()
    assert error.startswith(f"error: {place}: ")
    assert words in error


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "not JSON"), ("{}", "tools/list"), ('{"tools": [{}]}', "tool 0 has no name"), ("", "not JSON"), ("[[[", "not JSON"),
     ('{"tools": [], "tools": []}', "given twice"), ("[" * 100_000, "nested")],
)  # fmt: skip
def test_what_is_no_catalogue_is_named(bench, text, words):
    written(bench, GOOD)
    (bench.directory / "tools.json").write_text(text)
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: tools.json: ")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--tools", "tools.json"), 2),
        (("--record",), 2),
        (("--calls", "calls.jsonl", "--since", "1h"), 2),
        (("--calls", "calls.jsonl", "--server", "s"), 6),
        (("--calls", "-", "--tools", "-"), 2),
        (("--calls", "nowhere.jsonl"), 6),
        (("--calls", "calls.jsonl", "--tools", "nowhere.json"), 6),
        (("--calls", "."), 2),
    ],
)
def test_wrong_options_are_refused(bench, arguments, code):
    written(bench, GOOD)
    done = bench.run("metrics", "checks", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: ")


def test_hostile_names_are_printed_harmless(bench):
    written(bench, {"name": "\x1b[2J\u202eevil", "arguments": {}})
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b[2J\\u202eevil" in done.stdout


def test_recorded_findings_are_shown_without_values(codespar):
    (codespar.directory / "tools.json").write_text(json.dumps(TOOLS))
    written(codespar, {**BAD, "agent": "bot"}, {**GOOD, "agent": "bot"}, {"name": "raed_file", "agent": "other"})
    shown = ("metrics", "checks", "-o", "json")
    assert codespar.run(*shown).returncode == 0
    looked = ("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json")
    assert codespar.run(*looked).returncode == 1
    assert json.loads(codespar.run(*shown).stdout) == []
    assert codespar.run("--tenant", "acme", *looked, "--record").returncode == 1
    done = codespar.run(*shown)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [list(each)[:8] for each in found] == [KEYS, KEYS]
    assert [(each["check"], each["call"], each["agent"], each["tenant"]) for each in found] == [
        ("wrong_type", 0, "bot", "acme"),
        ("unknown_tool", 2, "other", "acme"),
    ]

    def count(*arguments):
        return len(json.loads(codespar.run(*arguments).stdout))

    assert count(*shown, "--agent", "bot") == 1
    assert count(*shown, "--tool", "raed*") == 1
    assert count(*shown, "-n", "1") == 1
    assert count(*shown, "--since", "1h") == 2
    assert count("--tenant", "default", *shown) == 0


def test_recording_without_a_plugin_says_what_to_do(bench):
    written(bench, BAD)
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--record")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no observability plugin is active\nhint: codespar init\n"


def test_many_calls_pass_in_one_go(bench):
    calls = [{"name": "read_file", "arguments": {"path": f"f{n}"}} for n in range(20_000)]
    written(bench, *calls, BAD)
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json", "-o", "json")
    assert [each["call"] for each in json.loads(done.stdout)] == [20_000]


def test_any_number_of_findings_is_written_as_it_comes(bench):
    written(bench, *[{"name": f"unheard_of_{n}"} for n in range(10_500)])
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json")
    assert (done.returncode, done.stderr) == (1, "and 500 more: -o json shows all\n")
    assert len(done.stdout.splitlines()) == 10_001
    done = bench.run("metrics", "checks", "--calls", "calls.jsonl", "--tools", "tools.json", "-o", "json")
    assert [each["call"] for each in json.loads(done.stdout)] == list(range(10_500))


def test_answers_that_differ_are_no_repetition(bench):
    written(bench, *[{**GOOD, "result": {"row": n}} for n in range(9)])
    assert bench.run("metrics", "checks", "--calls", "calls.jsonl").returncode == 0
    written(bench, *[{**GOOD, "result": {"row": 1}} for n in range(3)])
    assert bench.run("metrics", "checks", "--calls", "calls.jsonl").returncode == 1
