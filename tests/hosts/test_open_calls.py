"""What is remembered between the event before a call and the one after it."""

import os
import stat
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.hosts.host_event import AFTER, BEFORE, HostEvent
from codespar_cli.hosts.open_calls import OpenCall, OpenCalls


def event(kind=BEFORE, tool="Bash", args=None, use=None, session="s", host="claude"):
    return HostEvent(host, kind, "x", tool, {"command": "ls"} if args is None else args, use, session)


def call(number=0):
    return OpenCall(1000.0 + number, "claude", "default", f"rs-{number}", f"de-{number}", "rules")


@pytest.fixture
def calls(tmp_path):
    return OpenCalls(str(tmp_path / "state"))


def test_a_call_is_taken_once(calls):
    calls.note(event(use="u"), call())
    assert calls.take(event(AFTER, use="u")) == call()
    assert calls.take(event(AFTER, use="u")) is None


def test_the_hosts_id_counts_before_anything_else(calls):
    calls.note(event(use="one"), call(1))
    calls.note(event(use="two"), call(2))
    assert calls.take(event(AFTER, args={"command": "changed"}, use="two")) == call(2)
    assert calls.take(event(AFTER, use="three")) is None
    assert calls.take(event(AFTER, use="one")) == call(1)


def test_without_an_id_it_is_the_oldest_of_the_very_call_and_else_of_the_tool(calls):
    for number in range(3):
        calls.note(event(), call(number))
    calls.note(event(args={"command": "pwd"}), call(9))
    assert [calls.take(event(AFTER)) for _ in range(3)] == [call(0), call(1), call(2)]
    assert calls.take(event(AFTER, args={"command": "changed"})) == call(9)
    assert calls.take(event(AFTER)) is None


@pytest.mark.parametrize("other", [{"session": "t"}, {"host": "gemini"}, {"tool": "Read"}])
def test_calls_of_others_are_left_alone(calls, other):
    calls.note(event(), call())
    assert calls.take(event(AFTER, **other)) is None
    assert calls.take(event(AFTER)) == call()


def test_a_permission_finds_the_very_call_and_leaves_it(calls):
    calls.note(event(use="u"), call())
    for _ in range(2):
        assert calls.find(event()) == call()
    assert calls.find(event(args={"command": "rm"})) is None
    assert calls.take(event(AFTER, use="u")) == call()
    assert calls.find(event()) is None


def test_what_is_kept_is_private_and_says_nothing_of_the_call(calls, tmp_path):
    calls.note(event(args={"command": "export TOKEN=secret-value"}, use="u"), call())
    (file,) = (tmp_path / "state" / "hooks" / "calls").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for directory in (tmp_path / "state", tmp_path / "state" / "hooks", file.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert "secret-value" not in file.read_text() + file.name


def test_many_takers_of_one_call(calls):
    for number in range(20):
        calls.note(event(), call(number))
    taken = []
    threads = [
        threading.Thread(target=lambda: taken.extend([calls.take(event(AFTER)) for _ in range(5)])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.reservation_id for found in taken if found) == sorted(f"rs-{number}" for number in range(20))


def test_what_is_old_or_too_much_is_removed_and_the_newest_stay(calls, tmp_path):
    calls.note(event(use="new"), call())
    directory = tmp_path / "state" / "hooks" / "calls"
    old = time.time_ns() - 25 * 3600 * 10**9
    (directory / f"a.b.c.d.{old:016x}").write_text("[]")
    for number in range(4200):
        (directory / f"a.b.c.d{number}.{time.time_ns() - 10**12 + number:016x}").write_bytes(b"")
    calls.prune()
    assert len(os.listdir(directory)) == 4096
    assert calls.take(event(AFTER, use="new")) == call()


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"[1]", b"null", b"\xff", b'["x","a","b",null,null,null]'])
def test_a_file_that_is_no_call_is_none_and_goes(calls, tmp_path, content):
    calls.note(event(), call())
    (file,) = (tmp_path / "state" / "hooks" / "calls").iterdir()
    file.write_bytes(content)
    assert calls.take(event(AFTER)) is None
    assert not file.exists()


def test_a_state_directory_of_others_is_refused(tmp_path):
    place = tmp_path / "state"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(OSError, match="can be written by others"):
        OpenCalls(str(place)).note(event(), call())
    assert list(place.iterdir()) == []


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from([None, "u", "v"])), max_size=25))
def test_against_a_plain_list(tmp_path_factory, steps):
    """Whatever is noted and taken, in whatever order: each call once, by id or oldest first."""
    calls, model = OpenCalls(str(tmp_path_factory.mktemp("state"))), []
    for number, (notes, command, use) in enumerate(steps):
        args = {"command": command}
        if notes:
            calls.note(event(args=args, use=use), call(number))
            model.append((args, use, call(number)))
            continue
        if use:
            fits = [entry for entry in model if entry[1] == use]
        else:
            fits = [entry for entry in model if entry[0] == args] or model
        found = calls.take(event(AFTER, args=args, use=use))
        assert found == (fits[0][2] if fits else None)
        if fits:
            model.remove(fits[0])
