"""`codespar serve` with accepting processes: nothing is lost or doubled when one dies, and none outlives the others."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest
from doors_kit import PLUGINS as DOORS
from doors_kit import TOKEN, written
from serve_process import PLUGINS, ROOT, begin, fails, push, read_answer, request, runs, serving, sign

from codespar_cli.server.serving import default_workers

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="looks into /proc")


def rows(directory):
    with contextlib.closing(sqlite3.connect(directory / "state" / "inbox.db")) as database:
        return database.execute("SELECT delivery_id, count(*) FROM delivery GROUP BY delivery_id").fetchall()


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(("option", "processes"), [(1, 1), (2, 3), (3, 4)])
def test_so_many_processes(tmp_path, option, processes):
    """One that keeps, one that supervises, and those that accept; or one that does everything."""
    with serving(tmp_path, "--workers", str(option)) as server:
        assert len(server.pids) == processes
        assert server.post(push())[0] == 200
        assert server.end()[0] == 0
    assert rows(tmp_path) == [("d", 1)]


@pytest.mark.parametrize("value", ["0", "5", "-1", "many"])
def test_another_number_is_refused(tmp_path, value):
    assert fails(tmp_path, f"--workers={value}")[0] == 2
    plugins = PLUGINS + f"[serve]\nworkers = {value if value != 'many' else json.dumps(value)}\n"
    code, said = fails(tmp_path, plugins=plugins)
    assert code == 2
    assert "serve.workers: expected a whole number from 1 to 4" in said


def test_the_file_says_how_many(tmp_path):
    with serving(tmp_path, plugins=PLUGINS + "[serve]\nworkers = 3\n") as server:
        assert len(server.acceptors) == 2


class Sender(threading.Thread):
    """Sends what nobody has sent before, on a connection that is kept, and a delivery again until it is answered."""

    def __init__(self, server, name):
        super().__init__()
        self.server, self.label = server, name
        self.stopping, self.answered, self.again = threading.Event(), [], 0

    def run(self):
        count, connection = 0, None
        while not self.stopping.is_set():
            identity = f"{self.label}-{count}"
            try:
                connection = connection or self.server.connect()
                connection.sendall(request(push(hash(identity) % 10**12), identity))
                status, _, _ = read_answer(connection)
            except OSError:
                if connection is not None:
                    connection.close()
                connection, self.again = None, self.again + 1
                continue
            assert status == 200, status
            self.answered.append(identity)
            count += 1
        if connection is not None:
            connection.close()


def test_what_was_answered_is_there_once_though_acceptors_are_killed(tmp_path):
    with serving(tmp_path, "--workers", "3") as server:
        senders = [Sender(server, f"s{number}") for number in range(8)]
        for sender in senders:
            sender.start()
        for turn in range(4):
            before = [len(sender.answered) for sender in senders]
            until(lambda was=before: sum(len(each.answered) for each in senders) > sum(was) + 100)
            until(lambda: len(server.acceptors) == 2)
            os.kill(server.acceptors[turn % 2], signal.SIGKILL)
        until(lambda: len(server.acceptors) == 2)
        before = sum(len(each.answered) for each in senders)
        until(lambda: sum(len(each.answered) for each in senders) > before + 100)
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(30)
        code, said = server.end()
    assert code == 0
    assert said.count("an accepting process ended (signal 9); another one takes its place") == 4
    assert any(sender.again for sender in senders)
    stored = dict(rows(tmp_path))
    answered = [identity for sender in senders for identity in sender.answered]
    assert set(stored.values()) == {1}
    assert set(answered) <= set(stored)


def test_while_nobody_replaces_one_the_other_answers(tmp_path):
    with serving(tmp_path, "--workers", "3") as server:
        supervisor, (first, second) = server.pids[1], server.acceptors
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(first, signal.SIGKILL)
        until(lambda: server.acceptors == [second])
        for number in range(20):
            assert server.post(push(number), f"d{number}")[0] == 200
        os.kill(supervisor, signal.SIGCONT)
        until(lambda: len(server.acceptors) == 2)
        assert second in server.acceptors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_none_outlives_the_main_process_and_its_port_is_free(tmp_path, number):
    with serving(tmp_path, "--workers", "3") as server, server.connect() as idle:
        idle.sendall(b"POST /webh")
        pids, port = server.pids, server.port
        os.kill(server.process.pid, number)
        server.process.wait(20)
        with serving(tmp_path, "--workers", "2", port=port) as other:
            assert other.post(push(), "again")[0] == 200
        until(lambda: not any(map(runs, pids[1:])), 5)


def test_when_the_supervisor_is_killed_the_rest_ends_and_says_so(tmp_path):
    with serving(tmp_path, "--workers", "2") as server:
        pids = server.pids
        os.kill(pids[1], signal.SIGKILL)
        server.process.wait(20)
        _, said = server.process.communicate()
        until(lambda: not any(map(runs, pids[1:])), 5)
    assert server.process.returncode == 1
    assert b"the accepting processes were ended by somebody" in said


def test_signals_of_a_terminal_go_to_all_of_them(tmp_path):
    """Ctrl-C, and a service manager's SIGTERM to the whole group: what is under way is answered all the same."""
    with serving(tmp_path, "--workers", "3") as server, server.connect() as busy:
        rest = begin(busy, request(push()))
        for pid in reversed(server.pids):
            os.kill(pid, signal.SIGINT)
        with pytest.raises(OSError):
            while True:
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        busy.sendall(rest)
        assert read_answer(busy)[0] == 200
        server.process.wait(20)
        code, said = server.end()
    assert code == 0
    assert said.count("stopping: 1 request is under way and gets 10 s") == 1
    assert rows(tmp_path) == [("d", 1)]


def test_lines_of_several_processes_are_whole_and_paced_together(tmp_path):
    with serving(tmp_path, "--workers", "4") as server:

        def forge():
            for _ in range(20):
                assert server.post(push(), **{"X-Hub-Signature-256": sign(b"other")})[0] == 401

        threads = [threading.Thread(target=forge) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        _, said = server.end()
    lines = [line for line in said.splitlines() if "401" in line]
    assert set(lines) == {"401 to 127.0.0.1 at default/github: bad signature"}
    left_out = re.findall(r"(?m)^(\d+) more lines like these in 10 s$", said)
    assert len(lines) + sum(map(int, left_out)) == 120
    assert left_out


def test_a_secret_is_in_no_argument_and_no_environment_of_theirs(tmp_path):
    with serving(tmp_path, "--workers", "3") as server:
        for pid in server.acceptors:
            assert b"hush-hush" not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert (
                Path(f"/proc/{pid}/environ").read_bytes() == Path(f"/proc/{server.process.pid}/environ").read_bytes()
            )  # as it was given to us, and nothing more


ROUTED = '[[routes]]\nname = "count"\nrun = [{python}, "-c", {program}]\n'


def test_what_an_acceptor_took_is_read_and_dispatched_at_once(tmp_path):
    """The keeping process is woken, and does not wait for its next look at the store."""
    program = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')"
    plugins = PLUGINS + ROUTED.format(python=json.dumps(sys.executable), program=json.dumps(program))
    fastest = 60.0
    with serving(tmp_path, "--workers", "3", plugins=plugins) as server:
        for number in range(5):
            began = time.monotonic()
            assert server.post(push(number), f"d{number}")[0] == 200
            until(lambda n=number: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text()) == n + 1)
            fastest = min(fastest, time.monotonic() - began)
        assert server.end()[0] == 0
    assert fastest < 2.5  # half of the reader's own interval
    assert (tmp_path / "ran").read_text() == "xxxxx"


AGENTS = 12


def test_agents_ask_while_acceptors_are_killed_and_the_budget_holds(tmp_path):
    """1.00 at 0.10 a call: what is allowed is never more, whoever dies."""
    written(tmp_path, plugins=DOORS)
    allowed, refused, lock, tries = [], [], threading.Lock(), [0]
    environ = {"DOOR_TOKEN": TOKEN, "CODESPAR_STATE_DIR": str(tmp_path / "user")}
    with serving(tmp_path, "--workers", "3", plugins=DOORS, environ=environ) as server:
        stopping = threading.Event()

        def ask():
            while not stopping.is_set():
                with lock:
                    tries[0] += 1
                with contextlib.suppress(OSError):
                    found = check(server, {"tool": "x", "agent": "one", "reserve": True})
                    with lock:
                        (allowed if found["allowed"] else refused).append(found["reservation_id"] or found["code"])

        agents = [threading.Thread(target=ask) for _ in range(AGENTS)]
        for agent in agents:
            agent.start()
        for turn in range(4):
            before = tries[0]
            until(lambda was=before: tries[0] > was + 2 * AGENTS)
            until(lambda: len(server.acceptors) == 2)
            os.kill(server.acceptors[turn % 2], signal.SIGKILL)
        until(lambda: len(server.acceptors) == 2)
        stopping.set()
        for agent in agents:
            agent.join(30)
        code, said = server.end()
    assert code == 0
    assert said.count("an accepting process ended (signal 9)") == 4
    assert 0 < len(allowed) <= 10
    assert len(set(allowed)) == len(allowed)
    assert set(refused) <= {"budget_exceeded", "policy_timeout"}  # a busy machine may take longer than 2 s


def check(server, document):
    body = json.dumps(document).encode()
    lines = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(b"POST /v1/check HTTP/1.1\r\n" + lines.encode() + body)
        status, _, answer = read_answer(connection)
    assert status == 200
    return json.loads(answer)


@pytest.mark.parametrize("active", ["[]", '["github"]'])
def test_without_deliveries_nobody_else_accepts(tmp_path, active):
    """A carried question takes longer; only where deliveries come do the other processes earn that."""
    plugins = DOORS.replace("active = []", f"active = {active}")
    plugins += '[integrations.github]\nsecret = "env:GITHUB_HOOK"\n' if "github" in active else ""
    written(tmp_path, plugins=plugins)
    environ = {"DOOR_TOKEN": TOKEN, "CODESPAR_STATE_DIR": str(tmp_path / "user")}
    with serving(tmp_path, plugins=plugins, environ=environ) as server:
        count = 1 if active == "[]" else default_workers()
        assert len(server.pids) == (1 if count == 1 else count + 1)


def test_beside_threads_of_a_plugin_there_is_one_process(tmp_path):
    """They begin before anything is forked; a copied process would wait for locks that nobody in it releases."""
    (tmp_path / "shadow").mkdir()
    beginning = "import threading, time\nthreading.Thread(target=lambda: time.sleep(600), daemon=True).start()\n"
    (tmp_path / "shadow" / "sitecustomize.py").write_text(beginning)
    path = f"{tmp_path / 'shadow'}{os.pathsep}{ROOT}"
    with serving(tmp_path, "--workers", "3", environ={"PYTHONPATH": path}) as server:
        assert len(server.pids) == 1
        assert server.post(push())[0] == 200
        assert "a plugin has begun a thread: one process does everything" in server.end()[1]


def test_an_inbox_on_a_server_is_written_by_one_of_them(tmp_path, postgres):
    url = postgres.new_database()
    plugins = PLUGINS.replace('active = ["github"]', 'active = ["github"]\nstore = "env:INBOX"')
    with serving(tmp_path, "--workers", "3", plugins=plugins, environ={"INBOX": url}) as server:
        for number in range(20):
            assert json.loads(server.post(push(number), f"d{number}")[2])["status"] == "accepted"
            assert json.loads(server.post(push(number), f"d{number}")[2])["status"] == "duplicate"
        os.kill(server.acceptors[0], signal.SIGKILL)
        until(lambda: len(server.acceptors) == 2)
        assert json.loads(server.post(push(99), "d99")[2])["status"] == "accepted"
        assert server.get("/healthz")[0] == 200
        assert server.end()[0] == 0
    assert not (tmp_path / "state" / "inbox.db").exists()
