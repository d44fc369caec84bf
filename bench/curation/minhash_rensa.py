"""rensa as its README shows: a MinHash a document of word 5-grams, RMinHashLSH, the first of what is alike is kept.

`python minhash_rensa.py OUT FILE…`; prints one JSON object.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rensa import RMinHash, RMinHashLSH

BANDS, ROWS, NGRAM = 16, 8, 5
WORD = re.compile(r"\w+")


def main(out: Path, files: list[str]) -> None:
    """Dedup the files; what is kept goes to OUT/kept.parquet, the rest to OUT/dropped.parquet."""
    index = RMinHashLSH(threshold=0.7, num_perm=BANDS * ROWS, num_bands=BANDS)
    out.mkdir(parents=True, exist_ok=True)
    number = removed = 0
    writers = {}
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(4096):
            keep = []
            for text in batch.column("text").to_pylist():
                words = WORD.findall(text.lower())
                grams = {" ".join(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))}
                signature = RMinHash(num_perm=BANDS * ROWS, seed=42)
                signature.update(list(grams))
                keep.append(not index.query(signature))
                if keep[-1]:
                    index.insert(number, signature)
                number += 1
            removed += keep.count(False)
            table = pa.Table.from_batches([batch])
            mask = pa.array(keep)
            for name, some in (("kept", table.filter(mask)), ("dropped", table.filter(pc.invert(mask)))):
                if name not in writers:
                    writers[name] = pq.ParquetWriter(out / f"{name}.parquet", table.schema, compression="zstd")
                writers[name].write_table(some)
    for writer in writers.values():
        writer.close()
    print(json.dumps({"rows": number, "removed": removed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
