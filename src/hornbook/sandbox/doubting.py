"""Special methods of stand-ins, and what the judge does not ask.

What the program is asked must not tell it what is expected. So in the judge (`peer.doubts`) a comparison of one of its
objects with a plain value of the checks is answered here: not equal, or, where its class derives from a built-in type,
by the value that it has. Operators with a plain value must give an object of the program's again, and what one gave
that compares (a difference, a ratio) says nothing in numbers.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from hornbook.sandbox.operations import BASES, COUNTING, ITEMS, MIXED, NUMERIC, ORDER, PLAIN, TELLING
from hornbook.sandbox.proxies import Mirror, Value, ask, foreign

_PLAIN = (*BASES, bool, type(None))


def _value(value: Any) -> tuple[bool, Any]:
    """Whether an object has a plain value, and that value."""
    base = type(value).__dict__.get("_hb_base")
    if base is None:
        return False, None
    if isinstance(value, Value):
        return True, base.__getnewargs__(value)[0] if hasattr(base, "__getnewargs__") else base(value)
    return True, ask(value, "plain")


def _equal(left: Any, right: Any, name: str) -> Any:
    peer = type(left)._hb_peer
    if foreign(right) or not peer.doubts:
        if f"__{name}__" in type(left)._hb_specials or f"__{name}__" in getattr(type(right), "_hb_specials", ()):
            return peer.ask(name, left, right)
        if not foreign(right):
            return NotImplemented
    has, value = _value(left)
    if not has:
        return NotImplemented
    if foreign(right):
        has, right = _value(right)
    if not has or type(right) not in _PLAIN:
        return NotImplemented
    return (value == right) is (name == "eq")


def _refuse(left: Any, what: str) -> AssertionError:
    return AssertionError(f"an object of {type(left).__name__} {what}: its own word for that is not believed")


def _ordered(name: str) -> Callable[[Any, Any], Any]:
    def compare(self: Any, other: Any) -> Any:
        if foreign(other) or not type(self)._hb_peer.doubts:
            return ask(self, name, other)
        has, value = _value(self)
        if has:
            return getattr(value, f"__{name}__")(other)
        if type(other) in _PLAIN:
            raise _refuse(self, f"was compared with {type(other).__name__}")
        return NotImplemented

    return compare


def _mixed(name: str, turned: bool, inplace: bool) -> Callable[[Any, Any], Any]:
    def join(self: Any, other: Any, *modulo: Any) -> Any:
        peer = type(self)._hb_peer
        operation = "i" + name if inplace else name
        left, right = (other, self) if turned else (self, other)
        if foreign(other) or not peer.doubts:
            return peer.ask(operation, left, right)
        has, value = _value(self)
        if has:
            found = getattr(value, f"__{'r' if turned else ''}{name}__", None)
            return NotImplemented if found is None else found(other, *modulo)
        result = peer.ask(operation, left, right)
        if not foreign(result):
            raise _refuse(self, f"was joined by `{name}` with {type(other).__name__} to a plain value")
        if name in TELLING and type(type(result)) is Mirror:
            object.__getattribute__(result, "__dict__")["_hb_seen"] = True
        return result

    return join


def _one(name: str) -> Callable[..., Any]:
    def run(self: Any, *args: Any) -> Any:
        space = object.__getattribute__(self, "__dict__")
        if "_hb_seen" in space and type(self)._hb_peer.doubts:
            raise _refuse(self, "is what an operator gave that saw a value of the checks")
        if name == "hash" and "_hb_hash" in space:
            return space["_hb_hash"]
        if name == "contains" and type(self)._hb_peer.doubts and not foreign(args[0]):
            return _holds(self, args[0])
        return ask(self, name, *args)

    return run


def _holds(self: Any, value: Any) -> bool:
    has, own = _value(self)
    if has:
        return value in own
    if "__iter__" not in type(self)._hb_specials and "__getitem__" not in type(self)._hb_specials:
        raise _refuse(self, f"was asked whether it contains {type(value).__name__}")
    return any(value is each or value == each for each in self)


def _exit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    result = ask(self, "exit", kind, error, None)
    if type(self)._hb_peer.doubts and isinstance(error, AssertionError) and not getattr(error, "_hb_number", None):
        return False
    return result


def _bind(self: Any, owner: Any, kind: Any = None) -> Any:
    return self if owner is None else types.MethodType(self, owner)


def awaited(self: Any) -> Any:
    """All that is awaited happens there, at once."""
    return ask(self, "finish")
    yield


def sent(self: Any, value: Any) -> Any:
    raise StopIteration(ask(self, "finish"))


def special(name: str) -> Any:
    """What a stand-in does for a special method."""
    inner = name.strip("_")
    if inner in ("eq", "ne"):
        return lambda self, other: True if self is other and inner == "eq" else _equal(self, other, inner)
    if inner in ORDER:
        return _ordered(inner)
    for kind, turned, inplace in (("", False, False), ("r", True, False), ("i", False, True)):
        if inner.startswith(kind) and inner[len(kind) :] in MIXED and inner not in NUMERIC:
            return _mixed(inner[len(kind) :], turned, inplace)
    if inner in (*NUMERIC, *COUNTING):
        return _one(inner)
    if inner in (*PLAIN, *ITEMS):
        return lambda self, *args, **named: ask(self, inner, *args, **named)
    return {"exit": _exit, "await": awaited, "get": _bind, "dir": lambda self: ask(self, "dir")}[inner]
