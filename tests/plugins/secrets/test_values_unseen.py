"""Whatever fails, and however it is looked at, no value is seen: not even by a traceback that shows every local."""

import logging
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from sight_kit import CANARY, KEPT, KEY_FORMS, chain_of, failure_of, forms, require_unseen, seen
from vault_kit import NEW, make_vault

import codespar_cli
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, StoreError
from codespar_cli.plugins.secrets.environment import EnvironmentSecrets
from codespar_cli.plugins.secrets.hashicorp import HashicorpSecrets
from codespar_cli.plugins.secrets.keyring_secrets import KeyringSecrets
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
PACKAGE = str(Path(codespar_cli.__file__).parent)
REFUSED = {
    "too long": Hidden(CANARY * 6000),
    "not UTF-8": Hidden(CANARY + "\ud800"),
    "bytes": Hidden(CANARY.encode()),
    "a list": Hidden([CANARY]),
}


def test_what_is_looked_for_is_found_where_it_is():
    def leak(value):
        raise ValueError("no")

    value = CANARY
    with pytest.raises(AssertionError):
        require_unseen(seen(failure_of(lambda: leak(value))))


# ── the plugins ──


@pytest.fixture
def kept(vault, clock):
    vault.set("acme", "K", KEPT)
    vault.put("acme", "G", KEPT, agents=["ci-*"], expires_at=clock() + timedelta(days=1), actor=ME)
    return vault


def writes(vault, value):
    return {
        "set": lambda: vault.set("acme", "K", value.reveal()),
        "put": lambda: vault.put("acme", "K", value.reveal(), actor=ME),
        "replace": lambda: vault.replace("acme", "K", value.reveal(), actor=ME),
        "put_all": lambda: vault.put_all("acme", {"N": value.reveal()}, actor=ME),
    }


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("operation", ["set", "put", "replace", "put_all"])
def test_a_value_that_is_refused_is_not_shown(kept, operation, why):
    require_unseen(seen(failure_of(writes(kept, REFUSED[why])[operation])))


@pytest.mark.parametrize("why", REFUSED)
def test_nor_by_the_other_backends(tmp_path, why):
    value, services = REFUSED[why], Services(tmp_path)
    hashicorp = HashicorpSecrets.from_options({"address": "https://127.0.0.1:1"}, services)
    for secrets in (hashicorp, KeyringSecrets.from_options({}, services)):
        require_unseen(seen(failure_of(lambda secrets=secrets: secrets.set("acme", "K", value.reveal()))))
    require_unseen(seen(failure_of(lambda: hashicorp.put("acme", "K", value.reveal(), actor=ME))))
    require_unseen(seen(failure_of(lambda: hashicorp.put("acme", "K", CANARY, note="x" * 9999, actor=ME))))


def test_the_environment_is_not_shown():
    environ = {"CODESPAR_SECRET__acme__K": CANARY + "\udcff", "OTHER": KEPT}
    secrets = EnvironmentSecrets.from_options({}, None, environ=environ)
    require_unseen(seen(failure_of(lambda: secrets.get("acme", "K"))))


BROKEN = {
    "a name": lambda vault, value: vault.put("acme", "", value, actor=ME),
    "a tenant": lambda vault, value: vault.put("x" * 5000, "K", value, actor=ME),
    "a note": lambda vault, value: vault.put("acme", "K", value, note="\ud800", actor=ME),
    "globs": lambda vault, value: vault.put("acme", "K", value, agents=[""], actor=ME),
    "a version": lambda vault, value: vault.put("acme", "K", value, cas=7, actor=ME),
    "nothing to replace": lambda vault, value: vault.replace("acme", "NONE", value, actor=ME),
    "a grace": lambda vault, value: vault.replace("acme", "K", value, grace=timedelta.max, actor=ME),
    "a conflict": lambda vault, value: vault.put_all("acme", {"A": value, "K": value}, actor=ME),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN)
def test_a_value_is_not_shown_by_what_else_is_wrong(kept, act):
    require_unseen(seen(without_own_frame(lambda: act(kept, CANARY))))


def without_own_frame(act):
    """The error less the frames of this file, which do hold the value."""
    error = failure_of(act)
    frame = error.__traceback__
    while frame is not None and not frame.tb_frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.tb_next
    return error.with_traceback(frame)


DAMAGE = {
    "its record cut": "DELETE FROM chain_head",
    "a version edited": "UPDATE version SET created_at = created_at + 1",
    "a value cut": "UPDATE version SET sealed = substr(sealed, 1, 20)",
    "a data key edited": "UPDATE dek SET wrapped = zeroblob(60)",
    "no room for a record": "CREATE TRIGGER full BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'full'); END",
    "no room for a version": (
        "CREATE TRIGGER full BEFORE UPDATE ON version BEGIN SELECT RAISE(ABORT, 'full'); END;"
        "CREATE TRIGGER fuller BEFORE INSERT ON version BEGIN SELECT RAISE(ABORT, 'full'); END"
    ),
}


def every_operation(vault):
    return {
        **writes(vault, Hidden(CANARY)),
        "get": lambda: vault.get("acme", "K"),
        "fetch": lambda: vault.fetch("acme", "K", actor=ME),
        "describe": lambda: vault.describe("acme", "K", actor=ME),
        "entries": lambda: vault.entries("acme", actor=ME),
        "history": lambda: vault.history("acme", "K", actor=ME),
        "grant": lambda: vault.grant("acme", "K", agents=["x"], actor=ME),
        "rollback": lambda: vault.rollback("acme", "K", to=1, actor=ME),
        "delete": lambda: vault.delete("acme", "K", actor=ME),
        "destroy": lambda: vault.destroy("acme", "K", actor=ME),
        "rotate": lambda: vault.rotate_master(actor=ME),
        "reencrypt": lambda: vault.rotate_values(actor=ME),
        "key_status": lambda: vault.key_status(actor=ME),
        "verify": lambda: vault.verify(actor=ME),
    }


OPERATIONS = list(every_operation(None))


@pytest.mark.parametrize("seen_before", [False, True], ids=["at once", "seen before"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_no_operation_on_a_damaged_vault_shows_a_value_or_a_key(state, kept, damage, seen_before):
    failed = 0
    for name in OPERATIONS:
        vault = make_vault(state)
        if seen_before:
            assert vault.get("acme", "K") == KEPT
        store = VaultStore(state / "vault.db")
        sound = (state / "vault.db").read_bytes() if store.empty_log() else pytest.fail("a reader is in the way")
        with store.write(durable=True) as connection:
            connection.execute(DAMAGE[damage])
        try:
            every_operation(vault)[name]()
        except CodesparError as error:
            failed += 1
            require_unseen(seen(error), KEY_FORMS)
        vault.close()
        store.close()
        for path in state.glob("vault.db*"):
            path.unlink()
        (state / "vault.db").write_bytes(sound)
        (state / "vault.db").chmod(0o600)
    assert failed >= (5 if damage != "no room for a version" else 4)


@pytest.mark.parametrize("key", ["", "hex:" + "ab" * 31, "ab" * 32 + CANARY, CANARY, NEW])
def test_no_operation_without_the_right_key_shows_a_value_or_a_key(state, kept, key):
    for name in OPERATIONS:
        vault = make_vault(state, key)
        require_unseen(seen(failure_of(every_operation(vault)[name])), forms("ab" * 31) | forms("cd" * 32) | KEY_FORMS)
        vault.close()


class Injected(Exception):
    pass


# What is given a value by design, and does nothing with it that can fail: wrapping, unwrapping, sealing, a fingerprint.
HOLDERS = {
    ("hidden.py", "__init__"),
    ("secrets.py", "__init__"),
    ("envelope.py", "__init__"),
    ("envelope.py", "seal"),
    ("envelope.py", "_bound"),
    ("framing.py", None),
    ("key_hierarchy.py", None),
    ("functools.py", None),
    # The way in, before its first line has put the value away.
    *(("vault.py", name) for name in ("set", "put", "replace", "put_all")),
}


def is_holder(code):
    name = Path(code.co_filename).name
    return (name, code.co_name) in HOLDERS or (name, None) in HOLDERS


def failing_at(number, act):
    """Run with an error at the n-th call of a function of the secrets plugin: what came of it, and whether it got there."""
    count = 0

    def profile(frame, event, _):
        nonlocal count
        if event == "call" and "/plugins/secrets/" in frame.f_code.co_filename:
            count += 1
            if count == number:
                sys.setprofile(None)
                raise Injected

    sys.setprofile(profile)
    try:
        act()
    except Exception as error:
        return error, count >= number
    finally:
        sys.setprofile(None)
    return None, count >= number


def safe_repr(value):
    try:
        return repr(value)
    except AttributeError:  # its own `__init__` is what failed
        return ""


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in {"key_status", "describe"}])
def test_an_error_in_any_function_shows_no_value(state, kept, name):
    """A fault at the entry of each function in turn: none of the frames that are still there holds a value."""
    kept.put("acme", "K", KEPT, actor=ME)  # so that there is something to roll back to
    kept.close()
    number, failed, reached = 0, 0, True
    while reached:
        number += 1 + number // 40
        vault = make_vault(state)
        error, reached = failing_at(number, every_operation(vault)[name])
        vault.close()
        failed += any(isinstance(one, Injected) for one in chain_of(error))
        for one in chain_of(error):
            frames = [
                frame for frame, _ in traceback.walk_tb(one.__traceback__) if frame.f_code.co_filename != __file__
            ]
            while frames and is_holder(frames[-1].f_code):
                frames.pop()
            shown = [
                f"{frame.f_code.co_qualname}: {local} = {safe_repr(value)}"
                for frame in frames
                for local, value in frame.f_locals.items()
            ]
            require_unseen("\n".join([*shown, repr(one), repr(vars(one))]), KEY_FORMS)
    assert failed > 15


def test_objects_show_nothing_of_what_they_hold(kept, caplog, capfd):
    from codespar_cli.plugins.secrets.importing import batch_of
    from codespar_cli.plugins.secrets.writing import NewVersion

    caplog.set_level(logging.DEBUG)
    secret = kept.fetch("acme", "K", actor=ME)
    found = [kept, secret, secret.facts, kept.health(), kept.verify(actor=ME), kept.key_status(actor=ME)]
    found += [NewVersion("K", Hidden(CANARY)), batch_of("acme", Hidden({"K": CANARY})), Hidden(CANARY)]
    logging.getLogger("codespar").warning("%s %r", secret, found)
    shown, waiting, known = [], list(found), set()
    while waiting:  # and whatever hangs on them
        one = waiting.pop()
        if id(one) in known or isinstance(one, Hidden | type):
            continue
        known.add(id(one))
        shown += [repr(one), str(one), f"{one}"]
        if type(one).__module__.startswith("codespar_cli"):
            shown.append(repr(getattr(one, "__dict__", {})))
            waiting += list(getattr(one, "__dict__", {}).values())
    assert len(known) > 20
    require_unseen("\n".join([*shown, caplog.text, *capfd.readouterr()]), KEY_FORMS)


def test_pytest_shows_no_value_of_a_failing_call(tmp_path, state, kept):
    kept.close()
    (tmp_path / "value").write_text(CANARY * 6000)
    (tmp_path / "test_theirs.py").write_text(
        "from pathlib import Path\n"
        "import pytest\n"
        "from vault_kit import make_vault\n"
        "@pytest.mark.parametrize('name', ['set', 'replace'])\n"
        "def test_it(name):\n"
        f"    vault = make_vault(Path({str(state)!r}))\n"
        "    more = {} if name == 'set' else {'actor': 'me'}\n"
        "    secret = vault.fetch('acme', 'K', actor='me')\n"
        f"    getattr(vault, name)('acme', 'K', Path({str(tmp_path / 'value')!r}).read_text(), **more)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-l", "--tb=long", "-n", "0", "-p", "no:cacheprovider", "test_theirs.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(PACKAGE).parent}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 failed" in ran.stdout, ran.stdout + ran.stderr
    assert "the value is" in ran.stdout
    require_unseen(ran.stdout + ran.stderr, KEY_FORMS)


def test_an_error_without_frames_is_the_same_error():
    original = StoreError("no")

    def fail():
        try:
            raise ValueError(CANARY)
        except ValueError:
            raise original from None

    error = failure_of(lambda: without_frames(fail))
    assert error is original
    assert (error.__cause__, error.__context__) == (None, None)
    assert "fail" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert without_frames(lambda: 7) == 7
