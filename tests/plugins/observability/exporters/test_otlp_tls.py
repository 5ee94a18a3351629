"""Over TLS: a collector is who its certificate says, or is sent nothing."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl

import pytest
from collector_kit import OK, serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from codespar_cli.net.exchange import Target
from codespar_cli.plugins.observability.exporters.otlp_post import post
from codespar_cli.plugins.observability.exporters.otlp_settings import OtlpSettings, Signal


def certificate(directory, address):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{address}.pem"
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + encoded)
    return path


@pytest.mark.parametrize(
    ("named", "trusted", "words"),
    [
        ("127.0.0.1", True, None),
        ("127.0.0.1", False, "its certificate is not trusted: self-signed certificate"),
        ("127.0.0.2", True, "its certificate is not trusted: IP address mismatch"),
    ],
)
def test_a_certificate_decides(tmp_path, named, trusted, words):
    pem = certificate(tmp_path, named)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serving(OK) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        signal = Signal(Target.of(f"https://127.0.0.1:{server.port}/v1/traces"), {})
        settings = OtlpSettings(signal, None, certificate=str(pem) if trusted else None)
        sent = post(signal, b"body", settings, 10)
        if words is None:
            assert sent.failure is None
            assert [got.body for got in server.got] == [b"body"]
        else:
            assert sent.failure.startswith(f"127.0.0.1:{server.port}: {words}")
            assert server.got == []


def test_a_file_of_certificates_that_is_not_there_is_told():
    with serving(OK) as server:
        signal = Signal(Target.of(f"https://127.0.0.1:{server.port}/"), {})
        sent = post(signal, b"x", OtlpSettings(signal, None, certificate="/nowhere.pem"), 5)
        assert "no such file or directory" in sent.failure
        assert server.got == []
