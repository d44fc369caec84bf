"""The requests of a step that asks, built piece by piece from its documents; no list of them is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, repeat

from hornbook.core.asking import Request
from hornbook.core.stage import Ask
from hornbook.engine.asking import looking, requests_of
from hornbook.engine.chains import Chains, chained, follow, rows_of
from hornbook.engine.diversity import Watching, groups_of
from hornbook.engine.tasks import Work
from hornbook.engine.wanting import Row, Rows
from hornbook.store.artifacts import Above
from hornbook.store.journal import Journal
from hornbook.store.parts import pieces, schema_of

LOOK = 512
"""Requests looked up together."""


def rows_asked(stage: Ask, above: Above) -> int:
    """How many documents a stage asks about; where it draws no sample, nothing is read for it."""
    if not stage.chooses:
        return above.rows()
    return sum(sum(stage.chosen(piece)) for piece in above.documents(stage.chooses))


def stream(score: Ask, work: Work, above: Above) -> Iterator[Request]:
    """The requests of a step, built piece by piece; rows that give none are left out."""
    for part in above.parts():
        for piece in pieces(part, score.reads):
            found = requests_of(score, piece, work.model, work.params)
            yield from (request for request in found if request is not None)


def stream_rows(score: Ask, work: Work, above: Above) -> Rows:
    """The first request of each row with the row, which is empty where the stage does not ask in rounds."""
    for part in above.parts():
        for piece in pieces(part, score.reads):
            found = requests_of(score, piece, work.model, work.params)
            rows = rows_of(piece) if chained(score) else repeat({})
            yield from ((row, request) for row, request in zip(rows, found, strict=False) if request is not None)


def stream_watched(score: Ask, work: Work, above: Above, watching: Watching, every: int = 1) -> Iterator[Row]:
    """The rows that can be asked, with their numbers and groups; of every n-th piece alone, where n is more than 1."""
    number = at = 0
    for part in above.parts():
        columns = watching.among(schema_of(part).names)
        reads = None if score.reads is None else list(dict.fromkeys([*score.reads, *columns]))
        for piece in pieces(part, reads):
            at += 1
            if (at - 1) % every == 0:
                have = piece.column_names
                own = piece if score.reads is None else piece.select([name for name in score.reads if name in have])
                found = requests_of(score, own, work.model, work.params)
                groups = groups_of({name: piece.column(name).to_pylist() for name in columns}, piece.num_rows)
                rows = rows_of(own) if chained(score) else repeat({})
                for row, (seen, request) in enumerate(zip(rows, found, strict=False)):
                    if request is not None:
                        yield Row(number + row, groups[row], request, seen)
            number += piece.num_rows


def begun(rows: Rows, chains: Chains | None) -> Iterator[Request]:
    """The requests, each made known as the beginning of its row's chain."""
    for row, request in rows:
        if chains is not None:
            chains.begin(request, row)
        yield request


def any_left(score: Ask, work: Work, rows: Rows, reader: Journal) -> bool:
    """Whether the journal lacks any reply: if not, no teacher need be opened at all."""
    while some := list(islice(rows, LOOK)):
        if chained(score):
            if follow(score, some, work.params, looking(reader))[1]:
                return True
            continue
        keys = [request.key() for _, request in some]
        known = reader.find(keys)
        if any(key not in known or known[key].error == "transport" for key in keys):
            return True
    return False
