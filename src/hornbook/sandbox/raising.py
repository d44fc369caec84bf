"""Exceptions on the channel: class, arguments, what they say, what caused them."""

from __future__ import annotations

import builtins
import sys
from typing import Any

from hornbook.sandbox.codec import sendable
from hornbook.sandbox.wire import TooMuch

REAL: dict[type, tuple[str, str]] = {
    kind: ("builtins", name)
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException) and kind.__name__ == name
}
"""Classes that both sides have."""
_STANDARD = {
    "json.decoder": ("JSONDecodeError",),
    "decimal": ("DecimalException", "InvalidOperation", "DivisionByZero", "Overflow", "Underflow", "Inexact"),
    "binascii": ("Error",),
    "queue": ("Empty", "Full"),
    "_queue": ("Empty",),
    "struct": ("error",),
    "re": ("error",),
    "copy": ("Error",),
    "csv": ("Error",),
    "_csv": ("Error",),
    "statistics": ("StatisticsError",),
    "dataclasses": ("FrozenInstanceError",),
    "zlib": ("error",),
    "configparser": ("Error", "NoSectionError", "NoOptionError"),
    "io": ("UnsupportedOperation",),
    "asyncio.exceptions": ("CancelledError", "InvalidStateError"),
    "graphlib": ("CycleError",),
    "zoneinfo._common": ("ZoneInfoNotFoundError",),
    "string": (),
}
"""Of the standard library: none whose handling makes a test pass, as that of `unittest.SkipTest` would."""


def tree(peer: Any, error: BaseException, depth: int) -> list[Any]:
    """The tree of an exception; the number of theirs, where it came from the other side."""
    number = error.__dict__.get("_hb_number")
    if type(number) is int:
        return ["p", number]
    if not peer.doubts:
        error.__traceback__ = None
    if depth > 20:
        raise TooMuch("exceptions nested too deep")
    kind = type(error)
    cause = error.__cause__
    return [
        "e",
        peer.number_for(error),
        _class(peer, kind, depth),
        _parts(peer, error, depth),
        _text(error),
        {k: peer.codec.value(v, depth + 2) for k, v in error.__dict__.items() if type(k) is str and _told(k)},
        tree(peer, cause, depth + 1) if cause is not None else None,
    ]


def _told(name: str) -> bool:
    return name[:1] != "_" or name == "__notes__"


def _class(peer: Any, kind: type, depth: int) -> list[Any]:
    if kind not in REAL and kind.__module__ in _STANDARD and kind.__name__ in _STANDARD[kind.__module__]:
        return ["E", kind.__module__, kind.__name__]
    told: list[Any] = peer.reference(kind, depth)
    return told


def _parts(peer: Any, error: BaseException, depth: int) -> Any:
    args = error.args
    if isinstance(error, OSError) and len(args) == 2 and error.filename is not None:
        args = (*args, error.filename)
    tree: list[Any] = peer.codec.value(args, depth + 1)
    return tree


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    return text if type(text) is str and sendable(text) else repr(text)


def real(node: list[Any]) -> type:
    """A class that both sides have."""
    _, module, name = node
    if module == "builtins":
        kind = getattr(builtins, name)
    elif name in _STANDARD[module]:
        import importlib

        kind = getattr(sys.modules.get(module) or importlib.import_module(module), name)
    else:
        raise ValueError("no such exception")
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise ValueError("no exception")
    return kind


def made(peer: Any, node: list[Any]) -> BaseException:
    """The exception here: of the class itself where both sides have it, else of one that stands for it."""
    _, number, kind, args, text, space, cause = node
    cls: Any = peer.resolve_class(kind)
    if not issubclass(cls, BaseException) or type(number) is not int or type(text) is not str:
        raise ValueError("no exception")
    parts = peer.codec.made(args)
    base = next(each for each in cls.__mro__ if each.__module__ == "builtins" and each in REAL)
    try:
        error: BaseException = cls.__new__(cls, *parts)
        base.__init__(error, *parts)
    except Exception:
        error = cls.__new__(cls, text) if base is not UnicodeError else cls.__new__(cls)
        BaseException.__init__(error, text)
    for name, value in space.items():
        if _told(name):
            error.__dict__[name] = peer.codec.made(value)
    error.__dict__["_hb_number"] = number
    error.__dict__["_hb_text"] = text
    if cause is not None:
        error.__cause__ = made(peer, cause) if cause[0] == "e" else peer.codec.made(cause)
    return error
