"""Tables of a score by topic, by source, by any column: sums that add up over pieces, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from hornbook.core.errors import UserError
from hornbook.kernels.intervals import student

SHOWN = 100
"""Groups of a column that stand in the manifest, the worst; our choice."""
_NAME = 120
"""Characters of a group's name."""


def groups(piece: pa.Table, by: Sequence[str]) -> pa.Array:
    """Each row's values of some columns, list<string>, null where there is none.

    Raises:
        UserError: a column holds lists or the like.
    """
    columns: list[list[str | None]] = []
    for name in by:
        if name not in piece.column_names:
            columns.append([None] * piece.num_rows)
            continue
        kind = piece.schema.field(name).type
        if pa.types.is_nested(kind):
            raise UserError(f"by: {name} holds {kind}", where="by", fix="columns of texts or numbers")
        columns.append([None if v is None else str(v)[:_NAME] for v in piece.column(name).to_pylist()])
    rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[]] * piece.num_rows
    return pa.array(rows, pa.list_(pa.string()))


def sums(by: Sequence[str], rows: Sequence[Sequence[str | None]], scores: Mapping[str, Sequence[float | None]]) -> Any:
    """Column → value → score → [documents, sum, sum of squares]; the column `` holds all documents."""
    found: dict[str, Any] = {}
    for at, row in enumerate(rows):
        for column, value in [("", "all"), *zip(by, row, strict=True)]:
            if value is None:
                continue
            for name, values in scores.items():
                score = values[at]
                if score is None:
                    continue
                cell = found.setdefault(column, {}).setdefault(value, {}).setdefault(name, [0, 0.0, 0.0])
                cell[0] += 1
                cell[1] += score
                cell[2] += score * score
    return found


def tables(found: Mapping[str, Any], least: int, first: Sequence[str]) -> dict[str, Any]:
    """What the sums say: for all documents, then of each column its groups, the worst first.

    Args:
        found: of all pieces.
        least: groups of fewer documents are put together.
        first: scores, the one that orders the groups first.
    """
    said: dict[str, Any] = {"all": _row(found.get("", {}).get("all", {}))}
    for column, values in found.items():
        if not column:
            continue
        large, rest = {}, dict[str, list[float]]()
        for value, scores in values.items():
            if max(cell[0] for cell in scores.values()) >= least:
                large[value] = scores
                continue
            for name, cell in scores.items():
                rest[name] = [a + b for a, b in zip(rest.get(name, [0, 0.0, 0.0]), cell, strict=True)]
        rows = [{"value": value} | _row(scores) for value, scores in large.items()]
        rows.sort(key=lambda row: (*(-(row.get(name) or 0.0) for name in first), row["value"]))
        table: dict[str, Any] = {"groups": len(values), "worst_first": rows[:SHOWN]}
        if rest:
            table["smaller"] = {"groups": len(values) - len(large)} | _row(rest)
        said[column] = table
    return said


def _row(scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Documents, and of each score its mean and the 95 % interval of it (Student's t); null of one document."""
    row: dict[str, Any] = {"documents": int(max((cell[0] for cell in scores.values()), default=0))}
    for name, (many, total, squares) in sorted(scores.items()):
        mean = total / many
        row[name] = round(mean, 4)
        row[f"{name}_interval"] = None
        if many > 1:
            spread = max(0.0, squares - many * mean * mean) / (many - 1)
            half = student(int(many) - 1) * math.sqrt(spread / many)
            row[f"{name}_interval"] = [round(mean - half, 4), round(mean + half, 4)]
    return row
