"""What a value may look like, and all that may be shown of an error."""

import base64
import json
import traceback

import pytest

CANARY = "canary-\u00e9-5d02f9c4"
KEPT = "kept-one-71aa03e8"


def forms(value):
    """How a value may show: as it is, escaped, and in the encodings it is commonly put into."""
    data = value.encode("utf-8", "surrogatepass")
    found = {value, repr(value)[1:-1], ascii(value)[1:-1], repr(data)[2:-1], json.dumps(value)[1:-1]}
    return found | {data.hex(), data.hex().upper(), base64.b64encode(data).decode().rstrip("=")[:-1]}


SECRET_FORMS = forms(CANARY) | forms(KEPT)
KEY_FORMS = forms("ab" * 32) | forms("\xab" * 32) | {repr(b"\xab" * 32)[2:-1], base64.b64encode(b"\xab" * 32).decode()}


def chain_of(error):
    waiting, found = [error], []
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


def seen(error):
    """All that a tool for errors may show of one: also what `from None` keeps out of the usual traceback."""
    parts = []
    for one in chain_of(error):
        parts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        parts += traceback.TracebackException.from_exception(one, capture_locals=True).format()
    return "\n".join(parts)


def failure_of(act):
    try:
        act()
    except Exception as error:
        return error
    return pytest.fail("this was meant to fail")


def require_unseen(text, also=frozenset()):
    shown = [form for form in SECRET_FORMS | also if form in text]
    lines = [line for line in text.splitlines() if any(form in line for form in shown)]
    assert not shown, [line[:300] for line in lines]
