"""What a text costs a student, in nats, document by document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hornbook.nn.model import Student

_IGNORE = -100


@dataclass(frozen=True, slots=True)
class _Cut:
    """One window of one document: inputs begin at `start`, targets before `fresh` were scored already."""

    document: int
    start: int
    fresh: int
    stop: int


def nats(
    model: Student,
    documents: Sequence[np.ndarray[Any, Any]],
    end: int,
    *,
    after: Sequence[int] | None = None,
    batch: int = 16,
    tick: Callable[[float], None] = lambda share: None,
) -> np.ndarray[Any, Any]:
    """Negative log likelihood of each document in nats, (documents,) float64.

    A document is read after an end-of-text token; its own end is not scored. One longer than the context
    is read in windows that overlap by half, so that every token has at least half a context before it
    (the strided windows of Hugging Face's "Perplexity of fixed-length models").

    Args:
        documents: tokens without the end.
        end: the end-of-text token.
        after: of each document, tokens at its beginning that are read and not scored (a prompt).
    """
    total = np.zeros(len(documents))
    given = after or [0] * len(documents)
    cuts = [c for n, d in enumerate(documents) for c in _cuts(n, len(d), model.shape.context, given[n])]
    cuts.sort(key=lambda cut: cut.stop - cut.start)  # alike lengths together: little padding
    for first in range(0, len(cuts), batch):
        group = cuts[first : first + batch]
        for cut, value in zip(group, _score(model, documents, group, end), strict=True):
            total[cut.document] += value
        tick(min(1.0, (first + batch) / len(cuts)))
    return total


def _cuts(document: int, length: int, context: int, fresh: int = 0) -> Iterator[_Cut]:
    """Windows over the targets of a document from `fresh` on, each target in exactly one as fresh."""
    start = max(0, min(fresh - (context - max(1, context // 2)), length - context))
    while fresh < length:
        stop = min(length, start + context)
        yield _Cut(document, start, fresh, stop)
        fresh = stop
        start = fresh - (context - max(1, context // 2))


@torch.no_grad()
def _score(model: Student, documents: Sequence[np.ndarray[Any, Any]], group: Sequence[_Cut], end: int) -> list[float]:
    width = max(cut.stop - cut.start for cut in group)
    inputs = np.full((len(group), width), end, dtype=np.int64)
    targets = np.full((len(group), width), _IGNORE, dtype=np.int64)
    for row, cut in enumerate(group):
        tokens = documents[cut.document]
        if cut.start:
            inputs[row, : cut.stop - cut.start] = tokens[cut.start - 1 : cut.stop - 1]
        else:
            inputs[row, 1 : cut.stop] = tokens[: cut.stop - 1]
        targets[row, cut.fresh - cut.start : cut.stop - cut.start] = tokens[cut.fresh : cut.stop]
    device = model.embed.weight.device
    logits = model(torch.from_numpy(inputs).to(device))
    loss = F.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(targets).to(device).flatten(), ignore_index=_IGNORE, reduction="none"
    )
    return loss.view(len(group), width).double().sum(1).tolist()
