"""Dispatchers in processes of their own: killed in the middle, and several on one inbox."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from routes_world import filled, statuses, until

from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

PROCESS = Path(__file__).with_name("dispatching_process.py")
HELD_A_LONG_TIME = 600


@contextmanager
def running(state_dir, config, lease_s=HELD_A_LONG_TIME):
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), str(state_dir), str(config), str(lease_s)], stdin=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.stdin.close()
            process.wait(30)
        else:
            process.stdin.close()


def config_of(tmp_path, source, *arguments, **more):
    """A file with one route that runs this Python."""
    options = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    path = tmp_path / "plugins.toml"
    command = json.dumps([sys.executable, "-c", source, *map(str, arguments)])
    path.write_text(f'[[routes]]\nname = "a"\nrun = {command}\n{options}')
    return path


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


DEED = """
import json, os, sys, time
number = json.load(sys.stdin)["data"]["delivery"]["id"]
def note(what):
    with open(sys.argv[1], "a") as file:
        file.write(f"{what} {number}\\n")
note("begin")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
note("end")
"""


def test_a_killed_dispatcher_leaves_nothing_undone(tmp_path):
    """The lease would last for ten minutes: the next one knows that the first is gone."""
    store = SqliteInbox(tmp_path / "state")
    filled(store, 6, ("a",))
    notes, go = tmp_path / "notes", tmp_path / "go"
    config = config_of(tmp_path, DEED, notes, go, concurrency=3)
    with running(tmp_path / "state", config) as process:
        asyncio.run(until(lambda: len(lines(notes)) == 3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    assert set(statuses(store).values()) == {"received"}
    go.touch()
    began = time.monotonic()
    with running(tmp_path / "state", config):
        asyncio.run(until(lambda: set(statuses(store).values()) == {"dispatched"}, within_s=60))
    assert time.monotonic() - began < 60
    assert {line for line in lines(notes) if line.startswith("end")} == {f"end {number}" for number in range(1, 7)}
    store.close()


def test_a_dispatcher_of_another_state_directory_waits_for_the_end_of_the_lease(tmp_path):
    store = SqliteInbox(tmp_path / "state")
    filled(store, 1, ("a",))
    notes, go = tmp_path / "notes", tmp_path / "go"
    config = config_of(tmp_path, DEED, notes, go)
    with running(tmp_path / "state", config, lease_s=2) as process:
        asyncio.run(until(lambda: len(lines(notes)) == 1))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    go.touch()
    for lock in (tmp_path / "state").glob("routes-*.lock"):
        lock.unlink()
    with running(tmp_path / "state", config, lease_s=2):
        asyncio.run(until(lambda: statuses(store) == {1: "dispatched"}, within_s=60))
    store.close()


EXCLUSIVE = """
import json, os, sys, time
number = json.load(sys.stdin)["data"]["delivery"]["id"]
place = os.path.join(sys.argv[1], str(number))
file = os.open(place + ".now", os.O_CREAT | os.O_EXCL)
time.sleep(2.2)
os.unlink(place + ".now")
with open(place + ".done", "a") as done:
    done.write("x")
"""


def test_three_processes_on_one_inbox_never_do_a_task_at_the_same_time(tmp_path):
    """Deeds take longer than a lease, and two of the processes have time; a second one at a time would fail to make its
    file."""
    store = SqliteInbox(tmp_path / "state")
    count = 7
    filled(store, count, ("a",))
    place = tmp_path / "place"
    place.mkdir()
    config = config_of(tmp_path, EXCLUSIVE, place, concurrency=2, attempts=1)
    with (
        running(tmp_path / "state", config, lease_s=1.5),
        running(tmp_path / "state", config, lease_s=1.5),
        running(tmp_path / "state", config, lease_s=1.5),
    ):
        asyncio.run(until(lambda: "received" not in statuses(store).values(), within_s=120))
    assert set(statuses(store).values()) == {"dispatched"}
    assert {path.name: path.read_text() for path in place.iterdir()} == {f"{n}.done": "x" for n in range(1, count + 1)}
    store.close()
