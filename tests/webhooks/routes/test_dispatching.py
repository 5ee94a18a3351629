"""The routes of a configuration, from the file to the deed."""

import asyncio
import json
import sys

import pytest
from answering_server import serving
from routes_world import SECRET, filled, parsed, statuses, until

from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.core.loader import Installed
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.routes.dispatching import dispatching

HOOK = """
[[routes]]
name = "hook"
forward = "http://127.0.0.1:{port}/x"
secret = "env:HOOK"
allow_private = true
[[routes]]
name = "bare"
when = {{ severity = "critical" }}
forward = "http://127.0.0.1:{port}/x"
allow_private = true
[[routes]]
name = "run"
run = [{python}, "-c", "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())", {out}]
concurrency = 1
[[routes]]
name = "call"
call = "count"
"""


def services(tmp_path, values):
    return Services(state_dir=tmp_path / "state", resolve=lambda reference: values.get(reference.removeprefix("env:")))


def test_every_kind_of_route_from_the_file_to_the_deed(tmp_path):
    called, log, looked = [], [], []
    store = SqliteInbox(tmp_path / "state")

    def installed():
        looked.append(1)
        function = lambda event, delivery: called.append(delivery["id"])  # noqa: E731
        return {"count": Installed("count", "mine", "1", lambda: function)}

    async def go(made):
        async with made.alive():
            filled(store, 5, ["hook", "run", "call"])
            made.wake(5)
            await until(lambda: set(statuses(store).values()) == {"dispatched"}, within_s=60)

    with serving((500, {}, b""), (204, {}, b"")) as server:
        text = HOOK.format(port=server.port, python=json.dumps(sys.executable), out=json.dumps(str(tmp_path / "out")))
        made = dispatching(
            parsed(text, tmp_path),
            services(tmp_path, {"HOOK": SECRET}),
            store,
            log=log.append,
            installed=installed,
            random=lambda: 0.0,
        )
        assert made.wanted(IntegrationEvent("sentry", "issue.created", "error", "t"), "x") == ["hook", "run", "call"]
        assert made.wanted(IntegrationEvent("s", "e", "critical", "t"), "x") == ["hook", "bare", "run", "call"]
        asyncio.run(go(made))
    assert sorted(called) == [1, 2, 3, 4, 5]
    documents = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert sorted(document["data"]["delivery"]["id"] for document in documents) == [1, 2, 3, 4, 5]
    ids = [got.headers["webhook-id"] for got in server.got]
    assert len(ids) == 6
    assert len(set(ids)) == 5
    assert log[0] == "route bare has no `secret`: what it forwards is not signed"
    assert looked == [1]
    assert SECRET not in str(log)
    store.close()


def test_a_missing_function_is_told_with_the_file(tmp_path):
    config = parsed('[[routes]]\nname = "r"\ncall = "x"\n', tmp_path)
    with pytest.raises(ConfigError, match="the route `r` calls `x`") as error:
        dispatching(config, services(tmp_path, {}), None, log=print, installed=dict)
    assert error.value.file.endswith("plugins.toml")
    assert error.value.exit_code == 2


def test_without_routes_nothing_is_made_and_what_waits_is_told(tmp_path):
    store = SqliteInbox(tmp_path / "state")
    log = []

    async def go():
        made = dispatching(parsed("", tmp_path), services(tmp_path, {}), store, log=log.append)
        assert made.wanted(IntegrationEvent("s", "e", "critical", "t"), "x") == []
        async with made.alive():
            made.wake()

    asyncio.run(go())
    assert log == []
    assert not (tmp_path / "state").exists()
    filled(store, 2, ["old"])
    asyncio.run(go())
    assert log == ["2 deliveries wait for the route `old`, which plugins.toml does not have"]
    store.close()
