"""One spelling for a JSON value: keys sorted, no blanks, ASCII. For records that are hashed."""

from __future__ import annotations

from codespar_cli.core.light_json import encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def canonical_encoder() -> Callable[[Any], str]:
    """A function from a value to its text. It raises ValueError and TypeError as json.dumps does.

    `JSONEncoder.encode` builds CPython's own encoder anew for every value, at more than the cost of a small one; where
    there is that encoder it is built once.
    """
    return encoder(sort_keys=True)
