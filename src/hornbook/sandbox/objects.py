"""Objects that are no data: those here by number for the other side, and stand-ins here for theirs."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from hornbook.sandbox import known, raising
from hornbook.sandbox.codec import Codec, flat
from hornbook.sandbox.guarding import Guard
from hornbook.sandbox.mirroring import mirror
from hornbook.sandbox.operations import FROZEN, base_of, plain, specials
from hornbook.sandbox.proxies import Method, Mirror, Proxy, Value, number_of
from hornbook.sandbox.wire import TooMuch

_NONE = object()


class Objects:
    """
    Args:
        peer: whom stand-ins ask; `doubts` says whether this is the judge.
        guard: what the other side may do with objects here; None for all.
    """

    def __init__(self, peer: Any, guard: Guard | None) -> None:
        self.doubts: bool = peer.doubts
        self.codec = Codec(1 if peer.doubts else -1, self._refer, self._resolve)
        self._peer = peer
        self._guard = guard
        self._own: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._trees: dict[int, list[Any]] = {}
        self._stands: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._values: dict[int, Any] = {}
        self._mirrors: dict[int, Mirror] = {}

    def known(self, value: Any) -> bool:
        """Whether the other side has a number for it."""
        return id(value) in self._numbers

    def number_for(self, value: Any) -> int:
        """The number that the other side knows an object by."""
        number = self._numbers.get(id(value))
        if number is None:
            number = len(self._own)
            self._own.append(value)
            self._numbers[id(value)] = number
        return number

    def _refer(self, value: Any, depth: int) -> list[Any]:
        kind = type(value)
        if kind is Mirror or type(kind) is Mirror:
            return ["p", number_of(value)]
        if kind is Method:
            return ["pm", number_of(value._hb_owner), value._hb_name]
        if kind is Bound:
            return ["m", self._refer(value.owner, depth + 1), value.name]
        if isinstance(value, BaseException):
            return raising.tree(self, value, depth)
        if isinstance(value, type):
            return known.tree(value) or self.reference(value, depth)
        sent = self._trees.get(id(value))
        if sent is not None:
            return sent
        found = known.tree(value)
        if found is not None:
            return found
        number = self.number_for(value)
        if issubclass(kind, FROZEN) and kind not in (bool,):
            return ["v", number, self.reference(kind, depth), self.codec.value(plain(value), depth + 1)]
        named = (
            [getattr(value, name, "") for name in ("__name__", "__qualname__", "__doc__")] if callable(value) else []
        )
        label = named if all(type(each) is str or each is None for each in named) and flat(named) else []
        described = self.reference(kind, depth)
        told = ["h", number, described, _hash(value, kind), label]
        if len(described) == 2:
            self._trees[id(value)] = told
        return told

    def reference(self, kind: type, depth: int) -> list[Any]:
        """The tree of a class."""
        if type(kind) is Mirror:
            return ["p", number_of(kind)]
        if kind in raising.REAL:
            return ["E", *raising.REAL[kind]]
        number = self._numbers.get(id(kind))
        if number is not None:
            return ["C", number]
        number = self.number_for(kind)
        if depth > 150:
            raise TooMuch("classes nested too deep")
        bases = [self._base(base, depth + 1) for base in kind.__bases__ if base is not object]
        fields = list(getattr(kind, "__dataclass_fields__", ()))
        told = {
            "name": str(kind.__name__),
            "qualname": str(kind.__qualname__),
            "module": str(kind.__module__),
            "specials": specials(kind),
            "fields": [str(name) for name in fields],
            "unhashable": kind.__hash__ is None,
        }
        return ["C", number, [each for each in bases if each], *told.values()]

    def _base(self, base: type, depth: int) -> list[Any] | None:
        if base in raising.REAL or type(base) is Mirror:
            return self.reference(base, depth)
        if base_of(base) is base:
            return ["T", base.__name__]
        return None if base.__module__ in ("builtins", "typing", "abc") else self.reference(base, depth)

    def resolve_class(self, tree: Any) -> type:
        """The class that a tree names: ours, a built-in one, or the mirror of one of theirs."""
        found = self.codec.made(tree)
        if not isinstance(found, type):
            raise ValueError("no class")
        return found

    def _resolve(self, tree: list[Any]) -> Any:
        tag = tree[0]
        if tag == "p":
            return self._mine(tree[1])
        if tag in ("h", "v"):
            return self._stand(tree)
        if tag in ("C", "E"):
            return self._mirrored(tree) if tag == "C" else raising.real(tree)
        if tag == "pm":
            owner = self._mine(tree[1])
            if self._guard is not None:
                self._guard.check("get", owner, [tree[2]])
            return getattr(owner, tree[2])
        if tag == "e":
            return raising.made(self, tree)
        if tag == "n":
            return known.made(tree)
        if tag == "m":
            owner = self.codec.made(tree[1])
            if type(tree[2]) is not str or type(type(owner)) is not Mirror:
                raise ValueError("no method")
            return Method(owner, tree[2])
        raise ValueError("no tree")

    def _mine(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._own):
            raise ValueError("no such object")
        return self._own[number]

    def _mirrored(self, tree: list[Any]) -> Mirror:
        number = int(tree[1])
        if len(tree) == 2:
            return self._mirrors[number]
        bases = [self.resolve_class(base) for base in tree[2]]
        names = ("name", "qualname", "module", "specials", "fields", "unhashable")
        told = dict(zip(names, tree[3:], strict=True))
        if number not in self._mirrors:
            self._mirrors[number] = mirror(self._peer, number, told, bases)
        return self._mirrors[number]

    def _stand(self, tree: list[Any]) -> Any:
        number = int(tree[1])
        cls = self.resolve_class(tree[2])
        if not isinstance(cls, Mirror):
            raise ValueError("no mirror")
        found = self._stands.get(number, self._values.get(number, _NONE))
        if found is not _NONE:
            return found
        base: Any = cls._hb_base
        value: Any
        if tree[0] == "v":
            content = self.codec.made(tree[3])
            if type(content) is not base or not issubclass(cls, Value):
                raise ValueError("no value of its class")
            parts = (content.real, content.imag) if base is complex else (content,)
            value = base.__new__(cls, *parts)
        else:
            if not issubclass(cls, Proxy):
                raise ValueError("no object")
            value = (base or object).__new__(cls)
        space = object.__getattribute__(value, "__dict__")
        space["_hb_number"] = number
        if tree[0] == "h":
            if type(tree[3]) is int:
                space["_hb_hash"] = tree[3]
            if len(tree[4]) == 3:
                space["_hb_told"] = dict(zip(("__name__", "__qualname__", "__doc__"), tree[4], strict=True))
        if tree[0] == "v":
            self._values[number] = value
        else:
            self._stands[number] = value
        return value


class Bound:
    """A method of an object, to be named rather than numbered."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name


def attribute(owner: Any, name: str) -> Any:
    """An attribute; a method of the owner as what is named rather than numbered."""
    found = getattr(owner, name)
    kind = type(found)
    if kind.__name__ in ("method", "builtin_function_or_method", "method-wrapper"):
        held = getattr(found, "__self__", None)
        if held is owner and not isinstance(owner, (type, BaseException)):
            return Bound(owner, name)
    return found


def _hash(value: Any, kind: type) -> int | None:
    """What an object of a class with a hash of its own gives for it; None where it must be asked."""
    own: Any = kind.__hash__
    if own is None or own is object.__hash__:
        return None
    try:
        return hash(value)
    except Exception:
        return None
