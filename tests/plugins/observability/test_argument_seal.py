from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from types import MappingProxyType

import pytest

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.gate import Gate
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import StoreError
from codespar_cli.plugins.observability.argument_seal import ArgumentSeal, unsealed


@pytest.fixture
def seal(tmp_path):
    return ArgumentSeal(tmp_path / "state" / "metrics.key")


def rows(observer):
    return observer.rows(MetricFilter()).rows


def test_size_and_digest_are_those_of_the_canonical_json(seal, tmp_path):
    found = seal({"b": [1, None], "a": "é"})
    text = json.dumps({"a": "é", "b": [1, None]}, separators=(",", ":")).encode()
    key = (tmp_path / "state" / "metrics.key").read_bytes()
    assert found == (len(text), hmac.digest(key, text, hashlib.sha256))


def test_equal_arguments_have_equal_digests_in_every_process(seal, tmp_path):
    code = (
        "import sys; from pathlib import Path; from codespar_cli.plugins.observability.argument_seal import ArgumentSeal; "
        "print(ArgumentSeal(Path(sys.argv[1]))({'b': 2, 'a': 1}).digest.hex())"
    )
    key = str(tmp_path / "state" / "metrics.key")
    running = [subprocess.Popen([sys.executable, "-c", code, key], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    digests = {process.communicate()[0].strip() for process in running}
    assert digests == {seal({"a": 1, "b": 2}).digest.hex()}
    assert seal({"a": 1, "b": 3}).digest.hex() not in digests
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["metrics.key"]


def test_the_key_is_private(seal, tmp_path):
    seal({})
    key = tmp_path / "state" / "metrics.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes().hex() not in repr(seal)
    key.chmod(0o644)
    with pytest.raises(StoreError, match="others have access"):
        ArgumentSeal(key)({})
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(StoreError, match="expected a key of 32 bytes, found 5"):
        ArgumentSeal(key)({})


def hostile():
    loop = {}
    loop["loop"] = loop
    deep = {}
    for _ in range(100_000):
        deep = {"d": deep}

    return [loop, deep, {1: 1, "a": 2}, {"x": float("nan")}, {"x": object()}, {"x": b"bytes"}]


@pytest.mark.parametrize("number", range(6))
def test_what_has_no_json_has_no_digest_and_fails_no_record(observer, metric, number):
    observer.record(metric(arguments=hostile()[number]))
    (row,) = rows(observer)
    assert (row.arguments_bytes, row.arguments_digest) == (None, None)


def test_only_sizes_and_digests_of_arguments_are_kept(path, observer, metric):
    observer.record(metric(arguments={"token": "sk-very-secret"}, result_bytes=17, server="github"))
    observer.record(metric(arguments=MappingProxyType({"token": "sk-very-secret"})))
    observer.record(metric())
    first, second, third = rows(observer)
    assert first.arguments_digest == second.arguments_digest
    assert (first.arguments_bytes, first.result_bytes, first.server) == (26, 17, "github")
    assert (third.arguments_bytes, third.arguments_digest) == (None, None)
    observer.close()
    for file in path.parent.iterdir():
        assert b"sk-very" not in file.read_bytes()
    assert "sk-very" not in repr(metric(arguments={"token": "sk-very-secret"}))
    assert set(first.document()) == set(third.document()) == {
        "id", "time", "tenant", "project", "session", "agent", "tool", "latency_ms", "success", "error_type", "cost",
        "cost_source", "input_tokens", "output_tokens", "decision_id",
    }  # fmt: skip


def test_without_a_key_there_is_a_size_alone():
    assert unsealed({"a": 1}) == (7, None)


def test_no_key_is_made_before_there_are_arguments(path, observer, metric):
    observer.record(metric())
    assert not path.with_name("metrics.key").exists()


def test_the_gate_hands_on_what_the_tool_was_called_with(observer):
    registry = PluginRegistry()
    registry.register_observability(observer)
    gate = Gate(registry)
    with gate.call("bot", "git/push", args={"branch": "main"}):
        pass
    with gate.call("bot", "git/push"):
        pass
    first, second = rows(observer)
    assert (first.arguments_bytes, second.arguments_bytes) == (17, None)
    assert len(first.arguments_digest) == 32
