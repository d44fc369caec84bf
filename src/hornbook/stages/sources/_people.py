"""People made up from lists: every number below `Lists.many` is another one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path

from hornbook.core.keys import digest
from hornbook.core.knobs import local_path

_FIRST = ("who", "age", "goal")
_SAID = {
    "en": {"adult": "{a} {who} {age} in {place}, who {goal} and {knowledge}.",
           "young": "{a} {age} in {place} who {who}, {goal} and {knowledge}."},
    "zh": {"adult": "一位{age}的{who}，住在{place}，{goal}，{knowledge}。",
           "young": "一个住在{place}的{age}孩子，{who}，{goal}，{knowledge}。"},
}  # fmt: skip
_LEAST = {"retired": 5, "退休": 5, "grandchild": 4, "孙辈": 4}
"""Words that make sense from an age on: its number in the list."""
_ODD = 0x9E3779B97F4A7C15
_ALL = 2**64 - 1


@dataclass(frozen=True)
class Lists:
    """A language's lists, by their names."""

    language: str
    lists: dict[str, tuple[str, ...]]

    @cached_property
    def sensible(self) -> dict[str, list[tuple[str, str, str]]]:
        """Kind → those of whom, age and goal that go together."""
        found = {}
        for kind in ("adult", "young"):
            who, ages, goals = (self.lists[f"{kind}.{name}"] for name in _FIRST)
            found[kind] = [
                (one, age, goal)
                for one, (at, age), goal in product(who, enumerate(ages), goals)
                if kind == "young"
                or not any(word in said and at < _LEAST[word] for word in _LEAST for said in (one, goal))
            ]
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Different people of each kind."""
        places = len(self.lists["place"])
        return {k: len(v) * places * len(self.lists[f"{k}.knowledge"]) for k, v in self.sensible.items()}

    @property
    def many(self) -> int:
        """So many different people there are."""
        return sum(self.sizes.values())

    def person(self, number: int, seed: int) -> dict[str, str]:
        """Person `number`: another one for every number below `many`, which depends on the number and the seed alone.

        All combinations are shuffled by a permutation of a larger range, walked until it is back among them (cycle
        walking: Black and Rogaway 2002), so nothing is remembered.
        """
        half = (max(2, (self.many - 1).bit_length()) + 1) // 2
        keys = [int(digest(f"{seed} {self.language} {turn}".encode())[:16], 16) for turn in range(4)]
        at = _shuffled(number, half, keys)
        while at >= self.many:
            at = _shuffled(at, half, keys)
        kind = "adult" if at < self.sizes["adult"] else "young"
        at -= 0 if kind == "adult" else self.sizes["adult"]
        knowledge = self.lists[f"{kind}.knowledge"]
        at, place = divmod(at, len(self.lists["place"]))
        at, known = divmod(at, len(knowledge))
        found = dict(zip(_FIRST, self.sensible[kind][at], strict=True))
        found |= {"place": self.lists["place"][place], "knowledge": knowledge[known]}
        first = found["who" if kind == "adult" else "age"]
        a = "An" if first[:1].lower() in "aeiou" and not first.startswith(("one", "uni")) else "A"
        return {"text": _SAID[self.language][kind].format(a=a, **found), "kind": kind, **found}


@lru_cache(maxsize=4)
def lists_of(language: str) -> Lists:
    """The lists shipped for a language (`recipes/data/personas_LANGUAGE.tsv`: list, tab, words)."""
    found: dict[str, list[str]] = {}
    for line in Path(local_path(f"shipped:personas_{language}.tsv")).read_text(encoding="utf-8").splitlines():
        name, _, words = line.partition("\t")
        found.setdefault(name, []).append(words)
    return Lists(language, {name: tuple(words) for name, words in found.items()})


def _shuffled(at: int, half: int, keys: list[int]) -> int:
    """A permutation of the numbers below 4^half: a Feistel network."""
    mask = (1 << half) - 1
    left, right = at >> half, at & mask
    for key in keys:
        mixed = ((right ^ key) * _ODD) & _ALL
        mixed = ((mixed ^ (mixed >> 29)) * _ODD) & _ALL
        left, right = right, left ^ (mixed >> 32 & mask)
    return left << half | right
