"""A gate that follows its files: a change holds for the next question, a broken one stops everything until it is mended."""

import io
import os

import pytest

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.live_gate import LiveGate
from codespar_cli.cli.session import Session
from codespar_cli.core.hooks import ToolCall
from codespar_cli.errors import CodesparError

OPEN = 'version: 1\nrules:\n  - {id: all, effect: allow, tools: ["**"]}\n'
SHUT = "version: 1\ndefault: deny\nrules: []\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


def live(**environ):
    terminal = Terminal(io.StringIO(), io.StringIO(), io.StringIO(), color=False)
    known = {"HOME": os.environ["HOME"], "CODESPAR_STATE_DIR": os.environ["HOME"] + "/state", **environ}
    return LiveGate(lambda: Session(terminal, environ=known))


def configure(directory, rules):
    (directory / "policy.yaml").write_text(rules)
    (directory / "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\n')


def allows(gate):
    return gate.gate().check(ToolCall("bot", "fs/read")).allowed


def test_the_same_gate_is_answered_while_nothing_changes(place):
    configure(place, OPEN)
    gate = live()
    assert gate.gate() is gate.gate()


def test_a_changed_rules_file_holds_at_once(place):
    configure(place, OPEN)
    gate = live()
    assert allows(gate)
    (place / "policy.yaml").write_text(SHUT)
    assert not allows(gate)


@pytest.mark.parametrize("name", ["policy.yaml", "plugins.toml"])
def test_a_broken_file_stops_everything_until_it_is_mended(place, name):
    configure(place, OPEN)
    gate = live(CODESPAR_CONFIG=str(place / "plugins.toml"))
    assert allows(gate)
    good = (place / name).read_text()
    for broken in ("[[[", ""):
        (place / name).write_text(broken + "\0")
        with pytest.raises(CodesparError):
            gate.gate()
    (place / name).unlink()
    with pytest.raises(CodesparError):
        gate.gate()
    (place / name).write_text(good)
    assert allows(gate)


def test_a_nearer_configuration_counts_from_when_it_is_there(place):
    configure(place.parent, OPEN)
    gate = live()
    assert allows(gate)
    configure(place, SHUT)
    assert not allows(gate)


def test_a_configuration_that_was_not_there_counts_from_when_it_is(place):
    gate = live()
    assert allows(gate)
    configure(place, SHUT)
    assert not allows(gate)


def test_a_file_that_is_replaced_by_another_of_the_same_size_and_time_counts(place):
    configure(place, OPEN)
    gate = live()
    assert allows(gate)
    facts = (place / "policy.yaml").stat()
    other = place / "other"
    other.write_text(SHUT + "#" * (facts.st_size - len(SHUT)))
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(place / "policy.yaml")
    assert (place / "policy.yaml").stat().st_size == facts.st_size
    assert not allows(gate)
