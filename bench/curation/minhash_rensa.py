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
    names: list[str] = []
    pairs: dict[str, list[str]] = {"removed": [], "kept": []}
    writers = {}
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(4096):
            keep = []
            for name, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True):
                words = WORD.findall(text.lower())
                grams = {" ".join(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))}
                signature = RMinHash(num_perm=BANDS * ROWS, seed=42)
                signature.update(list(grams))
                like = index.query(signature)
                keep.append(not like)
                if like:
                    pairs["removed"].append(name)
                    pairs["kept"].append(names[like[0]])
                else:
                    index.insert(len(names), signature)
                names.append(name)
            table = pa.Table.from_batches([batch])
            mask = pa.array(keep)
            for name, some in (("kept", table.filter(mask)), ("dropped", table.filter(pc.invert(mask)))):
                if name not in writers:
                    writers[name] = pq.ParquetWriter(out / f"{name}.parquet", table.schema, compression="zstd")
                writers[name].write_table(some)
    for writer in writers.values():
        writer.close()
    pq.write_table(pa.table(pairs), out / "pairs.parquet")
    print(json.dumps({"rows": len(names), "removed": len(pairs["removed"])}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
