"""A webhook that is signed as the Standard Webhooks specification says, checked by a receiver written from it."""

import base64
import hmac
import http.server
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.approvals.approval import Approval, Need
from codespar_cli.plugins.policy.approvals.notice import Undelivered
from codespar_cli.plugins.policy.approvals.notify_webhook import Webhook, key_of, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the specification's example
APPROVAL = Approval(
    token="ap-7K2M9QXA", tenant="acme", digest="d" * 64, agent="a", tool="deploy/run", cost="5", project=None,
    policy="p" * 64, created_at=1_700_000_000_000_000, expires_at=1_700_000_600_000_000,
    needs=(Need("ask", 1, (), False),), preview='{"city": "São Paulo"}',
)  # fmt: skip


def verified(headers, body, secret=SECRET, now=None):
    """The document, if the message is authentic and fresh: the specification's steps, in its order."""
    name, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    assert abs((time.time() if now is None else now) - int(timestamp)) <= 300
    key = base64.b64decode(secret.split("_")[1])
    expected = hmac.digest(key, b".".join((name.encode(), timestamp.encode(), body)), "sha256")
    offered = [part.split(",") for part in headers["webhook-signature"].split(" ")]
    assert any(version == "v1" and base64.b64decode(given) == expected for version, given in offered)
    return json.loads(body)


class Receiver(http.server.ThreadingHTTPServer):
    """Answers with the given statuses in turn, then 204; keeps what came."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.got = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *words):
        pass


@pytest.fixture
def receiver():
    started = []

    def start(*statuses, tls=None):
        server = Receiver(*statuses)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def hook(server, path="/T0K3N?key=hush", scheme="http", **more):
    more.setdefault("pauses_s", (0.0, 0.0, 0.0))
    return Webhook(f"{scheme}://localhost:{server.server_port}{path}", lambda: SECRET, **more)


def test_the_published_example():
    signature = sign(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": signature,
    }
    assert verified(headers, b'{"test": 2432232314}', now=1614265330) == {"test": 2432232314}


def test_it_is_posted_signed_and_verifies(receiver):
    server = receiver()
    hook(server).deliver(APPROVAL)
    ((path, headers, body),) = server.got
    assert path == "/T0K3N?key=hush"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "ap-7K2M9QXA"
    data = verified(headers, body)["data"]
    assert (data["token"], data["tenant"], data["args"]) == ("ap-7K2M9QXA", "acme", '{"city": "São Paulo"}')


@pytest.mark.parametrize("spoil", ["id", "timestamp", "body", "secret"])
def test_a_receiver_finds_any_change(receiver, spoil):
    server = receiver()
    hook(server).deliver(APPROVAL)
    ((_, headers, body),) = server.got
    secret = SECRET if spoil != "secret" else "whsec_" + base64.b64encode(b"x" * 24).decode()
    if spoil == "body":
        body = body.replace(b"deploy", b"delete")
    elif spoil != "secret":
        headers[f"webhook-{spoil}"] = str(int(time.time()) + 1)
    with pytest.raises(AssertionError):
        verified(headers, body, secret)


def test_what_may_pass_is_tried_again_with_a_time_of_its_own(receiver):
    server = receiver(503, 429)
    moments = iter([time.time() - 9, time.time() - 5, time.time()])
    hook(server, now=lambda: next(moments)).deliver(APPROVAL)
    assert len({headers["webhook-timestamp"] for _, headers, _ in server.got}) == 3
    assert {headers["webhook-id"] for _, headers, _ in server.got} == {"ap-7K2M9QXA"}
    for _, headers, body in server.got:
        verified(headers, body)


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (400, 1), (410, 1), (301, 1), (307, 1), (503, 3)])
def test_no_redirect_is_followed_and_tries_are_bounded(receiver, status, tries):
    server = receiver(*[status] * 9)
    with pytest.raises(Undelivered) as error:
        hook(server).deliver(APPROVAL)
    assert str(error.value) == f"the webhook at localhost answered {status}"
    assert [path for path, *_ in server.got] == ["/T0K3N?key=hush"] * tries


def test_nobody_there_is_said_without_the_address():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    webhook = Webhook(f"http://127.0.0.1:{port}/T0K3N", lambda: SECRET, pauses_s=(0.0, 0.0))
    with pytest.raises(Undelivered) as error:
        webhook.deliver(APPROVAL)
    assert str(error.value) == "the webhook at 127.0.0.1 cannot be reached: connection refused"


@pytest.mark.parametrize("answer", [b"", b"H", b"HTTP/1.1 2"])
def test_an_answer_that_never_ends_is_cut(answer):
    """A byte now and then would keep any single read from timing out."""
    stop = threading.Event()

    def drip(server):
        peer, _ = server.accept()
        with peer:
            peer.sendall(answer)
            while not stop.wait(0.05):
                try:
                    peer.sendall(b"0")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(Undelivered, match=r"^the webhook at 127\.0\.0\.1 (cannot be reached|answered)"):
            Webhook(url, lambda: SECRET, pauses_s=(0.0,), attempt_s=0.4).deliver(APPROVAL)
        took = time.monotonic() - began
        stop.set()
        thread.join()
    assert took < 15


@pytest.mark.parametrize(
    "secret", [None, "", "whsec_", "hush-hush", "whsec_####", "whsec_" + "A" * 28, "whsec_" + "A" * 92, "\u00e9"]
)
def test_a_secret_that_cannot_be_used_is_not_told(receiver, secret):
    server = receiver()
    with pytest.raises(
        Undelivered, match=r"^the webhook's secret (is not set|cannot be used: expected `whsec_`)"
    ) as error:
        Webhook(f"http://localhost:{server.server_port}/", lambda: secret).deliver(APPROVAL)
    assert server.got == []
    assert not secret or secret not in str(error.value) or secret == "whsec_"


def test_a_secret_that_cannot_be_had_says_why():
    def resolve():
        raise ConfigError("VAULT_MASTER_KEY is not set")

    with pytest.raises(Undelivered, match=r"^the webhook's secret cannot be had: VAULT_MASTER_KEY is not set$"):
        Webhook("https://localhost/", resolve).deliver(APPROVAL)


@pytest.fixture
def certificate(tmp_path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_is_verified(receiver, certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = receiver(tls=context)
    server.handle_error = lambda *about: None  # the handshake that the client breaks off
    webhook = hook(server, scheme="https", pauses_s=(0.0,))
    with pytest.raises(
        Undelivered, match=r"cannot be reached: its certificate is not trusted: self.signed certificate$"
    ):
        webhook.deliver(APPROVAL)
    assert server.got == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook.deliver(APPROVAL)
    ((_, headers, body),) = server.got
    verified(headers, body)
