# ruff: noqa: ANN001, ANN202 (kernels are typed by what they are given)
"""Documents as vectors: the mean of their words' token vectors, without a network or a neural net.

The vectors are those of the package `wordllama` (256 numbers for each of Llama 2's 32,000 tokens). They are read from
its files; the package itself is not imported (0.4.0.post1 looks for its tokenizer in the wrong folder, would go to the
network for it, and sets up logging for the whole program). A word is cut into tokens by the package's tokenizer, once
for each distinct word; so text is read at the speed of the word rule, not of a tokenizer. Punctuation has no
part in it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.errors import UserError
from hornbook.kernels.jit import kernel
from hornbook.kernels.words import blocks, normalise, texts, words

KNOWN = 2**21
"""Distinct words remembered; then all are forgotten (some 50 MB)."""
LONGEST = 64
"""Bytes of a word that count; our choice: longer ones are data, not words."""
_EMPTY = np.uint64(0)

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Words → the numbers of their tokens."""


class WordVectors:
    """Token vectors, and the words whose tokens are known so far.

    What comes out depends on the text alone, not on what was read before.

    Args:
        vectors: float32 (tokens, dimensions).
        encode: cuts words into tokens.
    """

    def __init__(self, vectors: NDArray[np.float32], encode: Encode) -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self._encode = encode
        self._forget()

    def embed(self, column: Any) -> NDArray[np.float32]:
        """Unit vectors of texts, float32 (rows, dimensions); zeros for a text without words.

        Args:
            column: pa.Array or pa.ChunkedArray of strings; a missing text counts as empty.
        """
        data, offsets = texts(column)
        out = np.zeros((offsets.size - 1, self.vectors.shape[1]), np.float32)
        for first, last in blocks(offsets):
            found = words(data, offsets[first : last + 1])
            slots = self._slots(data, found.hashes, found.starts, found.ends)
            _add(slots, found.offsets, self._ends, self._tokens, self.vectors, out[first:last])
        return out

    def _slots(
        self, data: NDArray[np.uint8], hashes: NDArray[np.uint64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Each word's number, int32 (words,); words not met before are cut into tokens."""
        known = self._ends.size - 1
        if known > KNOWN:
            self._forget()
            known = 0
        if 2 * (known + hashes.size) > self._keys.size:
            self._grow(known + hashes.size)
        slots, fresh = np.empty(hashes.size, np.int32), np.empty(hashes.size, np.int64)
        many = _look(hashes, self._keys, self._numbers, slots, fresh, known)
        if many:
            at = fresh[:many]
            cut = np.minimum(ends[at], starts[at] + LONGEST)
            said = [data[a:b].tobytes().decode("utf-8", "ignore") for a, b in zip(starts[at], cut, strict=True)]
            folded = normalise(pa.array(said, pa.string()), "words").to_pylist()
            tokens = self._encode(folded)
            sizes = np.fromiter(map(len, tokens), np.int64, many)
            flat = np.fromiter((t for each in tokens for t in each), np.int32, int(sizes.sum()))
            self._tokens = np.concatenate([self._tokens, flat])
            self._ends = np.concatenate([self._ends, self._ends[-1] + np.cumsum(sizes)])
        return slots

    def _forget(self) -> None:
        self._keys: NDArray[np.uint64] = np.zeros(2**16, np.uint64)
        self._numbers: NDArray[np.int32] = np.zeros(2**16, np.int32)
        self._ends: NDArray[np.int64] = np.zeros(1, np.int64)
        self._tokens: NDArray[np.int32] = np.zeros(0, np.int32)

    def _grow(self, words: int) -> None:
        room = 1 << int(2 * words).bit_length()
        keys, numbers = np.zeros(room, np.uint64), np.zeros(room, np.int32)
        _move(self._keys, self._numbers, keys, numbers)
        self._keys, self._numbers = keys, numbers


@lru_cache(maxsize=1)
def wordllama() -> WordVectors:
    """The vectors that the package `wordllama` brings along.

    Raises:
        UserError: the package is not there, or has other files than 0.3 and 0.4 have.
    """
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise UserError("the default embedding needs the package wordllama", fix="pip install 'hornbook[classify]'")
    from tokenizers import Tokenizer

    folder = Path(next(iter(found.submodule_search_locations)))
    weights = folder / "weights" / "l2_supercat_256.safetensors"
    names = [folder / name / "l2_supercat_tokenizer_config.json" for name in ("tokenizers", "tokenizer")]
    config = next((path for path in names if path.exists()), None)
    if config is None or not weights.exists():
        raise UserError(
            "the package wordllama lacks its vectors or its tokenizer",
            where=str(folder),
            fix="pip install wordllama==0.4.0.post1",
        )
    tokenizer = Tokenizer.from_file(str(config))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(said: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in tokenizer.encode_batch_fast(list(said), add_special_tokens=False)]

    return WordVectors(_matrix(weights), encode)


def _matrix(path: Path) -> NDArray[np.float32]:
    """The one matrix of a safetensors file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    entry = header["embedding.weight"]
    start, end = entry["data_offsets"]
    kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
    flat = np.frombuffer(data[8 + size + start : 8 + size + end], kind)
    return flat.reshape(entry["shape"]).astype(np.float32)


@kernel
def _look(hashes, keys, numbers, slots, fresh, known):
    """Number words by their hashes; where new ones stand goes to `fresh`. Returns how many are new."""
    mask, many = np.uint64(keys.size - 1), 0
    for i in range(hashes.size):
        key = hashes[i] if hashes[i] != _EMPTY else np.uint64(1)
        at = key & mask
        while keys[at] != _EMPTY and keys[at] != key:
            at = (at + np.uint64(1)) & mask
        if keys[at] == _EMPTY:
            keys[at], numbers[at] = key, known + many
            fresh[many] = i
            many += 1
        slots[i] = numbers[at]
    return many


@kernel
def _move(old_keys, old_numbers, keys, numbers):
    mask = np.uint64(keys.size - 1)
    for i in range(old_keys.size):
        if old_keys[i] != _EMPTY:
            at = old_keys[i] & mask
            while keys[at] != _EMPTY:
                at = (at + np.uint64(1)) & mask
            keys[at], numbers[at] = old_keys[i], old_numbers[i]


@kernel
def _add(slots, offsets, ends, tokens, vectors, out):
    """Unit sums of the token vectors of each document's words."""
    for d in range(offsets.size - 1):
        row = out[d]
        for w in range(offsets[d], offsets[d + 1]):
            for t in range(ends[slots[w]], ends[slots[w] + 1]):
                one = vectors[tokens[t]]
                for k in range(row.size):
                    row[k] += one[k]
        square = np.float32(0.0)
        for k in range(row.size):
            square += row[k] * row[k]
        if square > np.float32(0.0):
            scale = np.float32(1.0) / np.sqrt(square)
            for k in range(row.size):
                row[k] *= scale
