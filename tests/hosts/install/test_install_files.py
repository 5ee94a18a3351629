"""Settings on disk: what an installation leaves, keeps, restores and refuses."""

import json
import stat

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from install_home import HOSTS, Home
from settings_texts import json_texts, toml_texts

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install import settings_file
from codespar_cli.hosts.install.installing import carry_out
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.settings_file import read_settings, replace_settings

FILES = limits(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY = st.sampled_from(HOSTS).flatmap(lambda host: st.tuples(st.just(host), json_texts(host)))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return lambda: Home(tmp_path_factory.mktemp("case"))


@FILES
@given(ANY, st.booleans(), st.sampled_from((0o600, 0o644, 0o640)))
def test_uninstalling_restores_every_byte_and_the_mode(fresh, case, mark, mode):
    home, (host, text) = fresh(), case
    home.write(host, (b"\xef\xbb\xbf" if mark else b"") + text.encode(), mode)
    before = home.tree()
    home.install(host)
    assert home.tree() != before
    assert stat.S_IMODE(home.path(host).stat().st_mode) == mode
    assert home.uninstall(host).restored
    assert home.tree() == before


@FILES
@given(toml_texts())
def test_uninstalling_restores_every_byte_of_toml(fresh, text):
    home = fresh()
    path = home.write("codex", "{}").with_name("config.toml")
    path.with_name("hooks.json").unlink()
    path.write_bytes(text.encode())
    before = home.tree()
    home.install("codex")
    home.uninstall("codex")
    assert home.tree() == before


@FILES
@given(ANY)
def test_installing_again_changes_nothing_and_still_restores(fresh, case):
    home, (host, text) = fresh(), case
    home.write(host, text)
    before = home.tree()
    home.install(host)
    once = home.tree()
    assert home.install(host) is None
    assert home.tree() == once
    home.uninstall(host)
    assert home.tree() == before


@pytest.mark.parametrize("host", HOSTS)
def test_what_was_made_is_removed_again(home, host):
    assert home.tree() == {}
    home.install(host)
    made = home.path(host)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    home.uninstall(host)
    assert home.tree() == {}


@pytest.mark.parametrize("host", HOSTS)
def test_a_directory_that_somebody_put_something_into_stays(home, host):
    home.install(host)
    theirs = home.path(host).parent / "theirs"
    theirs.write_text("x")
    home.uninstall(host)
    assert theirs.read_text() == "x"
    assert not home.path(host).exists()


@pytest.mark.parametrize("host", HOSTS)
def test_an_edit_in_between_stays_and_only_ours_go(home, host):
    home.write(host, '{\n  "theirs": 1\n}\n')
    home.install(host)
    path = home.path(host)
    path.write_text(path.read_text().replace('"theirs": 1', '"theirs": 2'))
    assert not home.uninstall(host).restored
    left = json.loads(path.read_text())
    assert left == {"theirs": 2}


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_we_made_and_somebody_added_to_stays(home, host):
    home.install(host)
    home.change(host, lambda said, hooks: said.update(theirs=True))
    home.uninstall(host)
    assert json.loads(home.path(host).read_text())["theirs"] is True


@pytest.mark.parametrize("host", HOSTS)
def test_an_update_after_an_edit_restores_the_edit(home, host):
    home.write(host, '{"theirs": 1}')
    home.install(host)
    key = LAYOUTS[host].timeout_key

    def edit(said, hooks):
        said["theirs"] = 2
        (hooks[0]["hooks"][0] if LAYOUTS[host].grouped else hooks[0])[key] = 1

    home.change(host, edit)
    assert home.plan(host).is_needed
    home.install(host)
    home.uninstall(host)
    assert json.loads(home.path(host).read_text()) == {"theirs": 2}


@pytest.mark.parametrize("host", HOSTS)
def test_without_the_backup_ours_still_go(home, host):
    home.write(host, '{"theirs": 1}')
    home.install(host)
    home.backups.path_of(home.path(host).resolve()).unlink()
    home.uninstall(host)
    left = json.loads(home.path(host).read_text())
    assert left["theirs"] == 1
    assert "codespar" not in home.path(host).read_text()


def test_a_backup_that_was_tampered_with_is_not_restored(home):
    home.write("claude", '{"theirs": 1}')
    kept = home.install("claude")
    said = json.loads(kept.read_text())
    kept.write_text(json.dumps({**said, "before": "eyJldmlsIjogMX0="}))
    home.uninstall("claude")
    assert json.loads(home.path("claude").read_text())["theirs"] == 1


def test_a_link_is_followed_and_stays_a_link(home):
    dotfiles = home.home / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "claude.json").write_text("{}\n")
    path = home.home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.symlink_to(dotfiles / "claude.json")
    before = home.tree()
    home.install("claude")
    assert path.is_symlink()
    assert "codespar_cli" in (dotfiles / "claude.json").read_text()
    home.uninstall("claude")
    assert home.tree() == before


def test_a_link_to_nothing_is_refused(home):
    path = home.home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.symlink_to(home.home / "gone")
    with pytest.raises(ConfigError, match=r"is a link to .*gone, which is not there"):
        home.plan("claude")


def test_a_projects_link_that_leads_out_of_it_is_refused(home):
    own = home.write("claude", "{}")
    (home.work / ".claude").mkdir()
    (home.work / ".claude" / "settings.json").symlink_to(own)
    with pytest.raises(ConfigError, match="leads out of the project"):
        home.plan("claude", home.work)
    assert own.read_text() == "{}"


@pytest.mark.parametrize("host", HOSTS)
def test_a_projects_settings_are_its_own(home, host):
    home.install(host, home.work)
    assert home.tree() == {}
    assert home.path(host, home.work).is_relative_to(home.work)
    home.uninstall(host, home.work)
    assert list(home.work.iterdir()) == []


def test_a_file_that_changed_meanwhile_is_left_alone(home):
    path = home.write("claude", "{}")
    change = home.plan("claude")
    path.write_text('{"theirs": 1}')
    with pytest.raises(ConfigError, match="was changed by somebody else meanwhile"):
        replace_settings(change.file, change.after)
    assert path.read_text() == '{"theirs": 1}'
    assert [one.name for one in path.parent.iterdir()] == ["settings.json"]


def test_a_file_that_appeared_meanwhile_is_left_alone(home):
    change = home.plan("claude")
    path = home.write("claude", '{"theirs": 1}')
    with pytest.raises(ConfigError, match="meanwhile"):
        replace_settings(change.file, change.after)
    assert path.read_text() == '{"theirs": 1}'


def test_a_full_disk_leaves_what_was_there_and_no_backup(home, monkeypatch):
    path = home.write("claude", "{}")
    change = home.plan("claude")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings_file.os, "fsync", full)
    with pytest.raises(ConfigError, match="no space left on device"):
        replace_settings(change.file, change.after)
    assert path.read_text() == "{}"
    assert [one.name for one in path.parent.iterdir()] == ["settings.json"]


def test_a_directory_that_is_a_file_is_refused(home):
    (home.home / ".claude").write_text("theirs")
    with pytest.raises(ConfigError, match="not a directory"):
        home.plan("claude")
    assert (home.home / ".claude").read_text() == "theirs"


def test_what_is_no_file_is_refused(home):
    path = home.home / ".claude" / "settings.json"
    path.mkdir(parents=True)
    with pytest.raises(ConfigError):
        read_settings(path)


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b'{"a": "\xe9"}'])
def test_what_is_not_utf8_is_refused(home, data):
    home.write("claude", data)
    with pytest.raises(ConfigError, match="not UTF-8"):
        home.plan("claude")


def test_of_two_installations_at_once_one_is_done_and_both_can_be_undone(home):
    home.write("claude", '{"theirs": 1}')
    before = home.tree()
    first, second = home.plan("claude"), home.plan("claude")
    carry_out(first, home.backups, keeping=True)
    once = home.tree()
    with pytest.raises(ConfigError, match="meanwhile"):
        carry_out(second, home.backups, keeping=True)
    assert home.tree() == once
    assert home.uninstall("claude").restored
    assert home.tree() == before


def test_an_installation_that_was_cut_off_behind_its_backup_is_made_good(home):
    home.write("claude", '{"theirs": 1}')
    before = home.tree()
    change = home.plan("claude")
    kept = home.install("claude").read_bytes()
    home.uninstall("claude")
    assert home.tree() == before
    home.backups.path_of(change.file.target).write_bytes(kept)  # the backup is there, the hooks are not
    home.install("claude")
    home.uninstall("claude")
    assert home.tree() == before
