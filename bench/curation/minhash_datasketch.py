"""datasketch: signatures in worker processes, MinHashLSH in the parent, the first of what is alike is kept.

`python minhash_datasketch.py OUT WORKERS FILE…`; prints one JSON object.
"""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasketch import MinHash, MinHashLSH

BANDS, ROWS, NGRAM, BATCH = 16, 8, 5, 512
SCHEME = "affine32"
"""What `MinHash` takes by itself."""
WORD = re.compile(r"\w+")


def sign(texts: list[str]) -> list:
    """The signatures of some texts, as `MinHash.bulk` makes them."""
    sets = []
    for text in texts:
        words = WORD.findall(text.lower())
        sets.append({" ".join(words[at : at + NGRAM]).encode() for at in range(max(1, len(words) - NGRAM + 1))})
    return [signature.hashvalues for signature in MinHash.bulk(sets, num_perm=BANDS * ROWS, seed=42)]


def main(out: Path, workers: int, files: list[str]) -> None:
    """Dedup the files; what is kept goes to OUT/kept.parquet, the rest to OUT/dropped.parquet."""
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    out.mkdir(parents=True, exist_ok=True)
    number = 0
    pairs: dict[str, list[str]] = {"removed": [], "kept": []}
    writers = {}
    with ProcessPoolExecutor(workers) as pool:
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(4096):
                texts = batch.column("text").to_pylist()
                shares = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
                keep = []
                signed = (values for share in pool.map(sign, shares) for values in share)
                for name, values in zip(batch.column("id").to_pylist(), signed, strict=True):
                    signature = MinHash(num_perm=BANDS * ROWS, seed=42, hashvalues=values, scheme=SCHEME)
                    like = index.query(signature)
                    keep.append(not like)
                    if like:
                        pairs["removed"].append(name)
                        pairs["kept"].append(like[0])
                    else:
                        index.insert(name, signature)
                number += len(keep)
                table, mask = pa.Table.from_batches([batch]), pa.array(keep)
                for name, some in (("kept", table.filter(mask)), ("dropped", table.filter(pc.invert(mask)))):
                    if name not in writers:
                        writers[name] = pq.ParquetWriter(out / f"{name}.parquet", table.schema, compression="zstd")
                    writers[name].write_table(some)
    for writer in writers.values():
        writer.close()
    pq.write_table(pa.table(pairs), out / "pairs.parquet")
    print(json.dumps({"rows": number, "removed": len(pairs["removed"])}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
