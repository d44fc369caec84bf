"""A grammar of function names: slots of words, each with a level, parameters and perhaps the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbook.core.keys import digest

DIFFICULTIES = ("easy", "medium", "hard")
_FROM = (0, 2, 4)
"""The least level of each difficulty."""
_ON = ("noun", "place")
"""Slots that say what a function works on, which comes first among its parameters."""
_VALUE = re.compile(r"(?P<level>\d)(?: \((?P<params>.*)\))?(?: -> (?P<result>.+))?\Z")


@dataclass(frozen=True)
class Word:
    """A word of a slot: `-` adds none to the name."""

    text: str
    level: int
    params: str
    result: str


@dataclass(frozen=True)
class Family:
    """Names about one topic: one word of each slot."""

    topic: str
    form: tuple[str, ...]
    slots: tuple[tuple[Word, ...], ...]

    def said(self, number: int) -> tuple[str, str]:
        """(name, signature) of combination `number`."""
        words = []
        for slot in reversed(self.slots):
            number, at = divmod(number, len(slot))
            words.append(slot[at])
        words.reverse()
        name = "_".join(word.text for word in words if word.text != "-")
        on = [word.params for slot, word in zip(self.form, words, strict=True) if slot in _ON]
        by = [word.params for slot, word in zip(self.form, words, strict=True) if slot not in _ON]
        params = ", ".join(one for one in (*on, *by) if one)
        result = next(word.result for word in words if word.result)
        return name, f"def {name}({params}) -> {result}:"

    def levels(self) -> NDArray[np.int64]:
        """The level of every combination, int64 (combinations,)."""
        found = np.zeros(1, np.int64)
        for slot in self.slots:
            found = (found[:, None] + np.array([word.level for word in slot])[None, :]).ravel()
        return found


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """All families of the shipped grammar, `names.yaml`."""
    from ruamel.yaml import YAML

    given: Any = YAML(typ="safe").load((resources.files(__package__) / "names.yaml").read_text(encoding="utf-8"))
    return tuple(
        Family(one["topic"], tuple(one["form"]), tuple(_slot(one[name]) for name in one["form"])) for one in given
    )


@lru_cache(maxsize=4)
def drawn(topics: tuple[str, ...], difficulties: tuple[str, ...], seed: int) -> NDArray[np.int64]:
    """All combinations of some topics and difficulties: family, combination, difficulty, int64 (names, 3).

    In turn one of each bucket (topic × difficulty), so that the first so many are spread over all; in a bucket in an
    order drawn by the seed. Where a bucket has no more the others go on.
    """
    rows: list[NDArray[np.int64]] = []
    places: list[NDArray[np.int64]] = []
    buckets: list[NDArray[np.int64]] = []
    for at, family in enumerate(families()):
        if family.topic not in topics:
            continue
        kinds = np.searchsorted(np.array(_FROM), family.levels(), side="right") - 1
        for kind, name in enumerate(DIFFICULTIES):
            some = np.flatnonzero(kinds == kind) if name in difficulties else np.zeros(0, np.int64)
            if not some.size:
                continue
            some = some[np.argsort(_mixed(some, seed, family.topic, name), kind="stable")]
            rows.append(np.stack([np.full(some.size, at), some, np.full(some.size, kind)], axis=1))
            places.append(np.arange(some.size))
            buckets.append(np.full(some.size, len(buckets)))
    if not rows:
        return np.zeros((0, 3), np.int64)
    order = np.lexsort((np.concatenate(buckets), np.concatenate(places)))
    found: NDArray[np.int64] = np.concatenate(rows)[order]
    return found


def _slot(given: dict[str, Any]) -> tuple[Word, ...]:
    words = []
    for text, value in given.items():
        found = _VALUE.match(str(value))
        if found is None:
            raise ValueError(f"names.yaml: {text}: {value!r} is no `LEVEL (parameters) -> result`")
        words.append(Word(str(text), int(found["level"]), found["params"] or "", found["result"] or ""))
    return tuple(words)


def _mixed(numbers: NDArray[np.int64], *labels: str | int) -> NDArray[np.uint64]:
    """64 bits for each number, by SplitMix64's finalizer (Steele, Lea and Flood 2014), keyed by labels."""
    key = np.uint64(int(digest(" ".join(map(str, labels)).encode())[:16], 16))
    with np.errstate(over="ignore"):
        z = (numbers.astype(np.uint64) ^ key) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed
