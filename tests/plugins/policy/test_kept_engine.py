"""Rules files are read once for all processes, and again when they change in any way that a file can."""

import os
import time

import pytest

from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy import kept_engine
from codespar_cli.plugins.policy.kept_engine import keeping
from codespar_cli.plugins.policy.language import policy_reader
from codespar_cli.storage.file_facts import facts_of, is_settled, place_of
from codespar_cli.storage.sealed_cache import SealedCache

ALLOW = "rules:\n  - {id: one, effect: allow, tools: [t]}\n"
OTHER = "rules:\n  - {id: two, effect: allow, tools: [t]}\n"
BROKEN = "rules:\n  - {id: one, effect: alow, tools: [t]}\n"


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Files here are young; that young ones are not kept has a test of its own."""
    monkeypatch.setattr(kept_engine, "is_settled", lambda facts: True)


@pytest.fixture
def parses(monkeypatch):
    """How often YAML was parsed."""
    counted, real = [], policy_reader.parse
    monkeypatch.setattr(policy_reader, "parse", lambda data: counted.append(1) or real(data))
    return counted


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(ALLOW)
    return path


def load(rules, key="rules"):
    """In a new process."""
    policy = keeping(SealedCache(str(rules.parent / "state" / "cache"), "1"))(rules, key=key)
    return [rule.id for rule in policy.rules]


def test_yaml_is_parsed_once(rules, parses):
    assert [load(rules) for _ in range(3)] == [["one"]] * 3
    assert len(parses) == 1


def rewritten(rules):
    rules.write_text(OTHER)


def rewritten_at_the_old_time(rules):
    facts = rules.stat()
    rules.write_text(OTHER)
    os.utime(rules, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def replaced(rules):
    fresh = rules.with_name("fresh")
    fresh.write_text(OTHER)
    facts = rules.stat()
    os.utime(fresh, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    fresh.replace(rules)


def linked_elsewhere(rules):
    rules.with_name("other.yaml").write_text(OTHER)
    rules.unlink()
    rules.symlink_to("other.yaml")


@pytest.mark.parametrize("change", [rewritten, rewritten_at_the_old_time, replaced, linked_elsewhere])
def test_a_change_of_the_file_is_seen(rules, parses, change):
    load(rules)
    change(rules)
    assert [load(rules), load(rules)] == [["two"]] * 2
    assert len(parses) == 2


def test_a_broken_change_is_told_every_time_and_parsed_once(rules, parses):
    load(rules)
    rules.write_text(BROKEN)
    errors = []
    for _ in range(3):
        with pytest.raises(ConfigError) as caught:
            load(rules)
        errors.append((str(caught.value), caught.value.hint, caught.value.code, caught.value.line))
    assert len(set(errors)) == 1
    assert errors[0][3] == 2
    assert len(parses) == 2
    rules.write_text(ALLOW)
    assert load(rules) == ["one"]


def test_a_file_that_is_gone_is_told_and_nothing_kept_stands_in_for_it(rules):
    load(rules)
    rules.unlink()
    for _ in range(2):
        with pytest.raises(ConfigError, match="there is no rules file"):
            load(rules)


def test_what_another_version_of_the_time_zones_has_kept_is_not_believed(rules, parses, monkeypatch):
    rules.write_text("timezone: America/Sao_Paulo\n" + ALLOW)
    assert [load(rules), load(rules)] == [["one"]] * 2
    assert len(parses) == 1
    list_of_names = rules.with_name("zones")
    list_of_names.write_text("America/Sao_Paulo\n")
    monkeypatch.setattr(kept_engine, "zones_file", lambda: str(list_of_names))
    load(rules)
    assert len(parses) == 2


def test_a_tampered_entry_is_not_believed(rules, parses):
    load(rules)
    for path in (rules.parent / "state" / "cache").glob("rules-*.cache"):
        path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    assert load(rules) == ["one"]
    assert len(parses) == 2


def test_without_a_place_to_keep_it_the_file_is_read_each_time(rules, parses):
    (rules.parent / "state").write_text("no directory")
    assert [load(rules), load(rules)] == [["one"]] * 2
    assert len(parses) == 2


def test_a_young_file_is_not_kept(rules, parses, monkeypatch):
    monkeypatch.setattr(kept_engine, "is_settled", lambda facts: is_settled(facts, facts[-1] + 1000))
    assert [load(rules), load(rules)] == [["one"]] * 2
    assert len(parses) == 2
    monkeypatch.setattr(kept_engine, "is_settled", lambda facts: is_settled(facts, facts[-1] + 3_000_000_000))
    assert [load(rules), load(rules)] == [["one"]] * 2
    assert len(parses) == 3


def test_a_file_that_changes_while_it_is_read_is_not_kept(rules, parses, monkeypatch):
    real = policy_reader.read_rules

    def read(path, *, key):
        data = real(path, key=key)
        rules.write_text(OTHER)
        return data

    monkeypatch.setattr(policy_reader, "read_rules", read)
    assert load(rules) == ["one"]
    monkeypatch.undo()
    assert load(rules) == ["two"]


def test_when_a_file_is_settled():
    coarse, fine = (0,) * 6 + (10_000_000_000,), (0,) * 6 + (10_000_000_001,)
    assert is_settled(None)
    assert not is_settled(fine, 10_020_000_000)
    assert is_settled(fine, 10_100_000_000)
    assert not is_settled(coarse, 11_900_000_000)
    assert is_settled(coarse, 12_200_000_000)
    assert not is_settled(fine, 9_000_000_000)  # the clock was set back
    assert not is_settled((0,) * 6 + (time.time_ns(),))


def test_a_place_stays_the_same_whatever_is_put_into_it(tmp_path):
    before = place_of(str(tmp_path))
    (tmp_path / "new").write_text("")
    assert place_of(str(tmp_path)) == before
    tmp_path.chmod(0o777)
    assert place_of(str(tmp_path)) != before
    assert facts_of(str(tmp_path / "missing")) is None
