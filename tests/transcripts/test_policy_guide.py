"""The sessions on docs/policy.md, typed as they stand: with the page's own rules, each in a state of its own."""

import re

import pytest
from test_transcripts import ROOT, environment  # noqa: F401  a fixture
from transcript import run

PAGE = (ROOT / "docs" / "policy.md").read_text()
RULES = PAGE.partition("```yaml\n")[2].partition("```")[0]
SESSIONS = re.findall(r"```console\n(.*?)```", PAGE, re.S)
WINDOW = '    open: ["Mon-Fri 08:00-18:00"]\n    closed: ["2026-12-25"]\n'
ALWAYS = '    open: ["Mon-Sun 00:00-24:00"]\n'
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z \(in [^)]*\)")


def test_every_stage_has_a_session():
    assert len(SESSIONS) >= 7


@pytest.mark.parametrize("session", SESSIONS, ids=lambda text: text.splitlines()[0][2:50])
def test_a_session_goes_as_written(session, tmp_path, environment):  # noqa: F811
    (tmp_path / "plugins.toml").write_text('[policy]\nbackend = "engine"\n')
    rules = RULES
    if "--at" not in session:  # then it is the real time, at which a test may not depend on an office's hours
        session = MOMENT.sub("[..]", session)
        rules = RULES.replace(WINDOW, ALWAYS)
        assert rules != RULES
    (tmp_path / "policy.yaml").write_text(rules)
    assert run(session, tmp_path, environment) is None
