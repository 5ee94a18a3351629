"""From plugins.toml to live plugins: what was asked for and cannot be had is an error that says where it was asked for."""

import sys
import textwrap

import pytest

from codespar_cli.core.loader import installed_plugins
from codespar_cli.core.plugin_status import plugin_statuses
from codespar_cli.errors import CodesparError, ConfigError, StoreError
from codespar_cli.plugins import BUILTINS
from codespar_cli.startup import build_registry, load, read_config

PLUGINS = """
    from codespar_cli.errors import ConfigError, StoreError
    from codespar_cli.core.hooks import PolicyDecision

    class Policy:
        def __init__(self, options, services):
            self.options, self.services = options, services
        def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
            return PolicyDecision(allowed=True, reason=self.services.resolve("env:WHY") or "")

    def raises(options, services): raise RuntimeError("\\x1b[2Jno network")
    def exits(options, services): raise SystemExit(0)
    def nothing(options, services): return None
    def wants(options, services): raise ConfigError("expected a whole number", key="size")
    def stored(options, services): raise StoreError("the disk is gone")
    def newer(options, services): return Policy(options, services)
    newer.api = 2
    def current(options, services): return Policy(options, services)
    current.api = 1
    class Fatal(BaseException): pass
    class Mute(Exception):
        def __str__(self): raise SystemExit(0)
    def fails(options, services): raise Fatal
    def mute(options, services): raise Mute
    def anything(options, services): return object()
    async def forgetful(options, services): return Policy(options, services)
    class Connector:
        id, name = "same", "Same"
        def __init__(self, options, services): pass
        async def handle_webhook(self, payload, headers): return None
    class Nameless(Connector):
        id = None
    class Incomplete:
        def __init__(self, options, services): pass
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution `acme` with one policy entry point per function above."""

    def install(distribution="acme", group="policy", names=None, module="acme_plugins"):
        site = tmp_path / f"site-{distribution}"
        info = site / f"{distribution}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(textwrap.dedent(PLUGINS))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        known = "raises exits nothing wants stored newer current Incomplete absent fails mute anything forgetful"
        names = names or known.split()
        points = "\n".join(f"{name.lower()} = {module}:{name}" for name in names)
        (info / "entry_points.txt").write_text(f"[codespar.{group}]\n{points}\n")
        monkeypatch.syspath_prepend(str(site))

    yield install
    sys.modules.pop("acme_plugins", None)
    sys.modules.pop("rival_plugins", None)


def loading(newcomer, text):
    (newcomer / "plugins.toml").write_text(text)
    return build_registry(read_config())


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("raises", "`raises` cannot be loaded: RuntimeError: \\x1b[2Jno network", 2),
        ("exits", "`exits` cannot be loaded: SystemExit", 2),
        ("nothing", "its factory returned nothing", 2),
        ("wants", "policy.size: expected a whole number", 4),
        ("newer", "speaks plugin api 2, this codespar speaks 1", 2),
        ("fails", "`fails` cannot be loaded: Fatal", 2),
        ("mute", "`mute` cannot be loaded: Mute", 2),
        ("anything", "`anything` cannot be loaded: policy: object has no method `evaluate`", 2),
        ("forgetful", "`forgetful` cannot be loaded: policy: coroutine has no method `evaluate`", 2),
        ("absent", "`absent` cannot be loaded: AttributeError", 2),
    ],
)
def test_what_cannot_be_loaded_is_a_configuration_error_with_its_place(newcomer, installed, name, words, line):
    installed()
    with pytest.raises(ConfigError) as caught:
        loading(newcomer, f"\n[policy]\nbackend = '{name}'\nsize = 'x'\n")
    assert words in caught.value.message
    assert (caught.value.file, caught.value.line) == ("plugins.toml", line)
    assert caught.value.exit_code == 2


def test_other_designed_errors_pass_as_they_are(newcomer, installed):
    installed()
    with pytest.raises(StoreError, match="the disk is gone"):
        loading(newcomer, "[policy]\nbackend = 'stored'\n")


def test_a_plugin_without_the_contracts_methods_is_refused(newcomer, installed):
    installed()
    with pytest.raises(CodesparError, match="has no method `evaluate`"):
        loading(newcomer, "[policy]\nbackend = 'incomplete'\n")


def test_an_id_that_two_integrations_claim_is_an_error_with_its_place(newcomer, installed):
    installed(group="integrations", names=["Connector"])
    installed(distribution="rival", group="integrations", names=["Nameless"], module="rival_plugins")
    with pytest.raises(ConfigError, match="has no `id`") as caught:
        loading(newcomer, "[integrations]\nactive = ['nameless']\n")
    assert (caught.value.exit_code, caught.value.file) == (2, "plugins.toml")
    point = newcomer.parent / "site-rival/rival-1.2.dist-info/entry_points.txt"
    point.write_text("[codespar.integrations]\nsecond = rival_plugins:Connector\n")
    text = "[integrations]\nactive = ['connector', 'second']\n[integrations.second]\nx = 1\n"
    with pytest.raises(
        ConfigError, match="`second` cannot be used: integration `same` is already registered"
    ) as caught:
        loading(newcomer, text)
    assert (caught.value.exit_code, caught.value.file, caught.value.line) == (2, "plugins.toml", 3)
    statuses = plugin_statuses(read_config(), BUILTINS)
    assert [one.loadable for one in statuses if one.kind == "integrations"] == [True, False]


def test_a_factory_gets_its_own_table_and_the_services(newcomer, installed, monkeypatch):
    installed()
    monkeypatch.setenv("WHY", "because")
    registry = loading(newcomer, "tenant = 'acme'\n[policy]\nbackend = 'current'\nsize = 3\n[policy.more]\na = 1\n")
    policy = registry.policy
    assert policy.options == {"size": 3, "more": {"a": 1}}
    assert (policy.services.tenant, policy.services.config_dir) == ("acme", newcomer)
    assert policy.services.state_dir == newcomer / ".local/state/codespar"
    assert policy.services.clock().tzinfo is not None
    assert registry.evaluate_policy("a", "t").reason == "because"
    assert registry.sealed


def test_a_reference_is_resolved_by_the_active_secrets_plugin(newcomer, installed, monkeypatch):
    installed()
    monkeypatch.setenv("MY_KEY", "from the environment")
    resolve = loading(newcomer, "[policy]\nbackend = 'current'\n").policy.services.resolve
    assert resolve("secret:MY_KEY") == "from the environment"
    assert resolve("env:ABSENT") is None
    with pytest.raises(ConfigError, match="expected `secret:KEY`, `env:NAME` or `file:PATH`"):
        resolve("https://example.com/secret")


def test_a_name_that_two_distributions_claim_is_an_error(newcomer, installed):
    installed(names=["current"])
    installed(distribution="rival", names=["current"], module="rival_plugins")
    with pytest.raises(ConfigError, match=r"both `(acme|rival)` and `(acme|rival)` offer a policy plugin `current`"):
        installed_plugins("policy")


def test_a_built_in_name_is_never_taken_over(newcomer, installed):
    installed(group="secrets", names=["none"], module="acme_plugins")
    registry = loading(newcomer, "[secrets]\nbackend = 'none'\n")
    assert type(registry.secrets).__module__.startswith("codespar_cli.")


def test_every_built_in_of_the_table_can_be_imported():
    from codespar_cli.core.loader import _import

    for kind, backends in BUILTINS.items():
        for name, target in backends.items():
            assert callable(_import(target)), (kind, name)


def test_without_a_file_the_open_source_defaults_are_loaded(newcomer):
    gate = load()
    assert gate.registry.get_status() == {
        "policy": False,
        "observability": False,
        "secrets": True,
        "integrations": ["github"],
    }
    assert gate.check.__self__ is gate


def test_load_takes_a_path(newcomer):
    (newcomer / "other.toml").write_text("[integrations]\nactive = []\n")
    assert load("other.toml").registry.get_status()["integrations"] == []
    assert load(newcomer / "other.toml").registry.sealed
