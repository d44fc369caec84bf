"""tokie's `encode_batch_flat`, a row group at once, in its own threads.

`python tokenize_tokie.py OUT WORKERS VOCABULARY FILE…`; writes `tokens.bin`, uint16, the end after each document.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokie import Tokenizer


def main(out: Path, vocabulary: str, files: list[str]) -> None:
    """Encode all files."""
    out.mkdir(parents=True)
    known = Tokenizer.from_json(vocabulary)
    with (out / "tokens.bin").open("wb") as target:
        for file in files:
            source = pq.ParquetFile(file)
            for group in range(source.num_row_groups):
                texts = source.read_row_group(group, columns=["text"]).column("text").to_pylist()
                ids, sizes = known.encode_batch_flat(texts, add_special_tokens=False)
                ends = np.cumsum(sizes.astype(np.int64) + 1) - 1
                inside = np.ones(len(ids) + len(texts), np.bool_)
                inside[ends] = False
                tokens = np.full(inside.size, 50256, np.uint16)
                tokens[inside] = ids
                target.write(tokens.data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3], sys.argv[4:])
