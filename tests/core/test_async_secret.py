"""A call's credentials off the event loop: nothing waits for the vault but who asked, and what was asked is asked once."""

import asyncio
import contextvars
import threading

import pytest

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import CallContext, ToolCall
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.services import Services
from codespar_cli.errors import SecretDenied
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.storage import chain

LONG = 30
KEY = "hex:" + "ab" * 32
CALL = ToolCall("ci-1", "stripe/charge", None, CallContext(tenant="acme"))
who = contextvars.ContextVar("who", default="nobody")


class Slow:
    """Answers when it is let go, and remembers what it was asked."""

    grants = True

    def __init__(self, answer="value"):
        self.answer = answer
        self.asked = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def get(self, tenant_id, key, *, call=None):
        self.asked.append((tenant_id, key, call, who.get(), threading.current_thread()))
        self.begun.set()
        assert self.go.wait(LONG)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def gate_over(hook):
    registry = PluginRegistry()
    if hook is not None:
        registry.register_secrets(hook)
    return Gate(registry, tenant="acme")


def test_the_loop_runs_on_while_the_vault_waits():
    slow = Slow()

    async def use():
        who.set("the task")
        async with gate_over(slow).call("ci-1", "stripe/charge") as call:
            asking = asyncio.create_task(call.asecret("K"))
            # Nobody else lets it go: were the loop to wait for the vault, this would never come to an end.
            await asyncio.to_thread(slow.begun.wait, LONG)
            slow.go.set()
            return await asking

    assert asyncio.run(use()) == "value"
    ((tenant, key, call, context, thread),) = slow.asked
    assert (tenant, key, call.agent_id, call.tool_name) == ("acme", "K", "ci-1", "stripe/charge")
    assert context == "the task"
    assert thread is not threading.main_thread()


def test_without_a_plugin_there_is_none_and_errors_come_through():
    async def ask(hook):
        return await gate_over(hook).aget_secret(CALL, "K")

    assert asyncio.run(ask(None)) is None
    for error, raised in ((SecretDenied("no"), SecretDenied), (StopIteration(), RuntimeError), (OSError(), OSError)):
        slow = Slow(error)
        slow.go.set()
        with pytest.raises(raised):
            asyncio.run(asyncio.wait_for(ask(slow), LONG))


def test_a_plugin_without_grants_is_asked_as_its_contract_says():
    class Plain:
        def get(self, tenant_id, key):
            return f"{tenant_id}/{key}"

    async def ask():
        return await gate_over(Plain()).aget_secret(CALL, "K")

    assert asyncio.run(ask()) == "acme/K"


@pytest.mark.parametrize("answer", ["value", SecretDenied("no")])
def test_a_cancelled_asker_leaves_one_question(answer):
    slow = Slow(answer)
    told = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        task = asyncio.create_task(gate_over(slow).aget_secret(CALL, "K"))
        await asyncio.to_thread(slow.begun.wait, LONG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.go.set()

    asyncio.run(run())
    assert len(slow.asked) == 1
    assert told == []


@pytest.fixture
def vault(tmp_path):
    services = Services(tmp_path / "state")
    made = SecretsVault.from_options({}, services, environ={"VAULT_MASTER_KEY": KEY})
    made.put("acme", "K", "v", agents=["ci-*"], actor="me")
    yield made
    made.close()


def reads(state):
    store = VaultStore(state / "vault.db")
    with store.read() as connection:
        found = [(one.actor, one.body["outcome"]) for one in chain.read(connection) if one.kind == "secret.read"]
    store.close()
    return found


@pytest.mark.parametrize(("agent", "outcome"), [("ci-1", "ok"), ("mallory", "refused")])
@pytest.mark.parametrize("cancelled", [False, True])
def test_one_read_is_one_record_also_when_its_asker_is_cancelled(vault, tmp_path, agent, outcome, cancelled):
    """Cancelled while another writer has the file, so that the read cannot be over by then."""
    gate = gate_over(vault)
    call = ToolCall(agent, "stripe/charge", None, CallContext(tenant="acme"))

    async def run():
        store = VaultStore(tmp_path / "state" / "vault.db")
        with store.write(durable=False):
            task = asyncio.create_task(gate.aget_secret(call, "K"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not task.done()
            if cancelled:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        store.close()
        if not cancelled:
            try:
                assert await task == "v"
            except SecretDenied:
                assert agent == "mallory"

    asyncio.run(run())  # its end waits for the threads
    assert reads(tmp_path / "state") == [(f"agent:{agent}", outcome)]
    vault.verify(actor="me")


def test_many_at_once_are_each_answered_and_recorded(vault, tmp_path):
    gate = gate_over(vault)

    async def run():
        return await asyncio.gather(*(gate.aget_secret(CALL, "K") for _ in range(40)))

    assert asyncio.run(run()) == ["v"] * 40
    assert reads(tmp_path / "state") == [("agent:ci-1", "ok")] * 40
