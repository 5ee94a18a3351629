"""What one line may cost: above the bound nothing of it is made into values, and nothing that could be a call passes."""

import json
import tracemalloc

import pytest
from test_mcp_screen import Desk, text

from codespar_cli.mcp import screen as screen_module
from codespar_cli.mcp.lines import MOST_READ, MOST_SIGNS, is_readable
from codespar_cli.mcp.listing import Pages

CROWDED = [b"{}," * 600_000, b"[]," * 600_000, b"0," * 1_000_001, b'"",' * 1_000_001, b'{"":' * 1_000_001]


@pytest.fixture
def desk():
    return Desk()


@pytest.mark.parametrize("values", [*CROWDED, b'"' + b"x" * MOST_READ + b'",'])
def test_a_call_that_is_too_large_to_judge_is_refused_unread(desk, values, monkeypatch):
    monkeypatch.setattr(screen_module, "read_message", lambda line: pytest.fail("it was read"))
    line = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"x":[' + values + b"0]}}}\n"
    )
    verdict = desk.screen.from_client(line)
    assert verdict.passes is False
    assert json.loads(verdict.reply)["error"]["code"] == -32600
    assert desk.policy.asked == []
    assert len(desk.notes) == 1


@pytest.mark.parametrize("values", CROWDED)
@pytest.mark.parametrize("asked", ["tools/call", "tools/list"])
def test_a_crowded_line_of_the_server_passes_unread_and_is_told_of(desk, values, asked):
    desk.call() if asked == "tools/call" else desk.up(asked)
    line = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[' + values + b"0]}}\n"
    tracemalloc.start()
    try:
        got = desk.screen.from_server(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == line
    assert peak < 1_000_000
    assert len(desk.notes) == 1
    assert f"a line of {len(line)} bytes from the server passed unread" in desk.notes[0]
    desk.screen.gone()
    desk.books.do()
    assert len(desk.recorder.metrics) == (asked == "tools/call")


def test_a_long_text_is_still_judged(desk):
    assert desk.call(arguments={"file": "x" * 12_000_000}).passes is True
    assert is_readable(b"," * MOST_SIGNS)
    assert is_readable(b"x" * MOST_READ)
    assert not is_readable(b"x" * (MOST_READ + 1))
    assert is_readable(b"\xc3\xbc" * (MOST_READ // 4))
    assert not is_readable(b"\xc3\xbc" * (MOST_READ // 4) + b"x")


def test_what_a_readable_line_makes_is_bounded(desk):
    desk.up("tools/list")
    items = b",".join([b'{"aa":"bb"}'] * (MOST_SIGNS // 2 - 10))
    line = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[' + items + b"]}}\n"
    assert is_readable(line)
    tracemalloc.start()
    try:
        assert desk.screen.from_server(line) == line
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 50_000_000 < peak < 250_000_000


def test_large_answers_do_not_wait_side_by_side(desk):
    for number in range(3):
        desk.call(id_=number)
        desk.books.do()
        desk.down(number, result=text("x" * 100_000))
        assert len(desk.recorder.metrics) == number + 1
    desk.call(id_=9)
    desk.books.do()
    desk.down(9, result=text("x"))
    assert len(desk.recorder.metrics) == 3  # a small one can wait


def test_pages_without_an_end_are_not_kept():
    pages, cursor, kept = Pages(), None, 0
    for number in range(100):
        before = len(pages._tools)
        pages.add(cursor, {"tools": [{"name": f"t{number}"}], "nextCursor": f"c{number}"}, 1 << 20)
        cursor, kept = f"c{number}", kept + len(pages._tools) - before
    assert kept == 8
