"""What `typing` and `dataclasses` make at run time, made without importing them.

The two cost a process that answers one question and ends 25 ms, more than all it has to do. Checkers see the real ones
here; at run time these make classes that behave alike (tests/core/test_light_typing.py holds each to its original).
Modules that `codespar hook` needs import from here, and keep what only annotations name under `TYPE_CHECKING`.
"""

from __future__ import annotations

__all__ = [
    "TYPE_CHECKING",
    "Generic",
    "NamedTuple",
    "ParamSpec",
    "Protocol",
    "TypeVar",
    "dataclass",
    "field",
    "replace",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Generic, NamedTuple, ParamSpec, Protocol, TypeVar
else:
    from codespar_cli.core.light_classes import NamedTuple, dataclass, field, replace

    class Generic:
        """A class whose parameters only checkers look at."""

        __slots__ = ()

        def __class_getitem__(cls, parameters: object) -> type:
            return cls

    Protocol = Generic

    def TypeVar(name: str, *constraints: object, **bounds: object) -> str:  # noqa: N802  named as its original
        return name

    ParamSpec = TypeVar
