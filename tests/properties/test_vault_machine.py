"""The vault against a dictionary: whatever is done in whatever order, it answers what the model answers."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from codespar_cli.core.services import Services
from codespar_cli.errors import MasterKeyWrong, NotFoundError, VersionRetired, WriteConflict
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock

KEYS = ["hex:" + f"{n:02x}" * 32 for n in (1, 2, 3)]
tenants = st.sampled_from(["acme", "acme\x00", "globex", "ä"])
names = st.sampled_from(["K", "k", "K\x00", "\u202e"])
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Version:
    def __init__(self, value):
        self.value, self.retires_at, self.deleted = value, None, False


class VaultMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.directory = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.model: dict[tuple[str, str], list[Version]] = {}
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
        return versions if versions and not versions[-1].deleted else None

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
        for version in versions:
            version.deleted = True
        self.vaults[at].delete(tenant, key, actor="m")

    @rule(at=st.integers(0, 1), tenant=tenants, key=names, number=st.integers(1, 6))
    def read_version(self, at, tenant, key, number):
        versions = self.live((tenant, key)) or []
        version = versions[number - 1] if number <= len(versions) else None
        if version is None:
            expected = NotFoundError
        elif version.retires_at is not None and version.retires_at <= self.clock():
            expected = VersionRetired
        else:
            expected = NotFoundError if version.deleted else None
        if expected is None:
            assert self.vaults[at].fetch(tenant, key, version=number, actor="m").reveal() == version.value
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
