"""A process of its own, for the tests of rotation: `read|write|own|rotate|versions|everything STATE COUNT`."""

import json
import os
import sys
from pathlib import Path

from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.vault import SecretsVault

what, state, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
reference = os.environ.get("WORKER_REFERENCE")
options = {} if reference is None else {"master_key": reference}
vault = SecretsVault.from_options(options, Services(state_dir=state), environ=dict(os.environ))


def tell(**fact):
    print(json.dumps(fact), flush=True)


for number in range(count):
    if what == "read":
        assert vault.get("acme", "steady") == "same"
    elif what == "write":
        vault.set("acme", f"written-{number}", f"value-{number}")
    elif what == "own":
        vault.set("acme", f"own-{os.getpid()}-{number}", "v")
    elif what == "versions":
        key = f"V{os.getpid()}-{number}"
        vault.set("acme", key, f"first-{number}")
        vault.set("acme", key, "second")
        vault.rollback("acme", key, to=1, actor="worker")
        vault.destroy("acme", key, version=2, actor="worker")
        vault.delete("acme", key, actor="worker")
        vault.undelete("acme", key, actor="worker")
        tell(key=key, value=f"first-{number}")
    elif what == "rotate":
        (vault.rotate_values if number % 2 else vault.rotate_master)(actor="worker")
    else:
        vault.set("acme", f"W{os.getpid()}-{number}", f"value-{number}")
        tell(key=f"W{os.getpid()}-{number}", value=f"value-{number}")
        (vault.rotate_values, vault.rotate_master)[number % 2](actor="worker")
print("done", flush=True)
