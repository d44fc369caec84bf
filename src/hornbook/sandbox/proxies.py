"""Stand-ins: what one side sees of the other side's classes and objects.

A class is mirrored as a real class whose metaclass is `Mirror`, with mirrored bases, so that `isinstance`, `except` and
`type(x).__name__` work as in one process. What their special methods do is in `doubting`, how they are made in
`mirroring`.
"""

from __future__ import annotations

import types
from typing import Any

from hornbook.sandbox.operations import SPECIAL

INSIDE = object()
_TOLD = "__array"
"""How names begin by which numpy in the judge would leave a comparison to an object of the program."""
_HERE = frozenset(["__deepcopy__", "__copy__", "__reduce_ex__", "__reduce__", "_hb_number", "__getstate__"])
_SPECIAL = frozenset(SPECIAL)
_STATIC = frozenset(["__module__", "__qualname__", "__doc__", "__dataclass_fields__", "_hb_seen"])


class Mirror(type):
    """Class of the classes that stand for the other side's."""

    _hb_peer: Any
    _hb_number: int

    def __new__(meta, name: str, bases: tuple[type, ...], space: dict[str, Any], inside: object = None) -> Mirror:
        if inside is not INSIDE:
            raise TypeError(f"a class of the checks cannot derive from {bases[0].__name__}, a class of the program")
        return super().__new__(meta, name, bases, space)

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], inside: object = None) -> None:
        super().__init__(name, bases, space)

    def __call__(cls, *args: Any, **named: Any) -> Any:
        return cls._hb_peer.ask("call", cls, *args, **named)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(_TOLD) and cls._hb_peer.doubts:
            raise AttributeError(name)
        return cls._hb_peer.ask("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name in _STATIC or name.startswith("_abc"):
            type.__setattr__(cls, name, value)
        else:
            cls._hb_peer.ask("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        cls._hb_peer.ask("del", cls, name)

    def __iter__(cls) -> Any:
        return cls._hb_peer.ask("iter", cls)

    def __len__(cls) -> int:
        return int(cls._hb_peer.ask("len", cls))

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: Any) -> Any:
        return cls._hb_peer.ask("getitem", cls, key)

    def __contains__(cls, value: Any) -> bool:
        if foreign(value):
            return bool(cls._hb_peer.ask("contains", cls, value))
        return any(value is each or value == each for each in cls)

    def __instancecheck__(cls, value: Any) -> bool:
        if type.__instancecheck__(cls, value):
            return True
        return foreign(value) and cls._hb_peer.ask("isinstance", value, cls) is True

    def __subclasscheck__(cls, kind: Any) -> bool:
        if type.__subclasscheck__(cls, kind):
            return True
        return isinstance(kind, Mirror) and cls._hb_peer.ask("issubclass", kind, cls) is True


def foreign(value: Any) -> bool:
    """Whether it stands for something of the other side."""
    kind = type(value)
    return type(kind) is Mirror or kind is Mirror or kind is Method


def number_of(value: Any) -> int:
    """The number of what it stands for."""
    if type(value) is Mirror:
        return int(type.__getattribute__(value, "_hb_number"))
    return int(object.__getattribute__(value, "__dict__")["_hb_number"])


def ask(value: Any, operation: str, *args: Any, **named: Any) -> Any:
    """Have the other side do something with one of its objects."""
    return type(value)._hb_peer.ask(operation, value, *args, **named)


class Proxy:
    """An object of the other side. Attributes are asked for; special methods are put on its class by `mirror`."""

    _hb_peer: Any
    _hb_own: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name in _HERE or name in type(self)._hb_own:
            return object.__getattribute__(self, name)
        if name == "__class__":
            return type(self).__dict__.get("_hb_real") or type(self)
        if name == "__dataclass_fields__":
            return getattr(type(self), name)
        if name in _SPECIAL:
            return types.MethodType(type.__getattribute__(type(self), name), self)
        told = object.__getattribute__(self, "__dict__").get("_hb_told")
        if told is not None and name in told:
            return told[name]
        if name.startswith(_TOLD) and type(self)._hb_peer.doubts:
            raise AttributeError(name)
        return ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        ask(self, "set", name, value)

    def __delattr__(self, name: str) -> None:
        ask(self, "del", name)

    def __repr__(self) -> str:
        return str(ask(self, "repr"))

    def __str__(self) -> str:
        return str(ask(self, "str"))

    def __format__(self, spec: str) -> str:
        return str(ask(self, "format", spec))

    def __dir__(self) -> Any:
        return ask(self, "dir")

    def __hash__(self) -> int:
        return hash(("hornbook", number_of(self)))

    def __deepcopy__(self, memo: Any) -> Any:
        return ask(self, "deepcopy")

    def __copy__(self) -> Any:
        return ask(self, "copy")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} is an object of the other process and cannot be pickled")


class Value:
    """Mixed into a mirrored class of immutable values: it has its value here, and asks for attributes alone."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_hb"):
            raise AttributeError(name)
        return ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        ask(self, "set", name, value)


class Raised:
    """Mixed into a mirrored exception class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_hb") or "_hb_number" not in self.__dict__:
            raise AttributeError(name)
        return ask(self, "get", name)

    def __str__(self) -> str:
        return str(self.__dict__.get("_hb_text", ""))


class Method:
    """A method of an object of the other side; its name is all that is known of it."""

    def __init__(self, owner: Any, name: str) -> None:
        self.__dict__.update(_hb_owner=owner, _hb_name=name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return ask(self._hb_owner, "method", self._hb_name, *args, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_hb"):
            raise AttributeError(name)
        if name == "__self__":
            return self._hb_owner
        return type(self._hb_owner)._hb_peer.ask("get", self, name)

    def __eq__(self, other: Any) -> bool:
        return type(other) is Method and other._hb_owner is self._hb_owner and other._hb_name == self._hb_name

    def __hash__(self) -> int:
        return hash((id(self._hb_owner), self._hb_name))
