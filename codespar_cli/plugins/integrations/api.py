"""Whether a provider's API answers, asked with the credential that is configured for it: what `health_check` does.

A file that came with a project must not send a credential where it likes: an address that is not the provider's own is
the user's to name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError

LIMIT_S = 4.0


class Question(NamedTuple):
    """One harmless request; `headers` carry the credential. The answer's body is not read."""

    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes | None = None


class Api:
    """`question` is made when it is asked, so that a rotated credential is used at once; None is for a credential that
    is configured and has no value."""

    def __init__(self, question: Callable[[], Question | None], *, allow_private: bool = False) -> None:
        self._question = question
        self._allow_private = allow_private

    async def answer(self) -> Health:
        """`ask`, beside whatever else the loop does, and given up after `LIMIT_S`: a name server may take its time.

        The thread is nobody's to wait for at the end of the program.
        """
        import asyncio
        from threading import Thread

        loop = asyncio.get_running_loop()
        future: asyncio.Future[Health] = loop.create_future()

        def told(health: Health | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            elif health is not None:
                future.set_result(health)

        def run() -> None:
            health, failure = None, None
            try:
                health = self.ask()
            except Exception as error:
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(told, health, failure)

        Thread(target=run, daemon=True, name="codespar-api").start()
        try:
            async with asyncio.timeout(LIMIT_S):
                return await future
        except TimeoutError:
            return Health("warning", f"the API did not answer within {LIMIT_S:.0f} s")

    def ask(self) -> Health:
        """Blocks. Raises what resolving the credential raises."""
        from codespar_cli.net.exchange import Refused, Target, Unanswered, exchange

        question = self._question()
        if question is None:
            return Health("warning", "its `token` has no value: the API is not asked")
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

    Plain http is for this machine.

    Raises ConfigError.
    """
    from codespar_cli.net.exchange import Target

    if given is None:
        return default
    try:
        target = Target.of(given)
    except ValueError as error:
        raise ConfigError(str(error), key=key) from None
    if not target.secure and not _is_this_machine(target.host):
        raise ConfigError("expected an https URL: a credential goes there", key=key)
    if not services.users_own and not (target.secure and target.port == 443 and is_providers(target.host)):
        raise ConfigError(
            f"only the user's own configuration may name an address that is not the provider's, found `{target.host}`",
            key=key,
            hint="move the table to the plugins.toml in ~/.config/codespar, or name the file with --config",
        )
    return given.rstrip("/")


def _is_this_machine(host: str) -> bool:
    from codespar_cli.net.addresses import is_loopback

    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:  # a name
        return False


def asked(
    options: Mapping[str, Any],
    services: Services,
    *,
    provider: str,
    default: str,
    is_providers: Callable[[str], bool],
    path: str,
    headers: Callable[[str], Mapping[str, str]],
    body: bytes | None = None,
) -> Api | None:
    """A GET of `path` at the provider's address, or the one in `api`, with the `token` that is configured; else None.

    `headers` carry the token's value. With a `body` it is a POST. Raises ConfigError for an address that this file may not name.
    """
    token = options.get("token")
    if token is None:
        return None
    given = options.get("api")
    base = own_address(given, default, services, key="api", is_providers=is_providers)

    def question() -> Question | None:
        value = (services.resolve(token) or "").strip()
        return Question(base + path, headers(value), "GET" if body is None else "POST", body) if value else None

    # A server of one's own is often in one's own network; a project's file cannot name one.
    return Api(question, allow_private=services.users_own and given is not None)
