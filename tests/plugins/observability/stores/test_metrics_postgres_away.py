"""Everything that happens to the server on which calls are kept, and where it is."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from metrics_server_world import database_of, tools, within

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, ConfigError, MissingExtra, StoreCorrupt, StoreError, StoreUnreachable
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.storage.postgres_connection import Connection

PASSWORD = "hunter2-secret"


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# ── a server that is away, or was ──


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_server_that_never_answers(path, metric, durability):
    with listening() as port:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d"
        observer = MCPObserver(path, server=lambda: url, durability=durability)
        with within(2), pytest.raises(StoreUnreachable, match="does not answer") as caught:
            observer.record(metric())
            observer.flush()
        with within(2), pytest.raises(StoreUnreachable):
            observer.stats(MetricFilter())
        with within(2):
            health = observer.health()
        assert health.state == ("error" if durability == "commit" else "warning")
        assert PASSWORD not in f"{caught.value}{health}{observer!r}"
        if durability == "batch":
            observer._buffer._reset()
        observer.close()


def test_what_waits_is_written_when_the_server_is_back(opened, postgres, metric):
    observer = opened(durability="batch")
    observer.record(metric("a"))
    observer.flush()
    postgres.kill()
    try:
        observer.record_all([])
        observer.record(metric("b"))
        with pytest.raises(StoreError):
            observer.flush()
        assert "1 records wait" in observer.health().message
    finally:
        postgres.start()
    observer.flush()
    assert tools(observer) == ["a", "b"]
    assert observer.health().state == "ok"


def test_a_session_that_ended_while_nobody_used_it_is_not_noticed(opened, postgres, metric):
    observer = opened()
    observer.record(metric("a"))
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'codespar'")
    observer.record(metric("b"))
    assert tools(observer) == ["a", "b"]


@pytest.mark.parametrize("arrives", [True, False])
def test_rows_are_there_once_though_the_answer_to_their_commit_was_lost(opened, metric, monkeypatch, arrives):
    observer = opened(durability="batch")
    observer.record(metric("a"))
    observer.flush()
    execute = Connection.execute

    def cut(self, statement, *arguments, **more):
        if statement == "COMMIT":
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
                # What we say arrives, and the answer does not; or neither.
                line.shutdown(socket.SHUT_RD if arrives else socket.SHUT_RDWR)
        return execute(self, statement, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "execute", cut)
        observer.record(metric("b"))
        with pytest.raises(StoreError):
            observer.flush()
    observer.record(metric("c"))
    observer.flush()
    assert tools(observer) == ["a", "b", "c"]


def test_a_store_that_took_the_place_of_another_is_read_from_its_beginning(opened, postgres, url, metric):
    opened().record_all([metric("old")] * 3)
    reader = opened()
    cursor = reader.rows(MetricFilter()).cursor
    postgres.sql("DROP SCHEMA codespar_metrics CASCADE", database_of(url))
    opened().record_all([metric("new")] * 5)
    assert [row.tool for row in reader.rows(MetricFilter(), after=cursor).rows] == ["new"] * 5


def test_a_schema_that_is_gone_is_damage_and_not_made_again(opened, postgres, url, metric):
    observer = opened()
    observer.record(metric())
    postgres.sql("DROP SCHEMA codespar_metrics CASCADE", database_of(url))
    with pytest.raises(StoreCorrupt):
        observer.record(metric())
    with pytest.raises(StoreError) as caught:
        observer.record(metric())
    assert caught.value.code == "store_missing"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_a_forked_child_has_a_session_of_its_own(opened, metric, durability):
    observer = opened(durability=durability)
    observer.record(metric("parent"))
    child = os.fork()
    if child == 0:
        try:
            observer.record(metric("child"))
            observer.close()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    observer.record(metric("parent"))
    observer.flush()
    assert sorted(tools(observer)) == ["child", "parent", "parent"]


# ── where it is ──


def observer_of(store, resolve=lambda text: None):
    return MCPObserver.from_options({"store": store}, Services(Path("unused"), resolve=resolve))


def test_a_url_may_come_from_elsewhere(url, metric):
    for number, reference in enumerate(("env:DB", "secret:db", "file:db"), 1):
        observer = observer_of(reference, {reference: url}.get)
        observer.record(metric())
        assert observer.stats(MetricFilter())[0].calls == number
        observer.close()


@pytest.mark.parametrize("text", ["env:NONE", "env:ODD", "postgresql://h:port/d", f"postgresql://u:{PASSWORD}@1@h/d"])
def test_an_unusable_url_is_an_error_that_does_not_show_it(text):
    with pytest.raises(ConfigError) as caught:
        observer_of(text, {"env:ODD": f"mysql://u:{PASSWORD}@h/d"}.get)
    assert caught.value.key == "store"
    assert PASSWORD not in str(caught.value)


def test_a_secret_is_asked_for_when_it_is_needed_and_its_absence_is_told(metric):
    asked = []
    observer = observer_of("secret:db", lambda text: asked.append(text))
    assert repr(observer) == "<MCPObserver postgresql>"
    assert "secret:db" not in asked
    with pytest.raises(CodesparError, match="secret:db"):
        observer.record(metric())
    assert observer.health().state == "error"


def test_without_the_driver_the_extra_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="postgres"):
        observer_of("postgresql://h/d")


def test_no_error_shows_a_password(postgres, url, metric):
    observer = observer_of(f"postgresql://{PASSWORD}:{PASSWORD}@/{database_of(url)}?host={postgres.base}")
    with pytest.raises(StoreError) as caught:
        observer.record(metric())
    assert PASSWORD not in f"{caught.value}{observer.health()}{observer!r}"
    observer.close()


# ── the command line ──


def test_commands_ask_the_server(codespar, url):
    codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
    assert codespar.run("metrics", "record", "git/push", "--cost", "0.5").returncode == 0
    assert codespar.run("metrics", "record", "--from", "-", given='{"tool": "a"}\n' * 3).returncode == 0
    found = json.loads(codespar.run("metrics", "stats", "-o", "json").stdout)
    assert [(row["tool"], row["calls"], row["cost"]) for row in found] == [("a", 3, None), ("git/push", 1, "0.5")]
    assert json.loads(codespar.run("metrics", "costs", "-o", "json").stdout)["total"] == "0.5"
    lines = codespar.run("metrics", "tail", "--no-follow", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4]
    assert codespar.run("plugins", "status").returncode == 0
    assert not (codespar.state_dir / "metrics.db").exists()


def test_commands_say_that_the_server_is_away(codespar):
    with listening() as port:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d"
        codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
        for command in (("metrics", "stats"), ("metrics", "record", "t"), ("metrics", "tail"), ("plugins", "status")):
            with within(5):
                done = codespar.run(*command)
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "does not answer" in done.stdout + done.stderr
            assert PASSWORD not in done.stdout + done.stderr


def test_tail_follows_the_server(codespar, url):
    codespar.configure(f"[observability]\nbackend = 'observer'\nstore = {json.dumps(url)}\n")
    tail = codespar.start("metrics", "tail", "-o", "jsonl")
    for number in range(3):
        assert codespar.run("metrics", "record", f"t{number}").returncode == 0
    assert [json.loads(tail.stdout.readline())["tool"] for _ in range(3)] == ["t0", "t1", "t2"]
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out, err) == (130, "", "")


def test_a_command_that_asks_a_file_does_not_import_the_driver(codespar):
    code = (
        "import sys; from codespar_cli.plugins.observability.observer import MCPObserver; "
        "print([name for name in sys.modules if name.startswith('psycopg') or 'postgres' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=codespar.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_metric_is_still_refused_before_it_goes_anywhere():
    with pytest.raises(CodesparError, match="latency_ms"):
        observer_of("postgresql://nowhere.invalid/d").record(ToolMetric("t", "bot", -1.0, True))
