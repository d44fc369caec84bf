"""evaluate.agreement: several judges of the same documents, side by side, with how far they agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.kernels import agreement
from hornbook.kernels.intervals import clustered
from hornbook.stages.evaluate._counting import rounded
from hornbook.stages.evaluate._rubrics import WIDEST

_READINGS = "_readings"
_VERDICTS = ("a", "b", "tie")
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Scores:
    """One judge's scores by one criterion.

    Args:
        judge, criterion: from the column's name.
        values: float64 (rows,), NaN where there is none.
        own: what the judge's own step says of the criterion, {} where nothing is known.
    """

    judge: str
    criterion: str
    values: Numbers
    own: Mapping[str, Any]


class Agreement(Job):
    """Compares all judges of the documents above: every `judge.*` and `pairwise.*` column.

    For each criterion its means side by side, each with its own readings' agreement; for every two judges Cohen's κ,
    plain and with quadratic weights, with a 95 % interval by drawing documents again; for more than two judges
    Fleiss' κ and Krippendorff's α. A mean of several readings counts as the nearest whole for κ.

    Writes `agreement.json` (the facts).
    """

    makes: ClassVar[Makes] = "exam"

    most: int = knob(200_000, help="so many of the documents above are looked at, the first", unit="documents", ge=1)
    resamples: int = knob(
        500, help="bootstrap resamples over documents for the intervals", source="Efron 1979; 95 % percentiles", ge=1
    )
    seed: int = knob(0, help="of the bootstrap")

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Read the judges' columns once, and compare.

        Raises:
            UserError: there is no judge's column above.
        """
        table = self._read(inputs)
        if not table.column_names:
            fix = "put evaluate.judge or evaluate.pairwise above it"
            raise UserError("evaluate.agreement finds no judge's column above", fix=fix)
        tick(0.3, f"{table.num_rows:,} documents")
        scores = list(_scores(table, _own(inputs)))
        by_criterion: dict[str, list[_Scores]] = {}
        for one in scores:
            by_criterion.setdefault(one.criterion, []).append(one)
        facts: dict[str, Any] = {
            "documents": table.num_rows,
            "scores": [_beside(one) for some in by_criterion.values() for one in some],
            "two": [self._two(a, b) for some in by_criterion.values() for a, b in combinations(some, 2)],
            "all": [_all(name, some) for name, some in by_criterion.items() if len(some) > 2],
        }
        tick(0.8, "verdicts on pairs")
        facts |= self._pairwise(table)
        (folder / "agreement.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return facts

    def _read(self, inputs: Inputs) -> pa.Table:
        """The judges' columns of the first documents."""
        pieces: list[pa.Table] = []
        left, wanted = self.most, _columns(inputs)
        for piece in inputs.documents(wanted) if wanted else ():
            pieces.append(piece.slice(0, left))
            left -= pieces[-1].num_rows
            if not left:
                break
        return pa.concat_tables(pieces) if pieces else pa.table({})

    def _two(self, one: _Scores, other: _Scores) -> dict[str, Any]:
        """Two judges by one criterion."""
        both = ~np.isnan(one.values) & ~np.isnan(other.values)
        low, size = _scale([one, other])
        a, b = (np.rint(some.values[both]).astype(np.int64) - low for some in (one, other))
        found: dict[str, Any] = {
            "criterion": one.criterion,
            "judges": [one.judge, other.judge],
            "documents": int(both.sum()),
        }
        if size is None:
            return found | {"kappa": None, "says": f"more than {WIDEST} steps: no table is made"}
        quadratic = self._interval(a, b, size)
        table = agreement.contingency(a, b, size)
        gap = (one.values[both] - other.values[both]).mean() if both.any() else None
        return found | {
            "same": rounded(float((a == b).mean())) if a.size else None,
            "kappa": rounded(agreement.cohen(table)),
            "kappa_quadratic": rounded(agreement.cohen(table, "quadratic")),
            "interval": quadratic,
            "mean_difference": rounded(gap),
        }

    def _interval(
        self, a: NDArray[np.int64], b: NDArray[np.int64], size: int, weights: agreement.Weights = "quadratic"
    ) -> list[float | None] | None:
        """Of κ, by drawing documents again: draws of the table are multinomial, so no document is touched."""
        table = agreement.contingency(a, b, size)
        total = int(table.sum())
        if total < 2:
            return None
        draw = np.random.default_rng(self.seed)
        drawn = draw.multinomial(total, (table / total).ravel(), self.resamples).reshape(-1, size, size)
        found = [value for one in drawn if (value := agreement.cohen(one.astype(np.float64), weights)) is not None]
        return [rounded(float(end)) for end in np.quantile(found, [0.025, 0.975])] if found else None

    def _pairwise(self, table: pa.Table) -> dict[str, Any]:
        """Judges of pairs: κ of their verdicts."""
        names = [name for name in table.column_names if name.startswith("pairwise.") and name.endswith("winner")]
        codes = {
            name.removeprefix("pairwise.").removesuffix("winner").strip(".") or "pairwise": np.array(
                [_VERDICTS.index(v) if v in _VERDICTS else -1 for v in table.column(name).to_pylist()], np.int64
            )
            for name in names
        }
        two = []
        for (one, a), (other, b) in combinations(codes.items(), 2):
            both = (a >= 0) & (b >= 0)
            two.append(
                {
                    "judges": [one, other],
                    "pairs": int(both.sum()),
                    "same": rounded(float((a[both] == b[both]).mean())) if both.any() else None,
                    "kappa": rounded(agreement.cohen(agreement.contingency(a, b, 3))),
                    "interval": self._interval(a[both], b[both], 3, "none"),
                }
            )
        if not two:
            return {}
        found: dict[str, Any] = {"verdicts": two}
        if len(codes) > 2:
            ratings = np.stack(list(codes.values()), 1)
            found["verdicts_all"] = {"judges": list(codes)} | _fleiss(ratings, 3, "none")
        return found


def _columns(inputs: Inputs) -> list[str]:
    """The judges' columns that there are."""
    from hornbook.store.parts import schema_of

    shared: list[str] | None = None
    for part in inputs.parts():
        schema = schema_of(part)
        names = [f.name for f in schema if f.name.startswith(("judge.", "pairwise."))]
        shared = names if shared is None else [name for name in shared if name in names]
    return [n for n in shared or [] if n.endswith(("winner", _READINGS)) or f"{n}{_READINGS}" in (shared or [])]


def _own(inputs: Inputs) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(judge, criterion) → what the judge's step says of it."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for artifact in inputs.above:
        facts = artifact.manifest.get("facts", {})
        for name, said in (facts.get("judged") or {}).items():
            found[str(facts.get("judge")), name] = said
    return found


def _scores(table: pa.Table, own: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[_Scores]:
    for name in table.column_names:
        if not name.startswith("judge.") or name.endswith(_READINGS):
            continue
        judge, _, criterion = name.removeprefix("judge.").rpartition(".")
        values = table.column(name).to_numpy().astype(np.float64)
        yield _Scores(judge, criterion, values, own.get((judge, criterion), {}))


def _beside(one: _Scores) -> dict[str, Any]:
    """A judge's mean here, with the agreement of its own readings."""
    known = one.values[~np.isnan(one.values)]
    mean, interval, _ = clustered({str(at): (1, float(value)) for at, value in enumerate(known)})
    said = one.own.get("agreement", "unknown: its step is not above")
    ends = one.own.get("interval") if one.own.get("documents") == known.size else None
    ends = ends or (None if interval is None else [rounded(interval[0]), rounded(interval[1])])
    return {
        "criterion": one.criterion,
        "judge": one.judge,
        "mean": rounded(mean),
        "interval": ends,
        "documents": int(known.size),
        "agreement": said,
    }


def _scale(some: Sequence[_Scores]) -> tuple[int, int | None]:
    """(lowest value, steps) of a scale, as the steps say or as was seen; None where it is too wide for a table."""
    known = [one.own["scale"] for one in some if "scale" in one.own]
    seen = np.concatenate([one.values[~np.isnan(one.values)] for one in some])
    ends = [end for scale in known for end in scale] + ([seen.min(), seen.max()] if seen.size else [0])
    low, high = int(np.rint(min(ends))), int(np.rint(max(ends)))
    return low, high - low + 1 if high - low <= WIDEST else None


def _all(criterion: str, some: Sequence[_Scores]) -> dict[str, Any]:
    """More than two judges by one criterion."""
    low, size = _scale(some)
    found = {"criterion": criterion, "judges": [one.judge for one in some]}
    if size is None:
        return found
    values = np.stack([one.values for one in some], 1)
    ratings = np.where(np.isnan(values), -1, np.rint(np.nan_to_num(values)).astype(np.int64) - low)
    return found | _fleiss(ratings, size, "quadratic")


def _fleiss(ratings: NDArray[np.int64], size: int, weights: agreement.Weights) -> dict[str, Any]:
    """Fleiss' κ over rows that all judged, Krippendorff's α over all rows."""
    whole = ratings[(ratings >= 0).all(1)]
    counts = np.stack([(whole == value).sum(1) for value in range(size)], 1).astype(np.float64)
    share = float(agreement.agreeing(counts).mean()) if len(whole) else None
    return {
        "documents": len(whole),
        "fleiss": None if share is None else rounded(agreement.fleiss(share, counts.sum(0))),
        "alpha": rounded(agreement.alpha(agreement.coincidences(ratings, size), weights)),
    }
