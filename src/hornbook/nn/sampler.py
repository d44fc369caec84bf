"""Continuing texts with a student: many at once, with keys and values kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hornbook.core.keys import random_for
from hornbook.nn.model import Cache, Student

_LOOK = 8
"""Tokens between two looks at what was written; ours: a look costs a decoding of each text, a token a pass."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    Args:
        temperature: 0 takes the likeliest.
        top_k: only among so many likeliest; 0 for all.
        most: tokens written at most.
        end: the token that ends a text.
        seed: every row draws from its own stream, made of the seed and the row's name.
    """

    temperature: float
    top_k: int
    most: int
    end: int
    seed: int


def sample(
    model: Student,
    prompts: Sequence[Sequence[int]],
    names: Sequence[str],
    how: Sampling,
    batch: int = 64,
    enough: Callable[[Sequence[Sequence[int]]], Sequence[bool]] | None = None,
) -> Iterator[tuple[list[int], bool]]:
    """The continuation of each prompt, in order: its tokens without the end, and whether it ended by itself.

    A prompt longer than half the context loses its beginning; a text ends at the end token, after
    `how.most` tokens or where the context is full. What a row draws does not depend on its batch.

    Args:
        prompts: token numbers, each at least one.
        names: a name for each prompt, for its own stream of random numbers.
        enough: told the tokens of some texts now and then, says which need not go on: they are given as they are
            then, and no more is spent on them.
    """
    for first in range(0, len(prompts), batch):
        yield from _batch(model, prompts[first : first + batch], names[first : first + batch], how, enough)


@torch.no_grad()
def _batch(
    model: Student,
    prompts: Sequence[Sequence[int]],
    names: Sequence[str],
    how: Sampling,
    enough: Callable[[Sequence[Sequence[int]]], Sequence[bool]] | None,
) -> list[tuple[list[int], bool]]:
    kept = [list(p)[-max(1, model.shape.context // 2) :] for p in prompts]
    longest = max(map(len, kept))
    room = min(model.shape.context, longest + how.most)
    draws = np.array([_draws(how.seed, name, room - longest) for name in names])
    device = model.embed.weight.device
    padding = torch.tensor([longest - len(p) for p in kept], device=device)
    ids = torch.tensor([[how.end] * (longest - len(p)) + p for p in kept], device=device)
    cache = model.cache(padding, room)
    written = np.full((len(kept), room - longest), how.end, dtype=np.int64)
    lengths = np.zeros(len(kept), dtype=np.int64)
    done = np.zeros(len(kept), dtype=bool)
    rows = np.arange(len(kept))
    for step in range(room - longest):
        picked = _pick(model.continued(ids, padding, cache)[:, -1].float(), draws[rows, step], how)
        written[rows, step] = picked
        lengths[rows[~done[rows]]] = step + 1
        done[rows] |= picked == how.end
        going = rows[~done[rows]]
        if enough is not None and step % _LOOK == _LOOK - 1 and going.size:
            done[going] = enough([written[row, : step + 1].tolist() for row in going])
        if done.all():
            break
        ids = torch.from_numpy(picked[:, None]).to(device)
        here = np.flatnonzero(~done[rows])
        if enough is not None and 2 * here.size <= rows.size:
            left = torch.from_numpy(here).to(device)
            cache, padding, ids, rows = _narrowed(cache, left), padding[left], ids[left], rows[here]
    return [_until(row[:length], how.end) for row, length in zip(written, lengths, strict=True)]


def _narrowed(cache: Cache, left: Tensor) -> Cache:
    """The rows that go on alone."""
    keys, values = [k[left] for k in cache.keys], [v[left] for v in cache.values]
    return Cache(keys, values, cache.bias[left], cache.length)


def _draws(seed: int, name: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(random_for(seed, "sample", name).getrandbits(128)).random(count)


def _pick(logits: Tensor, draws: np.ndarray[tuple[int], np.dtype[np.float64]], how: Sampling) -> np.ndarray:
    """One token a row, by the inverse of the distribution function at the row's draw."""
    if how.temperature == 0:
        return logits.argmax(-1).cpu().numpy()
    kept = how.top_k or logits.shape[-1]
    values, tokens = logits.topk(min(kept, logits.shape[-1]), dim=-1)
    mass = (values.double() / how.temperature).softmax(-1).cumsum(-1)
    at = torch.searchsorted(mass, torch.from_numpy(draws).to(mass)[:, None] * mass[:, -1:], right=True)
    return tokens.gather(1, at.clamp(max=tokens.shape[1] - 1))[:, 0].cpu().numpy()


def _until(row: np.ndarray, end: int) -> tuple[list[int], bool]:
    ends = np.flatnonzero(row == end)
    return row[: ends[0] if len(ends) else len(row)].tolist(), len(ends) > 0
