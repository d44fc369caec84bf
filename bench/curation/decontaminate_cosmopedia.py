"""Cosmopedia's decontamination, after its published description: 10-grams of words, first hit, difflib's blocks, 0.5.

`python decontaminate_cosmopedia.py JOB`; two processes; prints one JSON object. Standard library and pyarrow alone.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import pyarrow.parquet as pq

N = 10


def words_of(text):
    """Lower-case words without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return re.findall(r"\w+", plain.lower())


def ngrams_of(words):
    """All n-grams, as a set."""
    return set(zip(*[words[at:] for at in range(N)], strict=False))


@cache
def index(path):
    """(n-gram → last text that has it, texts)."""
    owners, texts = {}, []
    for line in open(path, encoding="utf-8"):  # noqa: PTH123, SIM115
        text = json.loads(line)["text"]
        grams = ngrams_of(words_of(text))
        if grams:
            owners.update(dict.fromkeys(grams, len(texts)))
            texts.append(text)
    return owners, texts


def ratio(text, against):
    """Share of a benchmark text in matching blocks of more than five characters."""
    one, other = " ".join(words_of(text)), " ".join(words_of(against))
    blocks = difflib.SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).get_matching_blocks()
    match = " ".join("".join(one[b.a : b.a + b.size] for b in blocks if b.size > 5).split())
    return len(match) / len(other) if other else 0.0


def group(work):
    """(candidates, contaminated, rows, bytes) of one row group."""
    path, number, items = work
    owners, texts = index(items)
    candidates = contaminated = size = 0
    rows = pq.ParquetFile(path).read_row_group(number, columns=["text"]).column("text").to_pylist()
    for text in rows:
        size += len(text.encode())
        hit = next((owners[gram] for gram in ngrams_of(words_of(text)) if gram in owners), None)
        if hit is not None:
            candidates += 1
            contaminated += ratio(text, texts[hit]) > 0.5
    return candidates, contaminated, len(rows), size


def main():
    """Scan all row groups."""
    job = json.loads(sys.argv[1])
    works = [
        (path, number, job["items"]) for path in job["files"] for number in range(pq.ParquetFile(path).num_row_groups)
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(group, works))
    candidates, contaminated, rows, size = (sum(column) for column in zip(*found, strict=True))
    print(json.dumps({"rows": rows, "bytes": size, "flagged": contaminated, "candidates": candidates}))


if __name__ == "__main__":
    main()
