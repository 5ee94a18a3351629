"""A process with a dispatcher over an inbox, to be killed: STATE_DIR CONFIG LEASE_S, until its standard input ends."""

import asyncio
import os
import sys
import threading
from datetime import timedelta
from pathlib import Path

from codespar_cli.core.config import load_config
from codespar_cli.core.services import Services
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.routes.dispatching import dispatching

state_dir, config_path, lease_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
config = load_config(
    config_path,
    environ=os.environ,
    known={kind: {} for kind in ("policy", "observability", "secrets", "integrations")},
    installed=lambda kind: (),
    users_own=True,
)


def resolve(reference):
    return os.environ.get(reference.removeprefix("env:"))


async def main():
    services = Services(state_dir=state_dir, resolve=resolve, users_own=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    made = dispatching(
        config,
        services,
        SqliteInbox(state_dir),
        log=lambda line: print(line, file=sys.stderr),
        lease=timedelta(seconds=lease_s),
        look_every_s=0.05,
    )
    async with made.alive():
        await ended.wait()


asyncio.run(main())
