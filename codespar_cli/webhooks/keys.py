"""The secrets of one endpoint, fetched now and then: a vault writes one audit record for every read, and may be slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

KEPT_S = 30.0
"""A secret that was taken away stops being good after this."""
SETTLED_S = 2.0
"""Asked for newer ones, those of the last seconds will do: forged signatures must not become reads of the vault."""
WITHIN_S = 10.0


class KeysUnavailable(Exception):
    """The secrets cannot be had now: nobody can say whether a signature is good. The message is harmless."""


class Keys:
    """`fetch` is called on a thread, by one caller at a time."""

    def __init__(self, fetch: Callable[[], Sequence[str]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._values: tuple[str, ...] = ()
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._turn = asyncio.Lock()

    def prime(self, values: Sequence[str]) -> None:
        """What somebody has just fetched."""
        self._values, self._fetched_at = tuple(values), self._clock()

    @property
    def fetched_at(self) -> float:
        """When those were fetched that are known, by the clock."""
        return self._fetched_at

    @property
    def latest(self) -> tuple[str, ...]:
        """What was fetched last, however long ago."""
        return self._values

    def known(self) -> tuple[str, ...] | None:
        """Those of the last half minute, without waiting; None when they are older."""
        return self._values if self._clock() - self._fetched_at < KEPT_S else None

    async def current(self) -> tuple[str, ...]:
        """Raises KeysUnavailable."""
        return await self.not_older_than(KEPT_S)

    async def newest(self) -> tuple[str, ...]:
        """For when a signature fails with those that were at hand. Raises KeysUnavailable."""
        return await self.not_older_than(SETTLED_S)

    async def not_older_than(self, seconds: float) -> tuple[str, ...]:
        """Raises KeysUnavailable."""
        if self._clock() - self._fetched_at < seconds:
            return self._values
        async with self._turn:
            if self._clock() - self._fetched_at < seconds:
                return self._values
            if self._clock() - self._failed_at < SETTLED_S:
                raise KeysUnavailable("the secret could not be fetched a moment ago")
            try:
                async with asyncio.timeout(WITHIN_S):
                    self.prime(await asyncio.to_thread(lambda: tuple(self._fetch())))
            except TimeoutError:
                self._failed_at = self._clock()
                raise KeysUnavailable(f"the secret could not be fetched within {WITHIN_S:g} s") from None
            except Exception as error:
                self._failed_at = self._clock()
                raise KeysUnavailable(f"the secret cannot be fetched: {type(error).__name__}") from None
            return self._values


class AskedKeys(Keys):
    """Those of another process, which fetches them for several; how old they are counts from its fetching.

    `ask` is given how old they may be, and answers them with when they were fetched by the same clock, which the processes
    of one machine share. Raises KeysUnavailable.
    """

    def __init__(
        self,
        ask: Callable[[float], Awaitable[tuple[tuple[str, ...], float]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(tuple, clock=clock)
        self._ask = ask

    async def not_older_than(self, seconds: float) -> tuple[str, ...]:
        async with self._turn:
            if self._clock() - self._fetched_at >= seconds:
                self._values, self._fetched_at = await self._ask(seconds)
            return self._values
