"""`plugins status` and `doctor`: what an integration says of its provider, all at once and not for ever."""

import asyncio
import sys
import threading
import time
import types

import pytest

from codespar_cli.core.hooks import Health
from codespar_cli.core.plugin_status import checked, plugin_statuses
from codespar_cli.errors import StoreError
from codespar_cli.plugins import BUILTINS
from codespar_cli.startup import read_config


class Asked:
    id = name = "github"

    def __init__(self, check=None, **attributes):
        self.health_check = check
        vars(self).update(attributes)


def raising(error):
    async def check():
        raise error

    return check


def answering(value):
    async def check():
        return value

    return check


@pytest.mark.parametrize(
    ("check", "state", "words"),
    [
        (answering(Health("ok", "it answers")), "ok", "it answers"),
        (answering(("warning", "slow\x1b[2J\n")), "warning", "slow"),
        (lambda: Health("ok", "not even async"), "ok", "not even async"),
        (answering(None), "error", "TypeError"),
        (answering(("purple", "")), "error", "nonsense"),
        (raising(StoreError("the vault is gone")), "error", "the vault is gone"),
        (raising(RuntimeError("hush-hush")), "error", "RuntimeError"),
        (raising(SystemExit(0)), "error", "SystemExit"),
        (raising(KeyboardInterrupt()), "error", "KeyboardInterrupt"),
        (raising(asyncio.CancelledError()), "error", "CancelledError"),
        (lambda: 1 / 0, "error", "ZeroDivisionError"),
    ],
)
def test_a_check_cannot_hurt_and_says_no_secret(check, state, words):
    (answer,) = checked([Asked(check)])
    assert answer.state == state
    assert words in answer.message
    assert "hush-hush" not in answer.message
    assert "\x1b" not in answer.message


def test_all_are_asked_at_once_and_none_is_waited_for_longer_than_the_limit():
    together, held = threading.Barrier(3), threading.Event()

    async def meets():
        await asyncio.to_thread(together.wait, 20)  # comes back only if the others run at the same time
        return Health("ok", "met")

    def blocks():
        held.wait(60)

    async def never():
        await asyncio.Event().wait()

    start = time.monotonic()
    try:
        plugins = [Asked(blocks), Asked(meets), Asked(meets), Asked(never), Asked(meets)]
        answers = checked(plugins, limit_s=2)
    finally:
        held.set()
    assert time.monotonic() - start < 10
    late = Health("warning", "its health check did not answer within 2 s")
    met = Health("ok", "met")
    assert answers == [late, met, met, late, met]


def test_inside_a_running_loop():
    async def host():
        return checked([Asked(answering(Health("ok", "fine")))])

    assert asyncio.run(host()) == [("ok", "fine")]


def statuses(tmp_path, monkeypatch, plugin):
    """As in place of the GitHub connector."""
    module = types.ModuleType("stand_in")
    module.make = lambda options, services: plugin
    monkeypatch.setitem(sys.modules, "stand_in", module)
    (tmp_path / "plugins.toml").write_text("[integrations]\nactive = ['github']\n")
    builtins = {**BUILTINS, "integrations": {"github": "stand_in:make"}}
    found = plugin_statuses(read_config(str(tmp_path / "plugins.toml")), builtins)
    return [one for one in found if one.kind == "integrations"]


class Hook(Asked):
    async def handle_webhook(self, payload, headers):
        return None


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "asked"),
        ({"connects": True}, "asked"),
        ({"connects": False}, "quiet"),
        ({"health": lambda: Health("ok", "quiet"), "connects": False}, "quiet"),
    ],
)
def test_the_check_is_run_unless_there_is_no_credential_for_it(tmp_path, monkeypatch, attributes, message):
    plugin = Hook(answering(Health("warning", "asked")), **{"health": lambda: Health("ok", "quiet"), **attributes})
    (status,) = statuses(tmp_path, monkeypatch, plugin)
    assert (status.message, status.health) == (message, "ok" if message == "quiet" else "warning")


def test_one_without_a_check_says_what_it_says(tmp_path, monkeypatch):
    plugin = Hook(None, health=lambda: Health("ok", "quiet"))
    (status,) = statuses(tmp_path, monkeypatch, plugin)
    assert (status.health, status.message) == ("ok", "quiet")


def test_without_credentials_no_connection_no_vault_and_no_thread(tmp_path, monkeypatch):
    def forbidden(*arguments, **options):
        raise AssertionError("nothing is to be opened")

    monkeypatch.setattr("socket.socket", forbidden)
    monkeypatch.setattr("threading.Thread.start", forbidden)
    monkeypatch.setattr("codespar_cli.plugins.secrets.vault.SecretsVault.get", forbidden)
    path = tmp_path / "plugins.toml"
    names = sorted(BUILTINS["integrations"])
    tables = "".join(f"[integrations.{name}]\nsecret = 'secret:HOOK'\n" for name in names)
    path.write_text(f"[secrets]\nbackend = 'vault'\n[integrations]\nactive = {names}\n{tables}")
    found = [one for one in plugin_statuses(read_config(str(path)), BUILTINS) if one.kind == "integrations"]
    assert [(one.name, one.health, one.message) for one in found] == [
        (name, "ok", "secret configured, not looked up") for name in names
    ]
