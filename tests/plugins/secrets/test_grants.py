"""Who may read what: globs over agents and tools, sealed into the manifest or written in plugins.toml."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vault_kit import NEW, make_vault

from codespar_cli.core.gate import Gate
from codespar_cli.core.globs import is_glob
from codespar_cli.core.hooks import CallContext, PolicyDecision, ToolCall
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import (
    CallDenied,
    IntegrityError,
    MasterKeyWrong,
    NotFoundError,
    SecretDenied,
    StoreError,
    UsageError,
)
from codespar_cli.plugins.secrets.framing import framed
from codespar_cli.plugins.secrets.grants import ConfiguredGrants, Grant, packed
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.storage import chain

ME = "tester"
CANARY = "canary-77aa01"


def call(agent="ci-1", tool="stripe/charge", tenant="acme"):
    return ToolCall(agent, tool, None, CallContext(tenant=tenant))


def records(state):
    store = VaultStore(state / "vault.db")
    with store.read() as connection:
        found = list(chain.read(connection))
    store.close()
    return found


@pytest.fixture
def limited(vault):
    vault.put("acme", "K", CANARY, agents=["ci-*", "deploy"], tools=["stripe/**"], actor=ME)
    vault.put("acme", "OPEN", "free", actor=ME)
    return vault


@pytest.mark.parametrize(
    ("agent", "tool", "allowed"),
    [
        ("ci-1", "stripe/charge", True),
        ("deploy", "stripe/refund/all", True),
        ("ci-1/x", "stripe/charge", False),
        ("CI-1", "stripe/charge", False),
        ("", "stripe/charge", False),
        ("ci-1", "stripe", False),
        ("ci-1", "github/push", False),
        ("ci-1", "", False),
        ("mallory", "stripe/charge", False),
    ],
)
def test_a_secret_is_read_only_by_whom_and_for_what_it_is_granted(limited, open_vault, agent, tool, allowed):
    for vault in (limited, open_vault()):
        if allowed:
            assert vault.get("acme", "K", call=call(agent, tool)) == CANARY
            assert vault.fetch("acme", "K", actor=ME, call=call(agent, tool)).reveal() == CANARY
            continue
        for method, who in ((vault.get, {}), (vault.fetch, {"actor": ME}), (vault.describe, {"actor": ME})):
            with pytest.raises(SecretDenied) as caught:
                method("acme", "K", call=call(agent, tool), **who)
            assert (caught.value.exit_code, caught.value.code) == (3, "secret_denied")
        assert vault.get("acme", "OPEN", call=call(agent, tool)) == "free"


def test_a_program_that_asks_for_itself_is_not_limited(limited):
    assert limited.get("acme", "K") == CANARY
    assert limited.fetch("acme", "K", actor=ME).reveal() == CANARY


def test_reads_and_refusals_name_agent_and_tool_on_record(limited, state):
    limited.get("acme", "K", call=call())
    with pytest.raises(SecretDenied):
        limited.get("acme", "K", call=call("mallory\x1b[2J", "x" * 999))
    written, _, read, refused = records(state)[1:]
    assert (written.body["agents"], written.body["tools"]) == (["ci-*", "deploy"], ["stripe/**"])
    assert (read.actor, read.body["tool"], read.body["outcome"]) == ("agent:ci-1", "stripe/charge", "ok")
    assert read.body["fingerprint"] == written.body["fingerprint"]
    assert refused.body["outcome"], refused.body["code"] == ("refused", "secret_denied")
    assert refused.actor.startswith("agent:mallory")
    assert "\x1b" not in refused.actor
    assert len(refused.body["tool"]) <= 200
    assert "fingerprint" not in refused.body
    limited.verify(actor=ME)


def test_a_refusal_for_want_of_a_key_names_the_agent_as_well(limited, open_vault, state):
    with pytest.raises(MasterKeyWrong):
        open_vault(NEW).get("acme", "K", call=call())
    assert (records(state)[-1].actor, records(state)[-1].body["tool"]) == ("agent:ci-1", "stripe/charge")
    limited.verify(actor=ME)


def test_a_refusal_does_not_tell_whether_there_is_such_a_secret(open_vault):
    vault = open_vault(grants={"K*": {"agents": ["nobody"]}})
    vault.set("acme", "K", "v")
    told = []
    for key in ("K", "KX"):
        with pytest.raises(SecretDenied) as caught:
            vault.get("acme", key, call=call())
        told.append(str(caught.value).replace(key, "?"))
    assert told[0] == told[1]
    assert CANARY not in told[0]


# ── how a grant lives on ──


def test_a_grant_holds_for_every_version_and_stays_until_it_is_changed(limited, clock):
    limited.put("acme", "K", "v2", actor=ME)
    limited.replace("acme", "K", "v3", actor=ME)
    limited.rollback("acme", "K", to=1, actor=ME)
    limited.delete("acme", "K", actor=ME)
    limited.undelete("acme", "K", actor=ME)
    limited.rotate_values(actor=ME)
    limited.rotate_master(actor=ME)
    for version in (None, 1, 2, 3, 4):
        with pytest.raises(SecretDenied):
            limited.fetch("acme", "K", version=version, actor=ME, call=call("mallory"))
    facts = limited.describe("acme", "K", actor=ME)
    assert (facts.agents, facts.tools) == (("ci-*", "deploy"), ("stripe/**",))
    limited.destroy("acme", "K", actor=ME)
    limited.put("acme", "K", "again", actor=ME)
    with pytest.raises(SecretDenied):
        limited.get("acme", "K", call=call("mallory"))


def test_a_grant_is_changed_or_lifted_in_part(limited):
    limited.put("acme", "K", "v2", tools=["**"], actor=ME)
    assert limited.get("acme", "K", call=call(tool="anything/at/all")) == "v2"
    with pytest.raises(SecretDenied):
        limited.get("acme", "K", call=call("mallory"))
    limited.put("acme", "K", "v3", agents=["mallory"], actor=ME)
    assert limited.get("acme", "K", call=call("mallory")) == "v3"
    assert limited.put("acme", "K", "v4", agents=["**"], actor=ME)[-2:] == (None, None)


def test_another_process_sees_a_changed_grant_at_once(limited, open_vault):
    other = open_vault()
    assert other.get("acme", "K", call=call()) == CANARY
    limited.put("acme", "K", CANARY, agents=["deploy"], actor=ME)
    with pytest.raises(SecretDenied):
        other.get("acme", "K", call=call())


def test_a_failed_write_changes_no_grant(limited):
    with pytest.raises(Exception, match="expected version 7"):
        limited.put("acme", "K", "x", cas=7, agents=["mallory"], actor=ME)
    with pytest.raises(SecretDenied):
        limited.get("acme", "K", call=call("mallory"))


@pytest.mark.parametrize("globs", [[""], ["x" * 5000], ["\ud800"], "ci-*", [7]])
def test_what_is_no_list_of_globs_is_refused(vault, globs):
    with pytest.raises(UsageError):
        vault.put("acme", "K", "v", agents=globs, actor=ME)
    assert vault.get("acme", "K") is None


def test_a_grant_changes_alone_in_one_record(limited, open_vault, state):
    before = limited.describe("acme", "K", actor=ME)
    count = len(records(state))
    facts = limited.grant("acme", "K", agents=["mallory"], actor=ME)
    (record,) = records(state)[count:]
    assert (record.kind, record.actor, record.body["key"], record.body["outcome"]) == ("secret.grant", ME, "K", "ok")
    assert record.body["agents"] == ["mallory"]
    assert "tools" not in record.body, "what was not said is not on record as if it had been"
    assert facts == before._replace(agents=("mallory",)) == limited.describe("acme", "K", actor=ME)
    for vault in (limited, open_vault()):
        assert vault.get("acme", "K", call=call("mallory")) == CANARY
        with pytest.raises(SecretDenied):
            vault.get("acme", "K", call=call("ci-1"))
    assert limited.grant("acme", "K", agents=["**"], tools=["**"], actor=ME)[-2:] == (None, None)
    assert limited.grant("acme", "K", tools=[], actor=ME).tools == (), "granted for no tool at all"
    assert limited.verify(actor=ME).versions == 2


def test_a_grant_of_what_is_not_there_is_refused_on_record(limited, state):
    limited.delete("acme", "OPEN", actor=ME)
    for tenant, key in (("acme", "NONE"), ("globex", "K"), ("acme", "OPEN")):
        with pytest.raises(NotFoundError):
            limited.grant(tenant, key, agents=["ci-*"], actor=ME)
        assert (records(state)[-1].kind, records(state)[-1].body["outcome"]) == ("secret.grant", "missing")
    for globs in ({}, {"agents": "ci-*"}, {"agents": [""]}, {"tools": ["\ud800"]}):
        with pytest.raises(UsageError):
            limited.grant("acme", "K", **globs, actor=ME)
    assert limited.describe("acme", "K", actor=ME).agents == ("ci-*", "deploy")
    limited.verify(actor=ME)


# ── [secrets.grants] ──


def test_the_file_and_the_vault_must_both_agree(open_vault, limited):
    vault = open_vault(grants={"K": {"agents": ["**"], "tools": ["stripe/charge"]}, "O*": {"agents": ["ops"]}})
    assert vault.get("acme", "K", call=call()) == CANARY
    for refused in (call(tool="stripe/refund"), call("mallory")):
        with pytest.raises(SecretDenied):
            vault.get("acme", "K", call=refused)
    with pytest.raises(SecretDenied):
        vault.get("acme", "OPEN", call=call())
    assert vault.get("acme", "OPEN", call=call("ops")) == "free"
    assert vault.get("acme", "OPEN") == "free"


def test_an_empty_list_grants_to_nobody(open_vault):
    vault = open_vault(grants={"**": {"agents": []}})
    vault.set("acme", "K", "v")
    with pytest.raises(SecretDenied):
        vault.get("acme", "K", call=call())


_name = st.text("ab/*-", max_size=8)


@given(st.dictionaries(_name, st.lists(_name, max_size=2), max_size=4), _name, _name, _name)
def test_more_grants_never_allow_more(entries, more, key, agent):
    def allowed(some):
        grants = ConfiguredGrants({pattern: {"agents": globs} for pattern, globs in some.items()})
        return all(grant.allows(call(agent)) for grant in grants.of(key))

    fewer = {pattern: globs for pattern, globs in entries.items() if pattern != more}
    assert allowed(fewer) or not allowed(entries)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9).filter(is_glob), max_size=5))
def test_what_is_packed_comes_back(globs):
    from codespar_cli.plugins.secrets.grants import grant_of
    from codespar_cli.plugins.secrets.vault_rows import AccessRow

    expected = Grant(None if globs == ["**"] else tuple(globs), None)
    assert grant_of(AccessRow(1, b"K", packed(globs, "agents"), None)) == expected


# ── somebody with the file, without the key ──


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM access",
        "UPDATE access SET agents = NULL",
        "UPDATE access SET agents = x''",
        "UPDATE access SET tools = NULL",
        "UPDATE access SET key = CAST('OTHER' AS BLOB)",
        "INSERT INTO access VALUES (1, CAST('OPEN' AS BLOB), NULL, NULL)",
        "UPDATE access SET agents = CAST('x' AS BLOB)",
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["at once", "seen before"])
def test_an_edited_grant_is_an_integrity_error(limited, open_vault, state, statement, known):
    reader = limited if known else open_vault()
    if known:
        assert reader.get("acme", "OPEN", call=call("mallory")) == "free"
    store = VaultStore(state / "vault.db")
    store.query(statement)
    store.close()
    # What was checked before stays what was checked; it is never what the file says now.
    with pytest.raises(SecretDenied if known else IntegrityError):
        reader.get("acme", "K", call=call("mallory"))
    with pytest.raises(IntegrityError):
        reader.verify(actor=ME)


def test_a_grant_of_another_tenant_put_in_place_is_an_integrity_error(limited, open_vault, state):
    limited.put("globex", "K", "v", agents=["**", "mallory"], actor=ME)
    store = VaultStore(state / "vault.db")
    store.query(f"UPDATE access SET agents = x'{framed(b'**', b'mallory').hex()}' WHERE tenant = 1")
    store.close()
    with pytest.raises(IntegrityError):
        open_vault().get("acme", "K", call=call("mallory"))


def test_rows_of_no_tenant_are_found(limited, state):
    store = VaultStore(state / "vault.db")
    store.query("PRAGMA foreign_keys=OFF")
    store.query("INSERT INTO access VALUES (99, CAST('K' AS BLOB), NULL, NULL)")
    store.close()
    with pytest.raises(IntegrityError, match="tenant that does not exist"):
        limited.verify(actor=ME)


def test_no_flipped_bit_opens_a_secret_to_whom_it_is_not_granted(limited, state):
    """In the pages of the grants, and anywhere else by sample: denied, or tampering, never the value."""
    limited.close()
    store = VaultStore(state / "vault.db")
    assert store.empty_log()
    store.close()
    path = state / "vault.db"
    sound = {one: one.read_bytes() for one in state.iterdir() if one.suffix in {".db", ".lock", ".epoch"}}
    data, chance = sound[path], random.Random(5)
    start = data.index(framed(b"ci-*", b"deploy")) // 4096 * 4096
    offsets = [at for at in range(start, start + 4096) if data[at]] + [chance.randrange(len(data)) for _ in range(150)]
    found = Counter()
    for at in offsets:
        for one in state.iterdir():
            if one not in sound:
                one.unlink()
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        for one, bytes_ in sound.items():
            one.write_bytes(bytes(flipped) if one == path else bytes_)
        vault = make_vault(state)
        try:
            vault.get("acme", "K", call=call("mallory"))
        except (SecretDenied, IntegrityError, StoreError) as error:
            found[error.code] += 1
        else:
            pytest.fail(f"a flipped bit at {at} let mallory in")
        vault.close()
    assert found["secret_denied"] > 50
    assert found["integrity"] > 10


# ── through the gate ──


def gate_over(hook):
    registry = PluginRegistry()
    if hook is not None:
        registry.register_secrets(hook)
    return Gate(registry, tenant="acme")


def test_a_call_gets_the_credentials_granted_to_it(limited):
    gate = gate_over(limited)
    with gate.call("ci-1", "stripe/charge") as under_way:
        assert under_way.secret("K") == CANARY
        assert under_way.secret("NONE") is None
    with gate.call("mallory", "stripe/charge") as under_way, pytest.raises(SecretDenied):
        under_way.secret("K")
    assert gate.get_secret(call(), "K") == CANARY
    assert gate.get_secret(call(tenant="globex"), "K") is None
    with pytest.raises(SecretDenied):
        gate.get_secret(call("mallory"), "K")
    assert gate.registry.get_secret("acme", "K", call=call()) == CANARY


def test_a_refused_credential_ends_the_call_as_a_failure(limited):
    class Metrics:
        seen = ()

        def record(self, metric):
            self.seen = (*self.seen, (metric.success, metric.error_type))

    gate = gate_over(limited)
    metrics = Metrics()
    gate.registry.register_observability(metrics)

    async def attempt():
        async with gate.call("mallory", "stripe/charge") as under_way:
            under_way.secret("K")

    with pytest.raises(SecretDenied):
        asyncio.run(attempt())
    assert metrics.seen == ((False, "SecretDenied"),)


def test_a_hook_that_knows_no_grants_is_asked_as_its_contract_says():
    class Plain:
        def get(self, tenant_id, key):
            return f"{tenant_id}/{key}"

    assert gate_over(Plain()).get_secret(call(), "K") == "acme/K"
    assert gate_over(None).get_secret(call(), "K") is None


def test_nothing_stands_in_for_a_vault_that_fails(limited, state):
    gate = gate_over(make_vault(state, NEW))
    with pytest.raises(MasterKeyWrong):
        gate.get_secret(call(), "K")
    with pytest.raises(NotFoundError):
        limited.fetch("acme", "NONE", actor=ME, call=call())


def test_a_call_gets_its_secret_only_while_it_is_allowed_and_under_way(limited):
    """A denied call, one that was not entered and one that is over get nothing."""
    gate = gate_over(limited)

    class Denies:
        def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
            return PolicyDecision(allowed=False, reason="no")

    never_entered = gate.call("ci-1", "stripe/charge")
    with gate.call("ci-1", "stripe/charge") as over:
        assert over.secret("K") == CANARY
    gate.registry.register_policy(Denies())
    denied = gate.call("ci-1", "stripe/charge")
    with pytest.raises(CallDenied), denied:
        pytest.fail("it was denied")
    for each in (never_entered, over, denied):
        with pytest.raises(RuntimeError, match="once the policy has allowed it"):
            each.secret("K")
        with pytest.raises(RuntimeError, match="once the policy has allowed it"):
            asyncio.run(each.asecret("K"))
