"""Shingles of documents: runs of n words, characters or tokens, as sets and as signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.core.knobs import local_path

Unit = Literal["words", "characters", "tokens"]
_Numbers = NDArray[np.int64]
Ranges = tuple[int, NDArray[np.uint8], _Numbers, _Numbers, _Numbers, _Numbers]
BLOCK = 2**19
"""Bytes of text looked at together: their hashes stay in the processor's cache."""
_ODD, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True, slots=True)
class Shingling:
    """How documents become sets.

    Args:
        unit: of what the runs are.
        n: units in a run. A text of fewer, but one at least, is one run.
        tokenizer: a tokenizer.json, for tokens.
    """

    unit: Unit
    n: int
    tokenizer: str = ""

    def shingles(self, column: Any) -> Iterator[tuple[int, int, NDArray[np.uint64], NDArray[np.int64]]]:
        """(first row, last row + 1, hashes, offsets) of a column of text, some rows at a time."""
        from hornbook.kernels.minhash import runs

        units = {"words": _words, "characters": _characters, "tokens": self._tokens}[self.unit]
        for first, last, hashes, starts in units(column):
            yield first, last, *runs(hashes, starts, self.n)

    def keys(self, column: Any, bands: int, rows: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The bands' hashes of each text, uint64 (texts, bands), and which texts have any shingle."""
        from hornbook.kernels.minhash import signatures
        from hornbook.kernels.near import band_keys

        out, some = np.zeros((len(column), bands), np.uint64), np.zeros(len(column), np.bool_)
        for first, last, hashes, offsets in self.shingles(column):
            out[first:last] = band_keys(signatures(hashes, offsets, bands * rows), bands, rows)
            some[first:last] = np.diff(offsets) > 0
        return out, some

    def sets(self, column: Any) -> pa.LargeListArray:
        """The different shingles of each text, sorted: lists of uint64."""
        from hornbook.kernels.near import sets

        values, sizes = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)]
        for _, _, hashes, offsets in self.shingles(column):
            some, ends = sets(hashes, offsets)
            values.append(some)
            sizes.append(np.diff(ends))
        return pa.LargeListArray.from_arrays(np.cumsum(np.concatenate(sizes)), np.concatenate(values))

    def _tokens(self, column: Any) -> Iterator[tuple[int, int, NDArray[np.uint64], NDArray[np.int64]]]:
        read = _tokenizer(local_path(self.tokenizer))
        for first in range(0, len(column), 256):
            texts = [text or "" for text in column.slice(first, 256).to_pylist()]
            found = [entry.ids for entry in read.encode_batch_fast(texts, add_special_tokens=False)]
            starts = np.cumsum([0, *map(len, found)]).astype(np.int64)
            ids = np.fromiter((i for some in found for i in some), np.uint64, int(starts[-1]))
            yield first, first + len(texts), _mixed(ids), starts


def unit_ranges(column: Any, unit: Unit, tokenizer: str, block: int) -> Iterator[Ranges]:
    """Where the units of a column of text lie, some rows at a time.

    Args:
        column: of strings.
        unit: words of the word rule, code points, or tokens (those that share a character are one).
        tokenizer: a tokenizer.json, for tokens.
        block: bytes of text, about, at a time.

    Yields:
        the first row; the bytes, and where each text begins in them; where each unit begins and ends in them;
        where each text's units begin among them.
    """
    from hornbook.kernels.words import blocks, texts, words

    data, offsets = texts(column)
    for first, last in blocks(offsets, block):
        some = offsets[first : last + 1]
        if unit == "words":
            found = words(data, some)
            yield first, data, some, found.starts, found.ends, found.offsets
            continue
        begins = np.flatnonzero((data[some[0] : some[-1]] & 0xC0) != 0x80) + some[0]
        if unit == "tokens":
            begins = begins[_token_starts(column.slice(first, last - first), tokenizer)]
        units = np.searchsorted(begins, some)
        ends = np.append(begins[1:], some[-1])
        yield first, data, some, begins, ends, units


def _token_starts(column: Any, tokenizer: str) -> NDArray[np.int64]:
    """The characters at which tokens begin, counted through all the texts; each text begins one."""
    read, base, starts = _tokenizer(local_path(tokenizer)), 0, [np.zeros(0, np.int64)]
    for text in column.to_pylist():
        found = read.encode(text or "", add_special_tokens=False).offsets
        if text:
            starts.append(base + np.unique([0, *(start for start, end in found if end > start)]))
        base += len(text or "")
    return np.concatenate(starts)


def _words(column: Any) -> Iterator[tuple[int, int, NDArray[np.uint64], NDArray[np.int64]]]:
    from hornbook.kernels.wordhashes import hashes
    from hornbook.kernels.words import blocks, texts

    data, offsets = texts(column)
    for first, last in blocks(offsets, BLOCK):
        yield first, last, *hashes(data, offsets[first : last + 1])


def _characters(column: Any) -> Iterator[tuple[int, int, NDArray[np.uint64], NDArray[np.int64]]]:
    """Code points of the text with case folded and each run of white space made one space."""
    from hornbook.kernels.words import blocks, normalise, texts

    plain = normalise(column, "case")
    data, offsets = texts(plain)
    lengths = pc.utf8_length(plain).to_numpy()
    for first, last in blocks(offsets, BLOCK):
        text = bytes(data[offsets[first] : offsets[last]]).decode()
        points = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
        yield first, last, _mixed(points), np.concatenate([[0], np.cumsum(lengths[first:last])])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    spread = (numbers + np.uint64(1)) * _ODD
    spread = (spread ^ spread >> np.uint64(33)) * _MIX
    mixed: NDArray[np.uint64] = spread ^ spread >> np.uint64(33)
    return mixed


@lru_cache(maxsize=2)
def _tokenizer(path: str) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"no tokenizer: {error}", where=path, fix="tokenizer: a tokenizer.json") from error
