"""What a comparison of data sets says: its tables and sentences, one wording for terminal and page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.core.judged import NONE, Table

LEAST = 3
"""Pairs of students below which no difference is told: our own choice. Two can agree by chance to any digit."""
_MINUS = "−"


def compared(facts: Mapping[str, Any]) -> bool:
    """Whether a step's facts are those of a comparison (`report.arms`)."""
    names = ("arms", "scores", "differences", "trained", "level")
    return all(name in facts for name in names) and isinstance(facts["arms"], Mapping)


def shown(facts: Mapping[str, Any]) -> set[str]:
    """The facts that `tables` and `sentences` show."""
    return {"arms", "scores", "differences", "trained", "level"} if compared(facts) else set()


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """Arms by scores, then every difference; nothing for other steps."""
    if not compared(facts):
        return []
    seeds = _seeds(facts)
    title = f"what each data set taught: mean of {seeds} {'seed' if seeds == 1 else 'seeds'} [95 % over seeds]"
    heads = tuple(f">{_label(one)} ({one['better']} is better)" for one in facts["scores"])
    rows = []
    for arm, cells in facts["arms"].items():
        found = [_cell(cells.get(_key(one)), one["share"]) for one in facts["scores"]]
        rows.append((arm, _tokens(facts["trained"].get(arm, [])), *found))
    both = [Table(title, ("data set", ">tokens", *heads), tuple(rows))]
    if facts["differences"]:
        both.append(_differences(facts))
    return both


def sentences(facts: Mapping[str, Any]) -> list[str]:
    """What may be said, a sentence a score, and whether the arms were taught alike."""
    if not compared(facts):
        return []
    return [_alike(facts), *(_told(facts, one) for one in facts["scores"] if facts["differences"])]


def _differences(facts: Mapping[str, Any]) -> Table:
    shares = {_key(one): one["share"] for one in facts["scores"]}
    rows = []
    for one in facts["differences"]:
        gap = _signed(one["mean"], shares[_key(one)], one["interval"])
        said = f"{one['told']}" if one["told"] else "cannot be told"
        rows.append((f"{one['arm']} / {one['over']}", _label(one), gap, _p(one["p"]), _p(one["adjusted"]), said))
    tests = sorted({one["test"] for one in facts["differences"] if one["test"]})
    title = f"differences, paired by seed; p by {' or '.join(tests)}" if tests else "differences; one seed gives no p"
    return Table(title, ("data set / other", "score", ">difference [95 %]", ">p", ">adjusted", "so it is"), tuple(rows))


def _alike(facts: Mapping[str, Any]) -> str:
    """Whether all students were trained on as many tokens."""
    trained = {arm: list(counts) for arm, counts in facts["trained"].items()}
    if any(not counts for counts in trained.values()):
        return "Students of one arm were trained on different numbers of tokens: nothing else may explain a difference."
    first = {counts[0] for counts in trained.values()}
    if len(first) > 1:
        said = ", ".join(f"{arm} {counts[0]:,}" for arm, counts in trained.items())
        return f"The arms were not trained on as many tokens ({said}): data alone may not explain a difference."
    more = sorted({sum(counts[1:]) for counts in trained.values()} - {0})
    tuned = f"; those fine-tuned on {' or '.join(f'{many:,}' for many in more)} more" if more else ""
    return f"Every student was trained on {first.pop():,} tokens{tuned}."


def _told(facts: Mapping[str, Any], column: Mapping[str, Any]) -> str:
    """What one score tells of all comparisons."""
    mine = [one for one in facts["differences"] if _key(one) == _key(column)]
    start = f"{_label(column)}:"
    if not mine:
        return f"{start} no two arms have it."
    if all(one["pairs"] < LEAST for one in mine):
        many = "one seed is" if mine[0]["pairs"] == 1 else f"{mine[0]['pairs']} seeds are"
        return f"{start} {many} too few to say anything: another seed may turn every difference round."
    said = []
    for one in mine:
        if one["told"]:
            gap = _signed(one["mean"], column["share"], one["interval"])
            said.append(f"{one['arm']} is {one['told']} than {one['over']} ({gap}, adjusted p {_p(one['adjusted'])})")
    left = [f"{one['arm']} against {one['over']}" for one in mine if not one["told"]]
    if left:
        which = ", ".join(left) if said or len(left) == 1 else f"any of the {len(left)} differences"
        said.append(f"nothing can be said of {which} at p < {facts['level']:g} with {mine[0]['pairs']} seeds")
    return f"{start} {'; '.join(said)}."


def _seeds(facts: Mapping[str, Any]) -> int:
    counts = [len(cell["seeds"]) for cells in facts["arms"].values() for cell in cells.values() if cell]
    return min(counts, default=0)


def _key(one: Mapping[str, Any]) -> str:
    return f"{one['exam']}: {one['score']}"


def _label(one: Mapping[str, Any]) -> str:
    """`bits: bits per byte`."""
    return f"{one['exam']}: {str(one['score']).replace('_', ' ')}"


def _tokens(counts: Sequence[int]) -> str:
    return " + ".join(f"{many:,}" for many in counts) or NONE


def _cell(cell: Mapping[str, Any] | None, share: bool) -> str:
    if not cell:
        return NONE
    said = _value(cell["mean"], share, cell["interval"])
    return f"{said}; items {_ends(cell['over_items'], share, 1)}" if share and "over_items" in cell else said


def _value(value: float, share: bool, ends: Sequence[float] | None) -> str:
    """`2.412 [2.390, 2.434]`, or `12.2 % [10.1, 14.3]`."""
    said = f"{100 * value:.1f} %" if share else f"{value:.{_digits(value, 4)}f}"
    return (said + (f" {_ends(ends, share, _digits(value, 4))}" if ends else "")).replace("-", _MINUS)


def _signed(value: float, share: bool, ends: Sequence[float] | None) -> str:
    """`−0.123 [−0.150, −0.096]`; of shares in points of a hundred."""
    said = f"{100 * value:+.1f} points" if share else f"{value:+.{_digits(value, 3)}f}"
    return (said + (f" {_ends(ends, share, _digits(value, 3))}" if ends else "")).replace("-", _MINUS)


def _ends(ends: Sequence[float], share: bool, digits: int) -> str:
    low, high = (f"{100 * end:.1f}" if share else f"{end:.{digits}f}" for end in ends)
    return f"[{low}, {high}]"


def _digits(value: float, wanted: int) -> int:
    """Digits after the point that show so many that mean something."""
    return min(8, max(0, wanted - 1 - math.floor(math.log10(abs(value))))) if value else wanted - 1


def _p(value: float | None) -> str:
    if value is None:
        return NONE
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
