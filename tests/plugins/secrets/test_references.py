"""`secret:KEY`, `env:NAME` and `file:PATH`, wherever plugins.toml takes a credential."""

import json
import os
import subprocess
import sys
import traceback

import pytest

from codespar_cli.core.loader import create_plugin, services_for
from codespar_cli.core.reference_status import reference_statuses
from codespar_cli.core.references import Resolver, WithoutSecrets, is_reference, private_text
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError, MasterKeyMissing, StoreUnreachable
from codespar_cli.plugins import BUILTINS
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.startup import build_registry, read_config

CANARY = "canary-c0ffee99"
BUDGET = """version: 1
currency: USD
rules:
  - {id: b, effect: budget, limit: "1.00", per: agent, window: calendar day}
  - {id: all, effect: allow, tools: ["**"]}
"""
KEY = "hex:" + "cd" * 32


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of a project, as the working directory."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("CODESPAR_STATE_DIR", str(tmp_path / "state"))
    return directory


def private(path, data, mode=0o600):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(mode)
    return path


def config(here, text, tenant=None):
    (here / "plugins.toml").write_text("version = 1\n" + text)
    found = read_config()
    return found._replace(tenant=tenant) if tenant else found


def run(*arguments, env=None, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "codespar_cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )


def told(error):
    stack = traceback.TracebackException.from_exception(error, capture_locals=True)
    return str(error) + str(getattr(error, "hint", "")) + "".join(str(frame.locals) for frame in stack.stack[1:])


# ── what one stands for ──


@pytest.mark.parametrize("text", ["secret:K", "env:N", "file:p", "file:/p", "file:~/p", "secret:a b", "secret:é:x"])
def test_a_reference_is_known_by_its_scheme(text):
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["", "K", "secret:", "env:", "file:", "file:///x", "Secret:K", "https://x", "env:\0", 7]
)
def test_what_is_none_is_none(text):
    assert not is_reference(text)


def test_what_is_no_reference_is_never_repeated(here):
    for text in (CANARY, f"{CANARY}:x", "", None):
        with pytest.raises(ConfigError, match="expected `secret:KEY`, `env:NAME` or `file:PATH`") as caught:
            services_for(config(here, ""), BUILTINS).resolve(text)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("v", "v"),
        ("v\n", "v"),
        ("v\r\n", "v"),
        ("v\n\n", "v\n"),
        ("", ""),
        (" v ", " v "),
        ("ü", "ü"),
        ("x" * 65536, "x" * 65536),
    ],
)
def test_a_file_is_its_text_less_one_newline(here, data, value):
    private(here / "p", data)
    resolve = services_for(config(here, ""), BUILTINS).resolve
    assert resolve("file:p") == value
    assert resolve(f"file:{here}/p") == value


def test_a_path_starts_at_the_file_and_knows_home(here, newcomer, monkeypatch, tmp_path):
    private(newcomer / "p", "at home")
    private(here / "p", "beside the file")
    resolve = services_for(config(here, ""), BUILTINS).resolve
    monkeypatch.chdir(tmp_path)
    assert (resolve("file:p"), resolve("file:~/p")) == ("beside the file", "at home")


def test_what_is_not_there_is_none(here):
    resolve = services_for(config(here, ""), BUILTINS).resolve
    assert [resolve(text) for text in ("file:none", "env:NONE", "secret:NONE", "file:none/p")] == [None] * 4


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o777, 0o610])
def test_a_file_that_others_can_use_is_refused(here, mode):
    path = private(here / "p", CANARY, mode)
    with pytest.raises(ConfigError, match=f"can be used by others \\(mode {mode:04o}\\)") as caught:
        private_text(path)
    assert caught.value.hint == f"chmod 600 {path}"
    assert CANARY not in told(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(here):
    path = private(here / "p", CANARY)
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="belongs to another user"):
        private_text(path)


def test_only_a_regular_file_will_do(here):
    private(here / "real", CANARY)
    (here / "link").symlink_to("real")
    (here / "folder").mkdir()
    os.mkfifo(here / "pipe", 0o600)
    for name, words in (
        ("link", "is a symbolic link"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
    ):
        with pytest.raises(ConfigError, match=words):
            private_text(here / name)
    with pytest.raises(ConfigError, match="cannot be read: file name too long"):
        private_text(here / ("x" * 300))


@pytest.mark.parametrize(("data", "words"), [(b"\xff" + CANARY.encode(), "UTF-8"), (b"x" * 65_537, "longer than")])
def test_what_is_no_text_or_too_long_is_refused_and_not_shown(here, data, words):
    path = private(here / "p", data)
    with pytest.raises(ConfigError, match=words) as caught:
        private_text(path)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_variable_that_is_no_text_is_refused(here):
    resolve = services_for(config(here, ""), BUILTINS, environ={"N": f"{CANARY}\udcff"}).resolve
    with pytest.raises(ConfigError, match="the variable `N` is not valid UTF-8") as caught:
        resolve("env:N")
    assert CANARY not in str(caught.value)


def test_nothing_shows_in_a_resolver(here, monkeypatch):
    monkeypatch.setenv("K", CANARY)
    services = services_for(config(here, ""), BUILTINS, environ={"N": CANARY})
    assert services.resolve("env:N") == services.resolve("secret:K") == CANARY
    assert CANARY not in repr(services) + repr(vars(services.resolve)) + repr(vars(services.resolve._secrets))


# ── who is asked, for whom ──


def test_the_files_own_tenant_is_meant_whoever_a_command_works_for(here, monkeypatch):
    monkeypatch.setenv("CODESPAR_SECRET__home__K", "home's")
    monkeypatch.setenv("CODESPAR_SECRET__acme__K", "acme's")
    found = config(here, 'tenant = "home"\n', tenant="acme")
    services = services_for(found, BUILTINS)
    assert (services.tenant, services.resolve("secret:K")) == ("acme", "home's")


def test_the_tenant_option_does_not_change_what_a_reference_means(here):
    body = here / "body.json"
    body.write_text("{}")
    (here / "plugins.toml").write_text(
        'version = 1\n[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = "secret:HOOK"\n'
    )
    env = {"HOOK": "right", "CODESPAR_SECRET__acme__HOOK": "wrong"}
    plain = run("webhook", "sign", "body.json", "--provider", "github", env=env)
    assert plain.returncode == 0, plain.stderr
    assert (
        run("webhook", "sign", "body.json", "--provider", "github", env={**env, "CODESPAR_TENANT": "acme"}).stdout
        == plain.stdout
    )


def test_the_vault_is_asked_and_its_error_is_the_error(here, monkeypatch):
    text = '[secrets]\nbackend = "vault"\n'
    monkeypatch.setenv("VAULT_MASTER_KEY", KEY)
    build_registry(config(here, text), kinds=("secrets",)).secrets.set("default", "K", CANARY)
    assert services_for(config(here, text), BUILTINS).resolve("secret:K") == CANARY
    monkeypatch.delenv("VAULT_MASTER_KEY")
    monkeypatch.setenv("K", "the environment never stands in for the vault")
    with pytest.raises(MasterKeyMissing):
        services_for(config(here, text), BUILTINS).resolve("secret:K")


# ── what would ask itself ──


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[secrets]\nbackend = "vault"\nmaster_key = "secret:K"\n', 4),
        ('[secrets]\nbackend = "hashicorp"\naddress = "https://v"\ntoken = "secret:K"\n', 5),
        (
            '[secrets]\nbackend = "hashicorp"\naddress = "https://v"\n[secrets.approle]\nrole_id = "secret:K"\nsecret_id = "env:S"\n',
            6,
        ),
    ],
)
def test_what_opens_the_secrets_cannot_be_one_of_them(here, text, line):
    with pytest.raises(ConfigError, match="`secret:K` is circular: it asks the secrets plugin") as caught:
        config(here, text)
    assert (caught.value.line, caught.value.exit_code) == (line, 2)
    assert caught.value.hint.startswith("use env:NAME")


def test_another_plugin_of_that_kind_cannot_ask_itself_either(here, monkeypatch):
    found = config(here, "")
    services = services_for(found, BUILTINS, environ={"N": "v"})
    seen = []
    monkeypatch.setattr("codespar_cli.core.loader._import", lambda target: lambda options, given: seen.append(given))
    with pytest.raises(ConfigError, match="returned nothing"):
        create_plugin(found.secrets, found, BUILTINS, services)
    (given,) = seen
    assert isinstance(given.resolve, WithoutSecrets)
    assert given.resolve("env:N") == "v"
    with pytest.raises(ConfigError, match="circular"):
        given.resolve("secret:K")
    assert given.require("env:N", key="x") == "v"
    with pytest.raises(ConfigError) as caught:
        given.require("env:ABSENT", key="x")
    assert caught.value.hint == "export ABSENT=…"


# ── what is needed and not there ──


@pytest.mark.parametrize(("reference", "hint"), [("env:N", "export N=…"), ("file:p", "(umask 077; cat > {here}/p)")])
def test_an_error_names_the_key_its_place_and_what_to_run(here, reference, hint):
    (here / "policy.yaml").write_text(BUDGET)
    text = f'[policy]\nbackend = "engine"\nstore = "{reference}"\n'
    with pytest.raises(ConfigError, match=f"policy.store: `{reference}` has no value") as caught:
        build_registry(config(here, text))
    assert caught.value.hint == hint.format(here=here)
    assert (caught.value.file, caught.value.line) == ("plugins.toml", 4)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [("secret:K", "codespar secrets set K"), ("secret:a b", "codespar secrets set 'a b'")],
)
def test_a_secret_is_asked_for_when_it_is_needed(here, monkeypatch, reference, hint):
    monkeypatch.setenv("VAULT_MASTER_KEY", KEY)
    (here / "policy.yaml").write_text(BUDGET)
    text = f'[secrets]\nbackend = "vault"\n[policy]\nbackend = "engine"\nstore = "{reference}"\n'
    policy = build_registry(config(here, text)).policy
    with pytest.raises(ConfigError, match=f"policy.store: `{reference}` has no value") as caught:
        policy.budgets()
    assert caught.value.hint == hint


def test_a_backend_that_cannot_be_written_to_says_how_it_is_filled(here):
    with pytest.raises(ConfigError) as caught:
        services_for(config(here, 'tenant = "a-b"\n'), BUILTINS, environ={}).require("secret:API_KEY", key="x.y")
    assert caught.value.message == "x.y: `secret:API_KEY` has no value"
    assert caught.value.hint == "export CODESPAR_SECRET__a_2db__API_5fKEY=…"


def test_of_several_secrets_one_is_enough_and_none_is_an_error(tmp_path):
    def hook(**values):
        table = {f"env:{name}": value for name, value in values.items()}
        return GitHub.from_options({"secret": ["env:NEW", "env:OLD"]}, Services(tmp_path, resolve=table.get))

    assert hook(OLD="o").secrets() == ("o",)
    for values in ({}, {"NEW": ""}):
        with pytest.raises(ConfigError, match=r"integrations\.github\.secret: `env:NEW` and `env:OLD` have no value"):
            hook(**values).secrets()
    assert GitHub.from_options({}, Services(tmp_path)).secrets() == ()


def test_a_store_whose_reference_is_no_address_shows_nothing_of_it(here):
    (here / "policy.yaml").write_text(BUDGET)
    private(here / "url", CANARY)
    with pytest.raises(ConfigError, match="`file:url` is no postgresql:// URL") as caught:
        build_registry(config(here, '[policy]\nbackend = "engine"\nstore = "file:url"\n'))
    assert CANARY not in str(caught.value) + str(caught.value.hint)


def test_an_integrations_file_is_used_and_checked(here):
    private(here / "hook", f"{CANARY}\n")
    text = '[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = ["file:hook", "env:OLD"]\n'
    hook = build_registry(config(here, text)).integrations["github"]
    assert hook.secrets() == (CANARY,)
    (here / "hook").chmod(0o644)
    with pytest.raises(ConfigError, match="can be used by others"):
        hook.secrets()


# ── doctor and status ──

BROKEN = """
[policy]
backend = "engine"
[policy.notify]
webhook = "https://example.invalid/x"
secret = "env:NOTIFY"
[secrets]
backend = "vault"
[integrations]
active = ["github", "sentry"]
[integrations.github]
secret = ["secret:NEW", "env:OLD"]
[integrations.sentry]
secret = "file:open"
"""


def test_doctor_tells_of_what_does_not_resolve_and_shows_no_value(here, tmp_path):
    private(here / "open", CANARY, 0o644)
    (here / "policy.yaml").write_text("version: 1\nrules: []\n")
    (here / "plugins.toml").write_text(f"version = 1\n{BROKEN}")
    result = run("doctor", "-o", "json", env={"VAULT_MASTER_KEY": KEY, "OLD": CANARY})
    found = {one["message"].partition(":")[0]: one for one in json.loads(result.stdout) if one["check"] == "reference"}
    assert set(found) == {"policy.notify.secret", "integrations.github.secret[0]", "integrations.sentry.secret"}
    assert found["policy.notify.secret"]["status"] == "error"
    assert found["policy.notify.secret"]["fix"] == "export NOTIFY=…"
    assert found["integrations.github.secret[0]"]["status"] == "warning"
    assert found["integrations.github.secret[0]"]["fix"] == "codespar secrets set NEW"
    assert found["integrations.sentry.secret"]["status"] == "error"
    assert found["integrations.sentry.secret"]["fix"].startswith("chmod 600")
    assert result.returncode == 1
    assert not (tmp_path / "state" / "vault.db").exists(), "looking made a vault"
    shown = result.stdout + result.stderr + run("plugins", "status", env={"OLD": CANARY}).stdout + run("doctor").stdout
    assert CANARY not in shown
    assert KEY not in shown


def test_what_resolves_is_not_mentioned(here, monkeypatch):
    monkeypatch.setenv("VAULT_MASTER_KEY", KEY)
    text = '[secrets]\nbackend = "vault"\n[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = "secret:K"\n'
    found = config(here, text)
    build_registry(found, kinds=("secrets",)).secrets.set("default", "K", CANARY)
    (status,) = reference_statuses(found, BUILTINS)
    assert (status.key, status.reference, status.problem) == ("integrations.github.secret", "secret:K", None)
    monkeypatch.delenv("VAULT_MASTER_KEY")
    (status,) = reference_statuses(found, BUILTINS)
    assert status.problem.startswith("the master key is not set")
    assert not status.unset


def test_a_secrets_plugin_that_raises_nonsense_is_quoted_by_its_class_alone(here):
    class Source:
        def get(self, key):
            raise RuntimeError(CANARY)

        def advice(self, key):
            return ""

        def is_empty(self):
            return False

    found = config(here, '[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = "secret:K"\n')
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("codespar_cli.core.reference_status.resolver_for", lambda *a, **k: Resolver({}, here, Source()))
        (status,) = reference_statuses(found, BUILTINS)
    assert status.problem == "cannot be looked up: RuntimeError"


def test_a_server_that_does_not_answer_is_asked_once(here, monkeypatch):
    asked = []

    class Source:
        def get(self, key):
            asked.append(key)
            raise StoreUnreachable("no answer")

        def is_empty(self):
            return False

    found = config(
        here, '[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = ["secret:A", "secret:B"]\n'
    )
    monkeypatch.setattr("codespar_cli.core.reference_status.resolver_for", lambda *a, **k: Resolver({}, here, Source()))
    assert [status.problem for status in reference_statuses(found, BUILTINS)] == ["no answer", "no answer"]
    assert asked == ["A"]


# ── the tables ──


@pytest.mark.parametrize(
    "line",
    [
        'address = "http://vault.example.com"',
        'address = "https://me:pw@vault.example.com"',
        'address = "https://vault.example.com/path"',
        'address = "https://vault.example.com?x"',
        'address = "ftp://x"',
        'address = "https://"',
        'address = "https://a b"',
        'address = "https://v"\nmount = "../sys"',
        'address = "https://v"\nmount = "a//b"',
        'address = "https://v"\nmount = ""',
        'address = "https://v"\nprefix = "/x"',
        'address = "https://v"\nprefix = "a/../b"',
        'address = "https://v"\nprefix = "a?b"',
        'address = "https://v"\nnamespace = "a\\nb"',
        'address = "https://v"\ntoken = "hvs.canary-c0ffee99"',
        'address = "https://v"\ntimeout = "soon"',
        'address = "https://v"\nverify = false',
        'address = "https://v"\n[secrets.approle]\nrole_id = "env:R"',
    ],
)
def test_what_the_table_does_not_take(here, line):
    with pytest.raises(ConfigError) as caught:
        config(here, f'[secrets]\nbackend = "hashicorp"\n{line}\n')
    assert caught.value.line
    for secret in ("pw", CANARY):
        assert secret not in str(caught.value)


def test_an_address_is_needed(here):
    with pytest.raises(ConfigError, match="missing key `address`") as caught:
        build_registry(config(here, '[secrets]\nbackend = "hashicorp"\n'), kinds=("secrets",))
    assert (caught.value.file, caught.value.exit_code) == ("plugins.toml", 2)


@pytest.mark.parametrize(
    "address",
    [
        "https://vault.example.com:8200",
        "https://10.0.0.1/",
        "https://[::1]:8200",
        "http://localhost:8200",
        "http://127.0.0.1",
    ],
)
def test_what_is_an_address(here, address):
    found = config(
        here, f'[secrets]\nbackend = "hashicorp"\naddress = "{address}"\nmount = "a/b.c"\nprefix = "x-y/z_1"\n'
    )
    assert found.secrets.options == {"address": address, "mount": "a/b.c", "prefix": "x-y/z_1"}


def test_what_is_off_loads_nothing(here):
    code = (
        "import sys\nfrom codespar_cli.startup import read_config, build_registry\nbuild_registry(read_config())\n"
        "print([name for name in ('hvac', 'requests', 'keyring') if name in sys.modules])"
    )
    for text in ("", '[secrets]\nbackend = "hashicorp"\naddress = "https://v"\n', '[secrets]\nbackend = "keyring"\n'):
        (here / "plugins.toml").write_text(f"version = 1\n{text}")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "[]", done.stderr
