"""quality.classifier's model, without the engine: `run_ours.py METHOD LEARN MOST FILE…`, in one process on one core."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from bench.classifying.task import task_of
from hornbook.kernels.embedders import embedder
from hornbook.stages.quality._models import fit, matrix_of, ngram_features

N, BUCKETS = 2, 2**18


def fitted(method: str) -> Callable[[list[str], np.ndarray], Callable[[pa.ChunkedArray], np.ndarray]]:
    """How one of the methods is fitted, with the stage's defaults."""

    def learn(texts: list[str], labels: np.ndarray) -> Callable[[pa.ChunkedArray], np.ndarray]:
        column = pa.chunked_array([texts])
        if method == "ngrams":
            which, counts = (pa.chunked_array([found]) for found in ngram_features(column, N, BUCKETS))
            model = fit("ngrams", matrix_of(which, counts, BUCKETS), labels, 100, 17)
            return lambda text: model.of_words(text, N)
        embed = embedder("wordllama")
        model = fit(method, embed(column), labels, 100, 17)
        return lambda text: model.of_features(embed(text))

    return learn


if __name__ == "__main__":
    name = sys.argv.pop(1)
    task_of().run(fitted(name))
