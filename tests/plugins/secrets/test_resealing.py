"""What re-encrypting writes a tenant at a time: the quick framing is the slow one, and no row is taken on trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets import framing
from codespar_cli.plugins.secrets.revision import Revision
from codespar_cli.plugins.secrets.vault_session import Intent
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1)


@given(st.binary(max_size=300), NUMBERS, st.none() | st.binary(max_size=300))
def test_a_field_by_itself_is_framed_as_it_is_among_others(data, number, text):
    framed = framing.framed(data, framing.number(number), framing.optional(text))
    assert framing.field(data) + framing.number_field(number) + framing.optional_field(text) == framed


@pytest.mark.parametrize("wrong", [1.5, "1", b"1", 2**63])
def test_a_number_of_another_kind_is_unreadable(wrong):
    with pytest.raises(framing.UNREADABLE):
        framing.number_field(wrong)


@pytest.mark.parametrize("wrong", [7, "text", 1.5])
def test_bytes_of_another_kind_are_unreadable(wrong):
    for frame in (framing.field, framing.optional_field):
        with pytest.raises(framing.UNREADABLE):
            frame(wrong)


def sealed_rows(state):
    store = VaultStore(state / "vault.db")
    try:
        return store.query("SELECT key, version, generation, sealed FROM version ORDER BY key, version")
    finally:
        store.close()


def edit(state, statement):
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute(statement)
    store.close()


def test_a_row_that_is_listed_and_cannot_be_found_stops_the_whole(vault, state):
    vault.set("acme", "A", "one")
    vault.set("acme", "B", "two")
    before = sealed_rows(state)
    with pytest.raises(IntegrityError), vault._session.act(Intent("secret.reencrypt", ME), durable=True) as act:
        draft = Revision(act.connection, act.vault).draft(b"acme")
        first, second = draft.versions()
        draft.put_resealed([first._replace(sealed=b"x" * 40), second._replace(version=9)])
    assert sealed_rows(state) == before
    assert (vault.get("acme", "A"), vault.get("acme", "B")) == ("one", "two")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE version SET note = x'00' WHERE key = x'41'",
        "UPDATE version SET retires_at = 1 WHERE key = x'41'",
        "DELETE FROM version WHERE key = x'41'",
        "UPDATE version SET sealed = (SELECT sealed FROM version WHERE key = x'42') WHERE key = x'41'",
    ],
)
def test_a_tenant_that_is_known_already_is_read_again_before_it_is_encrypted_again(vault, open_vault, state, change):
    vault.set("acme", "A", "one")
    vault.set("acme", "B", "two")
    assert vault.get("acme", "B") == "two"  # from here on the tenant is known to this process
    vault._session._chores_at = 2**63  # the retirement is another's test
    edit(state, change)
    before = sealed_rows(state)
    for dry_run in (True, False):
        with pytest.raises(IntegrityError):
            vault.rotate_values(dry_run=dry_run, actor=ME)
    assert sealed_rows(state) == before


def test_values_that_are_gone_stay_gone_and_move_with_the_rest(vault, state):
    vault.set("acme", "A", "one")
    vault.set("acme", "A", "two")
    vault.destroy("acme", "A", version=1, actor=ME)
    assert vault.rotate_values(actor=ME).values == 1
    (_, _, first, gone), (_, _, second, kept) = sealed_rows(state)
    assert (first, second, gone) == (2, 2, None)
    assert len(kept) == 12 + 3 + 16
    assert vault.verify(actor=ME).versions == 2
