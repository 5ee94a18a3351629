"""Against servers that no OpenBao is: ones that lie, stall, babble and point elsewhere."""

import http.server
import json
import sys
import threading
import time
import traceback

import pytest

from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError, MissingExtra, SecretError, StoreUnreachable
from codespar_cli.plugins.secrets import hashicorp_server
from codespar_cli.plugins.secrets.hashicorp import HashicorpSecrets

TOKEN = "token-canary-91ab"
FOUND = {"data": {"data": {"value": "v"}, "metadata": {"version": 1}}}


class Liar:
    """Answers every request alike, and remembers what it was asked."""

    def __init__(self, status=200, body=FOUND, *, headers=None, act=None):
        self.asked = []
        self.ended = threading.Event()
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                liar.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
                if act is not None:
                    act(self, liar)
                    return
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def lying(tmp_path):
    made = []

    def lie(*arguments, options=None, **more):
        liar = Liar(*arguments, **more)
        services = Services(tmp_path, resolve={"env:VAULT_TOKEN": TOKEN}.get, config_dir=tmp_path)
        secrets = HashicorpSecrets.from_options({"address": liar.address, **(options or {})}, services)
        made.append((liar, secrets))
        return liar, secrets

    yield lie
    for liar, secrets in made:
        secrets.close()
        liar.stop()


def told(error):
    assert error.__context__ is None or error.__suppress_context__
    stack = traceback.TracebackException.from_exception(error, capture_locals=True)
    return str(error) + str(error.hint) + "".join(str(frame.locals) for frame in stack.stack[1:])


def test_a_request_is_what_the_documentation_says(lying):
    liar, secrets = lying(options={"namespace": "team/a", "mount": "kv"})
    assert secrets.get("acme", "API_KEY") == "v"
    ((method, path, headers, body),) = liar.asked
    assert (method, path, body) == ("GET", "/v1/kv/data/codespar/acme/API_5fKEY", b"")
    assert (headers["X-Vault-Token"], headers["X-Vault-Namespace"]) == (TOKEN, "team/a")
    assert headers["X-Vault-Request"] == "true"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(lying, status):
    elsewhere, _ = lying()
    _, secrets = lying(status, {}, headers={"Location": f"{elsewhere.address}/v1/secret/data/codespar/acme/K"})
    with pytest.raises(SecretError, match="redirects are not followed") as caught:
        secrets.get("acme", "K")
    assert caught.value.code == "redirected"
    assert elsewhere.asked == []
    assert TOKEN not in told(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"errors": [f"no, {TOKEN}"]}, SecretError, "refused"),
        (401, {}, SecretError, "permission_denied"),
        (403, {"errors": ["permission denied"]}, SecretError, "permission_denied"),
        (404, {"errors": ["no handler for route"]}, ConfigError, "no_such_mount"),
        (418, b"<html>", SecretError, "refused"),
        (429, {}, StoreUnreachable, "rate_limited"),
        (500, {"errors": [f"internal error near {TOKEN}"]}, StoreUnreachable, "server_failed"),
        (500, {"errors": ["Vault is sealed"]}, StoreUnreachable, "sealed"),
        (501, {}, StoreUnreachable, "sealed"),
        (502, b"<html>bad gateway</html>", StoreUnreachable, "server_failed"),
        (503, {"errors": ["Vault is sealed"]}, StoreUnreachable, "sealed"),
        (204, b"", SecretError, "refused"),
        (200, b"hello", SecretError, "unexpected_answer"),
        (200, b"[]", SecretError, "unexpected_answer"),
        (200, b"[" * 100_000, SecretError, "unexpected_answer"),
        (200, b"\xff{}", SecretError, "unexpected_answer"),
        (200, {"data": None}, SecretError, "unexpected_answer"),
        (200, {"data": {"data": {"value": "\ud800"}}}, SecretError, "unexpected_answer"),
    ],
)
def test_every_answer_that_is_no_secret_is_an_error_of_its_kind(lying, status, body, kind, code):
    _, secrets = lying(status, body)
    with pytest.raises(kind) as caught:
        secrets.get("acme", "K")
    assert caught.value.code == code
    assert TOKEN not in told(caught.value)
    assert caught.value.hint
    assert secrets.health().state == "error"


def test_not_found_is_believed_only_of_kv_version_2(lying):
    _, secrets = lying(404, {"errors": []})
    with pytest.raises(ConfigError, match="nothing is mounted"):
        secrets.get("acme", "K")


def test_an_answer_without_end_is_cut_off(lying, monkeypatch):
    monkeypatch.setattr(hashicorp_server, "MAX_BODY", 1 << 16)
    _, secrets = lying(200, b" " * (1 << 17))
    with pytest.raises(SecretError, match="does not answer as"):
        secrets.get("acme", "K")


def dripping(handler, liar):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not liar.ended.wait(0.05):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return


def silent(handler, liar):
    liar.ended.wait(30)
    handler.close_connection = True


@pytest.mark.parametrize("act", [dripping, silent])
def test_the_wait_is_bounded_for_the_whole_answer(lying, act):
    _, secrets = lying(act=act, options={"timeout": "1s"})
    began = time.monotonic()
    with pytest.raises(StoreUnreachable, match="did not answer within 1 s") as caught:
        secrets.get("acme", "K")
    assert time.monotonic() - began < 5
    assert TOKEN not in told(caught.value)


def test_the_environment_sends_nothing_elsewhere(lying, monkeypatch, tmp_path):
    elsewhere, _ = lying()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.address)
    monkeypatch.setenv("VAULT_ADDR", elsewhere.address)
    monkeypatch.setenv("VAULT_NAMESPACE", "theirs")
    (tmp_path / ".netrc").write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    liar, secrets = lying()
    assert secrets.get("acme", "K") == "v"
    assert elsewhere.asked == []
    assert "X-Vault-Namespace" not in liar.asked[0][2]
    assert "Authorization" not in liar.asked[0][2]


def test_a_cookie_of_the_server_is_not_a_way_in(lying):
    liar, secrets = lying(headers={"Set-Cookie": "a=b"})
    secrets.get("acme", "K")
    assert secrets.get("acme", "K") == "v"
    assert TOKEN not in repr(liar.asked[1][2].get("Cookie"))


def test_without_the_package_one_line_says_what_to_install(lying, monkeypatch):
    _, secrets = lying()
    monkeypatch.setitem(sys.modules, "hvac.adapters", None)
    with pytest.raises(MissingExtra, match="needs the extra `hashicorp`"):
        secrets.get("acme", "K")
    assert secrets.health().state == "error"


def test_nothing_is_sent_before_it_is_needed(lying):
    liar, secrets = lying()
    repr(secrets)
    secrets.close()
    assert liar.asked == []
