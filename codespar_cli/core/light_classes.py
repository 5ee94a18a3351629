"""`class Name(NamedTuple)` and `@dataclass(frozen=True, slots=True)` without `typing`, `collections` and `dataclasses`.

The originals write source code for every class and have it compiled; here functions that were compiled with this file get
the names of the fields. Only what we use is made: no checks of field names, and of dataclasses that one form. What
`dataclasses.replace`, `asdict`, `fields` and `is_dataclass` look for is made by `dataclasses` itself when they do.
"""

from __future__ import annotations

from _collections import _tuplegetter  # type: ignore[import-not-found]  # what `collections` itself uses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self, TypeVar

    T = TypeVar("T")

_new = tuple.__new__
_function: Any = type(lambda: None)
_MISSING: Any = object()
_BEFORE_COMPILING = 16


# ── named tuples ───────────────────────────────────────────────────────────────────────────────────────────────


class _Fields(tuple):  # type: ignore[type-arg]
    """What every one of them has."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: dict[str, Any] = {}  # noqa: RUF012  as the original has it

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self:
        made = _new(cls, iterable)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes: Any) -> Self:
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return made

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        values = ", ".join([f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)])
        return f"{type(self).__name__}({values})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


_CREATORS: tuple[Any, ...] = (
    lambda c: _new(c, ()),
    lambda c, a0: _new(c, (a0,)),
    lambda c, a0, a1: _new(c, (a0, a1)),
    lambda c, a0, a1, a2: _new(c, (a0, a1, a2)),
    lambda c, a0, a1, a2, a3: _new(c, (a0, a1, a2, a3)),
    lambda c, a0, a1, a2, a3, a4: _new(c, (a0, a1, a2, a3, a4)),
    lambda c, a0, a1, a2, a3, a4, a5: _new(c, (a0, a1, a2, a3, a4, a5)),
    lambda c, a0, a1, a2, a3, a4, a5, a6: _new(c, (a0, a1, a2, a3, a4, a5, a6)),
)


def _creator(fields: tuple[str, ...]) -> Any:
    if len(fields) < len(_CREATORS):
        return _CREATORS[len(fields)].__code__.replace(co_varnames=("_cls", *fields), co_name="__new__")
    listed = ", ".join(fields)
    return eval(f"lambda _cls, {listed}: _new(_cls, ({listed}))").__code__.replace(co_name="__new__")  # noqa: S307  our own names


class _Maker(type):
    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
        if not bases:
            return super().__new__(mcs, name, bases, body)
        fields = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in fields if field in body}
        if tuple(defaults) != fields[len(fields) - len(defaults) :]:
            raise TypeError(f"{name}: a field without a default follows one that has a default")
        create = _function(_creator(fields), globals(), "__new__", tuple(defaults.values()))
        create.__qualname__ = f"{body['__qualname__']}.__new__"
        body |= {field: _tuplegetter(number, None) for number, field in enumerate(fields)}
        body |= {
            "__slots__": (),
            "__new__": create,
            "__match_args__": fields,
            "_fields": fields,
            "_field_defaults": defaults,
        }
        return type(name, (_Fields,), body)


class NamedTuple(metaclass=_Maker):
    """To be derived from; what comes of it derives from `tuple` alone."""


# ── dataclasses ────────────────────────────────────────────────────────────────────────────────────────────────


class _Factory:
    """Makes the default of a field anew for each object."""

    __slots__ = ("default_factory",)

    def __init__(self, default_factory: Callable[[], Any]) -> None:
        self.default_factory = default_factory


def field(*, default_factory: Callable[[], Any]) -> Any:
    return _Factory(default_factory)


def replace(value: Any, /, **changes: Any) -> Any:
    """The same object but for these fields, as `dataclasses.replace`."""
    for name in value.__match_args__:
        if name not in changes:
            changes[name] = getattr(value, name)
    return type(value)(**changes)


def dataclass(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
    if not (frozen and slots):
        raise TypeError("only frozen classes with slots are made here")
    return _made


def _made(cls: type[T]) -> type[T]:
    own = vars(cls)
    names = tuple(own.get("__annotations__", ()))
    defaults = {name: own[name] for name in names if name in own}
    body = {name: value for name, value in own.items() if name not in {"__dict__", "__weakref__", *names}}
    original = _Original(body | defaults)
    body |= {name: method for name, method in _METHODS.items() if name != "__repr__" or name not in own}
    body |= {
        "__slots__": names,
        "__match_args__": names,
        "__init__": _first_initializer(cls, names, defaults),
        "__qualname__": cls.__qualname__,
        "__dataclass_fields__": _Lazily(original, "__dataclass_fields__"),
        "__dataclass_params__": _Lazily(original, "__dataclass_params__"),
        "__signature__": _Lazily(original, "__signature__"),
    }
    maker: Any = type(cls)
    return maker(cls.__name__, cls.__bases__, body)  # type: ignore[no-any-return]


def _first_initializer(cls: type, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """Stands in for the real one while few objects are made: many a process makes three, and compiling costs a hundred."""
    left = _BEFORE_COMPILING

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807  it is one
        nonlocal left
        left -= 1
        given = dict(zip(names, values, strict=False))
        if left > 0 and len(given) == len(values) and given.keys().isdisjoint(named):
            given |= named
            for name in names:
                value = given.pop(name) if name in given else defaults.get(name, _MISSING)
                if value is _MISSING:
                    break
                object.__setattr__(self, name, value.default_factory() if isinstance(value, _Factory) else value)
            else:
                if not given:
                    return
        # Or it was called wrongly, which is then told in the usual words.
        made = next(each for each in type(self).__mro__ if each.__dict__.get("__init__") is __init__)
        real = _initializer(made, cls.__module__, names, defaults)
        made.__init__ = real  # type: ignore[misc]
        real(self, *values, **named)

    return __init__


def _initializer(cls: Any, module: str, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    scope: dict[str, Any] = {"__builtins__": {}, "_missing": _MISSING, "__name__": module}
    parameters, lines = [], []
    for name in names:
        scope[f"_set_{name}"] = getattr(cls, name).__set__
        default = defaults.get(name, _MISSING)
        if isinstance(default, _Factory):
            scope[f"_make_{name}"] = default.default_factory
            parameters.append(f"{name}=_missing")
            lines.append(f" _set_{name}(self, _make_{name}() if {name} is _missing else {name})")
            continue
        scope[f"_default_{name}"] = default
        parameters.append(name if default is _MISSING else f"{name}=_default_{name}")
        lines.append(f" _set_{name}(self, {name})")
    exec(f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), scope)  # noqa: S102  our own names
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


class _Original:
    """The same class as `dataclasses` makes it, when somebody asks."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._class: Any = None

    def made(self) -> Any:
        if self._class is None:
            import dataclasses

            body = {
                name: dataclasses.field(default_factory=value.default_factory) if isinstance(value, _Factory) else value
                for name, value in self._body.items()
            }
            self._class = dataclasses.dataclass(frozen=True, slots=True)(type("original", (), body))
        return self._class


class _Lazily:
    def __init__(self, original: _Original, name: str) -> None:
        self._original = original
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        if self._name == "__signature__":
            import inspect

            return inspect.signature(self._original.made())
        return getattr(self._original.made(), self._name)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _repr(self: Any) -> str:
    values = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__match_args__])
    return f"{type(self).__qualname__}({values})"


def _equal(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _set(self: Any, name: str, value: object) -> None:
    _check_free(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    _check_free(self, name, "delete")
    object.__delattr__(self, name)


def _check_free(self: Any, name: str, what: str) -> None:
    """A class derived from a frozen one may have attributes of its own. Raises FrozenInstanceError."""
    if "__match_args__" in type(self).__dict__ or name in self.__match_args__:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot {what} field {name!r}")


def _state(self: Any) -> list[Any]:
    return list(_values(self))


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS = {
    "__repr__": _repr,
    "__eq__": _equal,
    "__hash__": _hash,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__getstate__": _state,
    "__setstate__": _set_state,
}
