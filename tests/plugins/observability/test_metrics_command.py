from __future__ import annotations

import csv
import json

import pytest


def rows(codespar, *arguments):
    done = codespar.run("metrics", "tail", "--no-follow", "-o", "json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_record_keeps_everything_it_was_told(codespar):
    done = codespar.run(
        "metrics", "record", "git/push", "--agent", "bot", "--latency-ms", "12.5", "--cost", "0.10", "--error-type",
        "Timeout", "--input-tokens", "7", "--output-tokens", "0", "--project", "web", "--session", "s1", "--at",
        "2026-11-20T10:00:00+02:00", "--tenant", "acme", "-o", "json",
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"recorded": 1})
    assert rows(codespar) == [
        {
            "id": 1,
            "time": "2026-11-20T08:00:00.000000Z",
            "tenant": "acme",
            "project": "web",
            "session": "s1",
            "agent": "bot",
            "tool": "git/push",
            "latency_ms": 12.5,
            "success": False,
            "error_type": "Timeout",
            "cost": "0.1",
            "cost_source": "reported",
            "input_tokens": 7,
            "output_tokens": 0,
            "decision_id": None,
        }
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("record",),
        ("record", "a", "--from", "-"),
        ("record", "a", "--cost", "nan"),
        ("record", "a", "--cost=-1"),
        ("record", "a", "--latency-ms", "inf"),
        ("record", "a", "--latency-ms", "fast"),
        ("record", "a", "--input-tokens", "99999999999999"),
        ("record", "a", "--at", "noon"),
        ("record", ""),
        ("record", "--from", "."),
        ("tail", "--slow", "2"),
        ("tail", "--min-cost", "cheap"),
        ("tail", "--min-cost", "inf"),
        ("tail", "--since", "ago"),
        ("tail", "-o", "json"),
        ("tail", "-n", "-1"),
        ("tail", "-n", "1_0"),
        ("tail", "--since", "٣d"),
        ("tail", "--min-cost", "٣"),
        ("tail", "--min-cost", "1e10"),
        ("record", "a", "--cost", "٣"),
        ("record", "a", "--cost", "1_0"),
        ("record", "a", "--latency-ms", "1_0"),
        ("record", "a", "--latency-ms", "٣"),
        ("record", "a", "--input-tokens", "٣"),
        ("record", "a", "--output-tokens", "1_0"),
        ("record", "a", "--tenant", "t" * 257),
        ("stats", "--by", "weekday"),
        ("stats", "--sort", "luck"),
    ],
)
def test_a_mistake_is_a_usage_error_and_records_nothing(codespar, arguments):
    done = codespar.run("metrics", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(("error: ", '{"error": '))
    assert rows(codespar) == []


def test_a_file_is_recorded_whole_or_not_at_all(codespar, tmp_path):
    (tmp_path / "calls.jsonl").write_text('{"tool": "a"}\n{"tool": "b", "cost": -1}\n')
    done = codespar.run("metrics", "record", "--from", "calls.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("error: calls.jsonl:2: cost: ")
    assert rows(codespar) == []
    done = codespar.run("metrics", "record", "--from", "-", "-o", "json", given='{"tool": "a"}\n\n{"tool": "b"}')
    assert json.loads(done.stdout) == {"recorded": 2}
    assert [row["tool"] for row in rows(codespar)] == ["a", "b"]


def test_a_file_that_is_not_there_is_not_found(codespar):
    done = codespar.run("metrics", "record", "--from", "missing.jsonl")
    assert (done.returncode, done.stderr) == (6, "error: no such file: `missing.jsonl`\n")


@pytest.mark.parametrize(
    "option",
    ["--agent", "--latency-ms", "--cost", "--error-type", "--input-tokens", "--output-tokens", "--project", "--session",
     "--at"],
)  # fmt: skip
def test_lines_say_themselves_what_an_option_would_say(codespar, option):
    done = codespar.run("metrics", "record", "--from", "-", option, "1", given='{"tool": "a"}\n')
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: `{option}`: not beside --from")
    assert rows(codespar) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("record", "a", "--cost", "abc"), "--cost: expected an amount such as 0.05, found `abc`"),
        (("record", "a", "--latency-ms", "1_0"), "--latency-ms: expected a number of milliseconds such as 12.5"),
        *(
            (("tail", "--since", text), "--since: expected a duration such as 10m, or a time such as 2026-")
            for text in ("0s", "1.5h", "1000000d")
        ),
    ],
)
def test_a_value_that_cannot_be_read_is_told_what_would_be(codespar, arguments, message):
    assert message in codespar.run("metrics", *arguments).stderr


def test_what_retention_does_not_keep_is_told(codespar):
    codespar.configure("[observability]\nbackend = 'observer'\nretention = '90d'\n")
    old = '{"tool": "old", "time": "2020-01-01T00:00:00Z"}\n'
    done = codespar.run("metrics", "record", "--from", "-", given=old * 4 + '{"tool": "new"}\n')
    assert done.stderr == "recorded 5 calls, 4 of them older than the retention of 90d: not kept\n"
    assert [row["tool"] for row in rows(codespar)] == ["new"]
    done = codespar.run("metrics", "record", "old", "--at", "2020-01-01T00:00:00Z", "-o", "json")
    assert done.stderr == "recorded 1 call, older than the retention of 90d: not kept\n"
    assert json.loads(done.stdout) == {"recorded": 1}
    codespar.configure("[observability]\nbackend = 'observer'\nmax_rows = 2\n")
    done = codespar.run("metrics", "record", "--from", "-", given='{"tool": "new"}\n' * 5)
    assert done.stderr == "recorded 5 calls, 3 of them more than max_rows keeps: not kept\n"


@pytest.fixture
def filled(codespar):
    lines = [
        {"tool": "git/push", "agent": "bot", "latency_ms": 10, "cost": "1.5", "time": "2026-11-20T10:00:00Z"},
        {"tool": "git/push", "agent": "bot", "latency_ms": 30, "error_type": "Timeout", "time": "2026-11-20T10:30:00Z"},
        {"tool": "web/search", "agent": "eve", "latency_ms": 3000, "cost": "0.5", "time": "2026-11-20T11:00:00Z"},
        {"tool": "=cmd|' /C calc'!A1", "agent": "@eve", "tenant": "acme", "time": "2026-11-20T12:00:00Z"},
    ]
    done = codespar.run("metrics", "record", "--from", "-", given="\n".join(map(json.dumps, lines)))
    assert done.returncode == 0
    return codespar


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), [1, 2, 3, 4]),
        (("git/*",), [1, 2]),
        (("--agent", "eve"), [3]),
        (("--errors",), [2]),
        (("--slow", "2s"), [3]),
        (("--min-cost", "1"), [1]),
        (("--since", "2026-11-20T11:00:00Z"), [3, 4]),
        (("-n", "2"), [3, 4]),
        (("-n", "1", "git/**"), [2]),
        (("--tenant", "acme"), [4]),
        (("none",), []),
    ],
)
def test_tail_filters(filled, arguments, ids):
    assert [row["id"] for row in rows(filled, *arguments)] == ids


def test_tail_shows_the_last_ten_unless_told_otherwise(codespar):
    codespar.run("metrics", "record", "--from", "-", given='{"tool": "a"}\n' * 25)
    assert [row["id"] for row in rows(codespar)] == list(range(16, 26))
    assert len(rows(codespar, "--since", "1h")) == 25
    assert len(rows(codespar, "-n", "100")) == 25
    assert len(rows(codespar, "-n", str(2**63))) == 25
    assert len(rows(codespar, "-n", "0")) == 0


def test_stats_have_the_documented_shape(filled):
    found = json.loads(filled.run("metrics", "stats", "git/push", "-o", "json").stdout)
    latency = found[0].pop("latency_ms")
    assert found == [
        {
            "tool": "git/push",
            "calls": 2,
            "errors": 1,
            "error_rate": 0.5,
            "cost": "1.5",
            "input_tokens": None,
            "output_tokens": None,
            "trend": None,
        }
    ]
    assert list(latency) == ["mean", "p50", "p95", "p99", "max"]
    assert (latency["mean"], latency["max"]) == (20.0, 30.0)


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("agent", ["bot", "@eve", "eve"]),
        ("tenant", ["default", "acme"]),
        ("project", [None]),
        ("day", ["2026-11-20"]),
        ("hour", ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z"]),
    ],
)
def test_stats_by_other_keys(filled, by, keys):
    found = json.loads(filled.run("metrics", "stats", "--by", by, "-o", "json").stdout)
    assert [row[by] for row in found] == keys


@pytest.mark.parametrize(
    ("sort", "first"),
    [("p95", "web/search"), ("errors", "git/push"), ("cost", "git/push"), ("key", "=cmd|' /C calc'!A1")],
)
def test_stats_are_sorted_as_asked(filled, sort, first):
    assert json.loads(filled.run("metrics", "stats", "--sort", sort, "-o", "json").stdout)[0]["tool"] == first


def test_costs_have_the_documented_shape(filled):
    found = json.loads(filled.run("metrics", "costs", "--by", "agent", "-o", "json").stdout)
    assert found["total"] == "2"
    assert [{key: row[key] for key in ("agent", "cost", "share", "calls")} for row in found["rows"]] == [
        {"agent": "bot", "cost": "1.5", "share": 0.75, "calls": 2},
        {"agent": "eve", "cost": "0.5", "share": 0.25, "calls": 1},
        {"agent": "@eve", "cost": None, "share": None, "calls": 1},
    ]
    assert set(found["forecast"]) == {"day", "month"}


def test_costs_are_summed_up_for_people(codespar):
    codespar.run("metrics", "record", "a", "--cost", "1234567.5")
    note = codespar.run("metrics", "costs").stderr
    assert note == "total 1,234,567.50; at this rate 29,629,620.00 a day, 888,888,600.00 in 30 days\n"


def test_csv_cells_cannot_run_in_a_spreadsheet(filled, tmp_path):
    done = filled.run("metrics", "costs", "--csv", "costs.csv")
    assert done.returncode == 0
    with (tmp_path / "costs.csv").open(newline="") as stream:
        cells = list(csv.reader(stream))
    assert [row[:4] for row in cells] == [
        ["tool", "cost", "share", "calls"],
        ["git/push", "1.5", "0.750000", "2"],
        ["web/search", "0.5", "0.250000", "1"],
        ["'=cmd|' /C calc'!A1", "", "", "1"],
    ]
    done = filled.run("metrics", "costs", "--csv", "missing/costs.csv")
    assert (done.returncode, done.stdout) == (1, "")


def test_hostile_names_reach_no_terminal(codespar):
    hostile = json.dumps({"tool": "a\x1b]0;owned\x07\u202e[bold]\ud800", "agent": "x\ny", "error_type": "\x1b[2J"})
    assert codespar.run("metrics", "record", "--from", "-", given=hostile).returncode == 0
    for arguments in (("tail", "--no-follow"), ("stats",), ("costs",)):
        out = codespar.run("metrics", *arguments).stdout
        assert not set(out) & {"\x1b", "\x07", "\u202e", "\ud800"}
        assert "\\x1b]0;owned" in out
        assert len(out.splitlines()) == 2


def test_a_long_name_is_whole_in_json_and_cut_in_tables(codespar):
    name = "x" * 256
    codespar.run("metrics", "record", name, "--agent", name, "--error-type", name, "--cost", "1")
    for arguments in (("tail", "--no-follow"), ("stats",), ("costs",)):
        out = codespar.run("metrics", *arguments).stdout
        assert "x" * 47 + "…" in out
        assert max(map(len, out.splitlines())) < 250
    assert rows(codespar, name)[0]["tool"] == name
    assert rows(codespar, name + "y") == []  # a name this long is kept cut, and this cut is another


def test_without_a_plugin_the_commands_say_so(codespar):
    codespar.configure("[observability]\nbackend = 'none'\n")
    for arguments in (("tail", "--no-follow"), ("stats",), ("costs",), ("record", "a"), ("record", "--from", "-")):
        done = codespar.run("metrics", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no observability plugin is active" in done.stderr


def test_reading_an_empty_state_makes_nothing(codespar):
    for arguments in (("tail", "--no-follow"), ("stats",), ("costs",)):
        assert codespar.run("metrics", *arguments).returncode == 0
    assert not (codespar.state_dir / "metrics.db").exists()


def test_a_batch_store_has_the_row_when_the_command_says_so(codespar):
    codespar.configure("[observability]\nbackend = 'observer'\ndurability = 'batch'\n")
    assert codespar.run("metrics", "record", "git/push").returncode == 0
    assert [row["tool"] for row in rows(codespar)] == ["git/push"]


def test_retention_is_read_from_the_file(codespar):
    codespar.configure("[observability]\nbackend = 'observer'\nretention = '1h'\n")
    codespar.run("metrics", "record", "old", "--at", "2020-01-01T00:00:00Z")
    codespar.run("metrics", "record", "new")
    assert [row["tool"] for row in rows(codespar)] == ["new"]
