"""What `plugins status` says of the engine."""

from __future__ import annotations

from pathlib import Path

from codespar_cli.core.hooks import Health
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.approvals.notice import Notifier
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.stores.store_address import StoreAddress


def health_of(
    policy: Policy, address: StoreAddress, notify: Notifier | None, tenant: str, policy_hash: str, *, observe: bool
) -> Health:
    """`policy` is everybody's, `policy_hash` that of the tenant's."""
    try:
        with address.reading().read() as snapshot:
            snapshot.latest()
            untold = notify and notify.warning(snapshot, tenant, policy_hash)
    except CodesparError as error:
        return Health("error", str(error))
    except OSError as error:
        return Health("error", (error.strerror or str(error)).lower())
    count = len(policy.rules)
    summary = f"{count} rule{'' if count == 1 else 's'} from {Path(policy.file).name}"
    judge = policy.judge
    if judge is not None:
        summary = f"{judge.summary}; {summary}" if count else judge.summary
    if observe:
        return Health("warning", f"{summary}; observe mode denies nothing")
    return Health("warning", f"{summary}; {untold}") if untold else Health("ok", summary)
