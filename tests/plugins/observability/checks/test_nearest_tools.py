from __future__ import annotations

import pytest

from codespar_cli.plugins.observability.checks.nearest_tools import NameIndex

NAMES = [
    "central_get_sites", "central_get_devices", "central_update_site", "terminal", "read_file", "write_file",
    "create_issue", "list_pull_requests", "web_search", "send_email", "get_weather", "browser_navigate", "delete_record",
    "runTerminalCmd", "apply_patch",
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("central_list_sites", "central_get_sites"),
        ("centralGetSites", "central_get_sites"),
        ("central-get-site", "central_get_sites"),
        ("shell", "terminal"),
        ("bash", "terminal"),
        ("run_command", "runTerminalCmd"),
        ("mcp__github__create_issue", "create_issue"),
        ("github/create_issue", "create_issue"),
        ("github.create_issue", "create_issue"),
        ("functions.create_issue", "create_issue"),
        ("create_ticket", "create_issue"),
        ("new_issue", "create_issue"),
        ("raed_file", "read_file"),
        ("ReadFile", "read_file"),
        ("fetch_file", "read_file"),
        ("save_file", "write_file"),
        ("get_pull_requests", "list_pull_requests"),
        ("internet_search", "web_search"),
        ("send_mail", "send_email"),
        ("weather_forecast", "get_weather"),
        ("browser_goto", "browser_navigate"),
        ("remove_record", "delete_record"),
        ("applypatch", "apply_patch"),
    ],
)
def test_the_tool_that_was_meant_comes_first(asked, meant):
    assert NameIndex(NAMES).nearest(asked)[0] == meant
    crowd = [*NAMES, *(f"service_{n}_operation_{n * 7}" for n in range(3000))]
    assert NameIndex(crowd).nearest(asked)[0] == meant


@pytest.mark.parametrize("asked", ["xylophone", "", "42", "🙂", "a" * 100_000, "\ud800"])
def test_nothing_near_is_no_suggestion(asked):
    assert NameIndex(NAMES).nearest(asked) == ()


def test_a_prefix_the_catalogue_has_and_the_call_has_not():
    index = NameIndex(["mcp__github__create_issue", "mcp__github__get_me"])
    assert index.nearest("create_issue")[0] == "mcp__github__create_issue"


def test_at_most_three_and_always_the_same_order():
    names = [f"get_thing_{n}" for n in range(10)]
    assert NameIndex(names).nearest("get_things") == NameIndex(reversed(names)).nearest("get_things")
    assert len(NameIndex(names).nearest("get_things")) == 3


def test_the_same_name_without_its_prefix_comes_before_the_same_words():
    assert NameIndex(["issue_new", "new_issue"]).nearest("mcp__github__new_issue")[0] == "new_issue"
