"""The modules without their frameworks: what importing one says, and what two of them work out for themselves.

The stand-ins below are only what our modules name of a framework. They prove our own book-keeping: which events belong
together, what becomes of calls of which nothing more is heard. That the frameworks are really like that is proved by
test_frameworks_installed.py.
"""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from framework_scenario import PLUGINS, RULES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_passage import last_metric, money

from codespar_cli import ConfigError, load

HINTS = {
    "langchain": "langchain>=1.0",
    "openai_agents": "openai-agents>=0.24",
    "pydantic_ai": "pydantic-ai-slim>=2.0",
    "claude_agent": "claude-agent-sdk>=0.2.187",
}
TOPS = ("langchain", "langchain_core", "agents", "pydantic_ai", "claude_agent_sdk")


@pytest.fixture
def gate(newcomer):
    (newcomer / "plugins.toml").write_text(PLUGINS)
    (newcomer / "policy.yaml").write_text(RULES)
    return load()


@pytest.mark.parametrize("name", HINTS)
def test_a_module_without_its_framework_says_what_to_install(name, monkeypatch):
    for top in TOPS:
        monkeypatch.setitem(sys.modules, top, None)  # what import makes an ImportError of
    monkeypatch.delitem(sys.modules, f"codespar_cli.frameworks.{name}", raising=False)
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f"codespar_cli.frameworks.{name}")
    assert isinstance(caught.value, ConfigError)
    assert caught.value.hint == f"pip install '{HINTS[name]}'"
    assert f"`{HINTS[name]}`, which is not installed; pip install" in str(caught.value)
    assert caught.value.__suppress_context__


def stood_in(monkeypatch, name, **modules):
    for top, content in modules.items():
        module = ModuleType(top)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, top.replace("__", "."), module)
    monkeypatch.delitem(sys.modules, f"codespar_cli.frameworks.{name}", raising=False)
    module = importlib.import_module(f"codespar_cli.frameworks.{name}")
    monkeypatch.setitem(sys.modules, f"codespar_cli.frameworks.{name}", module)  # and out again afterwards
    return module


# ── Claude Agent SDK: two events that belong together by their id ──


@dataclass
class Matcher:
    hooks: list
    timeout: float
    on_failure: str | None = None


@pytest.fixture
def claude(monkeypatch):
    return stood_in(monkeypatch, "claude_agent", claude_agent_sdk={"HookMatcher": Matcher})


def heard(hooks, event, tool="search", *, id="t1", session="s1", **more):
    (matcher,) = hooks[event]
    said = {
        "hook_event_name": event, "tool_name": tool, "tool_input": {}, "tool_use_id": id, "session_id": session, **more,
    }  # fmt: skip
    return asyncio.run(matcher.hooks[0](said, id, {"signal": None}))


@pytest.mark.parametrize(
    "wrong", [{"tool_input": ["x"]}, {"tool_input": None}, {"tool_name": None}, {"session_id": None}], ids=str
)
def test_a_call_that_would_be_allowed_is_denied_when_a_part_of_it_is_none(claude, gate, wrong):
    hooks = claude.codespar_hooks(gate)
    sound = {"tool_name": "echo", "tool_input": {"text": "x"}, "session_id": "s", "tool_use_id": "t"}
    assert asyncio.run(hooks["PreToolUse"][0].hooks[0](sound, "t", {})) == {}
    answer = asyncio.run(hooks["PreToolUse"][0].hooks[0]({**sound, **wrong}, "t", {}))
    assert "does not say its tool" in answer["hookSpecificOutput"]["permissionDecisionReason"]


def test_a_call_is_settled_by_its_own_result(claude, gate):
    hooks = claude.codespar_hooks(gate, cost_of=lambda tool, response: response)
    assert hooks["PreToolUse"][0].on_failure == "block"
    assert heard(hooks, "PreToolUse") == heard(hooks, "PreToolUse", session="s2") == {}
    assert money(gate) == ("0.00", "0.80")
    heard(hooks, "PostToolUse", tool_response="0.10")
    assert money(gate) == ("0.10", "0.40")
    heard(hooks, "PostToolUseFailure", session="s2", error="no")
    heard(hooks, "PostToolUse", tool_response="0.10")  # told twice
    heard(hooks, "PostToolUse", id="never asked", tool_response="0.10")
    assert money(gate) == ("0.10", "0.00")
    assert last_metric(gate).session == "s2"


def test_an_id_that_comes_again_gives_the_first_hold_back(claude, gate):
    hooks = claude.codespar_hooks(gate)
    for _ in range(5):
        assert heard(hooks, "PreToolUse") == {}
        assert money(gate) == ("0.00", "0.40")


def test_calls_of_which_nothing_is_heard_do_not_pile_up(claude, gate, monkeypatch):
    monkeypatch.setattr(claude, "_MOST_OPEN", 1)
    hooks = claude.codespar_hooks(gate)
    for number in range(9):
        assert heard(hooks, "PreToolUse", id=f"t{number}") == {}
        assert money(gate) == ("0.00", "0.40")
    assert last_metric(gate).error_type == "NotRun"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "tool_name": JSON,
        "tool_input": JSON | st.dictionaries(st.text(), JSON, max_size=2),
        "session_id": JSON,
        "tool_use_id": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.none() | st.lists(st.integers()) | EVENT)
def test_an_event_that_is_none_is_denied(claude, gate, event):
    (matcher,) = claude.codespar_hooks(gate)["PreToolUse"]
    answer = asyncio.run(matcher.hooks[0](event, None, {}))
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"  # no rule allows a tool of such a name
    json.dumps(answer)


@given(st.none() | st.lists(st.integers()) | EVENT)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_result_that_is_none_is_nobodys(claude, gate, event):
    (matcher,) = claude.codespar_hooks(gate)["PostToolUse"]
    assert asyncio.run(matcher.hooks[0](event, None, {})) == {}


# ── OpenAI Agents SDK: guardrails, an error function, and the end of a task ──


class Output:
    @staticmethod
    def allow():
        return "allow"

    @staticmethod
    def reject_content(message):
        return message


@pytest.fixture
def openai(monkeypatch):
    guardrail = {"ToolInputGuardrail": Guardrail, "ToolOutputGuardrail": Guardrail}
    return stood_in(
        monkeypatch,
        "openai_agents",
        agents={"ToolGuardrailFunctionOutput": Output, **guardrail, "__path__": []},
        agents__tool={"default_tool_error_function": lambda context, error: "an error occurred"},
    )


@dataclass
class Guardrail:
    guardrail_function: object
    name: str


class Context:
    def __init__(self, arguments="{}"):
        self.tool_arguments, self.qualified_tool_name = arguments, "search"


def functions(openai, gate, **more):
    guarded = openai.guards(gate, **more)
    (before,), (after,) = guarded["tool_input_guardrails"], guarded["tool_output_guardrails"]
    return before.guardrail_function, after.guardrail_function, guarded["failure_error_function"]


@pytest.mark.parametrize("arguments", ["[]", "{", '"x"', "null", "\ud800", 7, "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(openai, gate, arguments):
    before, _, _ = functions(openai, gate)
    answer = asyncio.run(before(SimpleNamespace(context=Context(arguments))))
    assert answer == "codespar denied a call whose arguments are no object."


def test_an_error_that_became_a_text_is_recorded_as_what_it_was(openai, gate):
    before, after, failed = functions(openai, gate, cost_of=lambda tool, output: pytest.fail("it failed"))

    async def called():
        context = Context()
        assert await before(SimpleNamespace(context=context)) == "allow"
        assert failed(context, KeyError("sesame")) == "an error occurred"
        assert await after(SimpleNamespace(context=context, output="an error occurred")) == "allow"

    asyncio.run(called())
    assert money(gate) == ("0.00", "0.00")
    assert last_metric(gate).error_type == "KeyError"


def raises():
    try:
        raise LookupError
    except LookupError as error:
        raise RuntimeError from error


@pytest.mark.parametrize(
    ("end", "kept"),
    [(raises, "LookupError"), (lambda: asyncio.current_task().cancel(), "CancelledError"), (lambda: None, "NotRun")],
)
def test_a_call_whose_output_nobody_sees_is_left_when_its_task_ends(openai, gate, end, kept):
    before, _, _ = functions(openai, gate)

    async def called():
        await before(SimpleNamespace(context=Context()))
        assert money(gate) == ("0.00", "0.40")
        end()
        await asyncio.sleep(0)

    async def main():
        await asyncio.gather(asyncio.create_task(called()), return_exceptions=True)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert money(gate) == ("0.00", "0.00")
    assert last_metric(gate).error_type == kept


# ── the page ──


def test_the_pages_first_block_works_without_any_framework(newcomer):
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    assert "frameworks" not in block
    (newcomer / "plugins.toml").write_text(PLUGINS)
    (newcomer / "policy.yaml").write_text(RULES)
    (newcomer / "block.py").write_text(block)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "block.py"],
        cwd=newcomer,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "not the root denied_by_rule\n", "")


def test_none_of_the_modules_is_imported_by_codespar_itself():
    script = (
        "import sys, codespar_cli.startup, codespar_cli.cli.app; print([m for m in sys.modules if 'frameworks' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout == "[]\n"
