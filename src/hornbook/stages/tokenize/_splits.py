"""Documents to the two splits of a token folder: which are held out, what is written of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from hornbook.core.documents import ID, TEXT

if TYPE_CHECKING:
    from hornbook.stages.tokenize._encoding import Encoder

_STEP = 1 << 21
"""Bytes of text encoded by one thread at a time."""

_THREADS = min(16, os.cpu_count() or 1)
"""Parts under way, each on a core of its own; more than 16 only wait for the interpreter's lock."""

_COPIED = 300
"""Tokens a document from which copying them one by one is cheaper."""

VAL = pa.schema([(ID, pa.string()), (TEXT, pa.string()), ("bytes", pa.int64()), ("tokens", pa.int64())])


def hashes(piece: pa.Table) -> list[int]:
    """A 64-bit hash of each id."""
    from xxhash import xxh3_64_intdigest

    return [xxh3_64_intdigest(key.encode()) for key in piece.column(ID).to_pylist()]


def limit_of(share: float, least: int) -> int:
    """The hash below which a document is held out: the share of all, and at least the least one, unless 0."""
    limit = int(share * 2**64)
    return least + 1 if limit and least >= limit else limit


def lengths(piece: pa.Table) -> np.ndarray[Any, Any]:
    """Bytes of each text, int64."""
    import pyarrow.compute as pc

    sizes = pc.binary_length(piece.column(TEXT))
    return np.asarray(sizes.cast(pa.int64()).to_numpy())


def closed(
    ids: np.ndarray[Any, Any],
    offsets: np.ndarray[Any, Any],
    wanted: np.ndarray[Any, Any],
    end: int,
    kind: np.dtype[Any],
) -> np.ndarray[Any, Any]:
    """The wanted documents one after the other, each followed by the end token, as `kind`.

    Long documents are copied one by one, short ones all at once; a compiled kernel would be no faster than the
    encoding beside it and take 140 MB.

    Args:
        ids: token numbers of all documents; each must fit in `kind`.
        offsets: (documents + 1,) where each begins.
        wanted: (documents,) which are taken.
    """
    sizes = np.diff(offsets)
    mine = sizes[wanted]
    out = np.empty(int(mine.sum()) + mine.size, kind)
    ends = np.cumsum(mine + 1) - 1
    if mine.sum() >= _COPIED * mine.size:
        starts = offsets[:-1][wanted]
        for at, start, size in zip((ends - mine).tolist(), starts.tolist(), mine.tolist(), strict=True):
            out[at : at + size] = ids[start : start + size]
    else:
        inside = np.ones(out.size, np.bool_)
        inside[ends] = False
        out[inside] = ids if wanted.all() else ids[np.repeat(wanted, sizes)]
    out[ends] = end
    return out


def ahead(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same pieces, the next one read while this one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = reader.submit(next, pieces, None)
            yield piece


def parts_of(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The pieces in parts of about `_STEP` bytes of text, and no fewer than one document."""
    for piece in pieces:
        pa.default_memory_pool().release_unused()
        marks = np.cumsum(lengths(piece)) // _STEP
        edges = [0, *(np.flatnonzero(np.diff(marks)) + 1).tolist(), piece.num_rows]
        for start, stop in pairwise(edges):
            if stop > start:
                yield piece.slice(start, stop - start)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A part: which documents are held out, tokens of each, and the tokens of either split, None where it has none."""

    held: np.ndarray[Any, Any]
    counts: np.ndarray[Any, Any]
    train: np.ndarray[Any, Any] | None
    val: np.ndarray[Any, Any] | None


class Splits:
    """The files of both splits while they are written; a context manager.

    Args:
        folder: where.
        encoder: of the texts.
        limit: documents whose hash lies below are held out.
        vocab, end: the size of the vocabulary, and the token that ends a document.
    """

    def __init__(self, folder: Path, encoder: Encoder, limit: int, vocab: int, end: int) -> None:
        self.folder, self.encoder, self.limit = folder, encoder, limit
        self.vocab, self.end = vocab, end

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        from hornbook.nn.tokens import Writer

        self._open = ExitStack()
        self.train = self._open.enter_context(Writer(self.folder, "train", self.vocab, self.end))
        self.val = self._open.enter_context(Writer(self.folder, "val", self.vocab, self.end))
        held = pq.ParquetWriter(self.folder / "val.parquet", VAL, compression="zstd")
        self._held = self._open.enter_context(held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def write(self, pieces: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, np.ndarray[Any, Any]]]:
        """Encode and write documents; each part of them in order, with tokens of each document without its end."""
        with ThreadPoolExecutor(_THREADS) as pool:
            waiting: deque[tuple[pa.Table, Future[_Encoded]]] = deque()
            for part in parts_of(ahead(pieces)):
                waiting.append((part, pool.submit(self._encode, part)))
                if len(waiting) > _THREADS:
                    yield self._take(*waiting.popleft())
            while waiting:
                yield self._take(*waiting.popleft())

    def _encode(self, part: pa.Table) -> _Encoded:
        known = hashes(part) if self.limit else [0] * part.num_rows
        held = np.array([value < self.limit for value in known], np.bool_)
        ids, offsets = self.encoder.encode(part.column(TEXT).to_pylist())
        made = [closed(ids, offsets, mine, self.end, self.train.kind) if mine.any() else None for mine in (~held, held)]
        return _Encoded(held, np.diff(offsets), *made)

    def _take(self, part: pa.Table, waiting: Future[_Encoded]) -> tuple[pa.Table, np.ndarray[Any, Any]]:
        found, sizes = waiting.result(), lengths(part)
        held, counts = found.held, found.counts
        for writer, mine, ids in ((self.train, ~held, found.train), (self.val, held, found.val)):
            if ids is not None:
                writer.extend(ids, counts[mine] + 1, int(sizes[mine].sum()))
        if found.val is not None:
            out = part.select([ID, TEXT]).filter(pa.array(held))
            columns = [*out.columns, pa.array(sizes[held]), pa.array(counts[held])]
            self._held.write_table(pa.table(columns, schema=VAL))
        return part, counts

    def facts(self) -> dict[str, Any]:
        """Facts of each split."""
        return {"train": self.train.facts(), "val": self.val.facts()}


def flat(splits: dict[str, Any]) -> dict[str, Any]:
    """The facts of the splits under one name each: `train_tokens` …"""
    return {f"{split}_{name}": value for split, facts in splits.items() for name, value in facts.items()}
