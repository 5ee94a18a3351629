"""plugins.toml: found where the contract says, checked whole, refused with file, line, key, expected and found."""

import os
from pathlib import Path

import pytest

from codespar_cli.core.config import Config, find_config, load_config, parse_config
from codespar_cli.errors import ConfigError
from codespar_cli.plugins import builtin_options

VALID = """\
version = 1
tenant = "acme"
state_dir = "state"

[policy]
backend = "engine"              # none | engine
rules = "policy.yaml"

[policy.tenants.acme]
rules = "acme.yaml"

[agents."deploy-*"]
autonomy = 3

[observability]
backend = "observer"

[secrets]
backend = "vault"
master_key = "env:VAULT_MASTER_KEY"

[integrations]
active = ["github", "sentry"]

[integrations.sentry]
secret = ["secret:NEW", "env:OLD"]
"""


def parse(text, environ=None, installed=lambda kind: ()) -> Config:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_config(
        data, path=Path("plugins.toml").absolute(), environ=environ or {}, known=builtin_options(), installed=installed
    )


def refused(text) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.exit_code == 2
    assert caught.value.file == "plugins.toml"
    return caught.value


def test_a_whole_file_becomes_frozen_values():
    config = parse(VALID)
    assert config.tenant == "acme"
    assert config.state_dir == Path("state").absolute()
    assert (config.policy.name, config.policy.options["rules"]) == ("engine", "policy.yaml")
    assert config.policy.options["tenants"] == {"acme": {"rules": "acme.yaml"}}
    assert config.secrets.options == {"master_key": "env:VAULT_MASTER_KEY"}
    assert [backend.name for backend in config.integrations] == ["github", "sentry"]
    assert config.integrations[1].options == {"secret": ["secret:NEW", "env:OLD"]}
    assert config.agents == {"deploy-*": {"autonomy": 3}}


def test_a_silent_file_means_the_open_source_defaults():
    config = parse("")
    assert (config.policy, config.observability) == (None, None)
    assert (config.secrets.name, [backend.name for backend in config.integrations]) == ("none", ["github"])


def test_what_is_switched_off_keeps_its_options():
    assert parse('[policy]\nbackend = "none"\nrules = "policy.yaml"').policy is None
    assert parse('[secrets]\nbackend = "none"\nmaster_key = "env:X"').secrets.name == "none"


def test_none_switches_off():
    config = parse('[policy]\nbackend = "none"\n[integrations]\nactive = []\n')
    assert (config.policy, config.integrations) == (None, ())


@pytest.mark.parametrize(
    ("text", "line", "words", "hint"),
    [
        (VALID.replace('"engine"', '"engin"'), 6, "policy.backend: unknown backend `engin`", "did you mean `engine`"),
        (
            VALID.replace("[observability]", "[observabilty]"),
            15,
            "observabilty: unknown key",
            "did you mean `observability`",
        ),
        (VALID.replace('rules = "policy', 'rulez = "policy'), 7, "policy.rulez: unknown key", "did you mean `rules`"),
        (VALID.replace('"policy.yaml"', "3"), 7, "policy.rules: expected a string, found `3`", None),
        (VALID.replace("version = 1", "version = 2"), 1, "version: expected 1", None),
        (VALID.replace("version = 1", "version = true"), 1, "version: expected 1", None),
        (
            VALID.replace('"github", "sentry"', '"github", "sentri"'),
            23,
            "unknown backend `sentri`",
            "did you mean `sentry`",
        ),
        (VALID.replace('"github", "sentry"', '"github", "github"'), 23, "`github` is given twice", None),
        (
            VALID.replace('["secret:NEW", "env:OLD"]', '"plain"'),
            26,
            "integrations.sentry.secret: expected `secret:KEY`",
            None,
        ),
        (VALID.replace('tenant = "acme"', 'tenant = ""'), 2, "tenant: expected a string, found an empty string", None),
        (VALID.replace("autonomy = 3", "autonomy = {a = 1}"), 13, "agents.deploy-*.autonomy: expected", None),
        ("policy = 3", 1, "policy: expected a table, found `3`", None),
        ("[policy]\nrules = 'x'", 1, "policy: missing key `backend`", None),
        ("[integrations]\n[integrations.sentry]\n", 1, "integrations: missing key `active`", None),
        ("[integrations]\nactive = 'github'", 2, "integrations.active: expected a list", None),
        ("[policy]\nbackend = 3", 2, "expected the name of a backend, found `3`", None),
        ("a = \n", 1, "not TOML", None),
        ("[policy]\nbackend = 'none'\nbackend = 'none'\n", 3, "not TOML: cannot overwrite a value", None),
        ("x = [" * 5000, 1, "not TOML", None),
        ("x = " + "9" * 5000, 1, "not TOML", None),
        (b"[policy]\n\xff\n", 2, "is not UTF-8", None),
        ("[policy]\nbackend = '''none", 2, "not TOML", None),
        ('[policy]\nbackend = "engine"\nstore = "redis"', 3, "policy.store: expected `sqlite`", None),
        ('[secrets]\nbackend = "none"\nmastr_key = "env:X"', 3, "secrets.mastr_key: unknown key", "`master_key`"),
    ],
)
def test_errors_say_line_key_expected_found_and_hint(text, line, words, hint):
    error = refused(text)
    assert error.line == line
    assert words in error.message
    if hint:
        assert hint in error.hint


def test_hostile_names_are_shown_harmless():
    error = refused('[policy]\nbackend = "en\\u001b[2Jgine\\u202e"')
    assert "\x1b" not in str(error)
    assert "\\x1b[2J" in error.message


def test_installed_names_are_asked_for_only_when_needed():
    asked = []

    def installed(kind):
        asked.append(kind)
        return {"acme"}

    parse(VALID, installed=installed)
    assert asked == []
    config = parse('[policy]\nbackend = "acme"\nanything = {goes = 1}', installed=installed)
    assert (asked, config.policy.options) == (["policy"], {"anything": {"goes": 1}})


class TestFinding:
    def find(self, start, explicit=None, **environ):
        return find_config(explicit, environ={"HOME": os.environ["HOME"], **environ}, start=Path(start))

    def test_the_option_beats_the_variable_beats_the_walk(self, newcomer):
        for name in ("one.toml", "two.toml", "plugins.toml"):
            (newcomer / name).write_text("")
        environ = {"CODESPAR_CONFIG": str(newcomer / "two.toml")}
        assert self.find(newcomer, str(newcomer / "one.toml"), **environ).name == "one.toml"
        assert self.find(newcomer, **environ).name == "two.toml"
        assert self.find(newcomer).name == "plugins.toml"

    @pytest.mark.parametrize("explicit", [True, False])
    def test_a_named_file_that_is_not_there_is_an_error(self, newcomer, explicit):
        missing = str(newcomer / "none.toml")
        with pytest.raises(ConfigError, match="does not exist"):
            self.find(newcomer, *([missing] if explicit else []), **({} if explicit else {"CODESPAR_CONFIG": missing}))

    def test_the_walk_stops_at_a_repository(self, newcomer):
        (newcomer / "plugins.toml").write_text("")
        repository = newcomer / "repo"
        (repository / ".git").mkdir(parents=True)
        (repository / "src").mkdir()
        assert self.find(newcomer / "repo" / "src") is None
        (repository / "plugins.toml").write_text("")
        assert self.find(repository / "src") == repository / "plugins.toml"

    def test_the_walk_stops_at_home(self, newcomer):
        (newcomer.parent / "plugins.toml").write_text("")
        assert self.find(newcomer) is None

    def test_a_directory_that_others_may_write_is_not_passed(self, newcomer):
        (newcomer / "plugins.toml").write_text("")
        shared = newcomer / "shared"
        (shared / "deep").mkdir(parents=True)
        shared.chmod(0o777)
        assert self.find(shared / "deep") is None

    def test_the_users_own_file_is_last(self, newcomer):
        own = newcomer / "xdg" / "codespar" / "plugins.toml"
        own.parent.mkdir(parents=True)
        own.write_text("")
        assert self.find(newcomer, XDG_CONFIG_HOME=str(newcomer / "xdg")) == own


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.write_bytes(b"#" * (1 << 20) + b"\n")])
def test_files_that_cannot_be_read_are_designed_errors(newcomer, make):
    path = newcomer / "plugins.toml"
    make(path)
    with pytest.raises(ConfigError):
        load_config(path, environ={}, known=builtin_options(), installed=lambda kind: ())


def test_state_lives_outside_the_project(newcomer):
    home = str(newcomer)
    for environ, expected in [
        ({"HOME": home}, newcomer / ".local/state/codespar"),
        ({"HOME": home, "XDG_STATE_HOME": "/x"}, Path("/x/codespar")),
        ({"HOME": home, "XDG_STATE_HOME": "/x", "CODESPAR_STATE_DIR": "/y"}, Path("/y")),
    ]:
        assert parse("", environ).state_dir == expected
    assert parse('state_dir = "s"', {"HOME": home, "CODESPAR_STATE_DIR": "/y"}).state_dir == Path("s").absolute()
