"""`codespar serve` as a process: starting, refusing to start, ending, and what survives its end."""

import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time

import pytest
from serve_process import PLUGINS, begin, fails, listening, push, read_answer, request, serving, sign, spawn

# One process that does everything, and three of which two accept: the promises are the same.
both = pytest.mark.parametrize("workers", ["1", "3"])
OPEN = PLUGINS.replace('secret = "env:GITHUB_HOOK"', "")


def stored(directory):
    with sqlite3.connect(directory / "state" / "inbox.db") as database:
        return database.execute("SELECT id, delivery_id, status FROM delivery ORDER BY id").fetchall()


@both
def test_it_says_where_it_listens_and_answers(tmp_path, workers):
    with serving(tmp_path, "--workers", workers) as server:
        assert server.get("/healthz")[::2] == (200, b'{"status":"ok"}')
        status, _, body = server.post(push())
        assert (status, json.loads(body)) == (200, {"status": "accepted", "id": 1})
        assert server.get("/nothing")[0] == 404
        assert server.post(push(), **{"X-Hub-Signature-256": sign(b"other")})[0] == 401
        code, said = server.end()
    assert code == 0
    assert "POST /webhooks/github" in said
    assert "401 to 127.0.0.1 at default/github: bad signature" in said
    assert stored(tmp_path) == [(1, "d", "dispatched")]


def test_without_a_secret_it_does_not_start(tmp_path):
    code, said = fails(tmp_path, plugins=OPEN)
    assert code == 2
    assert "no active integration has a secret to verify deliveries with: github" in said
    assert "hint:" in said


@both
def test_a_provider_without_a_secret_is_left_out(tmp_path, workers):
    with serving(
        tmp_path, "--workers", workers, plugins=PLUGINS.replace('["github"]', '["github", "sentry"]')
    ) as server:
        assert "`sentry` is not served: [integrations.sentry] has no `secret`" in server.said
        assert server.post(push(), path="/webhooks/sentry")[0] == 404


@pytest.mark.parametrize("value", ["", None])
def test_a_reference_without_a_value_is_an_error(tmp_path, value, monkeypatch):
    monkeypatch.delenv("OTHER", raising=False)
    plugins = PLUGINS.replace("GITHUB_HOOK", "OTHER")
    code, said = fails(tmp_path, plugins=plugins, environ={} if value is None else {"OTHER": value})
    assert code == 2
    assert "integrations.github.secret: `env:OTHER` has no value" in said


@both
def test_nothing_is_verified_on_loopback_only(tmp_path, workers):
    with serving(tmp_path, "--workers", workers, "--insecure-no-verify", plugins=OPEN) as server:
        assert server.post(push(), **{"X-Hub-Signature-256": None})[0] == 200
    with socket.socket() as other:  # it is refused before it could be found that the port is taken
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for host in ("0.0.0.0", "::", "192.0.2.7"):
            code, said = fails(
                tmp_path, "--workers", workers, "--insecure-no-verify", "--host", host, "--port", port, plugins=OPEN
            )
            assert code == 2
            assert "--insecure-no-verify: expected a loopback address" in said


@pytest.mark.parametrize("value", ["", None])
def test_where_nothing_is_verified_a_secret_may_be_missing(tmp_path, value, monkeypatch):
    monkeypatch.delenv("OTHER", raising=False)
    plugins = PLUGINS.replace("GITHUB_HOOK", "OTHER")
    environ = {} if value is None else {"OTHER": value}
    with serving(tmp_path, "--insecure-no-verify", plugins=plugins, environ=environ) as server:
        assert "`github` could not be verified: integrations.github.secret: `env:OTHER` has no value\n" in server.said
        assert server.post(push(), **{"X-Hub-Signature-256": None})[0] == 200


def test_where_nothing_is_verified_and_no_secret_is_meant_nothing_is_missed(tmp_path):
    with serving(tmp_path, "--insecure-no-verify", plugins=OPEN) as server:
        assert server.get("/healthz")[0] == 200
        assert "could not be verified" not in server.end()[1]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Referer", "https://evil.example/page"),
        ("Host", "evil.example:8787"),
        ("Host", "127.evil.example"),
    ],
)
@both
def test_a_web_page_cannot_send_where_nothing_is_verified(tmp_path, workers, header, value):
    """A form that a page of somebody's posts to loopback, and a name that was made to point there."""
    with serving(tmp_path, "--workers", workers, "--insecure-no-verify", plugins=OPEN) as server:
        assert server.post(push(), **{"X-Hub-Signature-256": None, header: value})[0] == 403
        for host in ("localhost:8787", "127.0.0.1", "[::1]:8787"):
            assert server.post(push(), host, **{"X-Hub-Signature-256": None, "Host": host})[0] == 200


@both
def test_a_port_that_is_taken_is_said(tmp_path, workers):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = fails(tmp_path, "--workers", workers, "--port", str(port))
    assert code == 1
    assert said.splitlines()[0] == f"error: cannot listen on 127.0.0.1:{port}: address already in use"


@pytest.mark.parametrize("host", ["no such host", "256.1.1.1", "a" * 300, "127.0.0.1:80", "é\u202e"])
def test_a_host_that_is_none_is_said(tmp_path, host):
    code, said = fails(tmp_path, "--host", host)
    assert code == 1
    assert said.startswith("error: cannot listen on ")
    assert "\u202e" not in said


def test_the_file_says_where_and_the_option_more_loudly(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(tmp_path, port=0, plugins=PLUGINS + f'[serve]\nhost = "127.0.0.2"\nport = {port}\n') as server:
        assert "listening on http://127.0.0.2:" in server.said
        assert server.port != port


def test_a_missing_extra_is_one_line(tmp_path):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "uvicorn.py").write_text("raise ImportError('no')")
    from serve_process import ROOT

    code, said = fails(tmp_path, environ={"PYTHONPATH": f"{tmp_path / 'shadow'}{os.pathsep}{ROOT}"})
    assert code == 2
    assert said.splitlines() == [
        "error: `codespar serve` needs the extra `server`, which is not installed",
        "hint: pip install 'codespar-cli[server]'",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@both
def test_a_signal_ends_it_when_what_is_under_way_is_done(tmp_path, workers, number):
    with serving(tmp_path, "--workers", workers) as server, server.connect() as idle, server.connect() as busy:
        rest = begin(busy, request(push()))
        idle.sendall(b"POST /webh")
        server.process.send_signal(number)
        with pytest.raises(OSError):
            while True:  # until it takes no more
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        busy.sendall(rest)
        assert read_answer(busy)[0] == 200
        server.process.wait(20)
        code, said = server.end()
    assert code == 0
    assert [line for line in said.splitlines() if "stopping" in line] == [
        "stopping: 1 request is under way and gets 10 s"
    ]
    assert len(stored(tmp_path)) == 1


@both
def test_its_end_names_what_routes_get(tmp_path, workers):
    with serving(
        tmp_path, "--workers", workers, plugins=PLUGINS + '[[routes]]\nname = "r"\nrun = ["true"]\n'
    ) as server:
        code, said = server.end()
    assert code == 0
    assert said.endswith("\nstopping: no request is under way; what routes do gets 5 s\n")


ROUTED = (
    PLUGINS
    + """
[[routes]]
name = "triage"
run = [{python}, "-c", "import sys; sys.exit('refused ' + sys.argv[1])", {secret}]
attempts = 1
"""
)


@pytest.mark.parametrize("ignored", [False, True])
@both
def test_what_a_command_says_of_a_secret_is_neither_kept_nor_logged(tmp_path, workers, ignored):
    """Nor is a failure taken for success where whoever started it ignores what becomes of children."""
    secret = "a-secret-of-githubs"
    plugins = ROUTED.format(python=json.dumps(sys.executable), secret=json.dumps(secret))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN) if ignored else None
    try:
        process = spawn(tmp_path, "--workers", workers, "--port", "0", plugins=plugins, environ={"GITHUB_HOOK": secret})
    finally:
        if ignored:
            signal.signal(signal.SIGCHLD, before)
    with listening(process) as server:
        assert server.post(push(), **{"X-Hub-Signature-256": sign(push(), secret)})[0] == 200
        end = time.monotonic() + 20
        while stored(tmp_path)[0][2] != "dead":
            assert time.monotonic() < end, stored(tmp_path)
        code, said = server.end()
    assert code == 0
    assert "ended with exit code 1: refused ********; given up" in said
    with sqlite3.connect(tmp_path / "state" / "inbox.db") as database:
        ((error,),) = database.execute("SELECT error FROM task").fetchall()
    assert error.endswith("exit code 1: refused ********")
    assert secret not in said
    for path in (tmp_path / "state").iterdir():
        assert secret.encode() not in path.read_bytes()


@both
def test_the_second_signal_ends_it_at_once(tmp_path, workers):
    with serving(tmp_path, "--workers", workers) as server, server.connect() as busy:
        begin(busy, request(push()))
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(OSError):
            while True:
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 128 + signal.SIGTERM


@both
def test_one_event_sent_200_times_across_a_crash_is_stored_once(tmp_path, workers):
    """16 senders, each of whom tries again until it is answered 200; the server is killed in the middle."""
    body, answers, lock = push(), [], threading.Lock()
    half = threading.Event()
    place = {}

    def sender(count):
        sent = 0
        while sent < count:
            try:
                with socket.create_connection(("127.0.0.1", place["port"]), timeout=10) as connection:
                    while sent < count:
                        connection.sendall(request(body, "the-one"))
                        status, _, told = read_answer(connection)
                        if status == 200:
                            sent += 1
                            with lock:
                                answers.append(json.loads(told))
                                if len(answers) >= 60:
                                    half.set()
            except OSError:
                place["again"].wait(20)

    with serving(tmp_path, "--workers", workers) as first:
        place.update(port=first.port, again=threading.Event())
        threads = [threading.Thread(target=sender, args=(13 if number < 8 else 12,)) for number in range(16)]
        for thread in threads:
            thread.start()
        assert half.wait(30)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        with serving(tmp_path, "--workers", workers, port=first.port) as second:
            place["again"].set()
            for thread in threads:
                thread.join(30)
            assert second.end()[0] == 0
    assert len(answers) == 200
    assert {answer["id"] for answer in answers} == {1}
    assert [answer["status"] for answer in answers].count("accepted") <= 1
    assert stored(tmp_path) == [(1, "the-one", "dispatched")]


@both
def test_every_acknowledged_delivery_survives_a_crash(tmp_path, workers):
    acknowledged, lock, enough = set(), threading.Lock(), threading.Event()

    def sender(port, number):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                for count in range(10_000):
                    name = f"{number}-{count}"
                    connection.sendall(request(push(name), name))
                    assert read_answer(connection)[0] == 200
                    with lock:
                        acknowledged.add(name)
                        if len(acknowledged) > 300:
                            enough.set()
        except OSError:
            return

    with serving(tmp_path, "--workers", workers) as server:
        threads = [threading.Thread(target=sender, args=(server.port, number)) for number in range(16)]
        for thread in threads:
            thread.start()
        assert enough.wait(30)
        server.process.kill()
        for thread in threads:
            thread.join(30)
    with serving(tmp_path, "--workers", workers) as server:
        assert server.end()[0] == 0  # which reads what was left before it ends
    found = {name for _, name, _ in stored(tmp_path)}
    assert acknowledged <= found
    assert len(found) == len(stored(tmp_path))


@both
def test_a_captured_body_under_a_new_id_is_kept_and_marked(tmp_path, workers):
    with serving(tmp_path, "--workers", workers) as server:
        assert json.loads(server.post(push(), "one")[2])["status"] == "accepted"
        assert json.loads(server.post(push(), "two")[2])["status"] == "suspected_replay"
        server.end()
    assert [status for *_, status in stored(tmp_path)] == ["dispatched", "suspected_replay"]


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/unshare"), reason="root writes everywhere")
@both
def test_a_store_that_cannot_be_written_is_503_until_it_can(tmp_path, workers):
    """A directory in the place of the database: nobody can write there, not even root."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "inbox.db").mkdir()
    with serving(tmp_path, "--workers", workers) as server:
        assert server.get("/healthz")[0] == 503
        status, headers, body = server.post(push())
        assert (status, json.loads(body)) == (503, {"error": "not stored"})
        assert int(headers["retry-after"]) > 0
        (state / "inbox.db").rmdir()
        assert server.post(push())[0] == 200
        code, said = server.end()
    assert code == 0
    assert "503 to 127.0.0.1: not stored: " in said


@both
def test_a_full_disk_is_503_until_there_is_room(tmp_path, workers):
    """Files of this process may not grow beyond a limit, which is lifted later: what a full disk does to SQLite."""
    import resource

    with serving(tmp_path, "--workers", workers) as server:
        assert server.post(push(0), "0")[0] == 200
        pid = server.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        statuses = [server.post(push(number, 20_000), str(number))[0] for number in range(1, 30)]
        assert set(statuses) == {200, 503}
        assert statuses[-1] == 503
        assert server.get("/healthz")[0] == 503
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert server.post(push(99), "99")[0] == 200
        code, _ = server.end()
    assert code == 0
    kept = {name for _, name, _ in stored(tmp_path)}
    assert kept == {"0", "99", *(str(number) for number, status in enumerate(statuses, 1) if status == 200)}


@both
def test_on_a_full_disk_it_is_not_well_however_little_still_fits(tmp_path, workers):
    """A large delivery finds no room, a page would: it is not well until a delivery is stored again."""
    import resource

    with serving(tmp_path, "--workers", workers) as server:
        assert server.post(push(0), "0")[0] == 200
        assert server.get("/healthz")[0] == 200
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        assert server.post(push(1, 500_000), "1")[0] == 503
        assert server.get("/healthz")[0] == 503
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        assert server.get("/healthz")[0] == 503
        assert server.post(push(1, 500_000), "1")[0] == 200
        assert server.get("/healthz")[0] == 200
