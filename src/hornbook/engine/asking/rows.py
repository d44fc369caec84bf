"""Requests of rows, and the journaled replies to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

import pyarrow as pa

from hornbook.core.asking import Raw, Reply, Request
from hornbook.core.errors import HornbookError
from hornbook.core.stage import Ask
from hornbook.engine.chains import chained, follow, rows_of
from hornbook.store.journal import Entry, Journal
from hornbook.teachers.reading import read_reply


def with_params(request: Request, params: Mapping[str, Any]) -> Request:
    """The request with the teacher's sampling parameters where the stage sets none."""
    return replace(request, params={**params, **request.params}) if params else request


def requests_of(stage: Ask, piece: pa.Table, model: str, params: Mapping[str, Any]) -> list[Request | None]:
    """One request a row.

    Raises:
        HornbookError: the stage gave another number of requests than rows.
    """
    found = [None if r is None else with_params(r, params) for r in stage.ask(piece, model)]
    if len(found) != piece.num_rows:
        raise HornbookError(f"{type(stage).__name__}.ask gave {len(found)} requests for {piece.num_rows} rows")
    return found


def replies_for(
    stage: Ask, piece: pa.Table, model: str, params: Mapping[str, Any], journal: Journal
) -> Sequence[Reply]:
    """The journaled reply to each row, in order.

    Raises:
        HornbookError: a request has neither reply nor tombstone.
    """
    requests = requests_of(stage, piece, model, params)
    rows = rows_of(piece) if chained(stage) else repeat({})
    asked = [(row, request) for row, request in zip(rows, requests, strict=False) if request is not None]
    replies = iter(replies_to(stage, asked, params, journal))
    return [reply_of(None, {}) if request is None else next(replies) for request in requests]


def replies_to(
    stage: Ask, rows: Sequence[tuple[Mapping[str, Any], Request]], params: Mapping[str, Any], journal: Journal
) -> list[Reply]:
    """The journaled reply to each row's request; the last one, where the stage asks in rounds.

    Raises:
        HornbookError: a request has neither reply nor tombstone.
    """
    if not chained(stage):
        keys = [request.key() for _, request in rows]
        entries = journal.find(keys)
        return [reply_of(key, entries) for key in keys]
    found, lacking = follow(stage, rows, params, looking(journal))
    return [reply_of(lacking[0], {}) if reply is None else reply for reply in found]


def looking(journal: Journal) -> Callable[[Sequence[str]], dict[str, Reply]]:
    """Asks a journal for replies and tombstones, read."""

    def look(keys: Sequence[str]) -> dict[str, Reply]:
        entries = journal.find(keys)
        return {key: reply_of(key, entries) for key in entries}

    return look


def reply_of(key: str | None, entries: dict[str, Entry]) -> Reply:
    """A journaled reply, read.

    Raises:
        HornbookError: the request has neither reply nor tombstone.
    """
    if key is None:
        return Reply("", error="rejected", detail="no request could be made from this row")
    entry = entries.get(key)
    if entry is None:
        raise HornbookError(f"no reply to request {key} in the journal", fix="run the recipe again: it will be asked")
    if isinstance(entry.raw, Raw):
        return read_reply(key, entry.raw)
    kind: Any = entry.error
    return Reply(key, error=kind, detail=entry.detail)
