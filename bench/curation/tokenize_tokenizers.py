"""Hugging Face's tokenizers: `encode_batch_fast`, 1,000 documents at once, in its own threads.

`python tokenize_tokenizers.py OUT WORKERS VOCABULARY FILE…`; writes `tokens.bin`, uint16, the end after each document.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

os.environ["TOKENIZERS_PARALLELISM"] = "true"
from tokenizers import Tokenizer

BATCH = 1000


def main(out: Path, vocabulary: str, files: list[str]) -> None:
    """Encode all files."""
    out.mkdir(parents=True)
    known = Tokenizer.from_file(vocabulary)
    known.encode_special_tokens = True
    with (out / "tokens.bin").open("wb") as target:
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=["text"]):
                for one in known.encode_batch_fast(batch.column(0).to_pylist(), add_special_tokens=False):
                    target.write(np.array([*one.ids, 50256], np.uint16).tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3], sys.argv[4:])
