"""Which events a route wants, against a naive model, and what its table may say."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routes_world import parsed

from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.routes.route import Route

SEVERITIES = ("critical", "error", "warning", "info")
WORDS = st.sampled_from(["sentry", "github", "issue.created", "issue.closed", "push", "alert.triggered", "acme", "a"])
GLOBS = st.sampled_from(["*", "issue.*", "*.created", "s*y", "push", "*a*", "acme", "**", "nothing", ""])
SAID = st.none() | GLOBS.filter(bool) | st.lists(GLOBS, max_size=3)


def model(said, name):
    if said is None:
        return True
    said = [said] if isinstance(said, str) else said
    return any(re.fullmatch(".*".join(map(re.escape, re.split(r"\*+", each))), name) for each in said)


@given(SAID, SAID, SAID, st.none() | st.sampled_from(SEVERITIES), WORDS, WORDS, WORDS, st.sampled_from(SEVERITIES))
def test_a_route_wants_what_the_model_wants(provider, event, tenant, least, source, kind, whose, severity):
    pairs = {"provider": provider, "event": event, "tenant": tenant, "severity": least}
    when = {key: value for key, value in pairs.items() if value is not None}
    route = Route.of({"name": "r", "call": "x", "when": when})
    happened = IntegrationEvent(source, kind, severity, "t")
    expected = (
        model(provider, source)
        and model(event, kind)
        and model(tenant, whose)
        and (least is None or SEVERITIES.index(severity) <= SEVERITIES.index(least))
    )
    assert route.wants(happened, whose) is expected


def test_without_when_everything_is_wanted_even_names_with_slashes():
    route = Route.of({"name": "r", "call": "x"})
    assert route.wants(IntegrationEvent("a/b", "c/d.e", "info", "t"), "x/y")


def test_a_severity_that_there_is_not_is_no_more_than_info():
    event = IntegrationEvent("a", "b", "apocalyptic", "t")
    assert Route.of({"name": "r", "call": "x"}).wants(event, "t")
    assert not Route.of({"name": "r", "call": "x", "when": {"severity": "warning"}}).wants(event, "t")


def test_a_table_becomes_a_route(tmp_path):
    text = """
    [[routes]]
    name = "page"
    when = { provider = "sentry", event = ["issue.*", "error.*"], severity = "error", tenant = "acme" }
    forward = "https://agent.example/hook"
    secret = "secret:HOOK"
    attempts = 3
    concurrency = 2
    timeout = "7s"
    [[routes]]
    name = "triage"
    run = ["triage", "--stdin"]
    """
    first, second = (Route.of(table) for table in parsed(text, tmp_path).routes)
    assert first.events == ("issue.*", "error.*")
    assert (first.attempts, first.concurrency, first.timeout.seconds, first.secret) == (3, 2, 7, "secret:HOOK")
    assert (second.deed, second.target, second.attempts, second.concurrency) == ("run", ("triage", "--stdin"), 8, 4)
    assert second.timeout.seconds == 300


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('forward = "http://agent.example/T0K3N"', "expected an https URL, found http to another machine"),
        (
            'forward = "http://10.0.0.1/T0K3N"\nallow_private = true',
            "expected an https URL, found http to another machine",
        ),
        ('forward = "http://localhost/T0K3N"', "found http to this machine without `allow_private`"),
        ('forward = "http://[::1]:1/T0K3N"', "found http to this machine without `allow_private`"),
        ('forward = "https://me:T0K3N@x/"', "expected an http or https URL"),
        ('forward = "ftp://T0K3N/"', "expected an http or https URL"),
        ('call = "x"\nsecret = "env:X"', "`secret` is for a route that forwards"),
        ('call = "x"\nrun = ["y"]', "found `run` and `call`"),
        ('call = "x"\nattempts = 0', "expected a whole number from 1 to 100"),
        ('call = "x"\nconcurrency = 65', "expected a whole number from 1 to 64"),
        ('call = "x"\ntimeout = "2d"', "expected at most `1d`"),
        ('call = "x"\ntimeout = "0s"', "expected a duration"),
        ('run = "triage --stdin"', "expected a list of strings"),
        ('run = [""]', "expected a list of strings"),
        ("", "expected one of `forward`, `run` and `call`, found none"),
    ],
)
def test_what_a_route_may_not_say_is_said_with_its_line(tmp_path, line, words):
    text = f'[[routes]]\nname = "r"\n{line}\n'
    tomllib.loads(text)
    with pytest.raises(ConfigError) as error:
        parsed(text, tmp_path)
    assert words in str(error.value)
    assert error.value.line
    assert "T0K3N" not in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize(
    "line", ['forward = "http://localhost:1/"', 'forward = "http://127.0.0.1/"', 'forward = "http://[::1]/"']
)
def test_http_on_this_machine_with_leave_is_allowed(tmp_path, line):
    text = f'[[routes]]\nname = "r"\n{line}\nallow_private = true\n'
    assert parsed(text, tmp_path).routes


@pytest.mark.parametrize("line", ['run = ["x"]', 'forward = "https://x.example"\nallow_private = true'])
def test_a_file_of_a_project_runs_nothing_and_reaches_nothing_private(tmp_path, line):
    with pytest.raises(ConfigError, match="only the user's own configuration"):
        parsed(f'[[routes]]\nname = "r"\n{line}\n', tmp_path, users_own=False)
