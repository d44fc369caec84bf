"""What one side may ask the other to do with an object: names on the channel, and the special methods they serve."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

MIXED = {
    "add": "add", "sub": "sub", "mul": "mul", "matmul": "matmul", "truediv": "truediv", "floordiv": "floordiv",
    "mod": "mod", "divmod": "divmod", "pow": "pow", "lshift": "lshift", "rshift": "rshift", "and": "and_",
    "or": "or_", "xor": "xor",
}  # fmt: skip
"""Operators of two operands: special method without its underscores → name in `operator`."""
TELLING = frozenset(["sub", "truediv", "floordiv", "mod", "divmod", "and", "or", "xor"])
"""Of them those that compare: what they give tells how near the operands are."""
ORDER = ("lt", "le", "gt", "ge")
NUMERIC = ("bool", "int", "float", "complex", "index", "abs", "neg", "pos", "invert", "round", "trunc", "floor", "ceil")
"""Of one operand, and what a `TELLING` result could lie with."""
COUNTING = ("len", "iter", "contains", "next", "hash", "getitem")
PLAIN = ("str", "repr", "format", "bytes", "fspath", "reversed", "enter", "aiter", "anext", "aenter", "aexit", "call")
ITEMS = ("setitem", "delitem")


def call(what: Any, /, *args: Any, **named: Any) -> Any:
    return what(*args, **named)


def method(what: Any, name: str, /, *args: Any, **named: Any) -> Any:
    return getattr(what, name)(*args, **named)


def special(name: str) -> Callable[..., Any]:
    def run(what: Any, *args: Any) -> Any:
        return getattr(type(what), name)(what, *args)

    return run


def deepcopy(what: Any) -> Any:
    import copy

    return copy.deepcopy(what)


def copied(what: Any) -> Any:
    import copy

    return copy.copy(what)


def inplace(name: str) -> Callable[[Any, Any], Any]:
    found: Callable[[Any, Any], Any] | None = getattr(operator, "i" + MIXED[name].rstrip("_"), None)
    return found or special(f"__{name}__")


BASES: tuple[type, ...] = (int, float, complex, str, bytes, tuple, frozenset, list, dict, set, bytearray)
FROZEN: tuple[type, ...] = BASES[:7]


def base_of(kind: type) -> type | None:
    """The built-in type of values that a class derives from."""
    return next((base for base in BASES if issubclass(kind, base)), None)


def plain(what: Any) -> Any:
    """The value of an object whose class derives from a built-in type, as that type."""
    base = base_of(type(what))
    if base is None:
        raise TypeError(f"{type(what).__name__} derives from no type of values")
    if base is dict:
        return dict(zip(dict.keys(what), dict.values(what), strict=True))
    if base is complex:
        return complex(complex.__add__(what, 0))
    if base is str:
        return str.__str__(what)[:] if type(what) is str else str.__add__(what, "")
    if base in (int, float):
        return base.__add__(what, 0) if base is int else float.__mul__(what, 1.0)
    if base is bytes:
        return bytes.__add__(what, b"")
    content: Any = base
    return base(content.__iter__(what))


RUN: dict[str, Callable[..., Any]] = {
    "call": call, "method": method, "get": getattr, "set": setattr, "del": delattr, "plain": plain,
    "deepcopy": deepcopy, "copy": copied, "len": len, "iter": iter, "next": next, "hash": hash, "bool": bool,
    "int": int, "float": float, "complex": complex, "index": operator.index, "abs": abs, "neg": operator.neg,
    "pos": operator.pos, "invert": operator.invert, "round": round, "trunc": math.trunc, "floor": math.floor,
    "ceil": math.ceil, "str": str, "repr": repr, "format": format, "bytes": bytes, "fspath": special("__fspath__"),
    "reversed": reversed, "enter": special("__enter__"), "exit": special("__exit__"), "aiter": special("__aiter__"),
    "anext": special("__anext__"), "aenter": special("__aenter__"), "aexit": special("__aexit__"),
    "getitem": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem,
    "contains": operator.contains, "isinstance": isinstance, "issubclass": issubclass, "dir": dir,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    **{name: getattr(operator, found, divmod) for name, found in MIXED.items()},
    **{"i" + name: inplace(name) for name in MIXED if name != "divmod"},
}  # fmt: skip

SPECIAL: tuple[str, ...] = tuple(
    f"__{name}__"
    for name in (
        *NUMERIC, *COUNTING, *PLAIN, *ITEMS, *ORDER, *MIXED, *(f"r{name}" for name in MIXED),
        *(f"i{name}" for name in MIXED if name != "divmod"), "eq", "ne", "exit", "await", "get", "dir",
    )
)  # fmt: skip
"""Special methods that a stand-in's class has where the class that it stands for has them."""


def specials(kind: type) -> list[str]:
    """Special methods that a class defines, beyond those of `object` and of the type of values it derives from."""
    base = base_of(kind)
    below = base if base in FROZEN else object
    return [name for name in SPECIAL if getattr(kind, name, None) is not getattr(below, name, None)]
