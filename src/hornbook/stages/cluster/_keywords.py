"""Words that tell a cluster from the others: those that many of its documents have, and few of the others'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.kernels.words import BY_ITSELF, LETTER, texts, words

LONGEST = 40
"""Characters of a keyword at most: longer ones are data, not words."""
_SHORTEST = 3
"""Characters of a keyword at least, in scripts with spaces between words; in others keywords are pairs."""
_PAIR = np.uint64(0x9E3779B97F4A7C15)


def keywords(column: pa.Array, clusters: NDArray[np.int64], many: int) -> dict[int, list[str]]:
    """Cluster → its keywords, best first, in lower case; letters of scripts without spaces come in pairs.

    A word's worth is the share of the cluster's documents that have it, times the square of the logarithm of how rare
    that is over all clusters. It is BERTopic's c-TF-IDF (arXiv:2203.05794) with shares for counts, as a word said a
    hundred times in one document is no topic, and with the square, or `you` wins over `hops`.

    Args:
        column: some documents of the clusters, not long.
        clusters: which cluster each is of, in ascending order.
        many: keywords of a cluster at most.
    """
    data, offsets = texts(column)
    hashes, starts, ends, owner = _terms(data, offsets)
    one = np.unique(np.stack([owner.astype(np.uint64), hashes]), axis=1, return_index=True)[1]
    hashes, starts, ends, of = hashes[one], starts[one], ends[one], clusters[owner[one]]
    kinds, sizes = np.unique(clusters, return_counts=True)
    terms, term = np.unique(hashes, return_inverse=True)
    pairs, at, counts = np.unique(
        np.searchsorted(kinds, of) * max(1, terms.size) + term, return_index=True, return_counts=True
    )
    cluster, word = pairs // max(1, terms.size), pairs % max(1, terms.size)
    share = counts / sizes[cluster]
    everywhere = np.bincount(word, weights=share, minlength=terms.size)
    worth = np.round(share * np.log((kinds.size + 1) / (1 + everywhere[word])) ** 2, 9)
    found: dict[int, list[str]] = {int(kind): [] for kind in kinds}
    order = np.lexsort((terms[word], -worth, cluster))
    for n in order.tolist():
        mine = found[int(kinds[cluster[n]])]
        if len(mine) < many:
            said = data[starts[at[n]] : ends[at[n]]].tobytes().decode("utf-8", "ignore").lower()
            if said not in mine:
                mine.append(said)
    return found


def _terms(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """(hashes, starts, ends, document) of the words that may be keywords, and of pairs of letters."""
    found = words(data, offsets)
    owner = np.repeat(np.arange(offsets.size - 1), np.diff(found.offsets))
    letter, alone = (found.flags & LETTER) > 0, (found.flags & BY_ITSELF) > 0
    plain = letter & ~alone & (found.chars >= _SHORTEST) & (found.chars <= LONGEST)
    both = alone[:-1] & alone[1:] & letter[:-1] & letter[1:] & (found.ends[:-1] == found.starts[1:])
    both &= owner[:-1] == owner[1:]
    first = np.flatnonzero(both)
    pair = found.hashes[first] * _PAIR + found.hashes[first + 1]
    return (
        np.concatenate([found.hashes[plain], pair]),
        np.concatenate([found.starts[plain], found.starts[first]]),
        np.concatenate([found.ends[plain], found.ends[first + 1]]),
        np.concatenate([owner[plain], owner[first]]),
    )
