"""The fixtures: `<event>__<case>.json`, one payload each, and what is to become of them in `expected.json`."""

import json
from pathlib import Path

HERE = Path(__file__).parent / "fixtures"
EVENT_HEADERS = {"github": "X-GitHub-Event", "sentry": "Sentry-Hook-Resource", "linear": "Linear-Event"}


def payload_names(provider):
    return sorted(path.stem for path in (HERE / provider).glob("*.json") if path.stem != "expected")


def payload(provider, name):
    return json.loads((HERE / provider / f"{name}.json").read_text())


def headers(provider, name):
    """What the provider would have sent along; the unsigned plugin sends no header of its own."""
    header = EVENT_HEADERS.get(provider)
    return {} if header is None or name.startswith("legacy") else {header: name.partition("__")[0]}


def expected(provider):
    return json.loads((HERE / provider / "expected.json").read_text())


def as_told(event):
    """An event as `expected.json` writes it: without what is absent."""
    told = {
        "event_type": event.event_type,
        "severity": event.severity,
        "title": event.title,
        "url": event.url,
        "occurred_at": event.occurred_at and event.occurred_at.isoformat(),
        "external_id": event.external_id,
        "actor": event.actor,
        "project": event.project,
        "affected_files": list(event.affected_files),
        "detail": event.detail,
        "stack_trace": event.stack_trace,
        "native": event.native,
    }
    return {key: value for key, value in told.items() if value not in (None, [], {})}
