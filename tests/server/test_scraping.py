"""`GET /metrics` of a real `codespar serve`, read by the official parsers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
from serve_process import PLUGINS, ROOT, fails, read_answer, serving

TOKEN = "0123456789abcdef0123"
OBSERVED = f'{PLUGINS}[observability]\nbackend = "observer"\n[serve]\nmetrics_token = "env:METRICS_TOKEN"\n'
ENVIRON = {"METRICS_TOKEN": TOKEN}


def get(server, *headers, method="GET"):
    with server.connect() as connection:
        lines = "".join(f"{header}\r\n" for header in headers)
        connection.sendall(f"{method} /metrics HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        return read_answer(connection)


def record(directory, *arguments):
    command = [
        sys.executable,
        "-m",
        "codespar_cli",
        "--config",
        str(directory / "plugins.toml"),
        "metrics",
        "record",
        *arguments,
    ]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60)


def calls_in(text, parse):
    return sum(
        sample.value
        for family in parse(text.decode())
        for sample in family.samples
        if sample.name == "codespar_tool_calls_total"
    )


@pytest.mark.parametrize("workers", ["1", "3"])
def test_who_has_the_token_is_told_what_was_recorded_since(tmp_path, workers):
    with serving(tmp_path, "--workers", workers, plugins=OBSERVED, environ=ENVIRON) as server:
        authorized = f"Authorization: Bearer {TOKEN}"
        status, headers, body = get(server, authorized)
        assert (status, calls_in(body, parse_prometheus)) == (200, 0)
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        record(tmp_path, "git/push")
        record(tmp_path, "git/push")
        assert calls_in(get(server, authorized)[2], parse_prometheus) == 2
        status, headers, body = get(
            server, authorized, "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
        )
        assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert calls_in(body, parse_openmetrics) == 2
        code, said = server.end()
        assert code == 0
        assert "GET /metrics" in said
        assert TOKEN not in said


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Authorization: Bearer",),
        ("Authorization: Bearer wrong",),
        (f"Authorization: Bearer {TOKEN}x",),
        (f"Authorization: Bearer {TOKEN[:-1]}",),
        (f"Authorization: Basic {TOKEN}",),
        (f"Authorization: {TOKEN}",),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer wrong"),
        (f"X-Authorization: Bearer {TOKEN}",),
    ],
)
def test_nobody_else_is_told_anything(scraped_server, headers):
    status, found, body = get(scraped_server, *headers)
    assert (status, body) == (401, b'{"error":"unauthorized"}')
    assert found["www-authenticate"] == "Bearer"


@pytest.fixture(scope="module", params=["1", "3"], ids="workers {}".format)
def scraped_server(tmp_path_factory, request):
    """One process that does everything, and three of which two accept and the third scrapes."""
    options = ("--workers", request.param)
    with serving(tmp_path_factory.mktemp("scraped"), *options, plugins=OBSERVED, environ=ENVIRON) as server:
        yield server


def test_it_is_only_read(scraped_server):
    assert get(scraped_server, f"Authorization: Bearer {TOKEN}", "Content-Length: 0", method="POST")[0] == 405


def test_without_a_token_in_the_file_there_is_no_such_address(tmp_path):
    with serving(tmp_path, plugins=f'{PLUGINS}[observability]\nbackend = "observer"\n') as server:
        assert get(server, f"Authorization: Bearer {TOKEN}")[0] == 404


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "METRICS_TOKEN"), ("short", "at least 16 visible ASCII characters"), ("ä" * 20, "at least 16 visible ASCII")],
)
def test_a_token_that_anybody_guesses_is_refused(tmp_path, token, words):
    code, said = fails(tmp_path, "--port", "0", plugins=OBSERVED, environ={"METRICS_TOKEN": token})
    assert code == 2
    assert words in said
    assert not token or token not in said


def test_nothing_to_scrape_is_told_before_it_listens(tmp_path):
    plugins = OBSERVED.replace('[observability]\nbackend = "observer"\n', "")
    code, said = fails(tmp_path, "--port", "0", plugins=plugins, environ=ENVIRON)
    assert code == 2
    assert "expected an observability plugin that can be scraped" in said
