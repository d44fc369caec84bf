"""What a step asks in batches: a pass at a time, and within it round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from hornbook.core.asking import Request
from hornbook.core.stage import Ask
from hornbook.engine.batches.drafts import pieces
from hornbook.engine.chains import Chain, Look, chained, lacking_of, outcome, walked
from hornbook.engine.wanting import Wanted

Row = tuple[Mapping[str, Any], Request]


def passes_of(
    stage: Ask, rows: Callable[[], Iterator[Row]], params: Mapping[str, Any], look: Look, wanted: Wanted
) -> Iterator[Callable[[], Iterator[Request]]]:
    """What to ask in batches, a pass at a time; each pass must have its replies before the next is begun.

    Where a number of replies is wanted, a pass is in memory: its requests are those that were drawn.

    Args:
        stage: what asks.
        rows: each row's first request, with the row.
        params: the teacher's sampling parameters.
        look: asks the journal.
        wanted: which rows are asked.
    """
    if wanted.want is None:
        yield lambda: awaited(stage, rows(), params, look) if chained(stage) else (r for _, r in rows())
        wanted.recall()
        return
    for drawn in wanted.passes():
        some = list(drawn)
        yield partial(awaited, stage, some, params, look)
        for piece in pieces(iter(some)):
            for (_, request), chain in zip(piece, walked(stage, piece, params, look), strict=True):
                reply = outcome(stage, chain.last()) if lacking_of(chain) is None else None
                if reply is not None and reply.error is None:
                    wanted.seen(request, reply)


def awaited(stage: Ask, rows: Iterable[Row], params: Mapping[str, Any], look: Look) -> Iterator[Request]:
    """The request that each row waits for, by what the journal holds; rows that are done are left out."""
    for some in pieces(iter(rows)):
        chains = [Chain(row, [request]) for row, request in some]
        while chains:
            known = look(list(dict.fromkeys(chain.asked[-1].key() for chain in chains)))
            left = []
            for chain in chains:
                reply = known.get(chain.asked[-1].key())
                if reply is None or reply.error == "transport":
                    yield chain.asked[-1]
                elif chain.went_on(stage, params, reply):
                    left.append(chain)
            chains = left
