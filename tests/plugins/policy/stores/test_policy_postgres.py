"""A policy whose budgets are kept on a server, and everything that happens to servers: every call is answered within two
seconds, nothing is granted that the budget does not hold, and afterwards it works again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from policy_world import EVERYTHING, World, budget

from codespar_cli.core.clock import system_clock, to_micros
from codespar_cli.core.services import Services
from codespar_cli.errors import (
    ConfigError,
    MissingExtra,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreSchemaNewer,
    StoreUnreachable,
)
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.stores.postgres_store import PostgresStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

PASSWORD = "hunter2-secret"
CODESPAR = [sys.executable, "-m", "codespar_cli"]


@pytest.fixture
def url(postgres):
    return postgres.new_database()


@pytest.fixture
def world(url):
    world = World(budget("10"), EVERYTHING, store=PostgresStore(url))
    yield world
    world.store.close()


@contextmanager
def within(seconds):
    started = time.monotonic()
    yield
    assert time.monotonic() - started <= seconds


def denied(world, code="store_unreachable"):
    with within(2):
        decision = world.ask(cost=1)
    assert (decision.allowed, decision.code) == (False, code), decision.reason
    return decision


def spent_or_held(world):
    (state,) = world.engine.budgets()
    return state.spent + state.held


# ── a server that is not there ──


@contextmanager
def listening(*, backlog=5, answers=False):
    """A server that is not one: it takes connections and says nothing, or takes none."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        yield server.getsockname()[1]


def away(url):
    world = World(budget("10"), EVERYTHING, store=PostgresStore(url))
    try:
        denied(world)
        with within(2):
            health = world.engine.health()
        assert health.state == "error"
        return health.message
    finally:
        world.store.close()


def test_a_server_that_refuses():
    with listening() as port:
        pass
    assert "refused" in away(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")


def test_a_server_that_never_answers():
    with listening() as port:
        assert "does not answer" in away(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")


def test_a_server_that_cannot_be_reached():
    with listening(backlog=0) as port:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))  # the queue is full: what comes next is dropped, as by a firewall
        try:
            assert "does not answer" in away(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")
        finally:
            for each in waiting:
                each.close()


def test_a_name_that_nobody_resolves(monkeypatch):
    asked, release = [], threading.Event()

    def hang(*arguments, **_):
        asked.append(arguments)
        release.wait(60)
        raise socket.gaierror("nobody knows")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert "does not answer" in away(f"postgresql://u:{PASSWORD}@db.example.invalid/d")
        assert len(asked) == 1  # one thread waits, however many calls there are
    finally:
        release.set()


@pytest.mark.parametrize("odd", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 100, b"E\xff\xff\xff\xff"])
def test_a_server_of_another_kind(odd):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def answer():
            while not done.is_set():
                peer, _ = server.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(odd)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            assert PASSWORD not in away(f"postgresql://u:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/d")
        finally:
            done.set()
            socket.create_connection(server.getsockname()).close()
            thread.join(10)


# ── a server that goes away ──


def test_a_server_that_is_stopped_and_goes_on(postgres, world):
    assert world.ask(cost=1).allowed
    postgres.signal(signal.SIGSTOP)
    try:
        denied(world)
        denied(world)
        with within(2):
            assert world.engine.health().state == "error"
    finally:
        postgres.signal(signal.SIGCONT)
    assert world.ask(cost=1).allowed
    assert 2 <= spent_or_held(world) <= 4


def test_a_server_that_is_killed_and_started(postgres, world):
    assert world.ask(cost=1).allowed
    postgres.kill()
    try:
        denied(world)
    finally:
        postgres.start()
    assert world.ask(cost=1).allowed
    assert spent_or_held(world) == 2


def terminate(postgres):
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'codespar'")


def test_a_session_that_ends_while_nobody_uses_it_is_not_noticed(postgres, world):
    assert world.ask(cost=1).allowed
    terminate(postgres)
    assert world.ask(cost=1).allowed


def test_a_session_that_is_ended_in_the_middle_of_a_call_leaves_nothing(postgres, world):
    assert world.ask(cost=1).allowed
    with within(2), pytest.raises(StoreUnreachable), world.store.write() as transaction:
        transaction.record(to_micros(world.now), "k", "a", {})
        terminate(postgres)
    assert len(list(world.store.records())) == 1
    assert world.ask(cost=1).allowed


def test_a_lost_answer_to_a_commit_is_no_allow(postgres, world, monkeypatch):
    from codespar_cli.storage.postgres_connection import Connection

    assert world.ask(cost=1).allowed
    execute = Connection.execute

    def cut(self, statement, *arguments, **more):
        if statement == "COMMIT":
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
                line.shutdown(socket.SHUT_RD)  # what we say arrives, and the answer does not
        return execute(self, statement, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "execute", cut)
        denied(world)
    # Whether it was committed nobody knew; the hold, if there is one, counts until it expires.
    assert 1 <= spent_or_held(world) <= 2
    assert world.ask(cost=8).allowed
    assert not world.ask(cost=1.01).allowed


def test_sessions_that_are_ended_at_random_never_grant_too_much(postgres, url):
    worlds = [World(budget("400"), EVERYTHING, store=PostgresStore(url)) for _ in range(3)]
    granted, codes, over = [], set(), threading.Event()

    def work(world):
        while not over.is_set():
            with within(2):
                decision = world.ask(cost=1)
            codes.add(decision.code)
            if decision.allowed:
                granted.append(decision.reservation_id)

    threads = [threading.Thread(target=work, args=(world,)) for world in worlds]
    for thread in threads:
        thread.start()
    for _ in range(60):
        terminate(postgres)
    deadline = time.monotonic() + 30
    while "budget_exceeded" not in codes and time.monotonic() < deadline:
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join(30)
    assert 0 < len(granted) <= 400
    assert codes <= {None, "budget_exceeded", "store_unreachable"}
    bodies = [record.body for record in worlds[0].store.records()]
    assert {body.get("reservation") for body in bodies if body["allowed"]} >= set(granted)
    assert spent_or_held(worlds[0]) == sum(body["allowed"] for body in bodies) <= 400
    for world in worlds:
        world.store.close()


def test_a_lock_that_another_session_holds(url, world):
    assert world.ask(cost=1).allowed
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM codespar_policy.chain_head FOR UPDATE")
        assert "held the store" in denied(world, "policy_error").reason
        assert world.look(cost=1).allowed  # who only reads waits for nobody
    assert world.ask(cost=1).allowed


def test_a_writer_that_sleeps_in_the_middle_locks_nobody_out_for_long(postgres, url, world):
    assert world.ask(cost=1).allowed
    other = PostgresStore(url)
    held, end = threading.Event(), threading.Event()

    def sleep():
        with pytest.raises(StoreError), other.write() as transaction:
            transaction.latest()
            held.set()
            end.wait(30)
            transaction.record(0, "k", "a", {})

    thread = threading.Thread(target=sleep)
    thread.start()
    held.wait(10)
    started = time.monotonic()
    while not world.ask(cost=1).allowed:
        assert time.monotonic() - started < 10
    end.set()
    thread.join(10)
    other.close()


# ── threads, forks ──


def test_threads_share_one_store(world):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.extend(world.ask(cost=1).allowed for _ in range(5))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (answers.count(True), len(answers)) == (10, 40)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_a_session_of_its_own(world):
    assert world.ask(cost=1).allowed
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if world.ask(cost=1).allowed and world.ask(cost=1).allowed else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert world.ask(cost=1).allowed
    assert spent_or_held(world) == 4


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_that_is_forked_within_a_transaction_cannot_use_it(world):
    assert world.ask(cost=1).allowed
    with world.store.write() as transaction:
        transaction.record(to_micros(world.now), "k", "a", {})
        child = os.fork()
        if child == 0:
            try:
                transaction.record(to_micros(world.now), "k", "child", {})
                transaction.latest()
                world.store.server._connection and os._exit(3)
                transaction.keys("enforce", "default")
            except StoreError:
                os._exit(0)
            except psycopg.Error:
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [record.kind for record in world.store.records()] == ["decision", "k"]


# ── what is on the server ──


def test_a_schema_of_a_newer_codespar_is_not_touched(postgres, url, world):
    assert world.ask(cost=1).allowed
    with psycopg.connect(url) as other:
        other.execute("INSERT INTO codespar_policy.version VALUES (99)")
    world.store.close()
    with pytest.raises(StoreSchemaNewer), world.store.write():
        pass
    denied(world, "policy_error")


def test_a_schema_that_is_gone_is_not_made_again(url, world):
    assert world.ask(cost=9).allowed
    with psycopg.connect(url) as other:
        other.execute("DROP SCHEMA codespar_policy CASCADE")
    for _ in range(3):
        denied(world, "policy_error")


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE counter ALTER held TYPE numeric; UPDATE counter SET held = 'NaN'",
        "ALTER TABLE counter ALTER value DROP NOT NULL; UPDATE counter SET value = NULL",
        "ALTER TABLE counter ALTER value TYPE text",
        "DELETE FROM chain_head",
        "ALTER TABLE chain_head ALTER hash TYPE text",
        "DROP TABLE hold_part",
        "UPDATE counter SET held = 9223372036854775807",
        "DELETE FROM version",
    ],
)
def test_damage_is_a_deny(url, world, damage):
    assert world.ask(cost=1).allowed
    with psycopg.connect(url) as other:
        other.execute("SET search_path = codespar_policy")
        for statement in damage.split(";"):
            other.execute(statement)
    world.store.close()
    decision = world.ask(cost=1)
    assert not decision.allowed
    assert decision.code in {"policy_error", "budget_exceeded"}
    if decision.code == "policy_error":
        assert "damaged" in decision.reason


def test_a_hold_that_is_damaged_cannot_be_settled(url, world):
    decision = world.ask(cost=1)
    with psycopg.connect(url) as other:
        other.execute("UPDATE codespar_policy.hold SET parts = 'odd'")
    with pytest.raises(StoreCorrupt):
        world.engine.record_usage("a", "t", 1, reservation_id=decision.reservation_id)


def test_a_database_that_cannot_hold_every_text_is_refused(postgres):
    postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    store = PostgresStore(postgres.url("latin"))
    with pytest.raises(StoreError, match="LATIN1"), store.write():
        pass
    store.close()


def test_a_preview_creates_nothing(postgres, url, world):
    assert world.look(cost=1).allowed
    assert world.engine.budgets()[0].left == 10
    assert world.engine.health().state == "ok"
    database = url.partition("@/")[2].partition("?")[0]
    assert postgres.sql("SELECT to_regnamespace('codespar_policy') IS NULL", database) == [(True,)]


def test_the_servers_clock_decides_unless_the_process_has_one(tmp_path, url):
    (tmp_path / "policy.yaml").write_text(json.dumps({"rules": [EVERYTHING]}))
    for clock, from_server in ((system_clock, True), (lambda: system_clock(), False)):
        engine = PolicyEngine.from_options({"store": url}, Services(tmp_path / "s", config_dir=tmp_path, clock=clock))
        with engine._address.store.write() as transaction:
            assert (transaction.clock(5) == 5) is not from_server
            assert abs(transaction.clock(to_micros(system_clock())) - to_micros(system_clock())) < 60 * 10**6
        engine._address.store.close()


def test_a_record_that_was_edited_is_found(url, world):
    for _ in range(3):
        world.ask(cost=1)
    with psycopg.connect(url) as other:
        other.execute("UPDATE codespar_policy.chain SET actor = 'x' WHERE seq = 2")
    with pytest.raises(Exception, match="record 2 was edited"):
        list(world.store.records())


# ── how it is named ──


def address(text, resolve=lambda reference: None):
    return StoreAddress.from_options({"store": text}, Services("unused", resolve=resolve))


def test_a_url_may_come_from_elsewhere(url):
    for reference in ("env:DB", "secret:db"):
        store = address(reference, {reference: url}.get).store
        with store.read() as snapshot:
            assert snapshot.latest() == 0
        store.close()


@pytest.mark.parametrize(
    "text",
    [
        "env:NONE",
        "env:ODD",
        "postgresql://h:port/d",
        "postgresql://h/d?odd=1",
        "postgresql:///d?service=x",
        f"postgresql://u:{PASSWORD}/x@h/d",
        f"postgresql://u:{PASSWORD}@1@h/d",
        f"postgresql://u:12/{PASSWORD}@h/d",
    ],
)
def test_an_unusable_url_is_an_error_that_does_not_show_it(text):
    with pytest.raises(ConfigError) as caught:
        address(text, {"env:ODD": f"mysql://u:{PASSWORD}@h/d"}.get)
    assert caught.value.key == "store"
    assert PASSWORD not in str(caught.value)


def test_without_the_driver_the_extra_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="postgres"):
        address("postgresql://h/d")


def test_no_error_shows_a_password(postgres, url):
    database = url.partition("@/")[2].partition("?")[0]
    store = PostgresStore(f"postgresql://{PASSWORD}:{PASSWORD}@/{database}?host={postgres.base}")
    with pytest.raises(StoreError) as caught, store.write():
        pass
    assert PASSWORD not in str(caught.value)
    store.close()


def project(tmp_path, store):
    (tmp_path / "plugins.toml").write_text(
        f'version = 1\nstate_dir = "state"\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\nstore = {json.dumps(store)}\n'
    )
    (tmp_path / "policy.yaml").write_text(json.dumps({"rules": [budget("10"), EVERYTHING]}))


def codespar(tmp_path, *arguments):
    done = subprocess.run([*CODESPAR, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done


def test_the_commands_read_the_record_on_the_server(tmp_path, url):
    project(tmp_path, url)
    for _ in range(2):
        done = codespar(tmp_path, "policy", "check", "t", "--agent", "a", "--cost", "6", "--reserve")
    assert done.returncode == 3, done.stdout + done.stderr
    (found,) = json.loads(codespar(tmp_path, "audit", "verify", "-o", "json").stdout)
    assert (found["chain"], found["records"], found["ok"]) == ("policy", 2, True)
    lines = codespar(tmp_path, "audit", "export").stdout.splitlines()
    assert [json.loads(line)["allowed"] for line in lines] == [True, False]
    assert "budget_exceeded" in codespar(tmp_path, "audit", "tail").stdout
    assert codespar(tmp_path, "doctor").returncode == 0
    with psycopg.connect(url) as other:
        other.execute("UPDATE codespar_policy.chain SET body = '{}' WHERE seq = 1")
    assert codespar(tmp_path, "audit", "verify").returncode == 5
    assert codespar(tmp_path, "doctor").returncode == 1


def test_the_commands_say_that_a_server_is_away(tmp_path):
    with listening() as port:
        project(tmp_path, f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")
        for command in (("plugins", "status"), ("doctor",), ("audit", "verify")):
            started = time.monotonic()
            done = codespar(tmp_path, *command)
            assert time.monotonic() - started < 4
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "does not answer" in done.stdout + done.stderr
        assert codespar(tmp_path, "policy", "check", "t", "--agent", "a", "--cost", "1", "--reserve").returncode == 3


def test_a_busy_store_is_told_from_one_that_is_away(world):
    with world.store.write(), within(2), pytest.raises(StoreBusy, match="another thread"), world.store.write():
        pass
