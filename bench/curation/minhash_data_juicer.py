"""data-juicer's document_minhash_deduplicator: its two methods on a data set; words are what white space parts.

Called by its own runner it installs torch with CUDA when all is done, so it is not.
`python minhash_data_juicer.py OUT WORKERS FILE…`; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from data_juicer.core.data import NestedDataset
from data_juicer.ops.common.helper_func import UnionFind
from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
from datasets import load_dataset

BANDS, ROWS, NGRAM = 16, 8, 5


def main(out: Path, workers: int, files: list[str]) -> None:
    """Dedup the files; what is kept goes to OUT/kept.parquet, the rest to OUT/dropped.parquet."""
    documents = NestedDataset(load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache")))
    dedup = DocumentMinhashDeduplicator(
        tokenization="space",
        window_size=NGRAM,
        num_permutations=BANDS * ROWS,
        num_bands=BANDS,
        num_rows_per_band=ROWS,
        num_proc=workers,
    )
    kept, _ = dedup.process(documents.map(dedup.compute_hash, num_proc=workers))
    kept.to_parquet(str(out / "kept.parquet"))
    clusters = UnionFind()
    for table in dedup.hash_tables:
        for alike in table.values():
            for one in alike:
                clusters.union(one, min(alike))
    gone = [row for row in range(len(documents)) if clusters.find(row) != row]
    documents.select(gone).to_parquet(str(out / "dropped.parquet"))
    ids = documents["id"]
    pairs = {"removed": [ids[row] for row in gone], "kept": [ids[clusters.find(row)] for row in gone]}
    pq.write_table(pa.table(pairs), out / "pairs.parquet")
    print(json.dumps({"rows": len(kept) + len(gone), "removed": len(gone)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
