"""A route that calls an installed function."""

import asyncio
import sys
import threading
from datetime import timedelta

import pytest
from routes_world import EVENT, delivery, route, until

from codespar_cli.core.loader import Installed
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.known_secrets import KnownSecrets
from codespar_cli.webhooks.routes.call import Call, function_of, installed_functions
from codespar_cli.webhooks.routes.deed import Failed
from codespar_cli.webhooks.routes.event_document import event_document

DOCUMENT = event_document(delivery(), "r")


def call(function, timeout=10.0, concurrency=4):
    return Call(route(timeout=timedelta(seconds=timeout), concurrency=concurrency), function)


def words(deed):
    with pytest.raises(Failed) as error:
        asyncio.run(deed.do(DOCUMENT))
    return str(error.value)


@pytest.mark.parametrize("kind", ["sync", "async", "answers a coroutine"])
def test_it_is_called_with_the_event_and_how_it_came(kind):
    got = []

    def sync(event, delivery):
        got.append((event, delivery, threading.current_thread().name))

    async def later(event, delivery):
        await asyncio.sleep(0)
        sync(event, delivery)

    asyncio.run(
        call({"sync": sync, "async": later, "answers a coroutine": lambda *both: later(*both)}[kind]).do(DOCUMENT)
    )
    ((event, facts, thread),) = got
    assert event == {**EVENT, "untrusted": True}
    assert (facts["route"], facts["id"], facts["webhook_id"], facts["tenant"]) == ("r", 7, DOCUMENT.id, "default")
    assert thread == "codespar-route"


@pytest.mark.parametrize("filler", ["", "x" * 190])
def test_a_known_secret_is_not_kept_with_what_it_raises(filler):
    """Nor its first half, where the text is cut."""
    known = KnownSecrets()
    known.noted("hush-hush-0123456789")

    def refused(event, delivery):
        raise ValueError(f"{filler}token hush-hush-0123456789 was refused")

    deed = Call(route(), refused, known)
    assert words(deed).startswith(f"ValueError: {filler}tok")
    assert "hush" not in words(deed)
    assert ("token ******** was refused" in words(deed)) is not bool(filler)


class Odd(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no \x1b[31msuch\nthing"), "ValueError: no [31msuch thing"),
        (TimeoutError("mine"), "TimeoutError: mine"),
        (SystemExit(3), "RuntimeError: SystemExit"),
        (KeyboardInterrupt(), "RuntimeError: KeyboardInterrupt"),
        (StopIteration(), "RuntimeError: StopIteration"),
        (Odd(), "Odd"),
    ],
)
def test_any_exception_is_a_failure(error, expected):
    def broken(event, delivery):
        raise error

    assert words(call(broken)) == expected


def test_an_async_one_that_is_late_is_cancelled():
    ended = threading.Event()

    async def slow(event, delivery):
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    assert words(call(slow, timeout=0.2)) == "took longer than 0.2 s"
    assert ended.wait(10)


def test_sync_ones_that_hang_are_bounded_and_it_recovers():
    release = threading.Event()
    calls = []

    def hang(event, delivery):
        calls.append(1)
        release.wait(30)

    deed = call(hang, timeout=0.1, concurrency=2)

    async def go():
        for _ in range(2):
            with pytest.raises(Failed, match="took longer"):
                await deed.do(DOCUMENT)
        with pytest.raises(Failed, match="not called: 2 earlier calls still hang"):
            await deed.do(DOCUMENT)
        assert len(calls) == 2
        release.set()
        await until(lambda: deed._left == 0)
        await deed.do(DOCUMENT)

    asyncio.run(go())
    assert len(calls) == 3


def installed(load):
    return {"triage": Installed("triage", "my-agent", "1.0", load)}


def test_a_missing_or_broken_one_is_an_error_at_the_start():
    def missing():
        raise ImportError("no module named x")

    wanted = route(target="triag")
    with pytest.raises(
        ConfigError, match=r"calls `triag`, expected an entry point in `codespar.routes`: `triage`"
    ) as error:
        function_of(wanted, installed(lambda: print))
    assert error.value.hint == "did you mean `triage`?"
    with pytest.raises(ConfigError, match="none is installed"):
        function_of(wanted, {})
    with pytest.raises(ConfigError, match="cannot be loaded: ImportError: no module named x"):
        function_of(route(target="triage"), installed(missing))
    with pytest.raises(ConfigError, match="expected a function, found a int"):
        function_of(route(target="triage"), installed(lambda: 3))


def test_a_real_entry_point_is_found(tmp_path, monkeypatch):
    info = tmp_path / "my_agent-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-agent\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[codespar.routes]\ntriage = my_agent_of_routes:handle\n")
    (tmp_path / "my_agent_of_routes.py").write_text(
        "got = []\ndef handle(event, delivery): got.append(event['title'])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    asyncio.run(call(function_of(route(target="triage"), installed_functions())).do(DOCUMENT))
    assert sys.modules.pop("my_agent_of_routes").got == ["it broke"]
