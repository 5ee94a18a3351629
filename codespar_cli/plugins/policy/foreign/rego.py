"""The `rego` backend: a Rego package answers the deny, approve and allow stages.

regorus evaluates strictly: a built-in function that fails is an error, and any error here is a deny. What is undefined
says nothing, which is Rego's meaning of it. An interpreter belongs to the thread that made it, so each thread has its own.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError, MissingExtra
from codespar_cli.plugins.policy.decision.judge import JudgeError, Judgement
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.foreign.foreign_policy import Sources, engine_over
from codespar_cli.plugins.policy.foreign.rego_engines import drop, engine_for
from codespar_cli.plugins.policy.foreign.rego_text import (
    STAGES,
    Misplaced,
    check_modules,
    check_nesting,
    packages_of,
    parsed,
)
from codespar_cli.plugins.policy.foreign.rego_values import allow_in, approvals_in, denies_in, input_of, input_text
from codespar_cli.plugins.policy.language.nodes import Refused
from codespar_cli.plugins.policy.language.tool_names import every_name

_PLACE = re.compile(r"--> file(\d+):(\d+):\d+")
_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
# What no call could put right.
_ALWAYS = ("could not find function", "is unsafe", "conflicts with", "recursion detected", "redundant")
_NUMBERS = itertools.count()


def from_options(options: Mapping[str, Any], services: Services) -> PolicyEngine:
    """Read, check and compile every file. Raises ConfigError with its line; touches no store."""
    return engine_over("rego", options, services)


def compile_judge(sources: Sources, taken: frozenset[str]) -> RegoJudge:
    """`taken` are the ids of the rules file. Raises ConfigError with file and line."""
    package = sources.options.get("package", "codespar")
    if not _PACKAGE.fullmatch(package):
        raise ConfigError(f"expected a package such as `codespar`, found `{visible(package[:60])}`", key="package")
    regorus = _regorus()
    for name in sources.policies:
        try:
            check_nesting(sources.files[name])
        except Refused as error:
            raise sources.refuse(name, error.line, error.message, error.hint) from None
    try:
        engine = _engine(sources, regorus)
    except RuntimeError as error:
        raise _refused(sources, error) from None
    count = _check(sources, engine, package)
    summary = f"{count} rule{'' if count == 1 else 's'} of Rego from {', '.join(sources.policies)}"
    judge = RegoJudge(sources, package, taken, summary)
    _probe(sources, judge)
    return judge


class RegoJudge:
    """Safe to share between threads. Keeps nothing of a call."""

    def __init__(self, sources: Sources, package: str, taken: frozenset[str], summary: str) -> None:
        self.summary = summary
        self._sources = sources
        self._queries = {stage: f"data.{package}.{stage}" for stage in STAGES}
        self._taken = taken
        self._number = next(_NUMBERS)
        self._regorus = _regorus()

    def judge(self, agent: str, names: tuple[str, ...], cost: str | None, context: CallContext, now: int) -> Judgement:
        """See Judge."""
        try:
            return self._judge(agent, names, cost, context, now)
        except (JudgeError, KeyboardInterrupt, SystemExit):
            raise
        except RuntimeError as error:
            raise JudgeError(self._words(error)) from error
        except BaseException as error:  # regorus is Rust: a panic there is no Exception here
            drop(self._number)
            raise JudgeError(f"Rego failed: {type(error).__name__}") from error

    def _judge(self, agent: str, names: tuple[str, ...], cost: str | None, context: CallContext, now: int) -> Judgement:
        facts = input_of(agent, names[0], cost, context, now)
        spellings, engine = every_name(names[0]), self._engine()
        try:
            # Whoever can choose a spelling gains nothing by it: all of them limit, the plain ones alone allow.
            engine.set_input_json(input_text(facts, spellings))
            denies = denies_in(self._ask(engine, "deny"))
            approvals = approvals_in(self._ask(engine, "approve"), self._taken)
            if spellings != names:
                engine.set_input_json(input_text(facts, names))
            return Judgement(denies, approvals, allow_in(self._ask(engine, "allow")))
        finally:
            engine.set_input_json("null")
            engine.take_prints()

    def _ask(self, engine: Any, stage: str) -> Any:
        """The value of a rule; None where it is undefined."""
        answer = json.loads(engine.eval_query_as_json(self._queries[stage])).get("result")
        if not answer:
            return None
        value = answer[0]["expressions"][0]["value"]
        if value is None:
            raise JudgeError(f"`{stage}` is null")
        return value

    def _engine(self) -> Any:
        return engine_for(self._number, lambda: _engine(self._sources, self._regorus))

    def _words(self, error: RuntimeError) -> str:
        """Rego's own words may repeat an argument, and an argument may be a secret."""
        place = _PLACE.search(str(error))
        if place is None:
            return "the call cannot be told to Rego"
        return f"{self._sources.policies[int(place[1])]}:{place[2]}: its evaluation fails"


def _engine(sources: Sources, regorus: Any) -> Any:
    """An interpreter of the calling thread. Raises RuntimeError."""
    engine = regorus.Engine()
    engine.set_gather_prints(True)
    for number, name in enumerate(sources.policies):
        engine.add_policy(f"file{number}", sources.files[name])
    data = sources.text_of("data")
    if data is not None:
        engine.add_data_json(data)
    return engine


def _check(sources: Sources, engine: Any, package: str) -> int:
    """How many rules there are. Raises ConfigError."""
    first = sources.policies[0]
    try:
        modules = parsed(engine.get_ast_as_json())
        count = check_modules(modules, package)
    except Refused as error:
        raise sources.refuse(first, error.line, error.message, error.hint) from None
    except Misplaced as error:
        raise sources.refuse(sources.policies[error.module], error.line, error.message, error.hint) from None
    packages = packages_of(modules)
    if package not in packages:
        listed = ", ".join(f"`{name}`" for name in packages)
        raise sources.refuse(first, 1, f"expected package `{package}`, found {listed}", 'name it: package = "…"')
    _check_data(sources, packages)
    return count


def _check_data(sources: Sources, packages: list[str]) -> None:
    """In regorus data of the same path takes the place of a rule."""
    text = sources.text_of("data")
    if text is None:
        return
    name = sources.options["data"]
    data = json.loads(text)
    if not isinstance(data, dict):
        raise sources.refuse(name, 1, "expected a table")
    for package in packages:
        at: Any = data
        for part in package.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        if at is not None:
            raise sources.refuse(name, None, f"`{package}` is a package of the policy, and data must not replace it")


def _probe(sources: Sources, judge: RegoJudge) -> None:
    """Ask once, so that what is wrong with every call is found before the first one."""
    try:
        judge.judge("probe", ("probe",), None, CallContext(), 0)
    except JudgeError as error:
        cause = error.__cause__
        if not isinstance(cause, RuntimeError):
            raise sources.refuse(sources.policies[0], None, str(error)) from None
        if any(words in str(cause) for words in _ALWAYS):
            raise _refused(sources, cause) from None


def _refused(sources: Sources, error: RuntimeError) -> ConfigError:
    text = str(error).partition("\nStack backtrace")[0]
    place, words = _PLACE.search(text), _ERROR.search(text)
    if place is not None:
        message = f"not Rego: {visible(words[1][:200]) if words else 'it cannot be read'}"
        return sources.refuse(sources.policies[int(place[1])], int(place[2]), message)
    name = sources.options.get("data") or sources.policies[0]
    return sources.refuse(name, None, f"cannot be read: {visible(text.strip().splitlines()[0][:200])}")


def _regorus() -> Any:
    try:
        import regorus  # type: ignore[import-untyped]  # an extra
    except ImportError:
        raise MissingExtra("the policy backend `rego`", "rego") from None
    return regorus
