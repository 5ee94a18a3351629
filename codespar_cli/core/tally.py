"""How often something happened, by name: what `collections.Counter` is, as far as counting goes."""

from __future__ import annotations


class Tally(dict[str, int]):
    """What was never counted is 0, and is not there."""

    def __missing__(self, name: str) -> int:
        return 0
