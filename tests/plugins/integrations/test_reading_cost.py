"""What a payload of megabytes costs a connector, against what parsing it cost: it is read on the event loop."""

import asyncio
import json
import time

import deliveries
import pytest

from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.fields import lines
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry

SIZE = 4_000_000
HOOKS = {"github": GitHub, "sentry": Sentry, "linear": Linear, "jira": Jira, "datadog": Datadog, "pagerduty": PagerDuty}
# The fullest fixture of each.
FULLEST = {
    "github": "push__two_commits",
    "sentry": "error__created",
    "linear": "AgentSessionEvent__prompted",
    "jira": "issue_created__cloud_adf",
    "datadog": "alert.triggered__p4_list",
    "pagerduty": "incident.triggered__p1",
}
# A zero width space needs cleaning, white space stripping, and a fence or a bracket looks like something.
FILLERS = {
    "invisible": "\u200b",
    "blank": " ",
    "lines": "\n",
    "fences": "%%%\n",
    "links": "(https://app.datadoghq.com/event",
}
LISTS = {
    "numbers": lambda: [1] * 1_000_000,
    "objects": lambda: [{} for _ in range(500_000)],
    "invisible lines": lambda: ["\u200b" * 9000 for _ in range(300)],
    "commits": lambda: [{"message": "\u200b" * 8000, "added": ["\u200b" * 8000], "removed": ["x"] * 1000}] * 300,
    "exceptions": lambda: (
        [{"value": "\u200b" * 8000, "stacktrace": {"frames": [{"function": "\u200b" * 8000}] * 40}}] * 10
    ),
    "nodes": lambda: [{"type": "paragraph", "content": [{} for _ in range(1000)]} for _ in range(1000)],
    "deep": lambda: [nested(90) for _ in range(100)],
}


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = {"content": [value]}
    return value


def shape(value, text=None, entries=None):
    """The same with every text followed by `text`, and every list by `entries`."""
    if isinstance(value, dict):
        return {key: shape(inner, text, entries) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner, text, entries) for inner in value] + (entries or [])
    return value + text if isinstance(value, str) and text else value


def count(value, kind):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, kind) + sum(count(one, kind) for one in inner)


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def too_long(provider, payload):
    """What takes more than half of what it costs to parse, and 100 ms for a machine that is busy with something else."""
    raw = json.dumps(payload, ensure_ascii=False)
    headers = deliveries.headers(provider, FULLEST[provider])
    parsing = seconds(lambda: json.loads(raw))
    hook, found = HOOKS[provider](), []
    for given in (headers, {}):
        reading = min(seconds(lambda sent=given: asyncio.run(hook.handle_webhook(payload, sent))) for _ in range(2))
        if reading >= parsing / 2 + 0.1:
            found.append(f"{reading:.3f} s to read what takes {parsing:.3f} s to parse")
    return found


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("provider", HOOKS)
def test_long_texts(provider, filler):
    payload = deliveries.payload(provider, FULLEST[provider])
    each = SIZE // count(payload, str) // len(FILLERS[filler].encode())
    assert too_long(provider, shape(payload, text=FILLERS[filler] * each)) == []


@pytest.mark.parametrize("provider", HOOKS)
def test_one_long_text(provider):
    """All of it in one value, whichever that is: at most 150 ms."""
    payload = deliveries.payload(provider, FULLEST[provider])
    texts = {"blank": " " * SIZE, "words": "É\x1b[2J " * (SIZE // 7)}
    hook, headers = HOOKS[provider](), deliveries.headers(provider, FULLEST[provider])
    for text in texts.values():
        for path in places(payload, str):
            hostile = replaced(payload, path, text)
            reading = min(
                seconds(lambda given=hostile: asyncio.run(hook.handle_webhook(given, headers))) for _ in range(2)
            )
            assert reading < 0.15, path


@pytest.mark.parametrize("entries", LISTS)
@pytest.mark.parametrize("provider", HOOKS)
def test_long_lists(provider, entries):
    payload = deliveries.payload(provider, FULLEST[provider])
    assert too_long(provider, shape(payload, entries=LISTS[entries]())) == []


@pytest.mark.parametrize("provider", HOOKS)
def test_many_keys(provider):
    payload = deliveries.payload(provider, FULLEST[provider])
    wide = {f"k{number}": {} for number in range(200_000)}
    assert too_long(provider, {**wide, **payload}) == []
    inner = next(key for key, value in payload.items() if isinstance(value, dict))
    assert too_long(provider, {**payload, inner: {**payload[inner], **wide}}) == []


def places(value, kind, path=()):
    if isinstance(value, kind):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, kind, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def test_files_are_looked_at_until_262144_characters():
    read = []

    def values(text):
        for number in range(10**9):
            read.append(number)
            yield text

    for text, most in (("\u200b" * 8192, 33), ("\u200b" * 10**6, 33), ("a", 10_000), (7, 10_000)):
        read.clear()
        assert lines(values(text)) == (("a",) if text == "a" else ())
        assert len(read) <= most
