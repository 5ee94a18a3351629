"""Whether a configured hook decides: tried with the host's own event in four situations, and read as the host reads it.

allow    a policy that allows: the call passes, and our heartbeat says who answered
deny     a policy that denies, with a reason drawn by lot: the host is told that reason
broken   a plugins.toml that is none: the call is denied
killed   the hook dies while it reads: the call is denied, by the host's own rule or by the line's end
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from codespar_cli.hosts.heartbeats import last_heartbeat
from codespar_cli.hosts.install.layouts import TIMEOUT_S, Layout
from codespar_cli.hosts.install.probe_events import probe_event
from codespar_cli.hosts.install.probe_run import argv_of, run, run_and_kill
from codespar_cli.hosts.install.probe_world import ProbeWorld
from codespar_cli.hosts.install.readings import Ended, Reading, reading_of

SITUATIONS = ("allow", "deny", "broken", "killed")


class Trial(NamedTuple):
    """One situation. `problem` is None when the host would have done what it should. `took_ms` is from start to end."""

    situation: str
    took_ms: float
    problem: str | None


def prove(layout: Layout, handler: dict[str, Any], environ: Mapping[str, str]) -> list[Trial]:
    """The four trials. Changes nothing of the user's: configuration and state are a temporary directory's."""
    world = ProbeWorld()
    try:
        return [_trial(layout, handler, environ, world, situation) for situation in SITUATIONS]
    finally:
        world.close()


def _trial(
    layout: Layout, handler: dict[str, Any], environ: Mapping[str, str], world: ProbeWorld, situation: str
) -> Trial:
    {"allow": world.allow, "deny": world.deny, "broken": world.break_it, "killed": world.allow}[situation]()
    ended = _run(layout, handler, environ, world, killing=situation == "killed")
    reading = reading_of(layout.host, handler, ended)
    problem = _problem(layout, situation, ended, reading, world)
    return Trial(situation, round(ended.took_s * 1000, 1), problem)


def _run(
    layout: Layout, handler: dict[str, Any], environ: Mapping[str, str], world: ProbeWorld, *, killing: bool
) -> Ended:
    timeout = handler.get(layout.timeout_key)
    patience = timeout * layout.unit_s if isinstance(timeout, (int, float)) and timeout > 0 else float(TIMEOUT_S)
    start = run_and_kill if killing else run
    return start(
        argv_of(layout.host, handler, layout.command_key),
        probe_event(layout.host, str(world.directory)),
        environ=world.environ(environ),
        directory=world.directory,
        timeout_s=min(patience, float(TIMEOUT_S)),
    )


def _problem(layout: Layout, situation: str, ended: Ended, reading: Reading, world: ProbeWorld) -> str | None:
    """Why a trial does not prove what it should."""
    because = f": {reading.failed}" if reading.failed else ""
    if situation == "allow":
        if reading.failed:
            return f"{layout.title} would take it for a failure{because}{_words(ended)}"
        if reading.verdict != "allow":
            return f"a call that the policy allows is denied: {reading.reason[:200] or 'without a reason'}"
        heard = last_heartbeat(world.state_dir, layout.host)
        return None if heard is not None and heard.outcome == "allow" else "it allowed without asking a policy"
    if reading.verdict != "deny":
        what = {
            "deny": "that the policy denies",
            "broken": "with a broken plugins.toml",
            "killed": "whose hook is killed",
        }
        return f"a call {what[situation]} would be made{because}{_words(ended)}"
    if situation == "deny" and (reading.failed or world.reason not in reading.reason):
        return f"the call is denied, but not by the policy that was asked{because}{_words(ended)}"
    if situation == "broken" and reading.failed:
        return f"the call is denied because the hook fails, not because it says no{because}{_words(ended)}"
    return None


def _words(ended: Ended) -> str:
    """The last thing it said on stderr: why it did not start, most often."""
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    return f" ({lines[-1][:160]})" if lines else ""
