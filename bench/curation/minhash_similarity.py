"""How similar what was removed is to what was kept for it: exact Jaccard of their sets of word 5-grams.

Words are `\\w+` in lower case: no tool's own rule, and the same for all.
`python minhash_similarity.py RESULT FILE…`: RESULT is a peer's `pairs.parquet` (`removed`, `kept`: ids) or a folder of
ours with its drops, FILEs are the corpus; prints one JSON object.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NGRAM = 5
WORD = re.compile(r"\w+")
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def ngrams(text: str) -> set[tuple[str, ...]]:
    """The runs of five words; a shorter text is one run."""
    words = WORD.findall(text.lower())
    return {tuple(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))}


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """What both have of what either has."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def pairs_of(result: Path) -> list[tuple[str, str]]:
    """(kept, removed), sorted, so that those of one cluster stand together."""
    if result.is_dir():
        files = sorted(result.glob("dropped/part-*.parquet"))
        parts = [pq.read_table(file, columns=["dedup.minhash_of", "id"]) for file in files]
        table = pa.concat_tables(parts).rename_columns(["kept", "removed"])
    else:
        table = pq.read_table(result, columns=["kept", "removed"])
    return sorted(zip(table.column("kept").to_pylist(), table.column("removed").to_pylist(), strict=True))


def texts_of(files: list[str], ids: set[str]) -> dict[str, str]:
    """Id → text, of those asked for."""
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, str] = {}
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(4096, columns=["id", "text"]):
            some = batch.filter(pc.is_in(batch.column("id"), wanted))
            found |= zip(some.column("id").to_pylist(), some.column("text").to_pylist(), strict=True)
    return found


def main(result: Path, files: list[str]) -> None:
    """Compare every pair."""
    pairs = pairs_of(result)
    texts = texts_of(files, {name for pair in pairs for name in pair})
    values, last, of_last = [], None, set()
    for kept, removed in pairs:
        if kept != last:
            last, of_last = kept, ngrams(texts[kept])
        values.append(jaccard(of_last, ngrams(texts[removed])))
    shares = {str(level): sum(value >= level for value in values) / max(1, len(values)) for level in LEVELS}
    median = statistics.median(values) if values else None
    print(json.dumps({"pairs": len(pairs), "median": median, "at_least": shares}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
