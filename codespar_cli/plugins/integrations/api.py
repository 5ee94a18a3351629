"""Whether a provider's API answers, asked with the credential that is configured for it: what `health_check` does.

A file that came with a project must not send a credential where it likes: an address that is not the provider's own is
the user's to name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError

LIMIT_S = 5.0


class Question(NamedTuple):
    """One harmless request; `headers` carry the credential. The answer's body is not read."""

    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes | None = None


class Api:
    """`question` is made when it is asked, so that a rotated credential is used at once. Raises ConfigError there."""

    def __init__(self, question: Callable[[], Question], *, allow_private: bool = False) -> None:
        self._question = question
        self._allow_private = allow_private

    def ask(self) -> Health:
        from codespar_cli.net.exchange import Refused, Target, Unanswered, exchange

        question = self._question()
        target = Target.of(question.url)
        try:
            answer = exchange(
                target,
                method=question.method,
                headers={"user-agent": "codespar", **question.headers},
                body=question.body,
                limit_s=LIMIT_S,
                allow_private=self._allow_private,
            )
        except (Unanswered, Refused) as error:
            return Health("warning", f"the API at {target.host}: {error}")
        return judged(answer.status, target.host)


def judged(status: int, host: str) -> Health:
    """What a status says about the API and our credential."""
    if 200 <= status < 300:
        return Health("ok", f"the API at {host} answers")
    if status in {401, 403}:
        return Health("error", f"the API at {host} refuses the credential ({status})")
    return Health("warning", f"the API at {host} answers {status}")


def own_address(
    given: str | None, default: str, services: Services, *, key: str, is_providers: Callable[[str], bool]
) -> str:
    """The base URL to ask: the one in the file, if it is https at the provider's own, or the file is the user's own.

    Raises ConfigError.
    """
    from codespar_cli.net.exchange import Target

    if given is None:
        return default
    try:
        target = Target.of(given)
    except ValueError as error:
        raise ConfigError(str(error), key=key) from None
    if not services.users_own and not (target.secure and target.port == 443 and is_providers(target.host)):
        raise ConfigError(
            f"only the user's own configuration may name an address that is not the provider's, found `{target.host}`",
            key=key,
            hint="move the table to the plugins.toml in ~/.config/codespar, or name the file with --config",
        )
    return given.rstrip("/")
