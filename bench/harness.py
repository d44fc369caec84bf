"""What every benchmark shares: ours, the peers and the limit take turns on one input; medians; one JSON line.

A benchmark is a module `bench/NAME.py` with `UNIT`, `PEERS` (names of `bench/peers/*.txt`) and
`run(Options) -> Outcome`. It gives contenders to `take_turns`, and `outcome` makes the numbers from what they did.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal["ours", "peer", "limit", "shown"]
Facts = dict[str, Any]
LEAST_SECONDS = 1.0
"""Of a turn; where less is left, none is begun."""
LONG = 100.0
"""Seconds; one whose turn took longer has one turn."""
RESULTS = Path(__file__).resolve().parent / "results"


class Failed(Exception):
    """A contender did not do its work; says why, for the table."""


@dataclass(frozen=True)
class Options:
    """How a benchmark is run.

    Args:
        quick: end within 60 s.
        full: as large as it goes.
        cache: where the peers' environments are.
        rounds: turns of each, 0 for the benchmark's own choice.
        tell: told a line at a time what is done.
    """

    quick: bool
    full: bool
    cache: Path
    rounds: int = 0
    tell: Callable[[str], None] = print


@dataclass(frozen=True)
class Contender:
    """One that takes turns.

    Args:
        name: as the table shows it.
        role: ours, peer, limit, or shown: in the table only.
        act: does the work once and gives its facts; `value` is the one that is compared.
            Called with the seconds it may take.
        missing: why it cannot take part, None where it can.
    """

    name: str
    role: Role
    act: Callable[[float], Facts]
    missing: str | None = None


@dataclass
class Score:
    """What a contender did in all its turns."""

    name: str
    role: Role
    turns: list[Facts] = field(default_factory=list)
    trouble: str = ""

    def median(self, name: str = "value") -> float | None:
        """The median over turns, None where there was none."""
        values = [turn[name] for turn in self.turns if isinstance(turn.get(name), (int, float))]
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Outcome:
    """What a benchmark found.

    Args:
        scores: of the contenders.
        unit: of `value`.
        more_is_better: False for times and sizes.
        versions: of ours and the peers.
        columns: facts shown in the table, name to heading.
        detail: whatever else is worth keeping.
    """

    scores: Sequence[Score]
    unit: str
    more_is_better: bool
    versions: dict[str, str]
    columns: dict[str, str] = field(default_factory=dict)
    detail: Facts = field(default_factory=dict)


def take_turns(
    contenders: Sequence[Contender],
    rounds: int,
    tell: Callable[[str], None],
    until: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    long: float = LONG,
) -> list[Score]:
    """A B C, A B C, …: so that what else the machine does hits all alike.

    One that is missing or fails is left out of later rounds, with its reason. With `until` (seconds of `clock`)
    no further round is begun that would not end in time, judged by the longest one so far; the first is always begun.
    One whose turn took more than `long` seconds has had its last. So a contender's n-th turn is always of round n.
    """
    scores = [Score(c.name, c.role, trouble=c.missing or "") for c in contenders]
    for score in scores:
        if score.trouble:
            tell(f"{score.name}: skipped: {score.trouble}")
    longest = 0.0
    slow: set[str] = set()
    for number in range(rounds):
        began = clock()
        if until is not None and number and began + longest > until:
            tell(f"{number} of {rounds} rounds: no time for more")
            break
        for contender, score in zip(contenders, scores, strict=True):
            if score.trouble or score.name in slow:
                continue
            started = clock()
            left = float("inf") if until is None else until - clock()
            try:
                if left < LEAST_SECONDS:
                    raise Failed("no time was left for it")
                facts = contender.act(left)
            except Failed as error:
                score.trouble = str(error)
                tell(f"{score.name}: failed: {error}")
                continue
            score.turns.append(facts)
            if clock() - started > long:
                slow.add(score.name)
            tell(f"round {number + 1}  {score.name}: {_number(facts['value'])}")
        longest = max(longest, clock() - began)
    return scores


def line_of(name: str, outcome: Outcome) -> Facts:
    """The JSON line: keys as in the contract, then `ratios`, `turns` (each value), `trouble` and `detail`.

    `ratios` has for each peer how many times better ours is: the median of the ratios in each round;
    `ratio_to_best_peer` is that of the best; `share_of_limit`, how much of the bound ours reaches, is made alike.
    All above 1 where ours wins, None where there is nothing to compare with.
    """
    mine = next((s for s in outcome.scores if s.role == "ours"), Score("", "ours"))
    bound = next((s for s in outcome.scores if s.role == "limit"), Score("", "limit"))
    ratios = {s.name: paired(mine, s, outcome.more_is_better) for s in outcome.scores if s.role == "peer"}
    peers = {s.name: s.median() for s in outcome.scores if s.role == "peer"}
    there = {peer: value for peer, value in peers.items() if value is not None}
    best = (max if outcome.more_is_better else min)(there, key=lambda peer: there[peer]) if there else ""
    turns = {s.name: [t["value"] for t in s.turns] for s in outcome.scores}
    return {
        "name": name,
        "unit": outcome.unit,
        "ours": _round(mine.median()),
        "peers": {peer: _round(value) for peer, value in peers.items()},
        "ratio_to_best_peer": _round(ratios.get(best)),
        "limit": _round(bound.median()),
        "share_of_limit": _round(paired(mine, bound, outcome.more_is_better)),
        "n": len(mine.turns),
        "machine": machine(),
        "versions": outcome.versions,
        "ratios": {peer: _round(value) for peer, value in ratios.items()},
        "turns": {who: [_round(value) for value in values] for who, values in turns.items()},
        "trouble": {s.name: s.trouble for s in outcome.scores if s.trouble},
        "detail": outcome.detail,
    }


def table_of(outcome: Outcome) -> str:
    """Lines for people: one a contender, the median of every column, least and most of the first, ours against it."""
    columns = {"value": outcome.unit} | outcome.columns
    rows = [["", *columns.values(), "least…most", "n", "ours is"]]
    mine = next((s for s in outcome.scores if s.role == "ours"), Score("", "ours"))
    for score in outcome.scores:
        values = [turn["value"] for turn in score.turns]
        spread = f"{_number(min(values))}…{_number(max(values))}" if values else score.trouble[:60]
        ratio = paired(mine, score, outcome.more_is_better)
        times = f"{_number(ratio)} ×" if ratio is not None and score is not mine else ""
        rows.append([score.name, *(_number(score.median(c)) for c in columns), spread, str(len(values)), times])
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    head, *numbers = widths
    return "\n".join(
        "  ".join([row[0].ljust(head), *(cell.rjust(w) for cell, w in zip(row[1:], numbers, strict=True))])
        for row in rows
    )


def record(line: Facts, folder: Path = RESULTS) -> Path:
    """Append a line to `results/NAME.jsonl`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{line['name']}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
    return path


def machine() -> Facts:
    """What numbers must be read with: processor, cores, memory, system, and how busy it was."""
    facts: Facts = {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
    if sys.platform == "linux":
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        names = [row.split(":", 1)[1].strip() for row in info.splitlines() if row.startswith("model name")]
        facts["processor"] = names[0] if names else "?"
        facts["memory_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    if hasattr(os, "getloadavg"):
        facts["load"] = [round(value, 2) for value in os.getloadavg()]
    return facts


def paired(ours: Score, other: Score, more_is_better: bool) -> float | None:
    """How many times better ours is: the median of the ratios of turns of one round, None where no round has both."""
    both = [(turn["value"], their["value"]) for turn, their in zip(ours.turns, other.turns, strict=False)]
    both = both if more_is_better else [(their, own) for own, their in both]
    ratios = [above / below for above, below in both if below]
    return statistics.median(ratios) if ratios else None


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
