"""The light door reads exactly what the Typer commands declare, and gives everything else to them."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from codespar_cli.cli.app import app
from codespar_cli.cli.light import COMMANDS, _fields

ROOT = Path(__file__).parents[2]
GLOBAL = ["--config", str(ROOT / "plugins.toml")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_table_is_what_typer_declares(words):
    light = COMMANDS[words]
    command = typer.main.get_command(app).commands[words[0]].commands[words[1]]
    options = import_module(light.module).Options
    declared_values, declared_flags, arguments = set(), set(), []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            arguments.append(parameter.name)
        elif parameter.is_flag:
            declared_flags |= set(parameter.opts)
        else:
            declared_values |= set(parameter.opts)
        default = options._field_defaults.get(parameter.name)
        if parameter.name in options._field_defaults:
            assert (getattr(parameter.default, "value", parameter.default) or default) == default
    assert (set(light.values), set(light.flags), [light.argument]) == (declared_values, declared_flags, arguments)
    assert set(light.values.values()) | set(light.flags.values()) | {light.argument} == set(options._fields)


def both(*arguments):
    """The same command line through the light door and through Typer."""
    results = []
    for door in (
        "from codespar_cli.__main__ import main; main()",
        "from codespar_cli.cli.app import run; sys.exit(run(sys.argv[1:]))",
    ):
        code = f"import sys; sys.argv = ['codespar', *sys.argv[1:]]\n{door}\n"
        result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
        results.append((result.returncode, result.stdout, result.stderr))
    return results


@pytest.mark.parametrize(
    "arguments",
    [
        ["policy", "check", "fs/read"],
        ["policy", "check", "fs/read", "-o", "json"],
        ["policy", "check", "-o=json", "fs/read"],
        ["policy", "check", "git/push", "--args", '{"force": true}', "--explain", "--no-color"],
        ["policy", "check", "--agent=deploy-1", "deploy/x", "--cost", "-3", "--at", "2026-01-01T00:00:00Z"],
        ["policy", "check", "fs/read", "--at", "yesterday"],
        ["policy", "check", "fs/read", "--args", "[1]", "-o", "json"],
        ["policy", "check", "fs/read", "--args", "@missing"],
        ["policy", "check"],
        ["policy", "check", "a", "b"],
        ["policy", "check", "fs/read", "--agnt", "x"],
        ["policy", "check", "fs/read", "--agent"],
        ["policy", "check", "fs/read", "-o", "xml"],
        ["policy", "check", "--help"],
        ["policy", "check", "--", "fs/read"],
        ["policy", "check", "bad tool\n"],
        ["policy", "check", ""],
    ],
)
def test_both_doors_give_the_same_answer(arguments):
    light, typer_door = both(*GLOBAL, *arguments)
    assert light == typer_door


def test_the_light_door_imports_no_typer():
    code = (
        "import sys; sys.argv = ['codespar', *sys.argv[1:]]\n"
        "from codespar_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(chr(10).join(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *GLOBAL, "policy", "check", "fs/read", "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(result.stdout)["allowed"] is True
    assert set(result.stderr.split()) & {"typer", "rich", "asyncio", "logging", "cryptography"} == set()


def test_plain_words_become_fields():
    command = COMMANDS["policy", "check"]
    assert _fields(command, ["t", "--agent", "--reserve", "--explain"]) == {
        "tool": "t",
        "agent": "--reserve",
        "explain": True,
    }
    assert _fields(command, ["t", "-o", "jsonl"]) is None
    assert _fields(command, ["--reserve=1", "t"]) is None
    assert os.environ["HOME"]
