"""How `hosts status` takes what a hook left behind: by each host's own rules."""

import os

import pytest
from hook_world import World, shell
from host_golden import HOSTS, denies

from codespar_cli.hosts.dialects import dialect_of
from codespar_cli.hosts.install.probe_events import probe_event
from codespar_cli.hosts.install.readings import Ended, reading_of

CASES = pytest.mark.parametrize("host", HOSTS)


@CASES
def test_what_a_host_is_told_is_read_here_as_the_golden_rules_read_it(tmp_path, host):
    world = World(tmp_path)
    handler = {"onFailure": "block", "failClosed": True}
    for command in ("ls", "rm -rf /"):
        done = world.hook(host, shell(host, command))
        reading = reading_of(host, handler, Ended(done.returncode, done.stdout, done.stderr, 0.1))
        assert reading.failed is None
        assert (reading.verdict == "deny") is denies(host, done.stdout, done.returncode)


@CASES
@pytest.mark.parametrize("ended", [(None, b""), (1, b""), (-9, b""), (127, b""), (0, b"no json"), (0, b"[]")])
def test_a_failure_is_closed_only_where_the_host_says_so(host, ended):
    result = Ended(ended[0], ended[1], b"", 1.0)
    assert reading_of(host, {}, result).verdict == "allow"
    closed = {"claude": {"onFailure": "block"}, "cursor": {"failClosed": True}}.get(host, {})
    assert reading_of(host, closed, result).verdict == ("deny" if closed else "allow")


def test_an_exit_of_2_without_a_word_passes_in_codex_alone():
    # Codex 0.169.0 ran the tool; with words on stderr it did not.
    verdicts = {host: reading_of(host, {}, Ended(2, b"", b"", 0.1)).verdict for host in ("claude", "codex", "gemini")}
    assert verdicts == {"claude": "deny", "codex": "allow", "gemini": "deny"}
    assert reading_of("codex", {}, Ended(2, b"", b"no", 0.1)).verdict == "deny"


@CASES
def test_the_probes_event_is_one_that_the_dialect_reads(host):
    event = dialect_of(host).read(probe_event(host, "/w"), "preToolUse" if host == "copilot" else None)
    assert (event.kind, event.canonical, event.cwd) == ("before", "shell", "/w")
    assert os.sep not in event.tool
