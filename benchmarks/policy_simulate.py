"""Replaying the record through the policy that decided and through another, against reading and decoding the same rows.

Promise: at least 20,000 recorded decisions a second through both policies, reading, checking and decoding included; also
where one rolling window holds 10,000 entries. Measured in processor time: nothing here waits, and machines are shared.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.replay.simulation import simulate
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

OLD = b"""
version: 1
rules:
  - {id: day, effect: budget, tools: ["buy/**"], limit: "9.00", per: agent, window: calendar day}
  - {id: calls, effect: rate, limit: 1000000 per 30d}
  - {id: hours, effect: window, tools: ["deploy/**"], open: ["Mon-Fri 08:00-18:00"]}
  - {id: no-push, effect: deny, tools: ["git/push"]}
  - {id: everything, effect: allow}
"""
NEW = OLD.replace(b"9.00", b"7.00")
COUNT = 20_000
ROUNDS = 3
TOOLS = ("buy/thing", "buy/thing", "deploy/run", "git/push", "fs/read")


def recorded(directory: Path) -> SqliteStore:
    """A store with decisions of every kind; half of the holds are settled. The rolling rate keeps an entry for each."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    store = SqliteStore(directory, "normal")
    engine = PolicyEngine(compile_policy(OLD, "old.yaml"), StoreAddress.of(store), clock=lambda: now)
    for number in range(COUNT):
        now += timedelta(seconds=20)
        tool = TOOLS[number % len(TOOLS)]
        context = CallContext(project="web", args={"n": number})
        decision = engine.evaluate(f"agent-{number % 7}", tool, "0.10", context=context)
        if decision.reservation_id is not None and number % 2:
            engine.record_usage("anyone", tool, "0.09", reservation_id=decision.reservation_id)
    return store


def timed(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def main() -> int:
    gc.disable()
    with tempfile.TemporaryDirectory() as scratch:
        store = recorded(Path(scratch))
        new = compile_policy(NEW, "new.yaml")
        found = simulate(store, "default", new, None, None)
        assert found.replayed == found.reproduced == COUNT
        assert found.flips

        def floor() -> None:
            for (body,) in store.database.query("SELECT body FROM chain ORDER BY seq"):
                json.loads(body)

        ours = min(timed(lambda: simulate(store, "default", new, None, None)) for _ in range(ROUNDS))
        least = min(timed(floor) for _ in range(ROUNDS))
    speed = COUNT / ours
    print(
        f"{COUNT} decisions, {len(found.flips)} flips: {speed:,.0f} decisions/s, {ours / least:.1f} x reading and decoding"
    )
    kept = speed >= 20_000
    print(f"promise (>= 20,000 decisions/s): {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
