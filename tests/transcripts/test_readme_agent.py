"""The README's way in front of an agent, typed by somebody in an empty home, with one call of the agent in between."""

import json
import re
import subprocess
from pathlib import Path

from test_transcripts import ROOT, environment  # noqa: F401  a fixture
from transcript import run

TEXT = (ROOT / "README.md").read_text()
SECTION = TEXT.partition("## In front of your agent\n")[2].partition("\n## ")[0]
VARYING = re.compile(r" +\d+\.\d ms|\d{4}-\d\d-\d\dT[\d:.]+Z")


def sessions():
    found = re.findall(r"```console\n(.*?)```", SECTION, re.S)
    assert len(found) == 2
    return [VARYING.sub("[..]", each) for each in found]


def forced_push(environment):  # noqa: F811
    """What Claude Code's hook answers to a forced push: started by the very line that was installed."""
    settings = json.loads(Path(environment["HOME"], ".claude", "settings.json").read_text())
    (entry,) = settings["hooks"]["PreToolUse"][0]["hooks"]
    event = {
        "hook_event_name": "PreToolUse",
        "session_id": "s",
        "cwd": environment["HOME"],
        "tool_use_id": "t1",
        "tool_name": "Bash",
        "tool_input": {"command": "git push --force"},
    }
    answer = subprocess.run(
        [entry["command"], *entry["args"]],
        input=json.dumps(event),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_the_way_in_front_of_an_agent_goes_as_written(newcomer, environment):  # noqa: F811
    project = newcomer / "project"
    project.mkdir()
    put_there, enforce = [each.replace("/home/me/", f"{newcomer}/") for each in sessions()]
    (shown,) = re.findall(r"```json\n(.*?)```", SECTION, re.S)

    assert run(put_there, project, environment) is None
    assert forced_push(environment) == ""
    assert run(enforce, project, environment) is None
    assert json.loads(forced_push(environment)) == json.loads(shown)
