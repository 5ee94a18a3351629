"""How `codespar hook` begins, once per tool call: what it is going to import comes from two images (module_image.py).

begin    for every event, also one that is refused
go_on    for a call that waits for an answer
finish   once the answer is given: write the images that were missing

The lists are in the order in which the modules finish. A test holds them to what is imported really, and prints what belongs
here. What differs from host to host, or from configuration to configuration, is not here.
"""

from __future__ import annotations

import gc
import sys

from codespar_cli.module_image import ROOT, keep, load
from codespar_cli.quick_import import QuickFinder

DOOR = """
cli core core.light_classes core.light_typing cli.hook_line hosts core.light_json hosts.answer
cli.hook_verdict hosts.dialects hosts.host_event core.nesting hosts.strict_event cli.hook_door quick_decimal
"""
JUDGED = """
errors hosts.hook_state hosts.governed_places cli.hook_gate core.hashing hosts.open_calls
core.calls core.sound_decision core.asking core.light_cache core.globs core.outcome core.registry
core.tally core.gate storage storage.file_facts hosts.rules_in_force hosts.referee core.light_datetime
core.clock cold_gate plugins plugins.policy plugins.policy.decision
plugins.policy.decision.approval_state core.text plugins.policy.language plugins.policy.language.money
plugins.policy.language.patterns plugins.policy.language.rules plugins.policy.language.tool_names
plugins.policy.language.rule_index plugins.policy.language.policy plugins.policy.decision.call
plugins.policy.decision.stages plugins.policy.decision.consideration plugins.policy.stores
plugins.policy.stores.counters plugins.policy.decision.counting plugins.policy.decision.verdict
plugins.policy.decision.ruling storage.private_files plugins.policy.stores.store_address
plugins.policy.engine plugins.policy.language.zones plugins.policy.language.kept_policy
plugins.policy.kept_engine storage.sealed_cache core.guard core.guard.argument_paths
core.guard.protected_places core.guard.self_protection core.guard.shell_text
plugins.policy.decision.record plugins.policy.decision.enforcement plugins.policy.language.nodes
plugins.policy.language.fields plugins.policy.language.rule_reader plugins.policy.language.periods
plugins.policy.language.conditions plugins.policy.approvals plugins.policy.approvals.approval
storage.chain_rows storage.chain storage.forks storage.locked_scope storage.patience
storage.sqlite_errors storage.store_schema storage.turnstile storage.write_ahead storage.sqlite
plugins.policy.stores.sqlite_schema plugins.policy.stores.stored_rows plugins.policy.stores.sqlite_store
hosts.heartbeats
"""
"""With a policy of our own that is compiled already, and counters in a file."""

_IMAGES = {"hook-door": DOOR, "hook-judged": JUDGED}
_missing: list[str] = []


def begin() -> None:
    gc.disable()  # for one answer there is nothing to collect
    sys.meta_path.insert(0, QuickFinder(ROOT))
    _load("hook-door")


def go_on() -> None:
    from codespar_cli.quick_decimal import load as load_decimal

    load_decimal()
    _load("hook-judged")


def finish() -> None:
    """Never raises."""
    while _missing:
        name = _missing.pop()
        keep(name, _IMAGES[name])


def _load(name: str) -> None:
    if not load(name):
        _missing.append(name)
