import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.services import Services
from codespar_cli.errors import SecretError, UsageError
from codespar_cli.plugins.secrets.environment import EnvironmentSecrets, variable_name
from codespar_cli.testing import SecretsContract

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


class TestContract(SecretsContract):
    def make(self, tmp_path):
        self.environ = {}
        return EnvironmentSecrets.from_options({}, Services(state_dir=tmp_path), environ=self.environ)

    def put(self, hook, tenant_id, key, value):
        self.environ[variable_name(tenant_id, key)] = value


def test_the_variable_is_spelled_as_documented():
    assert variable_name("acme", "API_KEY") == "CODESPAR_SECRET__acme__API_5fKEY"
    assert variable_name("Über", "a-b") == "CODESPAR_SECRET___c3_9cber__a_2db"


@given(names, names, names, names)
def test_no_two_names_share_a_variable(tenant, key, other_tenant, other_key):
    same = (tenant, key) == (other_tenant, other_key)
    assert (variable_name(tenant, key) == variable_name(other_tenant, other_key)) == same


def test_near_collisions_are_apart():
    pairs = [("a_b", "c"), ("a", "b_c"), ("a", "_b_c"), ("a_", "b_c"), ("a__b", "c"), ("a", "_5fb"), ("A", "b_c")]
    assert len({variable_name(*pair) for pair in pairs}) == len(pairs)


def test_only_the_default_tenant_may_use_the_bare_name():
    secrets = EnvironmentSecrets(
        {"TOKEN": "bare", variable_name("default", "BOTH"): "own", "BOTH": "bare", "EMPTY": ""}
    )
    assert secrets.get("default", "TOKEN") == "bare"
    assert secrets.get("acme", "TOKEN") is None
    assert secrets.get("default", "BOTH") == "own"
    assert secrets.get("default", "EMPTY") == ""


@pytest.mark.parametrize("key", ["", "\ud800", "x" * 4097])
def test_an_impossible_name_is_refused(key):
    with pytest.raises(UsageError):
        EnvironmentSecrets({}).get("default", key)


def test_it_cannot_be_written_to_and_says_nothing_of_values():
    secrets = EnvironmentSecrets({variable_name("acme", "K"): "hidden"})
    assert not hasattr(secrets, "set")
    assert secrets.health().state == "ok"
    assert "hidden" not in repr(secrets) + str(secrets.health()) + str(vars(secrets))


def test_a_value_that_is_no_text_is_refused_and_not_shown():
    with pytest.raises(SecretError) as caught:
        EnvironmentSecrets({"K": "half\udcff"}).get("default", "K")
    assert "half" not in str(caught.value)
