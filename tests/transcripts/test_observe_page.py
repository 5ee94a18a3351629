"""docs/observe-first.md, typed from top to bottom by a user in an empty directory: real init, real hooks, real record."""

from test_policy_pages import VARYING, blocks
from test_transcripts import environment  # noqa: F401  a fixture
from transcript import run


def test_the_page_goes_as_written(newcomer, environment):  # noqa: F811
    project = newcomer / "project"
    project.mkdir()
    session = "".join(blocks("observe-first.md", "console"))
    assert session.count("$ codespar policy simulate") == 3
    # The times of the decisions are those of the page's day.
    varying = VARYING.sub("[..]", session).replace("2026-11-23T14:11:49.293621Z", "[..]")
    varying = varying.replace("2026-11-23T14:11:49.529871Z", "[..]")
    assert run(varying, project, environment) is None
