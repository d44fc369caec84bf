"""fastText as DCLM (arXiv:2406.11794) has it: supervised, words and pairs, white space made single, lower case."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
from task import task_of


def line(text: str) -> str:
    """A text as fastText wants it: one line."""
    return " ".join(text.lower().split())


def learn(texts: list[str], labels: np.ndarray) -> Callable[[pa.ChunkedArray], np.ndarray]:
    """Fit with the library's defaults, but pairs of words, and 25 epochs, since labels are few."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        rows = [f"__label__{int(label)} {line(text)}\n" for text, label in zip(texts, labels, strict=True)]
        path.write_text("".join(rows), encoding="utf-8")
        model = fasttext.train_supervised(str(path), wordNgrams=2, epoch=25, thread=1, verbose=0, seed=17)

    def score(column: pa.ChunkedArray) -> np.ndarray:
        said, sure = model.predict([line(text) for text in column.to_pylist()])
        one = [names[0] == "__label__1" for names in said]
        return np.array([p[0] if yes else 1 - p[0] for yes, p in zip(one, sure, strict=True)])

    return score


if __name__ == "__main__":
    task_of().run(learn)
