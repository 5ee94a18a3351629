"""Status by status: what a delivery is answered, and what is in the inbox then."""

import asyncio
import json
from datetime import timedelta

import pytest
from receiving_world import CONNECTORS, SECRET, ask, body_of, connector, signature, signed, world

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.clock import system_clock
from codespar_cli.errors import StoreBusy, StoreError
from codespar_cli.server.requests import Room
from codespar_cli.webhooks.inbox.delivery import Filter


def run(check):
    return asyncio.run(check)


@pytest.mark.parametrize("provider", CONNECTORS)
def test_a_genuine_delivery_is_stored_before_it_is_answered(tmp_path, provider):
    async def check():
        async with world(tmp_path / "s", provider) as it:
            raw = body_of(provider, id="1")
            answer = await it.post(f"/webhooks/{provider}", raw, signed(it.hooks[provider], raw))
            assert (answer.status, answer.json["status"]) == (200, "accepted")
            (body,) = it.store.bodies(Filter())
            assert (body.raw, body.delivery.id, body.delivery.tenant) == (raw, answer.json["id"], "default")
            assert SECRET not in repr(body.headers)
            assert [fresh.id for fresh in it.fresh] == [answer.json["id"]]
            again = await it.post(f"/webhooks/default/{provider}", raw, signed(it.hooks[provider], raw))
            assert (again.status, again.json) == (200, {"status": "duplicate", "id": answer.json["id"]})
            assert len(it.stored()) == len(it.fresh) == 1

    run(check())


def test_a_known_body_under_another_id_is_kept_and_not_handed_on(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            raw = body_of("github")
            await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw, "one"))
            answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw, "two"))
            assert (answer.status, answer.json["status"]) == (200, "suspected_replay")
            assert [delivery.status for delivery in it.stored()] == ["received", "suspected_replay"]
            assert len(it.fresh) == 1
            changed = body_of("github", zen="other")
            known = await it.post("/webhooks/github", changed, signed(it.hooks["github"], changed, "one"))
            assert known.json["status"] == "duplicate"

    run(check())


def forgeries(hook, raw):
    """25 ways to be wrong, each a list of headers and a body."""
    header = hook.wire.signature_header
    right = signature(hook, raw)
    other = body_of(hook.id, other="body")

    def carrying(value, body=raw, **more):
        rest = [(name, each) for name, each in signed(hook, raw, **more) if name != header]
        return [*rest, *([] if value is None else [(header, value)])], body

    turned = "0" if right[-1] != "0" else "1"
    return {
        "missing": carrying(None),
        "empty": carrying(""),
        "blank": carrying("  "),
        "another secret": carrying(signature(hook, raw, "another")),
        "empty secret": carrying(signature(hook, raw, " ") if not hook.sign else right[:-64] + "0" * 64),
        "last digit": carrying(right[:-1] + turned),
        "first character": carrying(("X" if right[0] != "X" else "Y") + right[1:]),
        "cut": carrying(right[:-1]),
        "half": carrying(right[: len(right) // 2]),
        "longer": carrying(right + "00"),
        "twice in one": carrying(right + right),
        "twice": (carrying(right)[0] + [(header, right)], raw),
        "right and wrong": (carrying(right)[0] + [(header, "wrong")], raw),
        "sha1": carrying("sha1=" + "a" * 40),
        "md5": carrying("md5=" + "a" * 32),
        "none": carrying("none"),
        "null": carrying("null"),
        "true": carrying("true"),
        "not ascii": carrying("é" * 64),
        "nul": carrying(right + "\x00"),
        "zeros": carrying("sha256=" + "0" * 64),
        "bare zeros": carrying("0" * 64),
        "base64": carrying("sha256=" + "QUJD" * 11),
        "endless": carrying("a" * 15_000),
        "json": carrying('{"sha256": "%s"}' % ("0" * 64)),
        **({"another body": carrying(right, other), "no body": carrying(right, b"")} if hook.sign else {}),
    }


def test_there_are_enough_forgeries():
    assert all(len(forgeries(connector(name), body_of(name))) >= 25 for name in CONNECTORS)


@pytest.mark.parametrize("provider", CONNECTORS)
def test_forged_signatures_are_all_answered_alike_and_store_nothing(tmp_path, provider):
    async def check():
        async with world(tmp_path / "s", provider) as it:
            raw = body_of(provider)
            for name, (headers, body) in forgeries(it.hooks[provider], raw).items():
                answer = await it.post(f"/webhooks/{provider}", body, headers)
                assert (answer.status, answer.body) == (401, b'{"error":"unauthorized"}'), name
            assert not it.store.exists
            assert not it.fresh
            assert len(it.lines) == len(forgeries(it.hooks[provider], raw))
            assert SECRET not in "".join(it.lines)
            assert "\n" not in "".join(it.lines)
            good = await it.post(f"/webhooks/{provider}", raw, signed(it.hooks[provider], raw))
            assert good.status == 200  # and no forgery has taken its place

    run(check())


def test_a_secret_of_one_provider_opens_no_other(tmp_path):
    async def check():
        hooks = {name: connector(name, resolve=lambda _, name=name: f"of {name}") for name in ("github", "jira")}
        async with world(tmp_path / "s", hooks=hooks) as it:
            raw = body_of("jira")
            forged = [("X-Hub-Signature", hooks["jira"].sign(raw, "of github"))]
            assert (await it.post("/webhooks/jira", raw, forged)).status == 401
            assert (await it.post("/webhooks/jira", raw, signed(hooks["jira"], raw, secret="of jira"))).status == 200

    run(check())


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/nobody",
        "/webhooks/other/github",
        "/webhooks/",
        "/webhooks",
        "/webhooks//github",
        "/webhooks/github/",
        "/",
        "",
        "/webhooks/default/github/x",
        "/Webhooks/github",
        "/webhooks/GITHUB",
        "/webhooks/..",
        "//webhooks/github",
    ],
)
def test_an_unknown_address_is_refused_before_the_body_is_read(tmp_path, path):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            raw = body_of("github")
            answer = await ask(it.app, path, [...], signed(it.hooks["github"], raw), declared=10**9)
            assert (answer.status, answer.headers["connection"]) == (404, "close")
            assert not it.store.exists

    async def patient():
        from codespar_cli.server import app

        app._DRAIN_S, before = 0.01, app._DRAIN_S
        try:
            await check()
        finally:
            app._DRAIN_S = before

    run(patient())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"])
def test_another_method_is_refused(tmp_path, method):
    run(allowed_once(tmp_path, method))


async def allowed_once(tmp_path, method):
    async with world(tmp_path / "s", "github") as it:
        answer = await ask(it.app, "/webhooks/github", method=method)
        assert (answer.status, answer.headers["allow"], answer.read) == (405, "POST", 0)
        assert "connection" not in answer.headers  # nothing is left over of a request without a body


@pytest.mark.parametrize(
    ("provider", "headers", "status"),
    [
        ("github", {"content-encoding": "gzip"}, 415),
        ("github", {"content-encoding": "identity, br"}, 415),
        ("github", {"content-encoding": "IDENTITY"}, 200),
        ("github", {"content-encoding": ""}, 200),
        ("github", {"content-type": "text/plain"}, 415),
        ("github", {"content-type": "text/html; charset=utf-8"}, 415),
        ("github", {"content-type": "application/json-but-not"}, 415),
        ("github", {"content-type": "multipart/form-data; boundary=x"}, 415),
        ("github", {"content-type": "APPLICATION/JSON ; charset=utf-8"}, 200),
        ("github", {"content-type": "application/vnd.github+json"}, 200),
        ("github", {"content-type": ""}, 200),
        ("github", {"content-type": "application/x-www-form-urlencoded"}, 200),
        ("linear", {"content-type": "application/x-www-form-urlencoded"}, 415),
        ("linear", {"content-type": "text/x+json"}, 415),
    ],
)
def test_only_types_that_the_provider_sends_are_taken(tmp_path, provider, headers, status):
    async def check():
        async with world(tmp_path / "s", provider) as it:
            raw = body_of(provider)
            answer = await it.post(f"/webhooks/{provider}", raw, signed(it.hooks[provider], raw, **headers))
            assert answer.status == status
            assert it.store.exists is (status == 200)

    run(check())


def test_a_missing_type_is_taken_and_a_repeated_one_is_not(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            raw = body_of("github")
            headers = [pair for pair in signed(it.hooks["github"], raw) if pair[0] != "content-type"]
            assert (await it.post("/webhooks/github", raw, headers)).status == 200
            twice = [*headers, ("content-type", "application/json"), ("content-type", "text/plain")]
            assert (await it.post("/webhooks/github", raw, twice)).status == 415

    run(check())


@pytest.mark.parametrize("header", ["X-GitHub-Event", "X-GitHub-Delivery"])
def test_a_header_that_says_two_things_is_refused(tmp_path, header):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            raw = body_of("github")
            answer = await it.post("/webhooks/github", raw, [*signed(it.hooks["github"], raw), (header, "other")])
            assert answer.status == 400
            assert not it.store.exists

    run(check())


def test_a_large_body_is_refused_by_what_is_declared_and_by_what_comes(tmp_path):
    async def check():
        hook = connector("github", wire={"max_body": 1000})
        async with world(tmp_path / "s", hooks={"github": hook}) as it:
            raw = body_of("github", pad="x" * 2000)
            headers = signed(hook, raw)
            declared = await ask(it.app, "/webhooks/github", [raw], headers, declared=10**12)
            counted = await ask(it.app, "/webhooks/github", [b"x" * 600] * 5, headers)
            assert (declared.status, counted.status) == (413, 413)
            unsigned = await ask(it.app, "/webhooks/github", [raw], [], declared=10**12)
            assert unsigned.status == 413  # limits come before signatures
            fits = body_of("github", pad="")
            fits += b" " * (1000 - len(fits))
            assert (await it.post("/webhooks/github", fits, signed(hook, fits))).status == 200
            over = fits + b" "
            assert (await it.post("/webhooks/github", over, signed(hook, over))).status == 413
            assert len(it.stored()) == 1

    run(check())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" \n",
        b"nonsense",
        b'{"a": 1',
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'{"a": "\xff"}',
        b"\x00",
        b"payload=",
        b"payload=%7B",
    ],
    ids=lambda raw: repr(raw[:16]),
)
def test_what_cannot_be_parsed_is_400_however_well_signed(tmp_path, raw):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw))
            assert (answer.status, answer.json) == (400, {"error": "unparsable"})
            assert not it.store.exists
            forged = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw, secret="other"))
            assert forged.status == 401  # a stranger is not even told that

    run(check())


@pytest.mark.parametrize(
    "raw", [b'\xef\xbb\xbf{"zen": "z"}', b"null", b"[]", b'"text"', b"1", b'{"a": "\\ud800"}', b" {} "]
)
def test_json_that_is_no_event_is_stored_as_it_came(tmp_path, raw):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw))
            assert answer.status == 200
            assert [body.raw for body in it.store.bodies(Filter())] == [raw]

    run(check())


def test_a_form_of_github_is_verified_as_it_came_and_then_unwrapped(tmp_path):
    from urllib.parse import urlencode

    async def check():
        async with world(tmp_path / "s", "github") as it:
            inner = body_of("github", zen="ü & = +")
            raw = urlencode({"payload": inner.decode()}).encode()
            form = {"content-type": "application/x-www-form-urlencoded"}
            assert (await it.post("/webhooks/github", raw, signed(it.hooks["github"], inner, **form))).status == 401
            assert (await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw, **form))).status == 200
            assert it.fresh[0].payload == json.loads(inner)
            assert [body.raw for body in it.store.bodies(Filter())] == [raw]

    run(check())


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (59, 200), (-59, 200), (62, 401), (-62, 401), (86400, 401)])
def test_linears_signed_time_must_be_near(tmp_path, seconds, status):
    async def check():
        async with world(tmp_path / "s", "linear") as it:
            it.now = system_clock() + timedelta(seconds=seconds)
            raw = body_of("linear")
            answer = await it.post("/webhooks/linear", raw, signed(it.hooks["linear"], raw))
            assert answer.status == status
            assert answer.body in {b'{"error":"unauthorized"}', b'{"status":"accepted","id":1}'}

    run(check())


def test_linear_without_a_time_is_refused(tmp_path):
    async def check():
        async with world(tmp_path / "s", "linear") as it:
            raw = b'{"action": "create", "type": "Issue"}'
            assert (await it.post("/webhooks/linear", raw, signed(it.hooks["linear"], raw))).status == 401

    run(check())


class FailingCommit:
    def __init__(self, error):
        self.error = error

    async def submit(self, arrival):
        raise self.error


@pytest.mark.parametrize(
    "error", [StoreError("no space left"), StoreBusy("the inbox cannot keep up", code="inbox_full")]
)
def test_what_cannot_be_stored_is_503_and_asked_for_again(tmp_path, error):
    async def check():
        async with world(tmp_path / "s", "github", commit=FailingCommit(error)) as it:
            raw = body_of("github")
            answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw))
            assert (answer.status, answer.json) == (503, {"error": "not stored"})
            assert int(answer.headers["retry-after"]) > 0
            assert not it.fresh
            assert error.message in it.lines[-1]

    run(check())


def test_a_sender_who_leaves_is_not_stored(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            raw = body_of("github")
            headers = signed(it.hooks["github"], raw)
            answer = await ask(it.app, "/webhooks/github", [raw[:20], None], headers)
            assert answer.status is None
            assert not it.store.exists

    run(check())


def test_a_body_that_does_not_come_is_408(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github", within_s=0.02) as it:
            from codespar_cli.server import app

            app._DRAIN_S, before = 0.01, app._DRAIN_S
            raw = body_of("github")
            try:
                answer = await ask(it.app, "/webhooks/github", [raw[:20], ...], signed(it.hooks["github"], raw))
            finally:
                app._DRAIN_S = before
            assert (answer.status, answer.headers["connection"]) == (408, "close")

    run(check())


def test_many_slow_bodies_give_way_to_a_quick_one(tmp_path):
    async def check():
        room = Room(10_000)
        async with world(tmp_path / "s", "github", room=room) as it:
            raw = body_of("github", pad="x" * 3000)
            headers = signed(it.hooks["github"], raw)
            slow = [asyncio.create_task(ask(it.app, "/webhooks/github", [raw[:2500], ...], headers)) for _ in range(4)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert room.left == 0
            answer = await it.post("/webhooks/github", raw, headers)
            assert answer.status == 200
            for task in slow:
                task.cancel()
            ended = await asyncio.gather(*slow, return_exceptions=True)
            assert any(isinstance(each, asyncio.CancelledError) for each in ended)
            assert room.left == 10_000  # every place was given back

    run(check())


def test_nothing_is_verified_where_the_operator_said_so(tmp_path):
    async def check():
        hooks = {"github": connector("github", secret=())}
        async with world(tmp_path / "s", hooks=hooks, verify=False) as it:
            answer = await it.post("/webhooks/github", body_of("github"), [("x-github-event", "ping")])
            assert answer.status == 200
        async with world(tmp_path / "t", hooks=hooks) as it:
            assert not it.endpoints.served
            assert "[integrations.github] has no `secret`" in it.endpoints.left_out[0]

    run(check())


def test_a_tenant_has_its_own_address_and_its_own_secret(tmp_path):
    def resolver(tenant):
        def resolve(reference):
            return f"{reference} of {tenant}"

        resolve.of_tenant = resolver
        return resolve

    async def check():
        hook = connector("github", resolve=resolver("home"), tenants={"acme": {"secret": "secret:THEIRS"}, "bare": {}})
        async with world(tmp_path / "s", hooks={"github": hook}, tenant="home") as it:
            raw = body_of("github")
            theirs = signed(hook, raw, secret="secret:THEIRS of acme")
            ours = signed(hook, raw, secret="env:SECRET of home")
            assert set(it.endpoints.served) == {("home", "github"), ("acme", "github")}
            assert (await it.post("/webhooks/acme/github", raw, ours)).status == 401
            assert (await it.post("/webhooks/github", raw, theirs)).status == 401
            assert (await it.post("/webhooks/bare/github", raw, ours)).status == 404
            assert (await it.post("/webhooks/default/github", raw, ours)).status == 404
            assert (await it.post("/webhooks/acme/github", raw, theirs)).json["status"] == "accepted"
            assert (await it.post("/webhooks/github", raw, ours)).json["status"] == "accepted"
            assert (await it.post("/webhooks/home/github", raw, ours)).json["status"] == "duplicate"
            assert [delivery.tenant for delivery in it.stored()] == ["acme", "home"]

    run(check())


class Stranger:
    """Somebody else's connector, which breaks in every method."""

    id = name = "stranger"
    wire = Wire(signature_header="X-Sig", max_body=1000, ack=202)

    def __init__(self, verify=True, delivery_id=None):
        self.verify, self.told = verify, delivery_id

    def secrets(self, tenant=None):
        return ["s"]

    def verify_signature(self, payload, signature, secret):
        if isinstance(self.verify, BaseException):
            raise self.verify
        return self.verify

    def delivery_id(self, payload, headers):
        if isinstance(self.told, BaseException):
            raise self.told
        return self.told

    async def handle_webhook(self, payload, headers):
        return None


@pytest.mark.parametrize("verify", [1, "yes", [1], None, SystemExit(0), ValueError("x"), asyncio.CancelledError()])
def test_a_connector_that_does_not_say_true_has_not_verified(tmp_path, verify):
    async def check():
        async with world(tmp_path / "s", hooks={"stranger": Stranger(verify)}) as it:
            assert (await it.post("/webhooks/stranger", b"{}", [("x-sig", "1")])).status == 401

    run(check())


@pytest.mark.parametrize("told", [SystemExit(1), ValueError("x"), 7, b"x", "\ud800", "", " \u202e", {"a": 1}])
def test_a_delivery_id_that_is_none_is_left_out(tmp_path, told):
    async def check():
        async with world(tmp_path / "s", hooks={"stranger": Stranger(delivery_id=told)}) as it:
            answer = await it.post("/webhooks/stranger", b"{}", [("x-sig", "1")])
            assert (answer.status, it.stored()[0].delivery_id) == (202, None)

    run(check())


def test_a_handler_that_breaks_answers_500_and_tells_nobody_why(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github", commit=FailingCommit(RuntimeError("inner words"))) as it:
            raw = body_of("github")
            answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw))
            assert (answer.status, answer.json) == (500, {"error": "internal error"})
            assert it.lines == ["500 to 192.0.2.7: RuntimeError"]

    run(check())


def test_a_large_genuine_body_is_taken_while_others_are_answered(tmp_path):
    async def check():
        async with world(tmp_path / "s", "github") as it:
            large = body_of("github", pad="x" * (24 << 20))
            small = body_of("github")
            hook = it.hooks["github"]
            headers = signed(hook, large, "large")
            slow = asyncio.create_task(it.post("/webhooks/github", large, headers))
            quick = await it.post("/webhooks/github", small, signed(hook, small, "small"))
            assert quick.status == 200
            assert not slow.done()
            assert (await slow).status == 200
            assert {len(body.raw) for body in it.store.bodies(Filter())} == {len(large), len(small)}

    run(check())
