"""Rules: why a document leaves, as data that can be run on columns, shown and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import EVIDENCE, REASON

Op = Literal["<", "<=", ">", ">=", "==", "!=", "is set"]

RUN = 8
"""Rows a run must have on average to be worth a piece of its own; less, and copying them is cheaper. Our choice."""

_COMPARE = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "==": pc.equal,
    "!=": pc.not_equal,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Drop the documents whose mark is over, under or at a limit.

    A missing mark (null) never drops a document; `is set` drops exactly those that have one.

    Args:
        mark: the column looked at.
        op: how it is compared.
        limit: what it is compared with; unused for `is set`.
        evidence: another column that holds the proof (the document duplicated, the benchmark item).
    """

    mark: str
    op: Op
    limit: float | int | str | bool | None = None
    evidence: str = ""

    def hits(self, table: pa.Table) -> pa.ChunkedArray:
        """A boolean column: which rows the rule drops."""
        column = table.column(self.mark)
        if self.op == "is set":
            return pc.is_valid(column)
        return pc.fill_null(_COMPARE[self.op](column, self.limit), False)

    def say(self, row: dict[str, Any]) -> str:
        """The evidence for one dropped row: `quality.words = 12 < 50`."""
        value = row[self.mark]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        limit = "" if self.op == "is set" else f" {self.op} {self.limit}"
        proof = f"; {row[self.evidence]}" if self.evidence and row.get(self.evidence) else ""
        return f"{self.mark} = {shown}{limit}{proof}"


def select(table: pa.Table, rules: dict[str, Rule]) -> tuple[pa.Table, pa.Table]:
    """Split a table into what is kept and what is dropped; the first rule that hits names the reason.

    Returns:
        (kept, dropped); kept + dropped = table, and dropped has `reason` and `evidence` as well.
    """
    reason: pa.Array = pa.nulls(table.num_rows, pa.string())
    for name, rule in rules.items():
        fresh = pc.and_(rule.hits(table), pc.is_null(reason))
        reason = pc.if_else(fresh, pa.scalar(name), reason)
    gone = pc.is_valid(reason)
    kept = _without(table, gone)
    dropped = table.filter(gone)
    why = pc.filter(reason, gone)
    columns = sorted({rule.mark for rule in rules.values()} | {r.evidence for r in rules.values() if r.evidence})
    rows = dropped.select(columns).to_pylist() if columns else []
    said = [rules[name].say(row) for name, row in zip(why.to_pylist(), rows, strict=False)]
    return kept, with_reason(dropped, why, pa.array(said, pa.string()))


def _without(table: pa.Table, gone: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows that stay; where few leave, as the runs between them, of which nothing is copied."""
    leaving = pc.indices_nonzero(gone).to_pylist()
    if len(leaving) > table.num_rows // RUN:
        return table.filter(pc.invert(gone))
    edges = pairwise([-1, *leaving, table.num_rows])
    runs = [table.slice(before + 1, after - before - 1) for before, after in edges if before + 1 < after]
    return pa.concat_tables(runs) if runs else table.slice(0, 0)


def with_reason(table: pa.Table, reason: Any, evidence: Any) -> pa.Table:
    """Rows marked as dropped: `reason` and `evidence` put at the end, replacing any of that name."""
    for name in (REASON, EVIDENCE):
        if name in table.column_names:
            table = table.drop_columns([name])
    return table.append_column(REASON, reason).append_column(EVIDENCE, evidence)
