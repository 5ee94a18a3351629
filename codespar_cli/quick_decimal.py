"""`decimal` and `apsw` without `collections`: a twentieth of the time of `codespar hook`.

Both are compiled, and want of it one function and the name of a module that every Python has loaded already. They get
these from a stand-in, which is gone again when they are there: whoever imports `collections` later gets the real one.
"""

from __future__ import annotations

import sys

from codespar_cli.core.light_classes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMES = ("collections", "collections.abc")


def load() -> None:
    """Import both. Without the stand-in where that does not do; raises ImportError as any import."""
    if "collections" not in sys.modules:
        _with_stand_in()
    import decimal  # noqa: F401

    import apsw  # noqa: F401


def _with_stand_in() -> None:
    import _collections_abc

    stand_in: Any = type(sys)(_NAMES[0])
    stand_in.namedtuple, stand_in.abc, stand_in.__path__ = _namedtuple, _collections_abc, []
    sys.modules.update(zip(_NAMES, (stand_in, _collections_abc), strict=True))
    try:
        import _decimal  # noqa: F401

        import apsw  # noqa: F401
    except Exception:  # noqa: S110  a Python that wants more of it gets all of it
        pass
    finally:
        for name in _NAMES:
            del sys.modules[name]


def _namedtuple(name: str, fields: str, *, module: str | None = None) -> Any:
    annotations = dict.fromkeys(fields.split())
    body = {"__annotations__": annotations, "__qualname__": name, "__module__": module or "decimal"}
    make: Any = type(NamedTuple)
    return make(name, (NamedTuple,), body)
