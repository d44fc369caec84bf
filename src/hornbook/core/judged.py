"""What judges' facts say in the cells of a table: one wording for terminal and page, agreement beside every score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"
_KAPPAS = {"same": "same", "kappa": "κ", "kappa_quadratic": "weighted κ", "fleiss": "Fleiss", "alpha": "α"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its title, its heads (those of numbers begin with `>`), its rows of texts."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """The tables of a judging step's facts; none for other steps."""
    found = [_judged(facts), _pairs(facts), _scores(facts), _two(facts), _all(facts), _verdicts(facts)]
    return [table for table in found if table.rows]


def shown(facts: Mapping[str, Any]) -> set[str]:
    """The facts that `tables` shows."""
    names = ("judged", "pairs", "scores", "two", "all", "verdicts")
    return {name for name in names if name in facts} if tables(facts) else set()


def score(said: Mapping[str, Any] | None) -> str:
    """`3.42 [3.21, 3.63]`."""
    if said is None or said.get("mean") is None:
        return NONE
    ends = said.get("interval")
    return f"{said['mean']:.2f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")


def share(value: float | None, ends: Sequence[float] | None = None) -> str:
    """`61.0 % [52.1, 69.2]`."""
    if value is None:
        return NONE
    return f"{100 * value:.1f} %" + (f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else "")


def agreement(found: Any) -> str:
    """`κ 0.61, weighted κ 0.74, α 0.70`, or why there is none."""
    if not isinstance(found, Mapping):
        return str(found)
    names = [name for name in _KAPPAS if name in found and name != "same"]
    return ", ".join(f"{_KAPPAS[name]} {kappa(found[name])}" for name in names) or NONE


def kappa(value: float | None) -> str:
    """Two digits; a dash where all said the same, so that nothing is known."""
    return NONE if value is None else f"{value:.2f}"


def _judged(facts: Mapping[str, Any]) -> Table:
    rows = [
        (name, score(one), agreement(one["agreement"]), f"{one['documents']:,}", f"{one['failed']:,}")
        for name, one in _mapping(facts, "judged").items()
    ]
    heads = ("criterion", ">mean [95 %]", "agreement of its readings", ">documents", ">failed")
    return Table(f"scores by {facts.get('judge', '')}", heads, tuple(rows))


def _pairs(facts: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            f"{one['pairs']:,}",
            share(one["a_rate"], one["interval"]),
            f"{one['ties']:,}",
            share(one["consistent"]),
            share(one["position_bias"]),
            kappa(one["kappa"]),
        )
        for name, one in _mapping(facts, "pairs").items()
        if isinstance(one, Mapping) and "a_rate" in one
    ]
    heads = ("a / b", ">pairs", ">a wins [95 %]", ">ties", ">same verdict", ">follows place", ">κ of orders")
    return Table("pairs, each asked in both orders; ties count half", heads, tuple(rows))


def _scores(facts: Mapping[str, Any]) -> Table:
    rows = [
        (one["criterion"], one["judge"], score(one), agreement(one["agreement"]), f"{one['documents']:,}")
        for one in _list(facts, "scores")
    ]
    heads = ("criterion", "judge", ">mean [95 %]", "agreement of its readings", ">documents")
    return Table("means side by side", heads, tuple(rows))


def _two(facts: Mapping[str, Any]) -> Table:
    rows = []
    for one in _list(facts, "two"):
        ends = one.get("interval")
        weighted = kappa(one.get("kappa_quadratic")) + (f" [{kappa(ends[0])}, {kappa(ends[1])}]" if ends else "")
        gap = one.get("mean_difference")
        names = " / ".join(one["judges"])
        cells = (f"{one['documents']:,}", share(one.get("same")), kappa(one.get("kappa")), weighted)
        rows.append((one["criterion"], names, *cells, NONE if gap is None else f"{gap:+.2f}"))
    heads = ("criterion", "judges", ">documents", ">same", ">κ", ">weighted κ [95 %]", ">difference")
    return Table("every two judges", heads, tuple(rows))


def _all(facts: Mapping[str, Any]) -> Table:
    rows = [
        (one["criterion"], ", ".join(one["judges"]), f"{one.get('documents', 0):,}", *_kappas(one))
        for one in _list(facts, "all")
    ]
    return Table("all judges", ("criterion", "judges", ">documents", ">Fleiss' κ", ">α"), tuple(rows))


def _kappas(one: Mapping[str, Any]) -> tuple[str, str]:
    return kappa(one.get("fleiss")), kappa(one.get("alpha"))


def _verdicts(facts: Mapping[str, Any]) -> Table:
    rows = [
        (" / ".join(one["judges"]), f"{one['pairs']:,}", share(one["same"]), kappa(one["kappa"]))
        for one in _list(facts, "verdicts")
    ]
    return Table("judges of pairs", ("judges", ">pairs", ">same", ">κ"), tuple(rows))


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    ours = isinstance(found, Mapping) and "judge" in facts
    return found if ours and isinstance(found, Mapping) else {}


def _list(facts: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = facts.get(name)
    ours = isinstance(found, list) and "scores" in facts and "two" in facts
    return [one for one in found if isinstance(one, Mapping)] if ours and isinstance(found, list) else []
