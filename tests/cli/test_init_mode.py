"""`codespar init --mode`, and what it asks on a terminal."""

import os
import pty
import subprocess
import sys
import tomllib

import pytest

from codespar_cli.cli.app import run
from codespar_cli.cli.policy_template import every_template


def mode():
    with open("plugins.toml", "rb") as file:
        return tomllib.load(file)["policy"]["mode"]


@pytest.mark.parametrize("template", [each.name for each in every_template()])
@pytest.mark.parametrize("wanted", ["observe", "enforce"])
def test_every_template_begins_in_the_mode_that_is_asked_for(template, wanted, newcomer, capsys):
    assert run(["init", "--template", template, "--mode", wanted]) == 0
    assert mode() == wanted
    assert ("policy simulate" in capsys.readouterr().err) is (wanted == "observe")
    denied = run(["policy", "check", "nobody/knows_this", "--agent", "a", "--cost", "0"])
    assert denied == (0 if wanted == "observe" else 3)


def test_observing_changes_the_mode_and_nothing_else(newcomer):
    assert run(["init", "--mode", "enforce", "--dir", "a"]) == run(["init", "--mode", "observe", "--dir", "b"]) == 0
    enforced, observed = [tomllib.loads((newcomer / name / "plugins.toml").read_text()) for name in "ab"]
    observed["policy"]["mode"] = "enforce"
    assert observed == enforced
    assert (newcomer / "a" / "policy.yaml").read_text() == (newcomer / "b" / "policy.yaml").read_text()


def test_nobody_is_asked_without_a_terminal(newcomer, capsys):
    assert run(["init"]) == 0
    assert mode() == "enforce"
    told = capsys.readouterr().err
    assert "[y/N]" not in told
    assert 'mode = "observe"' in told


@pytest.mark.parametrize(("typed", "wanted"), [("y", "observe"), ("n", "enforce"), ("", "enforce")])
def test_a_person_is_asked_once(typed, wanted, newcomer):
    main, side = pty.openpty()
    command = [sys.executable, "-m", "codespar_cli", "init"]
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, cwd=newcomer) as process:
        os.close(side)
        os.write(main, f"{typed}\n".encode())
        heard = b""
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:  # EIO: the other side is closed
                break
            if not piece:
                break
            heard += piece
        assert process.wait(60) == 0
    os.close(main)
    assert heard.count(b"[y/N]") == 1
    assert mode() == wanted


def test_a_file_in_the_way_is_told_before_anything_is_asked(newcomer, capsys):
    assert run(["init"]) == 0
    assert run(["init", "--mode", "observe"]) == 1
    assert "is already there" in capsys.readouterr().err
    assert mode() == "enforce"


def test_a_mode_nobody_knows_is_told(newcomer, capsys):
    assert run(["init", "--mode", "watch"]) == 2
    assert "observe" in capsys.readouterr().err
    assert list(newcomer.iterdir()) == []
