"""Scores of students by arm and seed, to means, differences and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from hornbook.core.compared import LEAST
from hornbook.core.stage import Artifact
from hornbook.kernels.intervals import wilson
from hornbook.kernels.paired import holm, mean_of, paired

Items = tuple[float | None, float | None, int]
"""The interval that an exam gives over its items, and how many there were (0: it does not say)."""
Row = tuple[str, str, str, str, float, Items]
"""Arm, seed, exam, score, value, and what the exam says of its items."""
_COUNTS = ("n", "problems", "tasks", "items", "documents")


def values_of(steps: Sequence[Artifact], scores: Sequence[str]) -> Iterator[tuple[str, str, float, Items]]:
    """(exam, score, value, items) of every fact of a student's exams whose name is among the scores."""
    for artifact in steps:
        if artifact.makes == "student":
            continue
        exam = artifact.step.rpartition(".")[2]
        for path, value, around in _leaves(artifact.manifest.get("facts", {}), ()):
            if any(fnmatchcase(path[-1], pattern) for pattern in scores):
                yield exam, ".".join(path), value, _items(path[-1], around, value)


def _leaves(
    facts: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], float, Mapping[str, Any]]]:
    """Path, value and mapping around of every number; `{mean: …, low: …}` is a number with its interval."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            inner = value.get("mean", value.get("value"))
            if _number(inner):
                yield (*path, name), float(inner), value
            else:
                yield from _leaves(value, (*path, name))
        elif _number(value):
            yield (*path, name), float(value), facts


def _items(name: str, around: Mapping[str, Any], value: float) -> Items:
    """The interval over items that stands beside a number, and how many items there were."""
    ends = around.get(f"{name}_interval", around.get("interval"))
    low, high = ends if isinstance(ends, (list, tuple)) and len(ends) == 2 else (None, None)
    low, high = around.get(f"{name}_low", low), around.get(f"{name}_high", high)
    if low is None:
        low, high = around.get("low"), around.get("high")
    many = next((int(around[key]) for key in (f"{name}_n", *_COUNTS) if _number(around.get(key))), 0)
    if low is None or high is None or not low <= value <= high:
        return None, None, many
    return float(low), float(high), many


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Table:
    """The table.

    Args:
        rows: all values.
        arms: arm → seeds, in order; the first arm is what the others are compared with.
        over: arm → another arm it is compared with as well.
        less, shares: patterns of the scores of which less is better, and of those that are shares.
        level: adjusted p below which a difference is told.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        arms: Mapping[str, Mapping[str, Any]],
        over: Mapping[str, str],
        less: Sequence[str],
        shares: Sequence[str],
        level: float,
    ) -> None:
        self.arms, self.over, self.less, self.shares, self.level = arms, over, less, shares, level
        self.values: dict[tuple[str, str], dict[str, dict[str, tuple[float, Items]]]] = {}
        for arm, seed, exam, score, value, items in rows:
            self.values.setdefault((exam, score), {}).setdefault(arm, {})[seed] = value, items

    def facts(self) -> dict[str, Any]:
        """Columns (`scores`), rows (`arms`), `differences`, and the level."""
        scores = [
            {
                "exam": exam,
                "score": score,
                "better": "less" if self._like(score, self.less) else "more",
                "share": self._like(score, self.shares),
            }
            for exam, score in self.values
        ]
        arms = {
            arm: {f"{exam}: {score}": self._cell((exam, score), arm) for exam, score in self.values}
            for arm in self.arms
        }
        differences = [one for column in self.values for one in self._differences(column)]
        return {"scores": scores, "arms": arms, "differences": differences, "level": self.level}

    @staticmethod
    def _like(score: str, patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(score.rpartition(".")[2], pattern) for pattern in patterns)

    def _cell(self, column: tuple[str, str], arm: str) -> dict[str, Any] | None:
        """Mean over seeds and its interval; beside it the interval over the exam's items, averaged over seeds."""
        found = self.values[column].get(arm, {})
        if not found:
            return None
        numbers = [value for value, _ in found.values()]
        mean = mean_of(numbers)
        ends = mean.interval
        if ends and self._like(column[1], self.shares):
            ends = max(0.0, ends[0]), min(1.0, ends[1])
        cell: dict[str, Any] = {
            "mean": mean.mean,
            "interval": ends,
            "deviation": mean.deviation,
            "seeds": {seed: value for seed, (value, _) in found.items()},
        }
        items = [items for _, items in found.values()]
        many = min(count for _, _, count in items)
        own = [(low, high) for low, high, _ in items if low is not None and high is not None]
        if len(own) == len(items):
            cell["over_items"] = [sum(end[at] for end in own) / len(own) for at in (0, 1)]
        elif many and self._like(column[1], self.shares):
            cell["over_items"] = list(wilson(mean.mean, many))
        return cell | ({"items": many} if many else {})

    def _differences(self, column: tuple[str, str]) -> list[dict[str, Any]]:
        """Every comparison of one column, with p adjusted over them all."""
        first, *others = self.arms
        pairs = [(arm, first) for arm in others]
        pairs += [(arm, other) for arm, other in self.over.items() if (arm, other) not in pairs]
        found = [one for arm, other in pairs if (one := self._difference(column, arm, other)) is not None]
        known = [one for one in found if one["p"] is not None]
        for one, p in zip(known, holm([one["p"] for one in known]), strict=True):
            one["adjusted"] = p
            if p < self.level and one["pairs"] >= LEAST:
                fewer = self._like(column[1], self.less)
                one["told"] = "better" if (one["mean"] < 0) == fewer else "worse"
        return found

    def _difference(self, column: tuple[str, str], arm: str, other: str) -> dict[str, Any] | None:
        mine, theirs = (self.values[column].get(name, {}) for name in (arm, other))
        seeds = [seed for seed in theirs if seed in mine]
        if not seeds:
            return None
        gap = paired([theirs[seed][0] for seed in seeds], [mine[seed][0] for seed in seeds])
        return {
            "exam": column[0],
            "score": column[1],
            "arm": arm,
            "over": other,
            "mean": gap.mean,
            "interval": gap.interval,
            "p": gap.p,
            "adjusted": None,
            "test": gap.test,
            "pairs": gap.pairs,
            "told": "",
        }
