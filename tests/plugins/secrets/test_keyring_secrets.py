import os
import shutil
import subprocess
import sys
import threading
import traceback

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import InitError, KeyringLocked, PasswordSetError

from codespar_cli.core.hidden import Hidden
from codespar_cli.core.services import Services
from codespar_cli.errors import MissingExtra, NotFoundError, SecretError, StoreUnreachable, UsageError
from codespar_cli.plugins.secrets.keyring_secrets import KeyringSecrets, _decoded, _encoded

CANARY = "canary-77d2e0"


class Shelf(KeyringBackend):
    priority = 1

    def __init__(self, **overrides):
        super().__init__()
        self.kept = {}
        for name, act in overrides.items():
            setattr(self, name, act)

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def earlier_keyring():
    earlier = keyring.core._keyring_backend
    yield
    keyring.core._keyring_backend = earlier


@pytest.fixture
def using(tmp_path):
    def use(backend, **options):
        keyring.set_keyring(backend)
        return KeyringSecrets.from_options(options, Services(state_dir=tmp_path))

    return use


def raising(error):
    def act(*arguments):
        raise error

    return act


def test_an_entry_is_found_by_the_desktops_own_tools(using):
    shelf = Shelf()
    using(shelf).set("acme", "API_KEY", "s3cret")
    assert shelf.kept == {("codespar/acme", "API_5fKEY"): "s3cret"}
    shelf.set_password("codespar/acme", "TYPED", "by hand")
    assert using(shelf).get("acme", "TYPED") == "by hand"


def test_the_service_can_be_named(using):
    shelf = Shelf()
    using(shelf, service="work").set("acme", "K", "v")
    assert list(shelf.kept) == [("work/acme", "K")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_kept_is_printable_and_comes_back(value):
    kept = _encoded(value)
    assert kept.isascii()
    assert kept.isprintable()
    assert kept
    assert kept == kept.strip()
    assert _decoded(Hidden(kept), "K") == value


def test_what_is_not_as_it_was_written_is_an_error(using):
    shelf = Shelf()
    shelf.set_password("codespar/acme", "K", f"base64:{CANARY}!")
    with pytest.raises(SecretError) as caught:
        using(shelf).get("acme", "K")
    assert CANARY not in "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )


def test_delete_takes_it_away_and_says_when_there_is_none(using):
    secrets = using(Shelf())
    secrets.set("acme", "K", "v")
    assert secrets.delete("acme", "K", actor="me") == 1
    assert secrets.get("acme", "K") is None
    with pytest.raises(NotFoundError, match="tenant `acme` has no secret `K`"):
        secrets.delete("acme", "K", actor="me")


@pytest.mark.parametrize(
    ("tenant", "key", "value"),
    [("", "K", "v"), ("a", "", "v"), ("a", "k" * 4097, "v"), ("a", "\ud800", "v"), ("a", "K", "x" * 65_537)],
)
def test_impossible_names_and_values_are_refused(using, tenant, key, value):
    shelf = Shelf()
    with pytest.raises(UsageError):
        using(shelf).set(tenant, key, value)
    assert shelf.kept == {}


@pytest.mark.parametrize(
    ("backend", "words"),
    [(null.Keyring, "switched off"), (fail.Keyring, "no keyring can be used"), (chainer.ChainerBackend, "no keyring")],
)
def test_no_keyring_is_never_an_empty_one(using, monkeypatch, backend, words):
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [])
    secrets = using(backend())
    for act in (
        lambda: secrets.get("acme", "K"),
        lambda: secrets.set("acme", "K", "v"),
        lambda: secrets.delete("acme", "K", actor="me"),
    ):
        with pytest.raises(StoreUnreachable, match=words) as caught:
            act()
        assert caught.value.hint == "keyring diagnose"
    assert secrets.health().state == "error"
    assert words in secrets.health().message


def test_a_chain_with_a_keyring_in_it_is_used(using, monkeypatch):
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [Shelf()])
    secrets = using(chainer.ChainerBackend())
    secrets.set("acme", "K", "v")
    assert secrets.get("acme", "K") == "v"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (KeyringLocked(CANARY), StoreUnreachable, "is locked"),
        (InitError(CANARY), StoreUnreachable, "cannot be asked: InitError"),
        (RuntimeError(CANARY), StoreUnreachable, "cannot be asked: RuntimeError"),
    ],
)
def test_a_keyring_that_does_not_open_is_an_error_everywhere(using, error, kind, words):
    secrets = using(Shelf(get_password=raising(error)))
    with pytest.raises(kind, match=words) as caught:
        secrets.get("acme", "K")
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    assert secrets.health().state == "error"
    assert words in secrets.health().message
    assert CANARY not in secrets.health().message


def test_a_refused_change_is_told_and_its_value_is_not(using):
    secrets = using(Shelf(set_password=raising(PasswordSetError(CANARY))))
    with pytest.raises(SecretError, match="refuses the change: PasswordSetError") as caught:
        secrets._ask(lambda backend: backend.set_password("s", "n", "v"))
    assert CANARY not in str(caught.value)


def test_a_keyring_that_keeps_nothing_is_found_out(using):
    secrets = using(Shelf(set_password=lambda *arguments: None))
    with pytest.raises(SecretError, match="did not keep `K`") as caught:
        secrets.set("acme", "K", CANARY)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The frame of this test is the caller's own.
    assert all(CANARY not in str(frame.locals) for frame in frames.stack[1:])


def test_the_wait_for_an_unlocking_is_bounded(using):
    asked, released = threading.Event(), threading.Event()

    def wait(*arguments):
        asked.set()
        released.wait(30)

    secrets = using(Shelf(get_password=wait), timeout="1s")
    with pytest.raises(StoreUnreachable, match="did not answer within 1 s: it may wait to be unlocked"):
        secrets.get("acme", "K")
    assert asked.is_set()
    released.set()


def test_without_the_package_one_line_says_what_to_install(using, monkeypatch):
    secrets = using(Shelf())
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match="needs the extra `keyring`"):
        secrets.get("acme", "K")
    assert secrets.health().state == "error"


def test_nothing_is_asked_before_it_is_needed(using):
    assert using(Shelf(get_password=raising(AssertionError()))).backend == "keyring"


REAL = """
import sys
from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.keyring_secrets import KeyringSecrets
secrets = KeyringSecrets.from_options({}, Services(state_dir=None))
values = {("acme", "A"): "plain", ("acme", "B"): "", ("acme", "../x"): "a\\nb\\x00", ("b", "A"): "x" * 65536}
for (tenant, key), value in values.items():
    secrets.set(tenant, key, "first")
    secrets.set(tenant, key, value)
assert all(secrets.get(tenant, key) == value for (tenant, key), value in values.items())
assert secrets.get("b", "B") is None
assert secrets.delete("acme", "A", actor="me") == 1
assert secrets.get("acme", "A") is None and secrets.get("b", "A") == "x" * 65536
print(secrets.health())
"""


@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")), reason="no gnome-keyring here"
)
def test_with_a_real_keyring(tmp_path):
    """GNOME's, over a message bus of its own."""
    unlock = 'gnome-keyring-daemon --unlock --components=secrets >/dev/null; exec "$0" -c "$1"'
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", unlock, sys.executable, REAL],
        input="password",
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "SecretService.Keyring" in done.stdout
