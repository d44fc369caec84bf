"""GPT-3's cut (arXiv 2005.14165, appendix C): a collision leaves with its surroundings, and small rests leave too."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.stages.decontaminate._pairs import joined

AROUND, SHORTEST = 200, 200
"""Characters that leave on each side of a collision; characters of the shortest piece that stays."""


def marks_of(piece: pa.Table, row: int, facts: pa.Table, *, cut_text: bool) -> dict[str, pa.Array]:
    """What the rule leaves of each document: `decontaminate.pieces`, `decontaminate.left` and, where it is cut, `text`.

    Args:
        piece: documents, the first of them number `row`.
        facts: what the ladder's `reduce` says of them; seeds that are no stock are cut out at their `spans`.
        cut_text: False marks only.
    """
    hits: dict[int, list[str]] = {}
    for fact in facts.to_pylist():
        if fact.get("stock") is False:
            hits.setdefault(fact["row"] - row, []).append(fact["spans"])
    column = piece.column(TEXT)
    found = {at: cut(column[at].as_py(), spans) for at, spans in hits.items()}
    pieces = [found[at][1] if at in found else None for at in range(piece.num_rows)]
    left = [len(found[at][0]) if at in found else None for at in range(piece.num_rows)]
    marks = {"decontaminate.pieces": pa.array(pieces, pa.int64()), "decontaminate.left": pa.array(left, pa.int64())}
    if cut_text:
        texts = [found[at][0] if at in found else text for at, text in enumerate(column.to_pylist())]
        marks[TEXT] = pa.array(texts, column.type)
    return marks


def cut(text: str, spans: Iterable[str]) -> tuple[str, int]:
    """(the pieces that stay, with a blank line between two, how many pieces the text falls into).

    Args:
        text: a document.
        spans: where it collides, as character ranges `120-340 380-500`.
    """
    ranges = [span.split("-") for several in spans for span in several.split()]
    gone = joined([(max(0, int(a) - AROUND), min(len(text), int(b) + AROUND)) for a, b in ranges], 0)
    edges = [0, *(edge for span in gone for edge in span), len(text)]
    pieces = [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    return "\n\n".join(piece for piece in pieces if len(piece) >= SHORTEST), len(pieces)
