"""What every framework's module must show, played through any driver. Run by a script in the framework's own environment,
so it needs nothing but codespar.

A driver is `async drive(guarded, calls) -> list[str]`: an agent run in which the model asks for all `calls` (name,
arguments) at once; what it was told for each. `guarded` is what `guard(gate, **keywords)` of the framework's module made.
"""

import asyncio
import os
from pathlib import Path

PLUGINS = """\
version = 1
state_dir = "state"
[policy]
backend = "engine"
durability = "normal"
[observability]
backend = "observer"
"""
# Claude Code's tools come from an MCP server `s`: `mcp__s__echo` is `s/echo` to a rule.
RULES = """\
version: 1
default: deny
costs: {"**": "0", "search": "0.40", "s/search": "0.40", "broken": "0.40", "s/broken": "0.40"}
rules:
  - {id: no-delete, effect: deny, tools: [delete, s/delete], when: {args.path: "/"}, reason: not the root}
  - {id: ask, effect: approve, tools: [deploy, s/deploy], approvers: [ann], expires: 10m}
  - {id: money, effect: budget, tools: [search, s/search, broken, s/broken], limit: "1.00", window: total}
  - {id: tools, effect: allow, tools: [echo, delete, deploy, search, broken, "s/*"]}
"""
RAN = []


def echo(text: str) -> str:
    RAN.append("echo")
    return text


def delete(path: str) -> str:
    RAN.append("delete")
    return f"deleted {path}"


def deploy(environment: str) -> str:
    RAN.append("deploy")
    return f"deployed {environment}"


async def search(query: str) -> str:
    RAN.append("search")
    await asyncio.sleep(0)
    return f"found {query}; cost 0.25"


def broken() -> str:
    RAN.append("broken")
    raise LookupError("sesame")


TOOLS = [echo, delete, deploy, search, broken]


def cost_of(tool, result):
    text = str(getattr(result, "content", result))
    return text.partition("cost ")[2][:4] or None


def world(directory):
    os.chdir(directory)
    Path("plugins.toml").write_text(PLUGINS)
    Path("policy.yaml").write_text(RULES)
    from codespar_cli import load

    return load()


class Play:
    def __init__(self, gate, guard, drive, *, error="LookupError", prefix=""):
        self.gate = gate
        self.guarded = guard(gate, agent="bot", cost_of=cost_of)
        self.drive, self.error, self.prefix = drive, error, prefix

    async def one(self, tool, **args):
        (text,) = await self.drive(self.guarded, [(tool, args)])
        return text

    def money(self):
        (state,) = self.gate.registry.policy.budgets()
        return f"{state.spent:.2f}", f"{state.held:.2f}"

    def metrics(self):
        from codespar_cli.core.administration.metrics import MetricFilter

        observer = self.gate.registry.observability
        observer.flush()
        return list(observer.rows(MetricFilter()).rows)

    # ── the scenes ──

    async def allow(self):
        assert "hi there" in await self.one("echo", text="hi there")
        assert RAN == ["echo"]

    async def deny(self):
        text = await self.one("delete", path="/")
        assert f"codespar denied `{self.prefix}delete`: not the root (denied_by_rule)" in text, text
        assert "deleted x" in await self.one("delete", path="x")
        assert RAN == ["delete"]

    async def approval(self):
        text = await self.one("deploy", environment="production")
        token = next(word for word in text.replace("`", " ").replace(":", " ").split() if word.startswith("ap-"))
        assert f"codespar approvals approve {token}" in text
        assert RAN == []
        self.gate.registry.policy.vote(token, "ann", approves=True)
        refused = await self.one("deploy", environment="staging")
        assert f"codespar: `{self.prefix}deploy` needs approval" in refused
        assert "deployed production" in await self.one("deploy", environment="production")
        assert "needs approval" in await self.one("deploy", environment="production")
        assert RAN == ["deploy"]

    async def error_gives_the_hold_back(self):
        try:
            text = await self.one("broken")
        except Exception as caught:
            assert "sesame" in f"{caught} {caught.__cause__}"
        else:
            assert "codespar" not in text
        assert RAN == ["broken"]
        assert self.money() == ("0.00", "0.00")
        metric = next(row for row in self.metrics() if row.tool == self.prefix + "broken")
        assert (metric.success, metric.error_type) == (False, self.error)

    async def cost_settles(self):
        assert "found a" in await self.one("search", query="a")
        assert self.money() == ("0.25", "0.00")
        metric = next(row for row in self.metrics() if row.tool == self.prefix + "search")
        assert (f"{metric.cost:.2f}", metric.cost_source, metric.agent) == ("0.25", "reported", "bot")
        assert metric.latency_ms > 0

    async def calls_at_once_share_a_budget(self):
        told = await self.drive(self.guarded, [("search", {"query": f"q{n}"}) for n in range(6)])
        found = sum("found" in text for text in told)
        assert found == RAN.count("search") >= 1
        assert sum("budget_exceeded" in text for text in told) == 6 - found
        used, held = self.money()
        assert (float(used), held) == (0.25 + 0.25 * found, "0.00")
        assert float(used) <= 1

    async def broken_gate_denies(self):
        def protection(call):
            raise RuntimeError("sesame")

        self.gate.protection = protection
        try:
            text = await self.one("echo", text="hi")
        finally:
            self.gate.protection = None
        assert f"codespar denied `{self.prefix}echo`: the policy could not be asked: RuntimeError" in text, text
        assert "sesame" not in text
        assert RAN == []


SCENES = [
    "allow", "deny", "approval", "error_gives_the_hold_back", "cost_settles", "calls_at_once_share_a_budget",
    "broken_gate_denies",
]  # fmt: skip


async def play(directory, guard, drive, *also, **more):
    """`also` are scenes of one framework alone; the budget is still open for them."""
    acts = Play(world(directory), guard, drive, **more)
    for scene in [*SCENES[:-2], *also, *SCENES[-2:]]:
        RAN.clear()
        await (scene(acts) if callable(scene) else getattr(acts, scene)())
        print(scene.__name__ if callable(scene) else scene)
    return acts
