"""How far a text agrees with other texts to the same prompt: counts of its words, nearness of its sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.asking import Reply
from hornbook.kernels.embedders import embedder
from hornbook.stages.evaluate._supporting import hashed, nearest

Scores = NDArray[np.float64]
_BEFORE, _STEP = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xD1342543DE82EF95)
_SAID = re.compile(r"(?P<no>\bno\b|不|没|否|无)|(?P<yes>\byes\b|支持|是|对|有)", re.IGNORECASE)


def ngram(own: Sequence[str], samples: Sequence[Sequence[str]], n: int) -> tuple[Scores, Scores, float, float]:
    """How unlikely a text's words are by an n-gram model of the text itself and of other texts to the same prompt.

    p(gram) = its count / all grams, of the text and the samples together; each sentence begins anew, with n - 1 places
    before it. Counting the text itself is the smoothing: no gram of it has probability 0 (arXiv:2303.08896; checked
    against potsawee/selfcheckgpt 19b492a, modeling_ngram.py, whose words are another tokenizer's).

    Args:
        own: the text's sentences. samples: the sentences of each sample.
        n: 1 for single words.

    Returns:
        for each sentence the mean of -log p over its words, and the greatest; for the text the mean over its words, and
        the mean of its sentences' greatest. Sentences without words have 0 and do not count.
    """
    grams, offsets = _grams(own, n)
    others, _ = _grams([s for sample in samples for s in sample], n)
    _, places, counts = np.unique(np.concatenate([grams, others]), return_inverse=True, return_counts=True)
    if not grams.size:
        return np.zeros(len(own)), np.zeros(len(own)), 0.0, 0.0
    surprise = -np.log(counts / counts.sum())[places[: grams.size]]
    parts = [surprise[a:b] for a, b in pairwise(offsets.tolist())]
    means = np.array([part.mean() if part.size else 0.0 for part in parts])
    most = np.array([part.max() if part.size else 0.0 for part in parts])
    some = np.array([part.size > 0 for part in parts])
    return means, most, float(surprise.mean()), float(most[some].mean())


def _grams(texts: Sequence[str], n: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hashes of the n-grams of some sentences, as many as words, and each sentence's offsets."""
    words, offsets = hashed(texts)
    place = np.arange(words.size) - np.repeat(offsets[:-1], np.diff(offsets))
    found = words.copy()
    for back in range(1, n):
        before = np.where(place >= back, np.roll(words, back), _BEFORE)
        found = (found ^ found >> np.uint64(29)) * _STEP + before
    return found, offsets


def similarity(
    own: Sequence[Sequence[str]], samples: Sequence[Sequence[Sequence[str]]], embedding: str
) -> list[Scores]:
    """For each row, of each sentence: 1 - the mean over the samples of the cosine with the sentence that is nearest.

    It is BERTScore's place in arXiv:2303.08896 taken by any embedding of whole sentences. Samples without
    sentences do not count; without any the score is 1.

    Args:
        own: sentences of each row's text. samples: sentences of each of a row's samples.
    """
    embed = embedder(embedding)
    flat = [s for some in own for s in some]
    others = [s for row in samples for sample in row for s in sample]
    if not flat:
        return [np.zeros(0) for _ in own]
    vectors = embed(pa.array([*flat, *others], pa.large_string()))
    at, there = 0, len(flat)
    found = []
    for some, row in zip(own, samples, strict=True):
        mine = vectors[at : at + len(some)]
        at += len(some)
        near = []
        for sample in row:
            if sample:
                near.append(nearest(mine, vectors[there : there + len(sample)]))
            there += len(sample)
        found.append(np.round(1.0 - np.mean(near, axis=0), 6) if near else np.ones(len(some)))
    return found


def verdict(reply: Reply | None) -> float:
    """0 where a teacher says that a sentence is supported, 1 where it says it is not, 0.5 where it says neither.

    The first word that says it counts; of one that thinks, after `</think>`.
    """
    if reply is None or reply.error is not None:
        return 0.5
    found = _SAID.search(reply.text.rpartition("</think>")[2])
    return 0.5 if found is None else 0.0 if found["yes"] else 1.0
