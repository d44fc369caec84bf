"""Which tokens a step sees: a function of the seed and the step, and of nothing else. No torch here.

The documents lie one after the other, each closed by an end-of-text token; a window is cut from this
stream wherever it falls, so it may hold several documents, and attention is not cut between them (as in
GPT-2 and nanoGPT). An epoch shifts the grid of windows by a random offset and serves each window once.
Rows that `tokenize.pack` made are served as they are, each once an epoch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hornbook.core.errors import UserError
from hornbook.core.keys import random_for

_ROUNDS = 6


class Windows:
    """Batches of windows of `length` + 1 tokens: `length` inputs and the targets one further.

    No state: batch(t) is the same whoever asks, so a resumed run sees what an uninterrupted one does.
    Memory does not grow with the corpus; the order is a Feistel network over window numbers, not a list.

    Args:
        ids: the token stream.
        length: tokens a window predicts.
        batch: windows a step.
        seed: of the order and the shifts.

    Raises:
        UserError: the stream is shorter than one window.
    """

    def __init__(self, ids: np.ndarray[Any, Any], length: int, batch: int, seed: int) -> None:
        if len(ids) <= length:
            raise UserError(
                f"{len(ids):,} training tokens are fewer than one window of {length:,} + 1",
                fix=f"context: {max(2, (len(ids) - 1) // 2)}, or more documents",
            )
        self.ids, self.length, self.batch, self.seed = ids, length, batch, seed
        self.count = max(1, (len(ids) - 1) // length - 1)
        """Windows in an epoch: one fewer than fit, to leave room for the shift."""

    def starts(self, step: int) -> np.ndarray[Any, Any]:
        """Where the windows of a step begin, (batch,) int64."""
        at = np.arange(step * self.batch, (step + 1) * self.batch, dtype=np.int64)
        epochs = at // self.count
        starts = np.empty_like(at)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            starts[mine] = self._shift(int(epoch)) + self.length * self._order(int(epoch), at[mine] % self.count)
        return starts

    def at(self, step: int) -> np.ndarray[Any, Any]:
        """The tokens of a step, (batch, length + 1) int64."""
        return self.ids[self.starts(step)[:, None] + np.arange(self.length + 1)].astype(np.int64)

    def _shift(self, epoch: int) -> int:
        room = len(self.ids) - 1 - self.count * self.length
        return random_for(self.seed, "shift", epoch).randint(0, min(room, self.length - 1))

    def _order(self, epoch: int, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return shuffled(index, self.count, random_for(self.seed, "order", epoch).getrandbits(63))


class Rows:
    """Batches of packed rows, in the same manner as `Windows`: no state, every row once an epoch.

    Args:
        rows: (rows, width) token numbers; a row gives `width` - 1 inputs and as many targets.
        length: tokens a row predicts.
        batch: rows a step.
        seed: of the order.

    Raises:
        UserError: the rows have another length, or there are none.
    """

    def __init__(self, rows: np.ndarray[Any, Any], length: int, batch: int, seed: int) -> None:
        count, width = rows.shape
        if width != length + 1 or not count:
            raise UserError(
                f"{count:,} rows packed for a context of {width - 1:,} tokens cannot be trained on with {length:,}",
                fix=f"context: {width - 1} in train.student, or context: {length} in tokenize.pack",
            )
        self.rows, self.batch, self.seed, self.count = rows, batch, seed, count

    def at(self, step: int) -> np.ndarray[Any, Any]:
        """The tokens of a step, (batch, length + 1) int64."""
        at = np.arange(step * self.batch, (step + 1) * self.batch, dtype=np.int64)
        out = np.empty((self.batch, self.rows.shape[1]), np.int64)
        for epoch in np.unique(at // self.count):
            mine = at // self.count == epoch
            key = random_for(self.seed, "order", int(epoch)).getrandbits(63)
            out[mine] = self.rows[shuffled(at[mine] % self.count, self.count, key)]
        return out


def shuffled(index: np.ndarray[Any, Any], count: int, key: int) -> np.ndarray[Any, Any]:
    """Where a keyed permutation of range(count) sends `index`, without writing the permutation down.

    A Feistel network over the next even power of two, walked until the value is below `count` (cycle
    walking: Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    value = _feistel(index.astype(np.uint64), half, key)
    while (outside := value >= count).any():
        value[outside] = _feistel(value[outside], half, key)
    return value.astype(np.int64)


def _feistel(value: np.ndarray[Any, Any], half: int, key: int) -> np.ndarray[Any, Any]:
    shift, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = value >> shift, value & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_mix(right, key + turn) & mask)
    return (left << shift) | right


def _mix(value: np.ndarray[Any, Any], key: int) -> np.ndarray[Any, Any]:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014) of value and key."""
    z = (value + np.uint64(key)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
