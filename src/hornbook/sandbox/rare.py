"""Values of the standard library as trees: each by its exact type, so that nothing of a program's own passes."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

UNKNOWN = object()
"""Said of a tree whose tag is not one of these."""
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_SINGLE = {"...": ..., "NotImplemented": NotImplemented}
_SCALARS = (int, str, bytes, type(None))
CLASSES = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}


def tree(value: Any, kind: type, sub: Callable[[Any], Any]) -> list[Any] | None:
    """The tree of a value of a standard type, None where it is of another."""
    if kind is bytes:
        return ["b", value.hex()]
    if kind is complex:
        return ["c", value.real, value.imag]
    if kind is range or kind is slice:
        return ["r" if kind is range else "w", sub(value.start), sub(value.stop), sub(value.step)]
    if value is ... or value is NotImplemented:
        return ["1", repr(value) if value is NotImplemented else "..."]
    if type(value) is type and CLASSES.get(value.__name__) is value:
        return ["T", value.__name__]
    if kind in _VIEWS:
        return ["k", _VIEWS[kind], [sub(part) for part in value]]
    if kind.__module__ in _MODULES:
        return _library(value, kind, sub)
    return None


def _library(value: Any, kind: type, sub: Callable[[Any], Any]) -> list[Any] | None:
    module = sys.modules.get(kind.__module__)
    name = kind.__name__
    if name not in _PARTS or getattr(module, name, None) is not kind:
        return None
    parts = _PARTS[name](value)
    return None if parts is None else ["x", name, [sub(part) for part in parts]]


def made(node: list[Any], sub: Callable[[Any], Any]) -> Any:
    """The value of a tree; `UNKNOWN` where its tag is not one of these."""
    tag = node[0]
    if tag == "b":
        return bytes.fromhex(node[1])
    if tag == "c":
        return complex(float(node[1]), float(node[2]))
    if tag in ("r", "w"):
        return (range if tag == "r" else slice)(*[sub(part) for part in node[1:4]])
    if tag == "1":
        return _SINGLE[node[1]]
    if tag == "T":
        return CLASSES[node[1]]
    if tag == "k":
        parts = [sub(part) for part in node[2]]
        if node[1] == "keys":
            return dict.fromkeys(parts).keys()
        return dict(parts).items() if node[1] == "items" else dict(enumerate(parts)).values()
    if tag == "x":
        parts = [sub(part) for part in node[2]]
        if any(type(part) not in _SCALARS and type(part) is not _span() for part in parts):
            raise ValueError("a part of another type")
        return _MADE[node[1]](parts)
    return UNKNOWN


def _span() -> type:
    import datetime

    return datetime.timedelta


_MODULES = frozenset(["decimal", "fractions", "datetime", "uuid", "pathlib", "array"])


def _zone(value: Any) -> list[Any] | None:
    """A zone's offset and name; None where it is none of a fixed offset."""
    import datetime

    zone: Any = value.tzinfo
    if zone is None:
        return []
    return _offset(zone) if type(zone) is datetime.timezone else None


def _offset(zone: Any) -> list[Any]:
    return list(zone.__getinitargs__())


def _clock(value: Any, names: str) -> list[Any] | None:
    zone = _zone(value)
    return None if zone is None else [*(getattr(value, name) for name in names.split()), value.fold, *zone]


_DAY, _HOUR = "year month day", "hour minute second microsecond"
_PARTS: dict[str, Callable[[Any], list[Any] | None]] = {
    "Decimal": lambda v: [str(v)],
    "Fraction": lambda v: [v.numerator, v.denominator],
    "timedelta": lambda v: [v.days, v.seconds, v.microseconds],
    "date": lambda v: [v.year, v.month, v.day],
    "time": lambda v: _clock(v, _HOUR),
    "datetime": lambda v: _clock(v, f"{_DAY} {_HOUR}"),
    "timezone": _offset,
    "UUID": lambda v: [v.int],
    "PosixPath": lambda v: [str(v)],
    "PurePosixPath": lambda v: [str(v)],
    "array": lambda v: [v.typecode, v.tobytes()],
}


def _of(kind: Callable[..., Any], count: int) -> Callable[[list[Any]], Any]:
    def make(parts: list[Any]) -> Any:
        import datetime

        zone = datetime.timezone(*parts[count + 1 :]) if len(parts) > count + 1 else None
        return kind(*parts[:count], tzinfo=zone, fold=parts[count])

    return make


def _decimal(parts: list[Any]) -> Any:
    import decimal

    return decimal.Decimal(*parts)


def _fraction(parts: list[Any]) -> Any:
    import fractions

    return fractions.Fraction(*parts)


def _date(name: str, count: int = 0) -> Callable[[list[Any]], Any]:
    def make(parts: list[Any]) -> Any:
        import datetime

        kind = getattr(datetime, name)
        return _of(kind, count)(parts) if count else kind(*parts)

    return make


def _uuid(parts: list[Any]) -> Any:
    import uuid

    return uuid.UUID(int=parts[0])


def _path(name: str) -> Callable[[list[Any]], Any]:
    def make(parts: list[Any]) -> Any:
        import pathlib

        return getattr(pathlib, name)(parts[0])

    return make


def _array(parts: list[Any]) -> Any:
    import array

    return array.array(parts[0], parts[1])


_MADE: dict[str, Callable[[list[Any]], Any]] = {
    "Decimal": _decimal,
    "Fraction": _fraction,
    "timedelta": _date("timedelta"),
    "date": _date("date"),
    "time": _date("time", 4),
    "datetime": _date("datetime", 7),
    "timezone": _date("timezone"),
    "UUID": _uuid,
    "PosixPath": _path("PosixPath"),
    "PurePosixPath": _path("PurePosixPath"),
    "array": _array,
}
