"""tiktoken's `encode_ordinary` in as many processes as there are cores, a row group each.

`python tokenize_tiktoken.py OUT WORKERS VOCABULARY FILE…`; writes `NNN-NNN.bin`, uint16, the end after each document.
"""

from __future__ import annotations

import base64
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

END = "<|endoftext|>"


@cache
def encoding(path: str) -> tiktoken.Encoding:
    """GPT-2's encoding, as tiktoken itself makes it, from a file instead of the network."""
    lines = (line.split() for line in Path(path).read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={END: 50256}, explicit_n_vocab=50257
    )


def group(work: tuple[str, str, int, int, str]) -> None:
    """Encode one row group."""
    vocabulary, file, number, at, out = work
    known = encoding(vocabulary)
    texts = pq.ParquetFile(file).read_row_group(number, columns=["text"]).column("text").to_pylist()
    with open(f"{out}/{at:03d}-{number:03d}.bin", "wb") as target:  # noqa: PTH123
        for text in texts:
            target.write(np.array([*known.encode_ordinary(text), 50256], np.uint16).tobytes())


def main(out: str, workers: int, vocabulary: str, files: list[str]) -> None:
    """Encode all row groups."""
    Path(out).mkdir(parents=True)
    works = [
        (vocabulary, file, number, at, out)
        for at, file in enumerate(files)
        for number in range(pq.ParquetFile(file).num_row_groups)
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        list(pool.map(group, works))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
