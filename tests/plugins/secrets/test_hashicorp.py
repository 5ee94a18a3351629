"""Against a real OpenBao."""

import itertools
import json
import os
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from openbao_server import ROOT, OpenBao

from codespar_cli.core.services import Services
from codespar_cli.errors import (
    CodesparError,
    ConfigError,
    NotFoundError,
    SecretError,
    StoreUnreachable,
    UsageError,
    VersionRetired,
    WriteConflict,
)
from codespar_cli.plugins.secrets.hashicorp import HashicorpSecrets

ME = "tester"
CANARY = "canary-5b21fe"
numbers = itertools.count()


class World:
    """One mount of its own, and hooks on it."""

    def __init__(self, openbao, directory):
        self.openbao = openbao
        self.directory = directory
        self.mount = openbao.mount(f"world-{next(numbers)}")
        self.values = {"env:VAULT_TOKEN": ROOT}
        self.made = []

    def secrets(self, clock=lambda: datetime.now(UTC), **options):
        options = {"address": self.openbao.address, "mount": self.mount, **options}
        services = Services(self.directory, resolve=self.values.get, config_dir=self.directory, clock=clock)
        self.made.append(HashicorpSecrets.from_options(options, services))
        return self.made[-1]

    def limited(self, *capabilities, path="*", **more):
        listed = ", ".join(f'"{word}"' for word in capabilities)
        return self.openbao.token(f'path "{self.mount}/{path}" {{ capabilities = [{listed}] }}', **more)


@pytest.fixture
def world(openbao, tmp_path):
    made = World(openbao, tmp_path)
    yield made
    for secrets in made.made:
        secrets.close()


@pytest.fixture
def secrets(world):
    return world.secrets()


def told(error):
    """All that an error could show: its words, those it came from, and the locals of every frame but the caller's."""
    assert error.__context__ is None or error.__suppress_context__
    stack = traceback.TracebackException.from_exception(error, capture_locals=True)
    return str(error) + str(error.hint) + "".join(str(frame.locals) for frame in stack.stack[1:])


# ── where things lie ──


def test_a_secret_lies_where_the_documentation_says(world, secrets):
    secrets.set("acme", "API_KEY", "s3cret")
    found = world.openbao.call("GET", f"{world.mount}/data/codespar/acme/API_5fKEY")
    assert found["data"]["data"] == {"value": "s3cret"}


@pytest.mark.parametrize(
    "name", ["../x", "..", "a/b", "%2f", "%2e%2e%2fx", "\0", "a\0b", "+", "*", "x?version=1", "x#y"]
)
def test_no_name_leaves_its_place(world, secrets, name):
    world.openbao.call("POST", f"{world.mount}/data/codespar/x", {"data": {"value": "not yours"}})
    world.openbao.call("POST", f"{world.mount}/data/x", {"data": {"value": "not yours"}})
    world.openbao.call("POST", f"{world.mount}/data/codespar/acme/a/b", {"data": {"value": "not yours"}})
    for tenant, key in (("acme", name), (name, "K"), (name, name)):
        assert secrets.get(tenant, key) is None
        secrets.set(tenant, key, f"{tenant} {key}")
    for tenant, key in (("acme", name), (name, "K"), (name, name)):
        assert secrets.get(tenant, key) == f"{tenant} {key}"
        assert [facts.key for facts in secrets.entries(tenant, actor=ME) if facts.key == key] == [key]
    folders = world.openbao.call("LIST", f"{world.mount}/metadata/codespar")["data"]["keys"]
    assert {folder.rstrip("/") for folder in folders} - {"x", "acme"} == {
        "".join(f"_{byte:02x}" if not chr(byte).isalnum() else chr(byte) for byte in name.encode())
    }


def test_the_prefix_and_the_mount_are_the_files(world):
    world.openbao.mount(f"{world.mount}-deep/er")
    secrets = world.secrets(mount=f"{world.mount}-deep/er", prefix="team/a")
    secrets.set("acme", "K", "v")
    assert world.openbao.call("GET", f"{world.mount}-deep/er/data/team/a/acme/K")["data"]["data"] == {"value": "v"}
    assert [facts.key for facts in secrets.entries("acme", actor=ME)] == ["K"]


def test_a_namespace_is_another_world(world):
    world.openbao.call("POST", "sys/namespaces/inner")
    world.openbao.mount("kv", **{"X-Vault-Namespace": "inner"})
    inner = world.secrets(mount="kv", namespace="inner")
    inner.set("acme", "K", "inside")
    assert inner.get("acme", "K") == "inside"
    with pytest.raises(CodesparError):
        world.secrets(mount="kv").get("acme", "K")


# ── versions ──


def test_every_set_is_a_version_and_old_ones_stay_readable(secrets):
    for value in ("one", "two", "three"):
        facts = secrets.put("acme", "K", value, actor=ME)
    assert (facts.version, facts.state, facts.fingerprint) == (3, "current", None)
    assert secrets.fetch("acme", "K", version=1, actor=ME).reveal() == "one"
    assert secrets.fetch("acme", "K", actor=ME).facts == facts
    history = secrets.history("acme", "K", actor=ME)
    assert [(one.version, one.state) for one in history] == [(3, "current"), (2, "previous"), (1, "previous")]
    assert abs(history[0].created_at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(NotFoundError, match="no version 9 of `K`"):
        secrets.fetch("acme", "K", version=9, actor=ME)


def test_compare_and_set(secrets):
    assert secrets.put("acme", "K", "one", cas=0, actor=ME).version == 1
    for cas in (0, 2):
        with pytest.raises(WriteConflict) as caught:
            secrets.put("acme", "K", CANARY, cas=cas, actor=ME)
        assert CANARY not in told(caught.value)
    assert secrets.put("acme", "K", "two", cas=1, actor=ME).version == 2
    assert secrets.get("acme", "K") == "two"


def test_an_engine_that_wants_compare_and_set_gets_it(world, secrets):
    world.openbao.call("POST", f"{world.mount}/config", {"cas_required": True})
    for value in ("one", "two"):
        secrets.set("acme", "K", value)
        assert secrets.get("acme", "K") == value
    with pytest.raises(WriteConflict):
        secrets.put("acme", "K", "three", cas=1, actor=ME)


def test_a_token_that_may_only_write_can(world):
    world.values["env:VAULT_TOKEN"] = world.limited("create", "update")
    secrets = world.secrets()
    assert secrets.put("acme", "K", "v", actor=ME).version == 1
    with pytest.raises(SecretError, match="permission denied"):
        secrets.get("acme", "K")


def test_delete_undelete_destroy(secrets):
    for value in ("one", "two"):
        secrets.set("acme", "K", value)
    assert secrets.delete("acme", "K", actor=ME) == 2
    assert secrets.get("acme", "K") is None
    assert secrets.entries("acme", actor=ME) == []
    for version in (None, 1):
        with pytest.raises(NotFoundError):
            secrets.fetch("acme", "K", version=version, actor=ME)
    with pytest.raises(NotFoundError):
        secrets.delete("acme", "K", actor=ME)
    assert secrets.undelete("acme", "K", actor=ME) == 2
    with pytest.raises(NotFoundError, match="no deleted version"):
        secrets.undelete("acme", "K", actor=ME)
    assert secrets.get("acme", "K") == "two"
    assert secrets.destroy("acme", "K", version=1, actor=ME).versions == 1
    with pytest.raises(VersionRetired, match="version 1 of `K` was destroyed"):
        secrets.fetch("acme", "K", version=1, actor=ME)
    assert secrets.get("acme", "K") == "two"
    assert secrets.destroy("acme", "K", actor=ME).versions == 1
    assert secrets.get("acme", "K") is None
    assert [one.state for one in secrets.history("acme", "K", actor=ME)] == ["destroyed", "destroyed"]
    with pytest.raises(NotFoundError):
        secrets.destroy("acme", "K", actor=ME)
    with pytest.raises(NotFoundError):
        secrets.destroy("acme", "NONE", actor=ME)


def test_deleted_versions_count_for_compare_and_set(secrets):
    secrets.set("acme", "K", "one")
    secrets.delete("acme", "K", actor=ME)
    with pytest.raises(WriteConflict):
        secrets.put("acme", "K", "two", cas=0, actor=ME)
    assert secrets.put("acme", "K", "two", cas=1, actor=ME).version == 2


def test_rollback_is_a_new_version(secrets):
    secrets.put("acme", "K", "one", note="the first", actor=ME)
    secrets.put("acme", "K", "two", actor=ME)
    facts = secrets.rollback("acme", "K", to=1, actor=ME)
    assert (facts.version, secrets.get("acme", "K")) == (3, "one")
    with pytest.raises(WriteConflict, match="is the current one"):
        secrets.rollback("acme", "K", to=3, actor=ME)
    secrets.destroy("acme", "K", version=2, actor=ME)
    with pytest.raises(VersionRetired):
        secrets.rollback("acme", "K", to=2, actor=ME)


def test_the_engine_forgets_the_oldest_of_too_many(world, secrets):
    world.openbao.call("POST", f"{world.mount}/config", {"max_versions": 2})
    for value in ("one", "two", "three"):
        secrets.set("acme", "K", value)
    assert [one.version for one in secrets.history("acme", "K", actor=ME)] == [3, 2]
    with pytest.raises(NotFoundError):
        secrets.fetch("acme", "K", version=1, actor=ME)


def test_a_version_that_will_go_by_itself_says_when(world, secrets):
    world.openbao.call("POST", f"{world.mount}/config", {"delete_version_after": "1h"})
    facts = secrets.put("acme", "K", "v", actor=ME)
    assert timedelta(minutes=59) < facts.retires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert facts.state == "current"


def test_a_note_and_a_due_date_are_of_one_version(world, secrets):
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    facts = secrets.put("acme", "K", "one", note="for the shop – ü", expires_at=due, actor=ME)
    assert (facts.note, facts.expires_at, facts.state) == ("for the shop – ü", due, "current")
    assert world.secrets(clock=lambda: due).describe("acme", "K", actor=ME).state == "expired"
    world.openbao.call(
        "PATCH",
        f"{world.mount}/metadata/codespar/acme/K",
        {"custom_metadata": {"owner": "me"}},
        **{"Content-Type": "application/merge-patch+json"},
    )
    second = secrets.put("acme", "K", "two", actor=ME)
    assert (second.note, second.expires_at) == (None, None)
    assert secrets.put("acme", "K", "three", note="again", actor=ME).expires_at is None
    kept = world.openbao.call("GET", f"{world.mount}/metadata/codespar/acme/K")["data"]["custom_metadata"]
    assert kept["owner"] == "me"


def test_a_note_that_the_engine_would_not_take_is_refused_before_anything_is_written(secrets):
    secrets.put("acme", "K", "v", note="x" * 512, actor=ME)
    with pytest.raises(UsageError, match="at most 512"):
        secrets.put("acme", "K", "v", note="x" * 513, actor=ME)
    assert secrets.describe("acme", "K", actor=ME).version == 1


def test_a_note_that_may_not_be_written_leaves_the_value_and_says_so(world):
    world.values["env:VAULT_TOKEN"] = world.limited("create", "update", "read")
    secrets = world.secrets()
    with pytest.raises(SecretError, match="version 1 was written, but not its note and due date") as caught:
        secrets.put("acme", "K", CANARY, note="n", actor=ME)
    assert "patch" in caught.value.hint
    assert CANARY not in told(caught.value)
    assert secrets.get("acme", "K") == CANARY


def test_what_is_not_ours_is_not_listed(world, secrets):
    secrets.set("acme", "B", "1")
    secrets.set("acme", "A", "1")
    for name in ("not-ours", "folder/inner", "a_b"):
        world.openbao.call("POST", f"{world.mount}/data/codespar/acme/{name}", {"data": {"value": "v"}})
    assert [facts.key for facts in secrets.entries("acme", actor=ME)] == ["A", "B"]
    assert secrets.entries("nobody", actor=ME) == []


@pytest.mark.parametrize("data", [{}, {"value": 7}, {"value": None}, {"other": CANARY}, {"value": {"a": CANARY}}])
def test_what_codespar_did_not_write_is_an_error_not_an_absence(world, secrets, data):
    world.openbao.call("POST", f"{world.mount}/data/codespar/acme/K", {"data": data})
    with pytest.raises(SecretError, match="`K` is not as codespar writes it") as caught:
        secrets.get("acme", "K")
    assert CANARY not in told(caught.value)


@pytest.mark.parametrize(
    ("tenant", "key", "value"),
    [
        ("", "K", "v"),
        ("a", "", "v"),
        ("a", "k" * 4097, "v"),
        ("a", "\ud800", "v"),
        ("a", "K", "x" * 65_537),
        ("a", "K", "\ud800"),
    ],
)
def test_impossible_names_and_values_are_refused(secrets, tenant, key, value):
    with pytest.raises(UsageError):
        secrets.set(tenant, key, value)


# ── who we are ──


def test_permission_denied_is_not_an_absence(world):
    world.values["env:VAULT_TOKEN"] = token = world.limited("read", path="data/codespar/globex/*")
    secrets = world.secrets()
    assert secrets.get("globex", "K") is None
    for act in (
        lambda: secrets.get("acme", "K"),
        lambda: secrets.set("acme", "K", CANARY),
        lambda: secrets.entries("acme", actor=ME),
        lambda: secrets.history("acme", "K", actor=ME),
    ):
        with pytest.raises(SecretError) as caught:
            act()
        assert (caught.value.code, caught.value.exit_code) == ("permission_denied", 1)
        assert token not in told(caught.value)
        assert CANARY not in told(caught.value)


def test_a_wrong_token_is_refused_and_never_shown(world):
    world.values["env:VAULT_TOKEN"] = CANARY
    secrets = world.secrets()
    with pytest.raises(SecretError, match="permission denied") as caught:
        secrets.get("acme", "K")
    assert CANARY not in told(caught.value)
    assert secrets.health().state == "error"
    assert CANARY not in repr(secrets) + str(vars(secrets)) + str(vars(secrets._engine)) + str(secrets.health())
    assert CANARY not in str(vars(secrets._engine._identity)) + str(vars(secrets._engine._wires))


@pytest.mark.parametrize("token", ["with blank", "line\nfeed", "ünicode", "x" * 8193])
def test_what_is_no_token_is_never_sent(world, token):
    world.values["env:VAULT_TOKEN"] = token
    with pytest.raises(ConfigError, match="`env:VAULT_TOKEN` is no token") as caught:
        world.secrets().get("acme", "K")
    assert token not in told(caught.value)


def test_a_missing_token_says_which_and_what_to_run(world):
    world.values.clear()
    with pytest.raises(ConfigError, match=r"secrets\.token: `env:VAULT_TOKEN` has no value") as caught:
        world.secrets().get("acme", "K")
    assert caught.value.hint == "export VAULT_TOKEN=…"
    assert world.secrets().health() == ("error", "secrets.token: `env:VAULT_TOKEN` has no value")


def test_a_token_that_was_changed_is_used_without_a_restart(world):
    world.values["env:VAULT_TOKEN"] = first = world.limited("create", "update", "read")
    secrets = world.secrets()
    secrets.set("acme", "K", "v")
    world.openbao.call("POST", "auth/token/revoke", {"token": first})
    with pytest.raises(SecretError, match="permission denied"):
        secrets.get("acme", "K")
    world.values["env:VAULT_TOKEN"] = world.limited("read")
    assert secrets.get("acme", "K") == "v"


@pytest.fixture
def approle(world):
    mount = f"role-{world.mount}"
    world.openbao.call("POST", f"sys/auth/{mount}", {"type": "approle"})
    policy = f"approle-{world.mount}"
    rule = f'path "{world.mount}/*" {{ capabilities = ["create", "update", "read"] }}'
    world.openbao.call("PUT", f"sys/policies/acl/{policy}", {"policy": rule})
    world.openbao.call("POST", f"auth/{mount}/role/codespar", {"token_policies": policy, "token_num_uses": 0})
    world.values["env:ROLE"] = world.openbao.call("GET", f"auth/{mount}/role/codespar/role-id")["data"]["role_id"]
    made = world.openbao.call("POST", f"auth/{mount}/role/codespar/secret-id", {})
    world.values["env:SECRET"] = made["data"]["secret_id"]
    return {"role_id": "env:ROLE", "secret_id": "env:SECRET", "mount": mount}


def test_an_approle_logs_in_and_again_when_its_token_is_gone(world, approle):
    secrets = world.secrets(approle=approle)
    secrets.set("acme", "K", "v")
    token = secrets._engine._identity.token().reveal()
    world.openbao.call("POST", "auth/token/revoke", {"token": token})
    assert secrets.get("acme", "K") == "v"
    assert secrets._engine._identity.token().reveal() != token


def test_a_refused_approle_says_so_and_shows_nothing(world, approle):
    world.values["env:SECRET"] = CANARY
    with pytest.raises(SecretError, match="refuses the AppRole in `env:ROLE` and `env:SECRET`") as caught:
        world.secrets(approle=approle).get("acme", "K")
    assert caught.value.code == "login_refused"
    assert CANARY not in told(caught.value)
    assert world.values["env:ROLE"] not in told(caught.value)


def test_a_token_and_an_approle_are_one_too_many(world, approle):
    with pytest.raises(ConfigError, match="one of `token` and `approle`"):
        world.secrets(approle=approle, token="env:X")


# ── a server that is not as it should be ──


def test_a_mount_that_is_not_there_is_an_error_not_an_absence(world):
    secrets = world.secrets(mount="no-such-mount")
    with pytest.raises(ConfigError, match="nothing is mounted there") as caught:
        secrets.get("acme", "K")
    assert caught.value.code == "no_such_mount"
    assert secrets.health().state == "error"


def test_kv_version_1_is_an_error_and_nothing_is_written_to_it(world):
    # It answers 404 for everything under `data/`, and would take a write there in silence.
    mount = world.openbao.mount(f"{world.mount}-old", version="1")
    secrets = world.secrets(mount=mount)
    for act in (lambda: secrets.get("acme", "K"), lambda: secrets.set("acme", "K", CANARY)):
        with pytest.raises(ConfigError, match="is KV version 1, expected KV version 2") as caught:
            act()
        assert CANARY not in told(caught.value)
    with pytest.raises(AssertionError, match="errors"):
        world.openbao.call("LIST", mount)
    assert world.secrets(mount="cubbyhole").health().message.endswith("is another engine, expected KV version 2")


def test_a_sealed_server_is_sealed_and_an_ended_one_unreachable(tmp_path):
    server = OpenBao(tmp_path)
    world = World(server, tmp_path)
    secrets = world.secrets()
    try:
        secrets.set("acme", "K", "v")
        server.seal()
        with pytest.raises(StoreUnreachable, match="is sealed") as caught:
            secrets.get("acme", "K")
        assert caught.value.code == "sealed"
        assert secrets.health() == ("error", f"{server.address} is sealed")
    finally:
        server.stop()
    with pytest.raises(StoreUnreachable, match="cannot be reached") as caught:
        secrets.get("acme", "K")
    assert caught.value.code == "store_unreachable"
    assert ROOT not in told(caught.value)
    secrets.close()


def test_a_certificate_must_be_trusted(tmp_path):
    server = OpenBao(tmp_path, tls=True)
    world = World(server, tmp_path)
    try:
        with pytest.raises(SecretError, match="is not trusted") as caught:
            world.secrets().get("acme", "K")
        assert caught.value.code == "tls_untrusted"
        assert ROOT not in told(caught.value)
        secrets = world.secrets(ca="vault-ca.pem")
        secrets.set("acme", "K", "v")
        assert secrets.get("acme", "K") == "v"
    finally:
        for secrets in world.made:
            secrets.close()
        server.stop()


def test_an_authority_that_is_not_there_is_told_at_once(world):
    with pytest.raises(ConfigError, match=r"`none\.pem` is not there"):
        world.secrets(ca="none.pem")


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_has_connections_of_its_own(world, secrets):
    secrets.set("acme", "K", "v")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answers = {secrets.get("acme", "K") for _ in range(20)}
            os.write(writing, json.dumps(sorted(answers)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    assert {secrets.get("acme", "K") for _ in range(20)} == {"v"}
    with open(reading, "rb") as stream:
        assert json.load(stream) == ["v"]
    os.waitpid(child, 0)


def test_health_names_the_place(world, secrets):
    assert secrets.health() == ("ok", f"{world.openbao.address}, KV version 2 at `{world.mount}`")


def test_it_can_be_used_from_the_command_line(world, codespar):
    (codespar.directory / "plugins.toml").write_text(
        f'version = 1\n[secrets]\nbackend = "hashicorp"\naddress = "{world.openbao.address}"\nmount = "{world.mount}"\n'
        'token = "file:token"\n'
    )
    token = codespar.directory / "token"
    token.write_text(f"{ROOT}\n")
    token.chmod(0o600)
    assert codespar.run("set", "K", stdin=b"one\n").returncode == 0
    assert codespar.run("set", "K", "--note", "n", "--cas", "1", stdin=b"two").returncode == 0
    assert codespar.run("get", "K", "--reveal").stdout == b"two"
    assert codespar.run("get", "K", "--reveal", "--version", "1").stdout == b"one\n"
    listed = json.loads(codespar.run("list", "-o", "json").stdout)
    assert [(one["key"], one["version"], one["note"]) for one in listed] == [("K", 2, "n")]
    assert len(json.loads(codespar.run("history", "K", "-o", "json").stdout)) == 2
    refused = codespar.run("rotate", "K", stdin=b"three")
    assert (refused.returncode, b"the secrets backend `hashicorp` cannot do this" in refused.stderr) == (2, True)
    assert codespar.run("delete", "K", "--yes").returncode == 0
    assert codespar.run("get", "K").returncode == 6
    token.chmod(0o644)
    exposed = codespar.run("get", "K")
    assert exposed.returncode == 2
    assert b"can be used by others" in exposed.stderr
    assert ROOT.encode() not in exposed.stderr
