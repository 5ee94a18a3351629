"""The HTTP doors of a real `codespar serve`, over sockets."""

import json
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from doors_kit import PLUGINS, RULES, TOKEN, is_allow, is_deny, pre, written
from serve_process import begin, fails, read_answer, serving

WITH_GITHUB = PLUGINS.replace("active = []", 'active = ["github"]\n[integrations.github]\nsecret = "env:GITHUB_HOOK"')


@pytest.fixture(params=["1", "3"], ids="workers {}".format)
def started(request):
    """Begins one process that does everything, or three of which two accept and the third has the gate."""

    def start(directory, *options, plugins=PLUGINS, rules=RULES, token=TOKEN):
        written(directory, rules, plugins)
        environ = {"DOOR_TOKEN": token, "CODESPAR_STATE_DIR": str(directory / "user")}
        return serving(directory, "--workers", request.param, *options, plugins=plugins, environ=environ)

    return start


def head(path, length, host="127.0.0.1", **more):
    found = {"Host": host, "Authorization": f"Bearer {TOKEN}", "Content-Length": length, **more}
    lines = "".join(f"{name}: {value}\r\n" for name, value in found.items() if value is not None)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()


def post(server, path, body, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with server.connect() as connection:
        connection.sendall(head(path, len(raw), **more) + raw)
        return read_answer(connection)


def test_without_integrations_it_serves_agents(tmp_path, started):
    with started(tmp_path) as server:
        assert post(server, "/v1/hook/claude", pre())[::2] == (200, b"")
        status, headers, body = post(server, "/v1/hook/claude", pre("Write", use="t2"))
        assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
        assert is_deny("claude", body)
        decision = json.loads(post(server, "/v1/check", {"tool": "deploy/run", "reserve": True})[2])
        assert (decision["allowed"], decision["approval"][:3]) == (False, "ap-")
        assert post(server, "/v1/check", {"tool": "x"}, Authorization=None)[0] == 401
        assert post(server, "/v1/check", {"tool": "x"}, Origin="http://127.0.0.1")[0] == 403
        assert post(server, "/v1/check", {"tool": "x"}, host="evil.example")[0] == 403
        assert server.get("/v1/check")[0] == 405
        code, said = server.end()
    assert code == 0
    assert "POST /v1/check, /v1/record, /v1/hook/HOST (for who has the token)" in said
    assert TOKEN not in said


def test_without_a_token_the_doors_are_not_there(tmp_path, started):
    plugins = WITH_GITHUB.replace('token = "env:DOOR_TOKEN"', "port = 0")
    with started(tmp_path, plugins=plugins) as server:
        for path in ("/v1/check", "/v1/record", "/v1/hook/claude"):
            assert post(server, path, {"tool": "x"})[::2] == (404, b'{"error":"not found"}')


@pytest.mark.parametrize("token", ["", "short", "with a blank in the middle", "0123456789abcdef\xe9"])
def test_a_token_that_guards_nothing_is_refused(tmp_path, token):
    written(tmp_path)
    code, said = fails(tmp_path, plugins=PLUGINS, environ={"DOOR_TOKEN": token})
    assert code == 2
    assert "serve.token" in said
    assert not token or token not in said


def test_hostile_bodies_over_a_socket_are_denied(tmp_path, started):
    bodies = [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 60_000, json.dumps(pre()).encode() + b"x"]
    with started(tmp_path) as server:
        for body in bodies:
            for host in ("claude", "codex", "cursor", "gemini", "copilot"):
                status, _, answer = post(server, f"/v1/hook/{host}", body)
                assert status == 200
                assert is_deny(host, answer)
        with server.connect() as connection:  # larger than is taken: told before it was sent
            connection.sendall(head("/v1/hook/claude", 17 << 20))
            status, _, answer = read_answer(connection)
        assert (status, is_deny("claude", answer)) == (200, True)
        assert is_allow("claude", post(server, "/v1/hook/claude", pre())[2])


def test_a_slow_sender_is_denied_and_holds_nobody_up(tmp_path, started):
    with started(tmp_path) as server, server.connect() as slow:
        slow.sendall(head("/v1/hook/claude", 100) + b"{")
        assert is_allow("claude", post(server, "/v1/hook/claude", pre())[2])
        status, _, answer = read_answer(slow)
        assert (status, is_deny("claude", answer)) == (200, True)


def test_one_budget_holds_for_many_connections(tmp_path, started):
    with started(tmp_path) as server:
        barrier = threading.Barrier(8)

        def run(worker):
            barrier.wait(20)
            return sum(
                is_allow("claude", post(server, "/v1/hook/claude", pre(use=f"{worker}-{number}"))[2])
                for number in range(8)
            )

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(run, range(8))) == 10


def test_what_is_under_way_is_answered_before_the_end(tmp_path, started):
    raw = json.dumps(pre()).encode()
    with started(tmp_path) as server, server.connect() as connection:
        rest = begin(connection, head("/v1/hook/claude", len(raw)) + raw)
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(rest)
        assert read_answer(connection)[::2] == (200, b"")
        server.process.wait(20)
        assert server.process.returncode == 0


def test_a_sender_that_hangs_up_ends_nothing(tmp_path, started):
    raw = json.dumps(pre()).encode()
    with started(tmp_path) as server:
        for number in range(20):
            with server.connect() as connection:
                connection.sendall(head("/v1/hook/claude", len(raw)) + raw)
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert post(server, "/v1/hook/claude", pre("Write"))[0] == 200
        assert server.end()[0] == 0
