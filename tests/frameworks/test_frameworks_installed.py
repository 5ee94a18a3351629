"""Every module against the real package, in an environment of its own: the scenario, and the page's block."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCENES = [
    "allow", "deny", "approval", "error_gives_the_hold_back", "cost_settles", "calls_at_once_share_a_budget",
    "broken_gate_denies",
]  # fmt: skip
# What is installed, what plays besides the common scenes, and the heading of the page.
FRAMEWORKS = {
    "langchain": ("langchain>=1.0", ["sync", "sync_error"], "LangChain and LangGraph"),
    "openai_agents": ("openai-agents>=0.24", ["raising", "served", "sync"], "OpenAI Agents SDK"),
    "pydantic_ai": ("pydantic-ai-slim>=2.0", ["sync", "rewritten"], "Pydantic AI"),
    "claude_agent": ("claude-agent-sdk>=0.2.187", ["denied_without_the_policys_doing"], "Claude Agent SDK"),
}
# What the page leaves to the reader: a model, and some tools.
BEFORE = {
    "langchain": (
        "from langchain_core.language_models.fake_chat_models import GenericFakeChatModel\n"
        "model, tools = GenericFakeChatModel(messages=iter([])), []\n"
    ),
    "openai_agents": "model = 'none'\n",
    "pydantic_ai": "model, tools = 'test', []\n",
    "claude_agent": "",
}


@pytest.fixture
def environment(newcomer):
    return {"HOME": str(newcomer), "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{HERE}", "OPENAI_API_KEY": "none"}


@pytest.fixture(params=FRAMEWORKS)
def framework(request, pytestconfig):
    """Its name, and the Python of its environment, which is kept between runs for as long as the wishes are the same."""
    name = request.param
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = [FRAMEWORKS[name][0], *tomllib.load(file)["project"]["dependencies"]]
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    place = pytestconfig.cache.mkdir("frameworks") / f"{name}-{key}"
    python, done = place / "bin" / "python", place / "done"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want the same one
        if not done.exists():
            venv.create(place, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True, timeout=600)
            done.touch()
    return name, python


def ran(python, arguments, environment, directory):
    done = subprocess.run(
        [python, "-W", "error::RuntimeWarning", *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "never awaited" not in done.stderr
    return done.stdout


def test_the_real_package_plays_every_scene(framework, environment, tmp_path):
    name, python = framework
    played = ran(python, [HERE / f"drive_{name}.py", tmp_path], environment, tmp_path).split()
    assert sorted(played) == sorted(SCENES + FRAMEWORKS[name][1])


def test_the_pages_block_runs(framework, environment, tmp_path):
    name, python = framework
    page = (ROOT / "docs" / "python.md").read_text()
    section = page.partition(f"## {FRAMEWORKS[name][2]}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.S)
    (tmp_path / "plugins.toml").write_text('state_dir = "state"\n[policy]\nbackend = "engine"\n')
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: []\n")
    (tmp_path / "block.py").write_text(BEFORE[name] + block)
    assert "Traceback" not in ran(python, [tmp_path / "block.py"], environment, tmp_path)
