"""Errors are rows: a document that a stage cannot take is dropped with the reason, the others go on."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from hornbook.core.errors import HornbookError
from hornbook.core.rules import Rule

ERROR = "hornbook.error"
"""Mark that holds what a stage said when it failed on a document."""

ERROR_RULE = {"error": Rule(ERROR, "is set")}


def with_errors(rules: dict[str, Rule]) -> dict[str, Rule]:
    """A stage's rules, before them the one for documents that it failed on.

    Its reason is `error`, or `stage_error` for a stage that has an `error` of its own, as quality.code_runs does.
    """
    return {"stage_error" if "error" in rules else "error": ERROR_RULE["error"]} | rules


_FEW = 8


def carefully(compute: Callable[[pa.Table, int], pa.Table], piece: pa.Table, offset: int, use: str) -> pa.Table:
    """Marks of a piece; where the stage raises, the guilty rows alone get the mark `hornbook.error`.

    Args:
        compute: (rows, number of their first row within the part) → marks.
        piece: the rows.
        offset: the number of the piece's first row within the part.
        use: the stage's path, for messages.

    Raises:
        HornbookError: more than half of the rows fail: the fault is the stage's, not the documents'.
    """
    try:
        return compute(piece, offset)
    except (HornbookError, MemoryError):
        raise
    except Exception as error:
        return _by_halves(compute, piece, offset, use, error)


def _by_halves(
    compute: Callable[[pa.Table, int], pa.Table], piece: pa.Table, offset: int, use: str, first: Exception
) -> pa.Table:
    """Find the rows that fail by cutting the piece in two until each is alone."""
    good: list[tuple[int, pa.Table]] = []
    bad: dict[int, str] = {}
    todo = [(0, piece.num_rows)]
    while todo:
        start, rows = todo.pop()
        try:
            good.append((start, compute(piece.slice(start, rows), offset + start)))
        except (HornbookError, MemoryError):
            raise
        except Exception as error:
            if rows == 1:
                bad[start] = f"{type(error).__name__}: {error}"
            else:
                half = rows // 2
                todo += [(start, half), (start + half, rows - half)]
        if len(bad) * 2 > piece.num_rows >= _FEW:
            raise HornbookError(
                f"{use} failed on {len(bad)} of {piece.num_rows} documents: {next(iter(bad.values()))}",
                where=f"document {piece.column('id')[0]}" if "id" in piece.column_names else use,
                fix="this is a fault of the stage; `hornbook step` on a few documents shows it alone",
            ) from first
    return _together(sorted(good, key=lambda pair: pair[0]), bad, piece.num_rows)


def _together(good: list[tuple[int, pa.Table]], bad: dict[int, str], rows: int) -> pa.Table:
    """Marks in the order of the rows, empty where the stage failed."""
    errors = pa.array([bad.get(at) for at in range(rows)], pa.string())
    if not good:
        return pa.table({ERROR: errors})
    place: list[int | None] = [None] * rows
    taken = 0
    for start, table in good:
        place[start : start + table.num_rows] = range(taken, taken + table.num_rows)
        taken += table.num_rows
    spread = pa.concat_tables([table for _, table in good]).take(pa.array(place, pa.int64()))
    return spread.append_column(ERROR, errors)
