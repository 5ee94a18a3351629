"""The administrator's file over the user's over a project's: who is asked, where it is counted, what is ignored."""

import json
import os

import pytest

from codespar_cli.core.hooks import CallContext, ToolCall
from codespar_cli.core.trust_pin import pin_of
from codespar_cli.errors import ConfigError
from codespar_cli.startup import build_gate, build_registry, read_config
from codespar_cli.storage.trust_record import TrustRecord

ALL = {"id": "zz", "effect": "allow", "tools": ["**"]}
MONEY = {"id": "money", "effect": "budget", "limit": "3.00", "per": "tenant", "window": "total"}
ENGINE = '[policy]\nbackend = "engine"\n'


class World:
    """A home with a project in it, and an administrator's directory."""

    def __init__(self, root, monkeypatch):
        self.root, self.home = root, root / "home"
        self.user, self.project, self.admin = self.home / ".config/codespar", self.home / "project", root / "etc"
        for directory in (self.user, self.project, self.admin):
            directory.mkdir(parents=True)
        self.environ = {"HOME": str(self.home)}
        monkeypatch.chdir(self.project)

    def put(self, directory, *rules, text=ENGINE, default="deny"):
        (directory / "plugins.toml").write_text(f"version = 1\n{text}")
        (directory / "policy.yaml").write_text(json.dumps({"version": 1, "default": default, "rules": [*rules]}))

    def config(self, **environ):
        return read_config(environ={**self.environ, **environ}, administrators=self.admin / "plugins.toml")

    def gate(self, **environ):
        config = self.config(**environ)
        return build_gate(config, build_registry(config, environ=self.environ))

    def ask(self, tool="fs/read", cost="1.00", **environ):
        gate = self.gate(**environ)
        return gate.check(ToolCall("bot", tool, cost, CallContext(tenant=gate.tenant)))

    def left(self):
        return {(one.rule_id, one.scope): float(one.left) for one in self.gate().registry.policy.budgets()}

    def trust(self):
        path = self.project / "plugins.toml"
        data = path.read_bytes()
        import tomllib

        TrustRecord(self.home / ".local/state/codespar").grant(pin_of(path, data, tomllib.loads(data.decode())))


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


class TestAlone:
    def test_a_projects_file_works_as_it_is_where_nobody_else_has_one(self, world):
        world.put(world.project, ALL, text='tenant = "acme"\nstate_dir = "./state"\n' + ENGINE)
        config = world.config()
        assert (config.tenant, config.state_dir.name, config.policy_layers, config.governed) == (
            "acme",
            "state",
            (),
            False,
        )
        assert world.ask().allowed

    def test_the_users_file_alone_is_as_it_was(self, world):
        world.put(world.user, ALL)
        config = world.config()
        assert (config.path, config.policy_layers, config.governed) == (world.user / "plugins.toml", (), True)
        assert world.ask().allowed

    def test_the_administrators_alone_governs(self, world):
        world.put(world.admin, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        assert not world.ask("git/push").allowed
        assert world.ask().allowed


class TestBeside:
    def test_an_allow_of_the_project_does_not_lift_a_deny(self, world):
        world.put(world.user, {"id": "no", "effect": "deny", "tools": ["git/**"], "reason": "never"}, ALL)
        world.put(world.project, ALL, default="allow")
        decision = world.ask("git/push")
        assert (decision.allowed, decision.rule_id, decision.reason) == (False, "no", "never")

    def test_a_deny_of_the_project_counts(self, world):
        world.put(world.user, ALL, default="allow")
        world.put(world.project, {"id": "here", "effect": "deny", "tools": ["fs/**"]}, ALL)
        assert world.ask().rule_id == "here"

    @pytest.mark.parametrize(
        "text",
        [
            'tenant = "fresh"\n' + ENGINE,
            'state_dir = "./mine"\n' + ENGINE,
            ENGINE + 'mode = "observe"\n',
            ENGINE + '[policy.tenants.default]\nrules = "policy.yaml"\n',
            ENGINE + 'store = "postgresql://nobody@127.0.0.1:1/none"\n',
            '[policy]\nbackend = "none"\n',
            "",
        ],
    )
    def test_nothing_that_a_project_says_gives_it_fresh_budgets(self, world, text):
        world.put(world.user, MONEY, ALL)
        assert [world.ask().allowed for _ in range(2)] == [True, True]
        world.put(world.project, {**MONEY, "limit": "999.00", "window": "rolling 1h"}, ALL, text=text, default="allow")
        assert world.ask().allowed
        assert [world.ask().code for _ in range(2)] == ["budget_exceeded"] * 2
        (world.project / "plugins.toml").unlink()
        assert world.left() == {("money", "tenant=default"): 0.0}

    def test_a_rule_of_the_same_name_counts_by_itself(self, world):
        world.put(world.user, MONEY, ALL)
        world.put(world.project, {**MONEY, "limit": "1.00"}, ALL)
        assert world.ask().allowed
        assert [(float(one.limit), float(one.held)) for one in world.gate().registry.policy.budgets()] == [
            (3.0, 1.0),
            (1.0, 1.0),
        ]
        assert world.ask().code == "budget_exceeded"
        # And what the project denied holds nothing above.
        assert [float(one.held) for one in world.gate().registry.policy.budgets()] == [1.0, 1.0]

    def test_a_hold_is_settled_and_given_back_in_every_layer(self, world):
        world.put(world.user, MONEY, ALL)
        world.put(world.project, {**MONEY, "limit": "2.00"}, ALL)
        policy = world.gate().registry.policy
        first, second = world.ask(), world.ask()
        settled = policy.record_usage("bot", "fs/read", "0.25", reservation_id=first.reservation_id)
        assert (settled.reservation_id, float(settled.cost)) == (first.reservation_id, 0.25)
        assert policy.release(second.reservation_id)
        assert not policy.release(second.reservation_id)
        assert [(float(one.spent), float(one.held)) for one in policy.budgets()] == [(0.25, 0.0)] * 2

    def test_attributes_of_the_projects_agents_do_not_reach_the_users_rules(self, world):
        world.put(
            world.user,
            {"id": "high", "effect": "allow", "tools": ["**"], "when": {"context.autonomy": {"gte": 3}}},
            text='[agents."bot"]\nautonomy = 1\n' + ENGINE,
        )
        world.put(world.project, ALL, text='[agents."bot"]\nautonomy = 9\n' + ENGINE)
        assert not world.ask().allowed

    def test_the_users_attributes_beat_the_projects_in_the_projects_rules(self, world):
        world.put(world.user, ALL, text='[agents."b*"]\nteam = "real"\n' + ENGINE)
        world.put(
            world.project,
            {"id": "team", "effect": "deny", "tools": ["**"], "when": {"context.team": "real"}},
            ALL,
            text='[agents."bot"]\nteam = "made-up"\n' + ENGINE,
        )
        assert world.ask().rule_id == "team"

    def test_what_is_ignored_is_told_with_its_line(self, world):
        world.put(world.user, ALL)
        world.put(
            world.project, ALL, text='tenant = "x"\n' + ENGINE + 'store = "sqlite"\n[secrets]\nbackend = "none"\n'
        )
        config = world.config()
        assert [(one.file, one.line, one.key) for one in config.ignored] == [
            ("plugins.toml", 2, "tenant"),
            ("plugins.toml", 5, "policy.store"),
            ("plugins.toml", 6, "secrets"),
        ]
        assert (config.tenant, config.path) == ("default", world.user / "plugins.toml")

    def test_recording_cannot_be_switched_off_and_may_be_switched_on(self, world):
        world.put(world.user, ALL, text=ENGINE + '[observability]\nbackend = "observer"\n')
        world.put(world.project, ALL, text=ENGINE + '[observability]\nbackend = "none"\n')
        assert world.config().observability is not None
        world.put(world.user, ALL)
        world.put(world.project, ALL, text=ENGINE + '[observability]\nbackend = "observer"\n')
        assert world.config().observability is not None

    def test_a_file_that_the_environment_names_in_the_project_is_the_projects(self, world):
        world.put(world.user, ALL)
        world.put(world.project, ALL, text='tenant = "x"\n' + ENGINE)
        named = {"CODESPAR_CONFIG": str(world.project / "plugins.toml")}
        assert world.config(**named).tenant == "default"
        elsewhere = world.root / "elsewhere"
        elsewhere.mkdir()
        world.put(elsewhere, ALL, text='tenant = "y"\n' + ENGINE)
        assert world.config(CODESPAR_CONFIG=str(elsewhere / "plugins.toml")).tenant == "y"

    @pytest.mark.parametrize(
        ("place", "is_repository"), [("plugins.toml", True), ("plugins.toml", False), ("made/plugins.toml", True)]
    )
    def test_a_repository_made_in_a_project_does_not_free_its_file(self, world, monkeypatch, place, is_repository):
        if is_repository:
            (world.project / ".git").mkdir()
        world.put(world.user, ALL)
        config = world.project / place
        config.parent.mkdir(exist_ok=True)
        world.put(config.parent, ALL)
        inner = world.project / "vendor/inner"
        (inner / ".git").mkdir(parents=True)
        monkeypatch.chdir(inner)
        outside = world.root / "link.toml"
        outside.symlink_to(config)
        for named in (config, outside):
            layers = world.config(CODESPAR_CONFIG=str(named)).policy_layers
            assert [layer.layer for layer in layers] == ["user", "project"]

    def test_a_link_in_the_project_is_the_projects_wherever_it_leads(self, world):
        world.put(world.user, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        world.put(world.project, ALL)
        (world.project / "plugins.toml").rename(world.root / "away.toml")
        (world.project / "mine.toml").symlink_to(world.root / "away.toml")
        named = str(world.project / "mine.toml")
        assert world.ask("git/push", CODESPAR_CONFIG=named).rule_id == "no"

    @pytest.mark.parametrize("which", ["user", "admin"])
    def test_a_directory_or_a_dangling_link_in_the_place_of_a_file_is_no_permission(self, world, which):
        world.put(world.project, ALL)
        place = getattr(world, which) / "plugins.toml"
        place.symlink_to(world.root / "nowhere")
        with pytest.raises(ConfigError, match="expected a file"):
            world.config()
        place.unlink()
        place.mkdir()
        with pytest.raises(ConfigError, match="expected a file"):
            world.config()

    def test_a_broken_project_stops_everything(self, world):
        world.put(world.user, ALL)
        world.put(world.project, text="[policy\n")
        with pytest.raises(ConfigError, match="not TOML"):
            world.config()

    def test_approval_is_needed_where_any_layer_needs_it_and_is_not_used_up_in_vain(self, world):
        asks = {"id": "ask", "effect": "approve", "tools": ["fs/**"], "approvers": ["ann"]}
        world.put(world.user, asks, ALL)
        world.put(world.project, ALL)
        asked = world.ask()
        assert (asked.requires_approval, asked.rule_id) == (True, "ask")
        policy = world.gate().registry.policy
        assert policy.vote(asked.approval_id, "ann", approves=True).status == "approved"
        world.put(world.project, {"id": "no", "effect": "deny", "tools": ["**"]})
        assert world.ask().rule_id == "no"
        assert policy.approval(asked.approval_id).status == "approved"
        world.put(world.project, ALL)
        assert world.ask().allowed
        assert world.ask().requires_approval


class TestAdministrator:
    def test_bounds_the_user_and_a_file_that_was_named(self, world):
        world.put(world.admin, {"id": "no", "effect": "deny", "tools": ["git/**"]}, MONEY, ALL)
        world.put(world.user, ALL, default="allow", text='state_dir = "mine"\n' + ENGINE)
        assert world.ask("git/push").rule_id == "no"
        elsewhere = world.root / "elsewhere"
        elsewhere.mkdir()
        world.put(elsewhere, ALL, text='tenant = "other"\n' + ENGINE)
        named = {"CODESPAR_CONFIG": str(elsewhere / "plugins.toml")}
        assert world.ask("git/push", **named).rule_id == "no"
        assert [world.ask(**named).allowed for _ in range(3)] == [True] * 3
        assert world.ask().code == "budget_exceeded"

    def test_counts_in_its_own_store_whoever_comes_and_goes(self, world):
        world.put(world.admin, MONEY, ALL)
        assert world.ask().allowed
        world.put(world.user, {**MONEY, "limit": "100.00"}, ALL)
        assert [world.ask().allowed for _ in range(2)] == [True] * 2
        assert world.ask().code == "budget_exceeded"
        (world.user / "plugins.toml").unlink()
        assert world.ask().code == "budget_exceeded"

    def test_counts_for_its_own_tenant(self, world):
        world.put(world.admin, MONEY, ALL)
        world.put(world.user, ALL, text='tenant = "mine"\n' + ENGINE)
        assert [world.ask().allowed for _ in range(3)] == [True] * 3
        world.put(world.user, ALL, text='tenant = "another"\n' + ENGINE)
        assert world.ask().code == "budget_exceeded"


class TestTrusted:
    def test_stands_in_the_users_place_until_anything_of_it_changes(self, world):
        world.put(world.user, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        world.put(world.project, ALL, text='tenant = "x"\n' + ENGINE)
        world.trust()
        assert world.ask("git/push").allowed
        assert world.config().tenant == "x"
        rules = (world.project / "policy.yaml").read_bytes()
        (world.project / "policy.yaml").write_bytes(rules + b"\n")
        assert not world.ask("git/push").allowed
        (world.project / "policy.yaml").write_bytes(rules)
        assert world.ask("git/push").allowed
        text = (world.project / "plugins.toml").read_text()
        (world.project / "plugins.toml").write_text(text + "# more\n")
        assert not world.ask("git/push").allowed

    def test_does_not_follow_the_file_to_another_place(self, world, monkeypatch):
        world.put(world.user, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        world.put(world.project, ALL)
        world.trust()
        copy = world.home / "copy"
        world.project.rename(copy)
        monkeypatch.chdir(copy)
        assert not world.ask("git/push").allowed

    def test_is_bound_by_the_administrator(self, world):
        world.put(world.admin, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        world.put(world.project, ALL)
        world.trust()
        assert not world.ask("git/push").allowed

    @pytest.mark.parametrize("harm", ["open", "link", "rubbish", "other"])
    def test_a_record_that_is_not_private_and_whole_trusts_nothing(self, world, harm):
        world.put(world.user, {"id": "no", "effect": "deny", "tools": ["git/**"]}, ALL)
        world.put(world.project, ALL)
        world.trust()
        (record,) = (world.home / ".local/state/codespar/trust").iterdir()
        assert record.stat().st_mode & 0o777 == 0o600
        if harm == "open":
            record.chmod(0o644)
        elif harm == "link":
            os.rename(record, world.root / "kept")
            record.symlink_to(world.root / "kept")
        elif harm == "rubbish":
            record.write_text("[")
        else:
            record.write_text(record.read_text().replace('"device": ', '"device": 1'))
        assert not world.ask("git/push").allowed
