"""A server that hosts ask stays governed by what governed it, or says no, as the hook does."""

import asyncio
import json

import pytest
from doors_kit import Doors, is_allow, is_deny, live_gate, pre, written

from codespar_cli.hosts.governed_places import GovernedPlaces

ALLOW_ALL = 'version: 1\nrules: [{id: all, effect: allow, tools: ["**"]}]\n'
DENIED_ABOVE = (
    'version: 1\nrules: [{id: no-bash, effect: deny, tools: ["Bash"]}, {id: rest, effect: allow, tools: ["**"]}]\n'
)
OWN = 'version = 1\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\n'


class Place:
    """A home whose user has rules that allow all, in it a project whose own deny, and a server that works below it."""

    def __init__(self, root, monkeypatch):
        self.home, self.state = root / "home", root / "state"
        self.project = self.home / "project"
        self.below = self.project / "packages" / "one"
        self.below.mkdir(parents=True)
        self.own = self.home / ".config" / "codespar"
        self.own.mkdir(parents=True)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setenv("CODESPAR_STATE_DIR", str(self.state))
        monkeypatch.chdir(self.below)
        written(self.own, ALLOW_ALL, OWN)
        self.config = written(self.project, DENIED_ABOVE, OWN)

    def cut_off(self):
        (self.below.parent / ".git").mkdir()

    def touch_own(self):
        """Any change that makes the server read its configuration anew."""
        (self.own / "policy.yaml").write_text(ALLOW_ALL + "# changed\n")

    def places(self):
        return GovernedPlaces(str(self.state), str(self.own))


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


def through_doors(place, *steps):
    """After each step: what a hook and a check are answered."""

    async def ask():
        answers = []
        async with Doors(place.home, live_gate(place.home, named=False)) as doors:
            for step in steps:
                step()
                hook = await doors.post("/v1/hook/claude", pre())
                check = await doors.post("/v1/check", {"tool": "Bash", "args": {"command": "ls"}})
                answers.append((hook[1], json.loads(check[1])))
        return answers

    return asyncio.run(ask())


def codes(answers):
    assert [is_deny("claude", hook) for hook, _ in answers] == [not check["allowed"] for _, check in answers]
    return [check["code"] for _, check in answers]


def test_a_repository_that_begins_below_does_not_take_the_projects_rules_away(place):
    answers = through_doors(place, lambda: None, place.cut_off, place.touch_own)
    assert codes(answers) == ["denied_by_rule", "denied_by_rule", "config_gone"]
    assert b"ends the search" in answers[2][0]
    assert f"--config {place.config}" in answers[2][1]["reason"]


def test_a_directory_in_the_place_of_a_file_is_no_permission(place):
    def replaced():
        place.config.unlink()
        place.config.mkdir()

    answers = through_doors(place, lambda: None, replaced, place.touch_own)
    assert codes(answers) == ["denied_by_rule", "config_gone", "config_gone"]


def test_a_server_that_is_started_anew_knows_what_governed_the_last_one(place):
    through_doors(place, lambda: None)
    place.cut_off()
    assert codes(through_doors(place, lambda: None)) == ["config_gone"]


@pytest.mark.parametrize("loss", ["gone", "cut off"])
def test_what_governed_a_hook_here_has_to_govern_the_server(place, loss):
    place.places().remember(str(place.config))
    place.config.unlink() if loss == "gone" else place.cut_off()
    answers = through_doors(place, lambda: None)
    assert codes(answers) == ["config_gone"]
    assert str(place.places().path) in answers[0][1]["reason"]


def test_a_state_that_cannot_be_written_does_not_make_the_server_forget(place):
    place.state.write_text("in the way")
    answers = through_doors(place, lambda: None, place.cut_off, place.touch_own)
    assert not any(is_allow("claude", hook) for hook, _ in answers)
    assert answers[2][1]["code"] == "config_gone"


def test_what_is_put_back_governs_again(place):
    away = place.config.with_name("away")
    answers = through_doors(
        place, lambda: None, lambda: place.config.rename(away), lambda: away.rename(place.config), place.touch_own
    )
    assert codes(answers) == ["denied_by_rule", "config_gone", "denied_by_rule", "denied_by_rule"]


def test_a_nearer_file_may_speak_in_the_place_of_one_above(place):
    answers = through_doors(
        place, lambda: None, lambda: written(place.below, DENIED_ABOVE, OWN), place.cut_off, place.touch_own
    )
    assert codes(answers) == ["denied_by_rule"] * 4
