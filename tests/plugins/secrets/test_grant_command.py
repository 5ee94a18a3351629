"""`secrets grant`, and where grants are shown."""

import json

import pytest
from vault_kit import raw_bytes

CANARY = "canary-41c7aa"


def done(result, code=0):
    assert result.returncode == code, (result.stdout, result.stderr)
    assert b"Traceback" not in result.stderr
    assert CANARY.encode() not in result.stderr
    return result


def as_json(result):
    return json.loads(done(result).stdout)


@pytest.fixture
def limited(codespar):
    options = ("--agents", "ci-*,deploy", "--tools", "stripe/**")
    done(codespar.run("set", "K", *options, stdin=CANARY.encode()))
    return codespar


def test_json_shows_to_whom_a_secret_is_granted(limited):
    done(limited.run("set", "OPEN", stdin=b"v"))
    granted = (["ci-*", "deploy"], ["stripe/**"])
    shown = as_json(limited.run("get", "K", "-o", "json"))
    assert (shown["agents"], shown["tools"]) == granted
    listed = as_json(limited.run("list", "-o", "json"))
    assert [(row["key"], row["agents"], row["tools"]) for row in listed] == [("K", *granted), ("OPEN", None, None)]
    (version,) = as_json(limited.run("history", "K", "-o", "json"))
    assert (version["agents"], version["tools"]) == granted
    written = as_json(limited.run("set", "K", "-o", "json", stdin=b"2"))
    assert (written["agents"], written["tools"]) == granted


def test_a_table_shows_grants_only_where_there_are_some(codespar):
    done(codespar.run("set", "OPEN", stdin=b"v"))
    assert b"GRANTED" not in done(codespar.run("list")).stdout
    assert b"agents" not in done(codespar.run("get", "OPEN")).stdout
    done(codespar.run("set", "K", "--agents", "ci-*", stdin=b"v"))
    done(codespar.run("set", "T", "--tools", "stripe/**", stdin=b"v"))
    header, *rows = done(codespar.run("list")).stdout.decode().splitlines()
    at = header.index("GRANTED TO")
    assert {row.split()[0]: row[at:] for row in rows} == {"K": "ci-*", "T": "anyone for stripe/**", "OPEN": ""}
    assert "agents       ci-*" in done(codespar.run("get", "K")).stdout.decode()


def test_a_grant_changes_without_a_new_value(limited):
    before = as_json(limited.run("get", "K", "-o", "json"))
    done(limited.run("get", "K", "--agent", "mallory", "--tool", "stripe/charge"), 3)
    told = done(limited.run("grant", "K", "--agents", "mallory"))
    assert told.stdout == b""
    assert told.stderr == b"`K` of tenant `default` is granted to mallory for stripe/**\n"
    done(limited.run("get", "K", "--agent", "mallory", "--tool", "stripe/charge"))
    done(limited.run("get", "K", "--agent", "deploy", "--tool", "stripe/charge"), 3)
    after = as_json(limited.run("grant", "K", "--tools", "github/**", "-o", "json"))
    assert after == {**before, "agents": ["mallory"], "tools": ["github/**"]}
    assert [row["version"] for row in as_json(limited.run("history", "K", "-o", "json"))] == [1]
    assert done(limited.run("get", "K", "--reveal")).stdout == CANARY.encode()
    assert CANARY.encode() not in raw_bytes(limited.state)


def test_a_secret_is_opened_to_anyone_again(limited):
    opened = as_json(limited.run("grant", "K", "--anyone", "-o", "json"))
    assert (opened["agents"], opened["tools"]) == (None, None)
    done(limited.run("get", "K", "--agent", "whoever", "--tool", "whatever"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--anyone", "--agents", "x"],
        ["--anyone", "--tools", "x"],
        ["--agents", ""],
        ["--agents", "a,,b"],
        ["--agents", "x" * 5000],
    ],
)
def test_what_is_no_grant_is_a_usage_error_and_changes_nothing(limited, arguments):
    refused = done(limited.run("grant", "K", *arguments), 2)
    assert refused.stderr.startswith(b"error: ")
    assert as_json(limited.run("get", "K", "-o", "json"))["agents"] == ["ci-*", "deploy"]


def test_there_is_nothing_to_grant_where_there_is_no_secret(limited):
    for arguments in (["NONE"], ["K", "--tenant", "elsewhere"]):
        done(limited.run("grant", *arguments, "--anyone"), 6)
    done(limited.run("delete", "K", "--yes"))
    refused = done(limited.run("grant", "K", "--anyone", "-o", "json"), 6)
    assert json.loads(refused.stderr)["error"]["code"] == "not_found"


def test_a_backend_without_grants_says_so(codespar):
    (codespar.directory / "plugins.toml").write_text("version = 1\n")
    refused = done(codespar.run("grant", "K", "--anyone", "-o", "json"), 2)
    assert json.loads(refused.stderr)["error"]["code"] == "not_supported"


def test_a_value_after_the_key_is_refused(limited):
    assert b"takes no more than one KEY" in done(limited.run("grant", "K", CANARY, "--anyone"), 2).stderr
