"""Makes the classes that stand for the other side's."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any

from hornbook.sandbox.doubting import awaited, sent, special
from hornbook.sandbox.operations import BASES, FROZEN, SPECIAL
from hornbook.sandbox.proxies import INSIDE, Mirror, Proxy, Raised, Value
from hornbook.sandbox.rare import CLASSES

_WRAPPED = {name: special(name) for name in SPECIAL}
_REAL: dict[str, type] = {
    "function": types.FunctionType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
    "module": types.ModuleType,
    "code": types.CodeType,
    "mappingproxy": types.MappingProxyType,
    **CLASSES,
}


def mirror(peer: Any, number: int, told: dict[str, Any], bases: list[type]) -> Mirror:
    """The class that stands for a class of the other side.

    Args:
        peer: whom its special methods ask; `doubts` says whether it is the judge's.
        number: of the class, on the other side.
        told: name, qualname, module, specials (names), fields (of a dataclass), unhashable.
        bases: classes here that stand for, or are, its bases.
    """
    specials = [name for name in told["specials"] if name in _WRAPPED]
    space: dict[str, Any] = {
        "_hb_peer": peer,
        "_hb_number": number,
        "_hb_specials": frozenset(specials),
        "__module__": told["module"],
        "__qualname__": told["qualname"],
        "_hb_real": _REAL.get(told["name"]) if told["module"] == "builtins" else None,
    }
    real = next((base for base in bases if not isinstance(base, Mirror)), None)
    inherited = next((base._hb_base for base in bases if isinstance(base, Mirror) and base._hb_base), None)
    base = real if real in BASES else inherited
    space["_hb_base"] = base
    error = next((each for each in bases if issubclass(each, BaseException)), None)
    if error is not None:
        mixin: type = Raised
    else:
        mixin = Value if base in FROZEN else Proxy
    if mixin is not Raised:
        for name in specials:
            space[name] = _WRAPPED[name]
        if mixin is Proxy and "__hash__" not in space and not told["unhashable"]:
            space["__hash__"] = Proxy.__hash__
        if told["unhashable"]:
            space["__hash__"] = None
    if told["name"] == "coroutine":
        space.update(send=sent, __await__=awaited, __iter__=awaited, _hb_own=frozenset(["send"]))
    family = BaseException if mixin is Raised else mixin
    mirrors = [each for each in bases if isinstance(each, Mirror) and type.__subclasscheck__(family, each)]
    reals = [
        each for each in bases if not isinstance(each, Mirror) and (each in BASES or issubclass(each, BaseException))
    ]
    parents = [*mirrors, *([] if mirrors else [mixin]), *reals]
    cls = _built(told["name"], parents, mixin, reals, space)
    if told["fields"]:
        _as_dataclass(cls, told["fields"])
    if told["name"] in ("coroutine", "generator") and told["module"] == "builtins":
        kept: Any = Coroutine if told["name"] == "coroutine" else Generator
        kept.register(cls)
    return cls


def _built(name: str, parents: list[type], mixin: type, reals: list[type], space: dict[str, Any]) -> Mirror:
    try:
        return Mirror(name, tuple(dict.fromkeys(parents)), space, inside=INSIDE)
    except TypeError:
        return Mirror(name, (mixin, *reals[:1]), space, inside=INSIDE)


def _as_dataclass(cls: Mirror, names: list[str]) -> None:
    import dataclasses

    stub = dataclasses.make_dataclass("Stub", [name for name in names if name.isidentifier()])
    cls.__dataclass_fields__ = vars(stub)["__dataclass_fields__"]
