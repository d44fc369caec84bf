"""Lists in a recipe that cannot be meant: the same item twice, kept and removed at once, a missing comma."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from hornbook.core.stage import Job
from hornbook.engine.linting.findings import Finding, Level
from hornbook.engine.recipe import Recipe

OPPOSITES = (
    ("include", "exclude"),
    ("included", "excluded"),
    ("allow", "deny"),
    ("allow", "block"),
    ("allowed", "denied"),
    ("keep", "drop"),
    ("keep", "remove"),
    ("keep", "discard"),
    ("kept", "removed"),
    ("kept", "dropped"),
    ("only", "not"),
    ("only", "except"),
    ("with", "without"),
    ("wanted", "unwanted"),
    ("require", "forbid"),
    ("required", "forbidden"),
    ("positive", "negative"),
    ("whitelist", "blacklist"),
)
SHORTEST = 3
"""Letters of the shortest item that is looked for inside others."""

Place = tuple[str, str]
"""Step and the list's name in it."""


def lint_lists(recipe: Recipe, values: Iterable[str] = ()) -> list[Finding]:
    """Faults of the lists of texts among the knobs of a recipe's steps.

    The fault of Cosmopedia's topic filter is among them (huggingface/cosmopedia,
    filter_and_classify_clusters.py): a missing comma makes one item of two topics, so neither is removed,
    and some topics are both kept and removed.

    Args:
        recipe: checked.
        values: what such items are known to be elsewhere: topics, templates, audiences in the prompts.
    """
    lists = dict(_lists(recipe))
    found = [finding for place, items in lists.items() for finding in _twice(place, items)]
    found += _contradictions(lists)
    known = {_plain(item): item for items in lists.values() for item in items}
    known |= {_plain(value): value for value in values}
    for place, items in lists.items():
        found += _joined(place, items, {plain: item for plain, item in known.items() if len(plain) >= SHORTEST})
    return found


def _lists(recipe: Recipe) -> Iterator[tuple[Place, list[str]]]:
    """Those of all steps but jobs: what is trained, examined and shown is in no prompt."""
    for step in recipe.steps:
        if isinstance(step.stage, Job):
            continue
        for name in type(step.stage).model_fields:
            yield from _inside((step.name, name), getattr(step.stage, name))


def _inside(place: Place, value: Any) -> Iterator[tuple[Place, list[str]]]:
    """Lists of texts in a knob's value, at any depth."""
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, str) for item in value):
            yield place, [str(item) for item in value]
        else:
            for at, inner in enumerate(value):
                yield from _inside((place[0], f"{place[1]}[{at}]"), inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside((place[0], f"{place[1]}.{key}"), inner)


def _plain(item: str) -> str:
    return " ".join(item.split()).casefold()


def _twice(place: Place, items: list[str]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    exact: list[str] = []
    alike: list[str] = []
    for item in items:
        plain = _plain(item)
        if plain in seen:
            (exact if seen[plain] == item else alike).append(item)
        else:
            seen[plain] = item
    fix = "take one out; to draw it more often, say so with a weight"
    if exact:
        what = f"{place[1]} has the same item twice"
        yield Finding("error", place[0], "lists", what, len(exact), len(items), tuple(exact[:3]), fix)
    if alike:
        what = f"{place[1]} has items that differ in case or white space alone"
        yield Finding("warning", place[0], "lists", what, len(alike), len(items), tuple(alike[:3]), fix)


def _contradictions(lists: dict[Place, list[str]]) -> Iterator[Finding]:
    """Items in two lists of one step: an error where the names are opposites, else a warning."""
    places = list(lists)
    for at, one in enumerate(places):
        for two in places[at + 1 :]:
            if one[0] != two[0]:
                continue
            second = {_plain(item) for item in lists[two]}
            both = [item for item in lists[one] if _plain(item) in second]
            if not both:
                continue
            against = _opposed(one[1], two[1])
            what = f"{one[1]} and {two[1]}, which contradict each other, share items"
            if not against:
                what = f"{one[1]} and {two[1]} share items"
            level: Level = "error" if against else "warning"
            size = len(lists[one]) + len(lists[two])
            fix = "take each item out of one of the two lists"
            yield Finding(level, one[0], "lists", what, len(both), size, tuple(both[:3]), fix)


def _opposed(one: str, two: str) -> bool:
    first, second = (set(re.split(r"[^a-z]+", name.casefold())) for name in (one, two))
    return any(
        (a in first - second and b in second - first) or (b in first - second and a in second - first)
        for a, b in OPPOSITES
    )


def _joined(place: Place, items: list[str], known: dict[str, str]) -> Iterator[Finding]:
    """Items that look like two: a comma or a dash is missing."""
    sure, likely = [], []
    for item in items:
        plain = _plain(item)
        two = _two(plain, known)
        if two is not None:
            sure.append(f"{item} = {two[0]} + {two[1]}")
        elif (part := _glued(item, known)) is not None or (part := _longer(plain, known)) is not None:
            likely.append(f"{item} holds {part}")
    fix = "put a comma (or a dash and a new line) between the two"
    if sure:
        what = f"{place[1]} has items that are two items written together"
        yield Finding("error", place[0], "lists", what, len(sure), len(items), tuple(sure[:3]), fix)
    if likely:
        what = f"{place[1]} has items that hold another whole item and more"
        yield Finding("warning", place[0], "lists", what, len(likely), len(items), tuple(likely[:3]), fix)


def _two(plain: str, known: dict[str, str]) -> tuple[str, str] | None:
    """The two known items that an item is, one after the other, with or without a space between them."""
    for cut in range(SHORTEST, len(plain) - SHORTEST + 1):
        left, right = plain[:cut].rstrip(), plain[cut:].lstrip()
        if left in known and right in known:
            return known[left], known[right]
    return None


def _glued(item: str, known: dict[str, str]) -> str | None:
    """A known item at an end of this one with no space between: `BakingGardening` of `Gardening`."""
    text = " ".join(item.split())
    for cut in range(SHORTEST, len(text) - SHORTEST + 1):
        if not (text[cut - 1].islower() and text[cut].isupper()):
            continue
        for half in (text[:cut], text[cut:]):
            if half.casefold() in known:
                return known[half.casefold()]
    return None


def _longer(plain: str, known: dict[str, str]) -> str | None:
    """A known item of two words or more at an end of a longer one, with no joining word between."""
    words = plain.split(" ")
    for cut in range(2, len(words)):
        left, right = " ".join(words[:cut]), " ".join(words[cut:])
        if left in known and words[cut] not in _JOINING and words[cut - 1][-1:].isalnum():
            return known[left]
        if len(words) - cut >= 2 and right in known and words[cut - 1] not in _JOINING:
            return known[right]
    return None


_JOINING = frozenset(
    {"and", "or", "of", "for", "in", "on", "with", "to", "the", "a", "an", "&", "/", "-", "–", "—", "by", "from"}
    | {"at", "as", "vs"}
)
