"""`codespar serve` where the system has no process or no descriptor left for an accepting process."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from serve_process import ROOT, fails, push, serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="looks into /proc")

STARVED = """
import errno, itertools, os, socket

fork, pair = os.fork, socket.socketpair
forks, pairs = itertools.count(1), itertools.count(1)
wanted, log, at = {wanted!r}, {log!r}, {at!r}


def refused(number):
    with open(log, "a") as file:
        file.write("x")
    raise OSError(number, os.strerror(number))


def forking():
    if next(forks) == at or os.path.exists(wanted) and open(wanted).read() == "fork":
        refused(errno.EAGAIN)
    return fork()


def pairing(*options):
    # every other one: the second that an accepting process needs
    if os.path.exists(wanted) and open(wanted).read() == "socketpair" and next(pairs) % 2 == 0:
        refused(errno.EMFILE)
    return pair(*options)


os.fork, socket.socketpair = forking, pairing
"""


def starving(directory, at=None):
    """An environment whose processes are refused what the file `wanted` names, and the fork with the number `at`."""
    (directory / "shadow").mkdir()
    program = STARVED.format(wanted=str(directory / "wanted"), log=str(directory / "refused"), at=at)
    (directory / "shadow" / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": f"{directory / 'shadow'}{os.pathsep}{ROOT}"}


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("wanted", "words"), [("fork", "resource temporarily unavailable"), ("socketpair", "too many open files")]
)
def test_one_that_cannot_be_replaced_is_tried_again_while_the_others_accept(tmp_path, wanted, words):
    refused = tmp_path / "refused"
    with serving(tmp_path, "--workers", "3", environ=starving(tmp_path)) as server:
        supervisor, (first, second) = server.pids[1], server.acceptors
        open_before = len(os.listdir(f"/proc/{supervisor}/fd"))
        (tmp_path / "new").write_text(wanted)
        (tmp_path / "new").rename(tmp_path / "wanted")
        os.kill(first, signal.SIGKILL)
        until(lambda: refused.exists() and refused.stat().st_size >= 3)
        assert server.acceptors == [second]
        until(lambda: len(os.listdir(f"/proc/{supervisor}/fd")) == open_before - 1)  # its connection to the dead one
        for number in range(20):
            assert json.loads(server.post(push(number), f"d{number}")[2])["status"] == "accepted"
        (tmp_path / "wanted").unlink()
        until(lambda: len(server.acceptors) == 2)
        assert second in server.acceptors
        os.kill(second, signal.SIGKILL)
        until(lambda: len(server.acceptors) == 2 and second not in server.acceptors)
        assert json.loads(server.post(push(99), "d99")[2])["status"] == "accepted"
        code, said = server.end()
    assert code == 0
    assert said.count(f"an accepting process cannot be begun: {words}; trying again\n") == 1
    assert said.count("cannot be begun") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("at", [1, 2, 3])
def test_at_first_it_is_an_error_that_is_told(tmp_path, at):
    """The supervisor, the first accepting process, the second."""
    code, said = fails(tmp_path, "--workers", "3", environ=starving(tmp_path, at))
    assert code == 1
    assert "the accepting processes cannot be begun: resource temporarily unavailable" in said
    assert "codespar serve --workers 1" in said
    assert "somebody" not in said
    assert "Traceback" not in said
