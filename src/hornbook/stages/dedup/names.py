"""dedup.names: functions whose names say the same."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from hornbook.core.documents import ID
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Across
from hornbook.stages.dedup._copies import found, marks


class Names(Across):
    """Keeps the first of functions whose names say the same, in document order.

    `words` compares a name's words in their order (snake or camel case, a plural's s aside); `meaning` their set,
    without fillers (of, in, list …), with words that say the same as one (compute, find, get; largest, maximum).
    phi-1 (arXiv:2306.11644, section 2.3) makes exercises differ by their names; which of them are the same is our own
    rule.

    Reads `entry_point` (a function's name). A row without one is kept.

    Marks: `dedup.name_of` (string, id of the document that is kept in place of this one; null where this one is
    kept), `dedup.name_copies` (int64, how many documents have its name, itself included).
    """

    version: ClassVar[str] = "1"
    reads: ClassVar[tuple[str, ...] | None] = (ID, "entry_point")

    by: Literal["words", "meaning"] = knob("meaning", help="what of a name is compared")

    def map(self, piece: pa.Table, row: int) -> pa.Table:
        """One row for each document with a name."""
        from xxhash import xxh3_64_intdigest

        from hornbook.kernels.signatures import meaning_of, tokens_of

        if "entry_point" not in piece.column_names:
            raise UserError(
                "dedup.names: there is no column `entry_point`",
                where=f"the step above; it has {', '.join(piece.column_names)}",
                fix="put sources.names, or sources.signatures and sources.spread above it",
            )
        said: list[Any] = [text if isinstance(text, str) else "" for text in piece.column("entry_point").to_pylist()]
        forms = [
            meaning_of(text[:_LONGEST]) if self.by == "meaning" else " ".join(tokens_of(text[:_LONGEST]))
            for text in said
        ]
        some = np.flatnonzero([bool(one) for one in forms])
        keys = np.array([xxh3_64_intdigest(forms[at].encode("utf-8", "replace")) >> 1 for at in some], np.int64)
        ids = piece.column(ID).combine_chunks().take(pa.array(some))
        return pa.table({"partition": keys, "row": row + some, ID: ids})

    def reduce(self, rows: pa.Table, total: int) -> pa.Table:
        """Of each name that is there twice: who is kept, and how many there are."""
        return found(rows, ["partition"])

    def apply(self, piece: pa.Table, row: int, facts: pa.Table) -> pa.Table:
        """The marks of a piece."""
        return marks(facts, row, piece.num_rows, "dedup.name_of", "dedup.name_copies")

    def drops(self) -> dict[str, Rule]:
        """A name that is there already."""
        return {"same_name": Rule("dedup.name_of", "is set")}


_LONGEST = 1_000
"""Characters of a name that are looked at; ours."""
