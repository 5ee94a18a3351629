"""References in the table of a tenant: named as they stand in the file, and asked for that tenant."""

from codespar_cli.core.config import parse_config
from codespar_cli.core.reference_status import reference_statuses
from codespar_cli.plugins import BUILTINS, builtin_options

TEXT = """
tenant = "home"
[secrets]
backend = "dictionary"
[integrations]
active = ["github", "sentry"]
[integrations.github]
secret = ["secret:SHARED", "secret:OURS"]
[integrations.tenants.acme.github]
secret = ["secret:SHARED", "secret:THEIRS"]
[integrations.tenants."a b".sentry]
secret = "env:THEIRS"
"""


class Dictionary:
    asked = []  # noqa: RUF012  of the one test

    def get(self, tenant_id, key):
        self.asked.append((tenant_id, key))
        return "value" if (tenant_id, key) in {("home", "OURS"), ("acme", "THEIRS")} else None

    def set(self, tenant_id, key, value):
        raise AssertionError


def made(options, services):
    return Dictionary()


def test_what_a_tenants_table_names_is_asked_for_that_tenant(tmp_path):
    builtins = {**BUILTINS, "secrets": {"dictionary": f"{__name__}:made"}}
    path = tmp_path / "plugins.toml"
    known = {**builtin_options(), "secrets": {"dictionary": {}}}
    config = parse_config(
        TEXT.encode(),
        path=path,
        environ={"HOME": str(tmp_path)},
        known=known,
        installed=lambda kind: (),
        users_own=True,
    )
    found = {each.key: each for each in reference_statuses(config, builtins, environ={})}
    assert {key: each.problem for key, each in found.items()} == {
        "integrations.github.secret[0]": "has no value",
        "integrations.github.secret[1]": None,
        "integrations.tenants.acme.github.secret[0]": "has no value",
        "integrations.tenants.acme.github.secret[1]": None,
        "integrations.tenants.a b.sentry.secret": "has no value",
    }
    assert Dictionary.asked == [("home", "SHARED"), ("home", "OURS"), ("acme", "SHARED"), ("acme", "THEIRS")]
    assert found["integrations.tenants.acme.github.secret[0]"].hint == "codespar secrets set SHARED --tenant acme"
    assert found["integrations.github.secret[0]"].hint == "codespar secrets set SHARED"
