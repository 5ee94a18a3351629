"""The official SDK as client and the official `server-everything` as server: direct and wrapped they say the same."""

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest
from everything_server import everything
from wrapped_kit import Wrapping

__all__ = ["everything"]

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).with_name("sdk_client.py")
RULES = 'version: 1\ndefault: allow\nrules:\n  - {id: no-env, effect: deny, tools: ["everything/get-env"], reason: it holds keys}\n'


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    """The Python of an environment with the SDK; $CODESPAR_TEST_SDK names one that is there already."""
    if known := os.environ.get("CODESPAR_TEST_SDK"):
        return known
    place = tmp_path_factory.mktemp("sdk")
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "mcp>=2.3"], check=True, timeout=600)
    return python


def said(sdk, wrapping, command):
    environ = json.dumps({name: wrapping.environ[name] for name in wrapping.environ if name.isupper()})
    found = subprocess.run(
        [sdk, str(CLIENT), environ, *command], capture_output=True, timeout=180, cwd=wrapping.directory
    )
    assert found.returncode == 0, found.stderr.decode()
    return json.loads(found.stdout)


@pytest.fixture
def wrapping(tmp_path):
    return Wrapping(tmp_path, RULES)


def test_everything_is_the_same_but_what_is_denied(sdk, everything, wrapping):
    direct = said(sdk, wrapping, everything)
    wrapped = said(sdk, wrapping, wrapping.command(*everything, options=("--name", "everything")))
    allowed, denied = direct.pop("get-env"), wrapped.pop("get-env")
    assert wrapped == direct
    assert direct["big"] > 4 << 20
    assert {tuple(entry[:2]) for entry in direct["heard"]} == {
        ("sampling", 1), ("elicitation", "form"), ("elicitation", "url"), ("roots",),
    }  # fmt: skip
    assert {entry["method"] for entry in direct["told"]} >= {
        "notifications/message", "notifications/resources/updated", "notifications/tools/list_changed",
    }  # fmt: skip
    assert any("Received Unsubscribe" in line for line in direct["log"])
    assert [done for done, _ in direct["progress"]] == [1, 2, 3]
    assert not allowed["isError"]
    assert denied["isError"] is True
    assert "it holds keys" in denied["content"][0]["text"]
    rows = wrapping.metrics()
    assert len(rows) == 19  # all of its calls but the one that was denied
    assert [row["tool"] for row in rows if row["error_type"] == "cancelled"] == [
        "everything/trigger-long-running-operation"
    ]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_server_on_the_sdk_is_the_same_in_both_generations(sdk, wrapping, tmp_path, mode):
    server = tmp_path / "sdk_server.py"
    server.write_text(
        "from mcp.server import MCPServer\n"
        "mcp = MCPServer('everything')\n"
        "@mcp.tool(name='get-env')\ndef env() -> str: return 'keys'\n"
        "@mcp.tool()\ndef add(a: int, b: int) -> int: return a + b\n"
        "mcp.run('stdio')\n"
    )
    client = tmp_path / "client.py"
    client.write_text(
        "import asyncio, json, sys\nfrom mcp import Client, StdioServerParameters\n"
        "from mcp.client.stdio import stdio_client\n"
        "async def main():\n"
        "    p = StdioServerParameters(command=sys.argv[3], args=sys.argv[4:], env=json.loads(sys.argv[2]))\n"
        "    async with Client(stdio_client(p), mode=sys.argv[1]) as c:\n"
        "        said = [c.protocol_version, (await c.list_tools()).model_dump(mode='json')]\n"
        "        for name, args in (('add', {'a': 1, 'b': 2}), ('add', {'a': 'x'}), ('get-env', {})):\n"
        "            said.append((await c.call_tool(name, args)).model_dump(mode='json'))\n"
        "        print(json.dumps(said))\n"
        "asyncio.run(main())\n"
    )

    def run(command):
        environ = json.dumps(wrapping.environ)
        found = subprocess.run([sdk, str(client), mode, environ, *command], capture_output=True, timeout=120)
        assert found.returncode == 0, found.stderr.decode()
        return json.loads(found.stdout)

    # Isolated: our package is on the path of the wrapper only by $PYTHONPATH, and the server has a `mcp` of its own.
    direct = run([sdk, "-E", str(server)])
    wrapped = run(wrapping.command(sdk, "-E", str(server), options=("--name", "everything")))
    assert wrapped[:-1] == direct[:-1]
    assert direct[0] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert not direct[-1]["is_error"]
    assert wrapped[-1]["is_error"] is True
    assert "it holds keys" in wrapped[-1]["content"][0]["text"]
