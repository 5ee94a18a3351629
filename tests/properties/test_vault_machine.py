"""The vault against a dictionary: whatever is done in whatever order, it answers what the model answers."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from codespar_cli.core.hooks import ToolCall
from codespar_cli.core.services import Services
from codespar_cli.errors import MasterKeyWrong, NotFoundError, SecretDenied, VersionRetired, WriteConflict
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock

KEYS = ["hex:" + f"{n:02x}" * 32 for n in (1, 2, 3)]
tenants = st.sampled_from(["acme", "acme\x00", "globex", "ä"])
names = st.sampled_from(["K", "k", "K\x00", "\u202e"])
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


GLOBS = [["**"], ["ci-*"], ["ci-1", "ops"]]
AGENTS = ["ci-1", "ops", "mallory"]
ALLOWED = {"**": set(AGENTS), "ci-*": {"ci-1"}, "ci-1": {"ci-1"}, "ops": {"ops"}}


class Version:
    def __init__(self, value):
        self.value, self.retires_at, self.deleted, self.destroyed = value, None, False, False

    def is_gone(self, now):
        return self.destroyed or (self.retires_at is not None and self.retires_at <= now)


class VaultMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.directory = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.model: dict[tuple[str, str], list[Version]] = {}
        self.agents: dict[tuple[str, str], set[str]] = {}
        self.master = 0
        self.vaults = [self.fresh(), self.fresh()]

    def fresh(self, previous=None):
        environ = {"VAULT_MASTER_KEY": KEYS[self.master]}
        if previous is not None:
            environ["VAULT_MASTER_KEY_PREVIOUS"] = KEYS[previous]
        return SecretsVault.from_options(
            {}, Services(state_dir=self.directory / "state", clock=self.clock), environ=environ
        )

    def live(self, name):
        versions = self.model.get(name)
        usable = versions and not versions[-1].deleted and not versions[-1].destroyed
        return versions if usable else None

    def readable(self, name, number):
        """What reading version `number` comes to: a value, or the error."""
        versions = self.model.get(name, [])
        if not versions or (versions[-1].deleted and not versions[-1].destroyed) or not 0 < number <= len(versions):
            return NotFoundError
        version = versions[number - 1]
        if version.is_gone(self.clock()):
            return VersionRetired
        return NotFoundError if version.deleted else version.value

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, value=values)
    def put(self, at, tenant, key, value):
        versions = self.model.setdefault((tenant, key), [])
        versions.append(Version(value))
        assert self.vaults[at].put(tenant, key, value, actor="m").version == len(versions)

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, cas=st.integers(0, 3), value=values)
    def compare_and_set(self, at, tenant, key, cas, value):
        live = self.live((tenant, key))
        if cas == (len(live) if live else 0):
            versions = self.model.setdefault((tenant, key), [])
            versions.append(Version(value))
            assert self.vaults[at].put(tenant, key, value, cas=cas, actor="m").version == len(versions)
        else:
            with pytest.raises(WriteConflict):
                self.vaults[at].put(tenant, key, value, cas=cas, actor="m")

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, value=values, hours=st.integers(1, 5))
    def replace(self, at, tenant, key, value, hours):
        def act():
            return self.vaults[at].replace(tenant, key, value, grace=timedelta(hours=hours), actor="m")

        versions = self.live((tenant, key))
        if versions is None:
            with pytest.raises(NotFoundError):
                act()
            return
        for version in versions:
            version.retires_at = version.retires_at or self.clock() + timedelta(hours=hours)
        versions.append(Version(value))
        assert act().version == len(versions)

    @rule(at=st.integers(0, 1), tenant=tenants, key=names)
    def delete(self, at, tenant, key):
        versions = self.live((tenant, key))
        if versions is None:
            with pytest.raises(NotFoundError):
                self.vaults[at].delete(tenant, key, actor="m")
            return
        hidden = [one for one in versions if not one.deleted and not self.is_erased(one)]
        assert self.vaults[at].delete(tenant, key, actor="m") == len(hidden)
        for version in hidden:
            version.deleted = True

    def is_erased(self, version):
        """Whether the next command has destroyed it by now: every act destroys what is due first."""
        return version.is_gone(self.clock())

    @rule(at=st.integers(0, 1), tenant=tenants, key=names)
    def undelete(self, at, tenant, key):
        versions = self.model.get((tenant, key), [])
        shown = [version for version in versions if version.deleted and not version.is_gone(self.clock())]
        if not shown:
            with pytest.raises(NotFoundError):
                self.vaults[at].undelete(tenant, key, actor="m")
            return
        assert self.vaults[at].undelete(tenant, key, actor="m") == len(shown)
        for version in shown:
            version.deleted = False

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, number=st.one_of(st.none(), st.integers(1, 6)))
    def destroy(self, at, tenant, key, number):
        versions = self.model.get((tenant, key), [])
        erased = [
            version
            for place, version in enumerate(versions, 1)
            if not version.is_gone(self.clock()) and number in {None, place}
        ]
        if not erased:
            with pytest.raises(NotFoundError):
                self.vaults[at].destroy(tenant, key, version=number, actor="m")
            return
        assert self.vaults[at].destroy(tenant, key, version=number, actor="m").versions == len(erased)
        for version in erased:
            version.destroyed = True

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, number=st.integers(1, 6))
    def rollback(self, at, tenant, key, number):
        versions = self.model.get((tenant, key), [])
        found = self.readable((tenant, key), number)
        if isinstance(found, str) and number == len(versions):
            found = WriteConflict
        if not isinstance(found, str):
            with pytest.raises(found):
                self.vaults[at].rollback(tenant, key, to=number, actor="m")
            return
        versions.append(Version(found))
        assert self.vaults[at].rollback(tenant, key, to=number, actor="m").version == len(versions)

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, value=values, globs=st.sampled_from(GLOBS))
    def put_limited(self, at, tenant, key, value, globs):
        self.model.setdefault((tenant, key), []).append(Version(value))
        self.vaults[at].put(tenant, key, value, agents=globs, actor="m")
        self.agents[tenant, key] = set().union(*(ALLOWED[glob] for glob in globs))

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, agent=st.sampled_from(AGENTS))
    def read_as_an_agent(self, at, tenant, key, agent):
        def read():
            return self.vaults[at].get(tenant, key, call=ToolCall(agent, "t"))

        if agent in self.agents.get((tenant, key), set(AGENTS)):
            live = self.live((tenant, key))
            assert read() == (live[-1].value if live else None)
        else:
            with pytest.raises(SecretDenied):
                read()

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, number=st.integers(1, 6))
    def read_version(self, at, tenant, key, number):
        expected = self.readable((tenant, key), number)
        if isinstance(expected, str):
            assert self.vaults[at].fetch(tenant, key, version=number, actor="m").reveal() == expected
        else:
            with pytest.raises(expected):
                self.vaults[at].fetch(tenant, key, version=number, actor="m")

    @rule(at=st.integers(0, 1))
    def rewrap(self, at):
        self.vaults[at].rotate_master(actor="m")

    @rule(at=st.integers(0, 1))
    def reencrypt(self, at):
        self.vaults[at].rotate_values(actor="m")

    @precondition(lambda self: self.master < len(KEYS) - 1)
    @rule(wait=st.booleans())
    def new_master_key(self, wait):
        before, self.master = self.master, self.master + 1
        holder = self.fresh(previous=before)
        if wait:
            self.check(holder)
        had_any = any(vault.health().message.startswith("master key") for vault in self.vaults)
        holder.rotate_master(actor="m")
        if had_any:
            with pytest.raises(MasterKeyWrong):
                self.vaults[0].get("acme", "K")
        for vault in self.vaults:
            vault.close()
        self.vaults = [holder, self.fresh()]

    @rule(at=st.integers(0, 1))
    def reopen(self, at):
        self.vaults[at].close()
        self.vaults[at] = self.fresh()

    @rule(minutes=st.sampled_from([1, 60, 180]))
    def wait(self, minutes):
        self.clock.advance(timedelta(minutes=minutes))

    @invariant()
    def every_process_sees_the_model(self):
        for vault in self.vaults:
            self.check(vault)

    def check(self, vault):
        for (tenant, key), versions in self.model.items():
            live = self.live((tenant, key))
            assert vault.get(tenant, key) == (live[-1].value if live else None)
            assert len(vault.history(tenant, key, actor="m")) == len(versions)
        assert vault.get("nobody", "K") is None

    def teardown(self):
        if hasattr(self, "vaults"):
            self.vaults[0].verify(actor="m")
            for vault in self.vaults:
                vault.close()
            shutil.rmtree(self.directory)


TestVault = VaultMachine.TestCase
TestVault.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
