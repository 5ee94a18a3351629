"""Runs jobs, one JSON line each, every one in a process of its own: a fork of this one, which never opens a vault.

Forking is what makes hundreds of points affordable; pytest itself cannot, since its workers have threads.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import apsw
import fault_points
from fault_cases import CASES, MARK, ME, STEADY, Case
from vault_kit import NEW, make_vault, raw_bytes

# Loaded once, for all the forks.
import codespar_cli.__main__
import codespar_cli.cli.commands.secrets_export
import codespar_cli.plugins.secrets.importing
import codespar_cli.plugins.secrets.rotation
import codespar_cli.plugins.secrets.versions
import codespar_cli.plugins.secrets.writing
from codespar_cli.errors import CodesparError, MasterKeyWrong
from codespar_cli.plugins.secrets.vault import SecretsVault

_IN_FORCE = "SELECT sealed FROM version WHERE sealed NOT NULL UNION ALL SELECT wrapped FROM dek"
_READABLE = {"current", "previous", "expired"}


def prepare(state: Path, case: Case, job: dict[str, Any]) -> dict[str, Any]:
    case.start(state)
    return {"blobs": [blob.hex() for blob in _blobs(state)] if state.exists() else []}


def attempt(state: Path, case: Case, job: dict[str, Any]) -> dict[str, Any]:
    options = {} if case.reference is None else {"master_key": case.reference}
    faults = fault_points.install(job["kind"], job["at"])
    vault = make_vault(state, *case.keys, **options)
    answer = _told(lambda: case.act(vault))
    if "code" in answer and case.start.__name__ == "filled":
        later = _told(lambda: vault.get("acme", "STEADY"))
        if "traceback" in later or later.get("answer", STEADY) != STEADY:
            return {"traceback": f"afterwards, in the same process: {later}"}
    faults.rest()
    return {**answer, "answer": None, "struck": faults.struck}


def count(state: Path, case: Case, job: dict[str, Any]) -> dict[str, Any]:
    """How many calls of this kind there are."""
    options = {} if case.reference is None else {"master_key": case.reference}
    faults = fault_points.install(job["kind"], 0)
    vault = make_vault(state, *case.keys, **options)  # still open when they are counted, as in `attempt`
    case.act(vault)
    return {"count": faults.count}


def look(state: Path, case: Case, job: dict[str, Any]) -> dict[str, Any]:
    """What a fresh process finds, and what is left in the files after it."""
    opens, seen = [], {}
    for key in dict.fromkeys((case.before, case.keys[0], NEW)):
        vault = make_vault(state, key)
        try:
            vault.verify(actor=ME)
        except MasterKeyWrong:
            continue
        opens.append(key)
        seen = _everything(vault)
        vault.close()
    remains, current = raw_bytes(state), _blobs(state)
    retired = [blob for blob in map(bytes.fromhex, job["blobs"]) if blob not in current]
    keys = [bytes.fromhex(key.removeprefix("hex:")) for key in (case.before, case.keys[0])]
    secret = [MARK.encode(), *keys, *(key.hex().encode() for key in keys)]
    return {
        "opens": opens,
        "seen": seen,
        "erased": len(retired),
        "retired": sum(blob in remains for blob in retired),
        "plaintext": sum(text in remains for text in secret),
    }


def command(state: Path, case: Case, job: dict[str, Any]) -> dict[str, Any]:
    """`codespar ...` under a fault, in `job["directory"]`."""
    os.chdir(job["directory"])
    os.environ |= job["environ"]
    sys.argv = ["codespar", *job["arguments"]]
    sys.stdin = io.TextIOWrapper(io.BytesIO(job.get("stdin", "").encode()))
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    faults = fault_points.install(job["kind"], job["at"])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = codespar_cli.__main__.main()
        except SystemExit as ended:
            code = ended.code
    counted = faults.count
    faults.rest()
    told = {name: stream.buffer.getvalue().decode() for name, stream in (("out", out), ("err", err))}
    return {**told, "exit": code, "count": counted, "struck": faults.struck}


def _told(act: Any) -> dict[str, Any]:
    try:
        return {"answer": act()}
    except CodesparError as error:
        return {"code": error.code, "exit": error.exit_code, "message": str(error)}
    except BaseException:
        return {"traceback": traceback.format_exc()}


def _of_the_vfs(seen: Any) -> bool:
    """Whether SQLite had the error's code and let it pass: then apsw is left with the exception from below it."""
    return any(frame.filename.endswith("vfs.c") for frame in traceback.extract_tb(seen.exc_traceback))


def _blobs(state: Path) -> list[bytes]:
    """Every sealed value and every wrapped key that is in force. The file stays as it is, of format 1 as well."""
    connection = apsw.Connection(str(state / "vault.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    found = [bytes(blob) for (blob,) in connection.execute(_IN_FORCE)]
    connection.close()
    return found


def _everything(vault: SecretsVault) -> dict[str, Any]:
    rows = vault._session.store.query("SELECT DISTINCT name, key FROM version JOIN tenant ON tenant.id = tenant")
    seen = {}
    for tenant, key in sorted((bytes(tenant).decode(), bytes(key).decode()) for tenant, key in rows):
        for facts in vault.history(tenant, key, actor=ME):
            readable = facts.state in _READABLE
            value = vault.fetch(tenant, key, version=facts.version, actor=ME).reveal() if readable else None
            seen[f"{tenant} {key} {facts.version}"] = [facts.state, value]
    return seen


JOBS = {"prepare": prepare, "attempt": attempt, "count": count, "look": look, "command": command}


def in_a_fork(job: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        unraisable: list[str] = []
        sys.unraisablehook = lambda seen: _of_the_vfs(seen) or unraisable.append(repr(seen.exc_value))
        try:
            told = JOBS[job["do"]](Path(job["state"]), CASES[job["case"]], job)
        except BaseException:
            told = {"traceback": traceback.format_exc()}
        if unraisable:
            told = {"traceback": f"not raised: {unraisable}"}
        with open(writing, "w") as stream:
            json.dump(told, stream)
        os._exit(0)
    os.close(writing)
    with open(reading) as stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(said) if status == 0 else {"signal": -status}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(in_a_fork(json.loads(line))), flush=True)
