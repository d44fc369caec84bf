"""text-dedup's own command, called in this process, so that its clusters can be read when it has ended.

`python minhash_text_dedup.py OUT WORKERS FILE…`; prints one JSON object. Release 0.4.0, the last on the package index,
does not check pairs. It saves what is kept, as Arrow, and not what is dropped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from text_dedup import minhash

BANDS, ROWS, NGRAM = 16, 8, 5


def main(out: Path, workers: int, files: list[str]) -> None:
    """Dedup the files; what is kept goes to OUT/kept, who was removed for whom to OUT/pairs.parquet."""
    parts = {Path(file).parent for file in files}
    given = {
        "path": "parquet",
        "data_files": f"{parts.pop()}/part-*.parquet",
        "split": "train",
        "cache_dir": out / "cache",
        "output": out / "kept",
        "column": "text",
        "ngram": NGRAM,
        "min_length": 1,
        "num_perm": BANDS * ROWS,
        "b": BANDS,
        "r": ROWS,
        "hash_func": "xxh3",
        "num_proc": workers,
    }
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    minhash.main(options, standalone_mode=False)
    ids = [one for file in files for one in pq.read_table(file, columns=["id"]).column("id").to_pylist()]
    kept = [minhash.uf.find(row) for row in range(len(ids))]
    gone = [row for row, of in enumerate(kept) if of != row]
    pairs = {"removed": [ids[row] for row in gone], "kept": [ids[kept[row]] for row in gone]}
    pq.write_table(pa.table(pairs), out / "pairs.parquet")
    print(json.dumps({"rows": len(ids), "removed": len(gone)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
