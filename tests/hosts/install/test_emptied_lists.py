"""After `uninstall` no list stays behind that held nothing but our hooks, whatever became of the file and the backup."""

import json
import shutil

import pytest
from install_home import HOSTS, Home

from codespar_cli.hosts.install.layouts import LAYOUTS

OTHER = {"matcher": "Bash", "hooks": [{"type": "command", "command": "true"}]}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def settings(home, host):
    return json.loads(home.path(host).read_text())


@pytest.mark.parametrize("host", HOSTS)
def test_without_its_backup(home, host):
    home.write(host, json.dumps({"z": 1}))
    home.install(host)
    shutil.rmtree(home.state / "hosts")
    home.uninstall(host)
    assert settings(home, host) == {"z": 1, **LAYOUTS[host].root}


@pytest.mark.parametrize("host", HOSTS)
def test_where_the_users_own_hook_was_taken_out_in_between(home, host):
    judged = LAYOUTS[host].judged
    home.write(host, json.dumps({**LAYOUTS[host].root, "z": 1, "hooks": {judged: [OTHER]}}))
    home.install(host)
    home.change(host, lambda said, hooks: hooks.remove(OTHER))
    home.uninstall(host)
    assert settings(home, host) == {**LAYOUTS[host].root, "z": 1}


@pytest.mark.parametrize("host", HOSTS)
def test_after_a_second_installation_without_the_first_ones_backup(home, host):
    home.write(host, json.dumps({**LAYOUTS[host].root, "z": 1}))
    home.install(host)
    shutil.rmtree(home.state / "hosts")
    home.change(host, lambda said, hooks: said["hooks"].popitem())
    home.install(host)
    home.uninstall(host)
    assert settings(home, host) == {**LAYOUTS[host].root, "z": 1}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("hooks", [{}, {"judged": []}, {"Stop": []}])
def test_what_stood_there_empty_before_stays(home, host, hooks):
    hooks = {LAYOUTS[host].judged if event == "judged" else event: groups for event, groups in hooks.items()}
    before = {**LAYOUTS[host].root, "z": 1, "hooks": hooks}
    home.write(host, json.dumps(before))
    home.install(host)
    home.change(host, lambda said, _: said.update(z=2))
    home.uninstall(host)
    assert settings(home, host) == {**before, "z": 2}
