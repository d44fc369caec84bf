"""Python values as trees of JSON, with exact types, shared and cyclic structure, and changes made in place.

Scalars stand for themselves; everything else is a list whose first element is a tag. A mutable container is *shared*:
both sides know it by a number, and before each message its sender looks which shared containers it changed since the
last one and sends their contents along. So a list sorted by the other side is sorted here, in the same object. A
container is forgotten once one side holds it no longer.

Unpacking makes values of built-in and standard types only, whatever comes, and calls nothing else: what is no data
goes through `refer` and `resolve`, which make numbers of objects and stand-ins of numbers.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from operator import is_
from typing import Any

from hornbook.sandbox import rare
from hornbook.sandbox.wire import Gone, TooMuch

DEEPEST = 200
"""Levels of nesting that are sent. Ours: below what the interpreter's stack of 1,000 frames allows on both sides."""
KEPT = 2000
"""Elements of the largest container, and number of containers, that stay shared after the call that sent them. Ours:
looking whether one changed takes 15 ns an element before each message."""
SMALL = 1 << 62
NUMBERS = (bool, type(None), float)
MUTABLE = (list, dict, set, bytearray, deque, OrderedDict, defaultdict, Counter)
SCALARS = frozenset([int, str, float, bool, type(None)])


@dataclass(slots=True)
class Shared:
    """A container both sides know, and its elements when they last agreed."""

    value: Any
    seen: tuple[Any, ...]


class Codec:
    """One side's half of the exchange.

    Args:
        sign: 1 on one side, -1 on the other, so that their numbers differ.
        refer: the tag and number of an object that is no data.
        resolve: what stands for such a tag and number; raises `Gone` for what does not exist.
    """

    def __init__(self, sign: int, refer: Callable[[Any, int], list[Any]], resolve: Callable[[list[Any]], Any]) -> None:
        self._sign = sign
        self._refer = refer
        self._resolve = resolve
        self._shared: dict[int, Shared] = {}
        self._numbers: dict[int, int] = {}
        self._next = 0
        self._done: dict[int, int] = {}
        self._kept: list[Any] = []
        self._got: list[Any] = []

    # --- messages

    def pack(self, values: list[Any], outermost: bool) -> list[Any]:
        """The tree of a message: what is no longer shared, what changed, and the values.

        Raises:
            TooMuch: nested deeper than `DEEPEST`; then nothing of it is remembered.
        """
        self._done.clear()
        self._kept.clear()
        first = self._next
        try:
            gone, changed = self._changes(outermost) if self._shared else ([], [])
            return [gone, changed, [self.value(value, 0) for value in values]]
        except TooMuch:
            self._forget_from(first)
            raise
        finally:
            self._done.clear()
            self._kept.clear()

    def unpack(self, tree: list[Any]) -> list[Any]:
        """The values of a message; shared containers are as the sender left them.

        Raises:
            Gone: it is no message.
        """
        before, self._got = self._got, []
        try:
            gone, changed, values = tree
            for number, content in changed:
                self._fill(self._shared[number], content)
            for number in gone:
                self._forget(number)
            return [self.made(value) for value in values]
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            AttributeError,
            OverflowError,
            RecursionError,
            ArithmeticError,
        ):
            raise Gone("a message makes no sense") from None
        finally:
            self._got = before

    # --- packing

    def value(self, value: Any, depth: int) -> Any:
        """The tree of one value."""
        kind = type(value)
        if kind in NUMBERS:
            return value
        if kind is int:
            return value if -SMALL < value < SMALL else ["i", hex(value)]
        if kind is str:
            return value if sendable(value) else ["s", value.encode("utf-8", "surrogatepass").hex()]
        if depth > DEEPEST:
            raise TooMuch(f"nested deeper than {DEEPEST} levels")
        if kind in MUTABLE:
            return self._mutable(value, kind, depth)
        if kind is tuple or kind is frozenset:
            return self._frozen(value, "t" if kind is tuple else "f", depth)
        tree = rare.tree(value, kind, lambda part: self.value(part, depth + 1))
        return self._refer(value, depth) if tree is None else tree

    def _frozen(self, value: Any, tag: str, depth: int) -> list[Any]:
        if flat(value):
            return [tag, 1, list(value)]
        done = self._done.get(id(value))
        if done is not None:
            if done < 0:
                raise TooMuch("a tuple that contains itself")
            return ["=", done]
        self._done[id(value)] = -1
        parts = [self.value(part, depth + 1) for part in value]
        self._done[id(value)] = len(self._kept)
        self._kept.append(value)
        return [tag, 0, parts]

    def _mutable(self, value: Any, kind: type, depth: int) -> list[Any]:
        number = self._numbers.get(id(value))
        if number is not None:
            return ["@", number]
        self._next += 1
        number = self._next * self._sign
        self._enter(number, value)
        return [TAGS[kind], number, self._content(value, kind, depth)]

    def _content(self, value: Any, kind: type, depth: int) -> list[Any]:
        if kind is bytearray:
            return [1, value.hex()]
        extra: list[Any] = []
        if kind is deque:
            extra = [value.maxlen]
        elif kind is defaultdict:
            extra = [self.value(value.default_factory, depth + 1)]
        parts = elements(value)
        if flat(parts):
            return [1, list(parts), *extra]
        return [0, [self.value(part, depth + 1) for part in parts], *extra]

    def _changes(self, outermost: bool) -> tuple[list[int], list[Any]]:
        gone: list[int] = []
        changed: list[Any] = []
        crowded = outermost and len(self._shared) > KEPT
        for number in list(self._shared):
            entry = self._shared[number]
            value = entry.value
            now = elements(value)
            if not (len(now) == len(entry.seen) and all(map(is_, now, entry.seen))):
                entry.seen = now
                changed.append([number, self._content(value, type(value), 1)])
            if sys.getrefcount(value) <= 3 or crowded or (outermost and len(now) > KEPT):
                gone.append(number)
                self._forget(number)
        return gone, changed

    def _enter(self, number: int, value: Any) -> None:
        self._shared[number] = Shared(value, elements(value))
        self._numbers[id(value)] = number

    def _forget(self, number: int) -> None:
        entry = self._shared.pop(number, None)
        if entry is not None:
            del self._numbers[id(entry.value)]

    def _forget_from(self, first: int) -> None:
        for at in range(first + 1, self._next + 1):
            self._forget(at * self._sign)

    # --- unpacking

    def made(self, tree: Any) -> Any:
        """The value of a tree."""
        if type(tree) is not list:
            if type(tree) is dict:
                raise ValueError("no tree")
            return tree
        tag = tree[0]
        if tag in KINDS:
            return self._container(tree, KINDS[tag])
        if tag in ("t", "f"):
            parts = tree[2] if tree[1] else [self.made(part) for part in tree[2]]
            value = tuple(parts) if tag == "t" else frozenset(parts)
            if not tree[1]:
                self._got.append(value)
            return value
        if tag == "@":
            return self._shared[tree[1]].value
        if tag == "=":
            return self._got[tree[1]]
        if tag == "i":
            return int(tree[1], 16)
        if tag == "s":
            return bytes.fromhex(tree[1]).decode("utf-8", "surrogatepass")
        found = rare.made(tree, self.made)
        return self._resolve(tree) if found is rare.UNKNOWN else found

    def _container(self, tree: list[Any], kind: type) -> Any:
        _, number, content = tree
        if type(number) is not int or number * self._sign >= 0 or number in self._shared:
            raise ValueError("a number that is not the sender's to give")
        value: Any = deque(maxlen=content[2]) if kind is deque else kind()
        entry = Shared(value, ())
        self._shared[number] = entry
        self._numbers[id(value)] = number
        self._fill(entry, content)
        return value

    def _fill(self, entry: Shared, content: list[Any]) -> None:
        value, kind = entry.value, type(entry.value)
        if kind is bytearray:
            value[:] = bytes.fromhex(content[1])
            entry.seen = elements(value)
            return
        parts = content[1] if content[0] else [self.made(part) for part in content[1]]
        if kind is list:
            value[:] = parts
        elif kind is deque or kind is set:
            value.clear()
            value.update(parts) if kind is set else value.extend(parts)
        else:
            value.clear()
            if len(parts) % 2:
                raise ValueError("a key without a value")
            each = iter(parts)
            for key, item in zip(each, each, strict=True):
                value[key] = item
            if kind is defaultdict:
                value.default_factory = self.made(content[2])
        entry.seen = elements(value)


KINDS: dict[str, type] = {
    "l": list, "d": dict, "S": set, "B": bytearray, "q": deque, "O": OrderedDict, "D": defaultdict, "K": Counter,
}  # fmt: skip
TAGS = {kind: tag for tag, kind in KINDS.items()}


def elements(value: Any) -> tuple[Any, ...]:
    """What a container holds, in order: keys and values of a dictionary one after the other."""
    if isinstance(value, bytearray):
        return (bytes(value),)
    if isinstance(value, dict):
        return tuple(chain.from_iterable(value.items()))
    return tuple(value)


def sendable(text: str) -> bool:
    """Whether JSON gives a string back as it is: one with lone surrogates it may not."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def flat(parts: Iterable[Any]) -> bool:
    """Whether all are scalars that JSON gives back as they are."""
    kinds = set(map(type, parts))
    if not kinds <= SCALARS:
        return False
    if str in kinds and not sendable("".join(part for part in parts if type(part) is str)):
        return False
    return int not in kinds or all(-SMALL < part < SMALL for part in parts if type(part) is int)
