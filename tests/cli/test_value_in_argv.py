"""A value on the command line is refused, and never repeated; other commands say what they take."""

import pytest
from secrets_kit import Project

VALUE = "sk_live_51Habc"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.mark.parametrize(
    "words", [["set", f"STRIPE={VALUE}"], ["rotate", f"STRIPE={VALUE}"], ["set", "STRIPE", VALUE], ["set", "A", "-"]]
)
def test_a_value_is_refused_and_not_repeated(project, words):
    done = project.run(*words, stdin=b"")
    assert done.returncode == 2
    assert b"never taken from the command line" in done.stderr
    assert VALUE.encode() not in done.stdout + done.stderr
    assert b"codespar secrets " + words[0].encode() in done.stderr
    assert not list(project.directory.rglob("vault.db"))


@pytest.mark.parametrize("words", [["get", "A", "B"], ["list", "due"], ["delete", "A", "B", "--yes"]])
def test_other_commands_say_what_they_take(project, words):
    done = project.run(*words, stdin=b"")
    assert done.returncode == 2
    assert b"takes no more than one KEY, found" in done.stderr
    assert f"codespar secrets {words[0]} --help".encode() in done.stderr


def test_a_name_with_an_equals_sign_that_is_no_assignment_is_a_name(project):
    assert project.run("set", "db/a=b", stdin=b"x").returncode == 0
    assert project.run("get", "db/a=b", "--reveal").stdout == b"x"
