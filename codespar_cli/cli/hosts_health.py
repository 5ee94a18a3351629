"""What `doctor` says of agent hosts: whether each one found here asks, and how much of that an agent could undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from codespar_cli.cli.protection_level import governing_layers, layer_words, level_of, level_words
from codespar_cli.cli.views.hosts import heard_words

if TYPE_CHECKING:
    from codespar_cli.cli.session import Session
    from codespar_cli.core.config import Config
    from codespar_cli.hosts.install.status import HostStatus

Health = tuple[str, Literal["ok", "warning", "error"], str, str | None]


def hosts_health(session: Session, config: Config) -> Iterator[Health]:
    """Check, status, message and fix of each; then of what governs, where anything does."""
    from codespar_cli.core.config import default_state_dir
    from codespar_cli.hosts.install.layouts import layout_of
    from codespar_cli.hosts.install.status import Surroundings, found_hosts, host_status

    around = Surroundings(session.environ, Path.cwd(), str(default_state_dir(session.environ)))
    found = [host_status(layout_of(host), around) for host in found_hosts(around)]
    for one in found:
        yield from _of_host(session, one)
    layers = governing_layers(session, config)
    for layer in layers:
        yield "governed by", "ok", layer_words(layer), None
    if layers or any(one.state != "not installed" for one in found):
        yield "protection", "ok", level_words(level_of(config, layers, found)), None


def _of_host(session: Session, status: HostStatus) -> Iterator[Health]:
    check = f"host {status.layout.host}"
    if status.state == "not installed":
        message = f"{status.layout.title} is here, and nothing asks before its calls"
        yield check, "warning", message, f"codespar hosts install {status.layout.host}"
        return
    for finding in status.findings:
        yield check, finding.status, finding.message, finding.fix
    problem = next((trial for trial in status.trials if trial.problem), None)
    if problem is not None:
        fix = f"codespar hosts status {status.layout.host}"
        yield check, "error", f"{problem.situation}: {problem.problem}", fix
    if status.state == "proved":
        slowest = max(trial.took_ms for trial in status.trials)
        heard = heard_words(status.heard, session.clock())
        yield check, "ok", f"allows, denies and fails closed, {slowest:.0f} ms at most; {heard}", None
