"""Names under which tasks are held, and who may say that another is gone."""

import pytest

from codespar_cli.errors import StoreError
from codespar_cli.webhooks.routes.task_owner import TaskOwner


def test_a_name_is_taken_over_only_from_those_that_are_gone(tmp_path):
    first, second = TaskOwner(tmp_path), TaskOwner(tmp_path)
    assert first.name != second.name
    gone = []
    second.free_what_is_left(gone.append)
    assert first.name not in gone
    name = first.name
    first.close()
    third = TaskOwner(tmp_path)
    assert third.name == name
    gone.clear()
    third.free_what_is_left(gone.append)
    assert gone == [name]
    second.close()
    third.close()
    fourth = TaskOwner(tmp_path)
    gone.clear()
    fourth.free_what_is_left(gone.append)
    assert set(gone) == {first.name, second.name}
    fourth.close()


def test_what_could_not_be_freed_is_freed_the_next_time(tmp_path):
    owner = TaskOwner(tmp_path)
    told = []

    def broken(name):
        raise StoreError("down")

    with pytest.raises(StoreError):
        owner.free_what_is_left(broken)
    owner.free_what_is_left(told.append)
    owner.free_what_is_left(told.append)
    assert told == [owner.name]
    owner.close()


def test_names_in_damaged_files_and_of_other_directories_are_others(tmp_path):
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a" / "routes-0.lock").write_bytes(b"\xff\x00:" * 40)
    one, other = TaskOwner(tmp_path / "a"), TaskOwner(tmp_path / "b")
    assert one.name != other.name
    assert all(name.endswith(":") and not other.name.startswith(name) for name in [one.name])
    one.close()
    other.close()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "s").mkdir(mode=0o700)
    (tmp_path / "s" / "routes-0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="the lock of the routes"):
        TaskOwner(tmp_path / "s")
    assert not (tmp_path / "elsewhere").exists()
