"""One spelling for a JSON value: keys sorted, no blanks, ASCII. For records that are hashed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_FORM: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": True, "allow_nan": False}


def canonical_encoder() -> Callable[[Any], str]:
    """A function from a value to its text. It raises ValueError and TypeError as json.dumps does.

    `JSONEncoder.encode` builds CPython's own encoder anew for every value, at more than the cost of a small one; where
    there is that encoder it is built once.
    """
    encoder = json.JSONEncoder(**_FORM)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    try:
        encode = make(None, encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", True, False, False)
        if "".join(encode({"b": [1, None], "a": "\u00e9"}, 0)) == encoder.encode({"b": [1, None], "a": "\u00e9"}):
            return lambda value: "".join(encode(value, 0))
    except TypeError:  # its arguments are CPython's own affair
        pass
    return encoder.encode
