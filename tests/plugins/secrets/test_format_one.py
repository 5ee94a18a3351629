"""A vault that an earlier codespar wrote is read as it is, and becomes one of today's with its first change."""

import json

import pytest
from format_one_file import VECTOR, lay_down
from vault_kit import make_vault

from codespar_cli.errors import IntegrityError, SecretDenied
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"


@pytest.fixture
def vector():
    return json.loads(VECTOR.read_text())


@pytest.fixture
def key(vector):
    return "hex:" + vector["master_key"]


@pytest.fixture
def earlier(state):
    lay_down(state)
    return state


def format_of(state):
    store = VaultStore(state / "vault.db")
    ((found,),) = store.query("SELECT format FROM header")
    store.close()
    return found


def test_it_is_read_and_verified_as_it_is(earlier, key, vector):
    vault = make_vault(earlier, key)
    assert vault.get("acme", "API_KEY") == vector["expect"]["value"]
    assert vault.verify(actor=ME)[:3] == (2, 3, 4)
    assert format_of(earlier) == 1, "reading changes nothing but the record"


@pytest.mark.parametrize("change", ["put", "rotate_master", "rotate_values", "delete"])
def test_its_first_change_makes_it_format_2(earlier, key, change):
    vault, beside = make_vault(earlier, key), make_vault(earlier, key)
    assert beside.get("globex", "API_KEY") == "of another tenant"
    if change == "put":
        vault.put("acme", "API_KEY", "new", agents=["ci-*"], actor=ME)
    elif change == "delete":
        vault.delete("acme", "OTHER", actor=ME)
    else:
        getattr(vault, change)(actor=ME)
    assert format_of(earlier) == 2
    for reader in (vault, beside, make_vault(earlier, key)):
        assert reader.get("globex", "API_KEY") == "of another tenant", "a tenant that did not change is as it was"
        assert reader.fetch("acme", "API_KEY", version=1, actor=ME).reveal() == "first"
        reader.verify(actor=ME)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE header SET kdf = x'00'",
        "UPDATE header SET format = 2",
        "INSERT INTO access VALUES (1, CAST('API_KEY' AS BLOB), NULL, NULL)",
    ],
)
def test_what_format_1_does_not_have_is_not_believed_in_it(earlier, key, statement):
    store = VaultStore(earlier / "vault.db")
    store.query(statement)
    store.close()
    with pytest.raises(IntegrityError):
        make_vault(earlier, key).get("acme", "API_KEY")


def test_a_grant_is_not_lost_by_going_back_to_format_1(earlier, key):
    from codespar_cli.core.hooks import ToolCall
    from codespar_cli.plugins.secrets.manifest import header_checksum
    from codespar_cli.plugins.secrets.vault_rows import Header, columns

    vault = make_vault(earlier, key)
    vault.put("acme", "API_KEY", "new", agents=["ci-*"], actor=ME)
    with pytest.raises(SecretDenied):
        vault.get("acme", "API_KEY", call=ToolCall("mallory", "x"))
    vault.close()
    store = VaultStore(earlier / "vault.db")
    (row,) = store.query(f"SELECT {columns(Header)} FROM header")
    header = Header._make(row)._replace(format=1)
    store.query("UPDATE header SET format = 1, checksum = ?", (header_checksum(header),))
    store.query("DELETE FROM access")
    store.close()
    with pytest.raises(IntegrityError):
        make_vault(earlier, key).get("acme", "API_KEY", call=ToolCall("mallory", "x"))
