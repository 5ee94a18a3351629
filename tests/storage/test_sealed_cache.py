"""The sealed cache believes what this user's key has sealed, whole and under its name, and fails nobody."""

import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.storage import sealed_cache
from codespar_cli.storage.sealed_cache import SealedCache

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def cache(tmp_path):
    return SealedCache(str(tmp_path / "cache"), "1.0")


def again(cache, version="1.0"):
    """As another process sees it."""
    return SealedCache(cache._directory, version)


def entry(cache, name="a"):
    return Path(cache._directory, f"{name}.cache")


@settings(max_examples=50)
@given(value=PLAIN)
def test_what_was_put_is_got_by_other_processes_too(value):
    with tempfile.TemporaryDirectory() as directory:
        cache = SealedCache(f"{directory}/cache", "1.0")
        assert cache.get("a") is None
        assert cache.put("a", value)
        assert cache.get("a") == value
        assert again(cache).get("a") == value
        assert again(cache, "1.1").get("a") is None


@settings(max_examples=200)
@given(data=st.data())
def test_nothing_that_was_changed_is_believed_nor_read(data):
    with tempfile.TemporaryDirectory() as directory:
        cache = SealedCache(f"{directory}/cache", "1.0")
        cache.put("a", {"allowed": True, "rules": ["x"] * 5})
        whole = entry(cache).read_bytes()
        if data.draw(st.booleans()):
            changed = whole[: data.draw(st.integers(0, len(whole) - 1))]
        else:
            at, bits = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
            changed = whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]
        entry(cache).write_bytes(changed)
        assert again(cache).get("a") is None
        entry(cache).write_bytes(whole + b"x")
        assert again(cache).get("a") is None


def test_unsealed_bytes_never_reach_marshal(cache, monkeypatch):
    cache.put("a", 1)
    entry(cache).write_bytes(entry(cache).read_bytes()[:-1] + b"\xff")
    monkeypatch.setattr(sealed_cache.marshal, "loads", lambda _: pytest.fail("read before its seal was right"))
    assert again(cache).get("a") is None


def test_an_entry_counts_under_its_own_name_and_key_only(cache, tmp_path):
    cache.put("a", "of a")
    entry(cache).rename(entry(cache, "b"))
    assert cache.get("b") is None
    other = SealedCache(str(tmp_path / "other"), "1.0")
    other.put("b", "of other")
    Path(cache._directory, "b.cache").write_bytes(entry(other, "b").read_bytes())
    assert cache.get("b") is None


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_all_of_it_is_private_whatever_the_umask(cache, umask):
    before = os.umask(umask)
    try:
        assert cache.put("a", 1)
    finally:
        os.umask(before)
    cache.once(lambda: None, lambda: 1)
    assert Path(cache._directory).stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o177 for path in Path(cache._directory).iterdir()}
    assert modes == dict.fromkeys(modes, 0)
    assert again(cache).get("a") == 1


@pytest.mark.parametrize("name", ["key", "a.cache"])
def test_what_others_can_touch_is_not_there(cache, name):
    cache.put("a", 1)
    path = Path(cache._directory, name)
    path.chmod(0o640)
    assert again(cache).get("a") is None
    assert again(cache).put("a", 2)
    assert again(cache).get("a") == 2
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    assert again(cache).get("a") is None


def test_a_damaged_key_is_replaced_and_what_it_sealed_is_void(cache):
    cache.put("a", 1)
    Path(cache._directory, "key").write_bytes(b"short")
    assert again(cache).get("a") is None
    assert again(cache).put("b", 2)
    assert (again(cache).get("a"), again(cache).get("b")) == (None, 2)


def test_where_there_can_be_no_directory_nothing_is_kept_and_nobody_fails(tmp_path):
    (tmp_path / "file").write_text("")
    cache = SealedCache(str(tmp_path / "file" / "cache"), "1.0")
    assert cache.get("a") is None
    assert cache.put("a", 1) is False
    assert cache.once(lambda: None, lambda: "made") == "made"
    assert SealedCache("nul\0", "1.0").get("a") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_or_broken_disk_keeps_what_was_there(cache, monkeypatch, code):
    cache.put("a", "old")
    whole, real = [], os.write

    def write(descriptor, data):
        whole.append(1)
        if len(whole) > 1:
            raise OSError(code, "no")
        return real(descriptor, bytes(data)[:10])

    monkeypatch.setattr(sealed_cache.os, "write", write)
    assert cache.put("a", "new") is False
    monkeypatch.undo()
    assert again(cache).get("a") == "old"
    assert not [path for path in Path(cache._directory).iterdir() if path.name.startswith(".")]


def test_what_is_not_plain_is_not_kept(cache):
    assert cache.put("a", object()) is False
    assert cache.get("a") is None


@pytest.mark.parametrize("after", [0, 1, 10, 60])
def test_killed_while_writing_leaves_the_old_value(cache, after):
    cache.put("a", "old")
    code = (
        "import os, signal, sys\nfrom codespar_cli.storage import sealed_cache\n"
        "real = os.write\n"
        "def write(descriptor, data):\n"
        f"    real(descriptor, bytes(data)[:{after}])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "sealed_cache.os.write = write\n"
        "sealed_cache.SealedCache(sys.argv[1], '1.0').put('a', 'new' * 100)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, cache._directory], check=False)
    assert done.returncode == -signal.SIGKILL
    assert again(cache).get("a") == "old"
    assert again(cache).put("a", "newer")
    assert again(cache).get("a") == "newer"


def race(directory, start, made):
    cache = SealedCache(directory, "1.0")
    start.wait()

    def make():
        os.write(made, b"1")
        cache.put("a", "made")
        return "made"

    assert cache.once(lambda: cache.get("a"), make) == "made"


def test_of_racing_processes_one_makes_the_value(tmp_path):
    context = multiprocessing.get_context("fork")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    for number in range(5):
        start = context.Barrier(6)
        arguments = (str(tmp_path / f"cache{number}"), start, writing)
        processes = [context.Process(target=race, args=arguments) for _ in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 6
        assert os.read(reading, 100) == b"1"


def test_nobody_waits_for_one_who_holds_the_lock_and_never_ends(cache, monkeypatch):
    cache.put("a", 1)
    monkeypatch.setattr(sealed_cache, "_WAIT_S", 0.05)
    with Path(cache._directory, "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Path(held.name).chmod(0o600)
        assert again(cache).once(lambda: pytest.fail("not without the lock"), lambda: "made") == "made"


def test_the_directory_stays_small_and_loses_what_the_killed_have_left(cache):
    cache.put("first", 1)
    left = Path(cache._directory, ".b.cache.1.ffff")
    left.write_bytes(b"")
    os.utime(left, (1, 1))
    os.utime(entry(cache, "first"), (2, 2))
    for number in range(sealed_cache._MOST_ENTRIES + 5):
        assert cache.put(f"n{number}", number)
    assert len(list(Path(cache._directory).iterdir())) <= sealed_cache._MOST_ENTRIES + 1
    assert not left.exists()
    assert cache.get("first") is None
    assert again(cache).get(f"n{sealed_cache._MOST_ENTRIES + 4}") == sealed_cache._MOST_ENTRIES + 4
