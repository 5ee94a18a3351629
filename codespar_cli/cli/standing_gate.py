"""The gate of a server that hosts of agents ask: always that of the files as they are, and never none where there was one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from codespar_cli.cli.live_gate import LiveGate
from codespar_cli.cli.session import Session
from codespar_cli.errors import ConfigError

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate


def standing_gate(session: Session) -> Callable[[], Gate]:
    """What answers it. The answer raises ConfigError while there is none: a change that cannot be used, a file that is gone.

    Without a configuration every call is allowed, and who removes one must not get that: what governed at any time since
    the start has to be there.
    """
    live = LiveGate(
        lambda: Session(
            session.terminal,
            environ=session.environ,
            config_path=session.config_path,
            tenant_option=session.tenant_option,
            clock=session.clock,
        )
    )
    from codespar_cli.startup import governing

    governed = dict.fromkeys(governing(session.config))

    def gate() -> Gate:
        for path in governed:
            if not os.path.lexists(path):
                raise ConfigError(
                    "governed calls since the server was started, and is not there any more",
                    file=path,
                    code="config_gone",
                    hint="put it back, or start codespar serve again",
                )
        found = live.gate()
        governed.update(dict.fromkeys(found.governing))
        return found

    return gate
