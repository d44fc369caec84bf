"""datatrove's four MinHash steps: signatures, buckets, clusters, filter; 16 buckets of 8 hashes, word 5-grams.

`python minhash_datatrove.py OUT WORKERS FOLDER`; FOLDER holds the Parquet files. Prints one JSON object.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter

BUCKETS = 16


def main(out: Path, workers: int, folder: str) -> None:
    """Run the steps one after another."""
    config = MinhashConfig(n_grams=5, num_buckets=BUCKETS, hashes_per_bucket=8)
    scratch = {name: str(out / "scratch" / name) for name in ("signatures", "buckets", "removed", "logs")}

    def reader() -> ParquetReader:
        return ParquetReader(folder, glob_pattern="part-*.parquet", recursive=False)

    def step(name: str, pipeline: list, tasks: int) -> None:
        logs = f"{scratch['logs']}/{name}"
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=min(workers, tasks), logging_dir=logs).run()

    files = len(list(Path(folder).glob("part-*.parquet")))
    step("signatures", [reader(), MinhashDedupSignature(scratch["signatures"], config)], files)
    step("buckets", [MinhashDedupBuckets(scratch["signatures"], scratch["buckets"], config=config)], BUCKETS)
    cluster = MinhashDedupCluster(scratch["buckets"], scratch["removed"], config=config, save_cluster_id=True)
    step("clusters", [cluster], 1)
    dropped = ParquetWriter(str(out / "dropped"))
    keep = [
        reader(),
        MinhashDedupFilter(scratch["removed"], exclusion_writer=dropped, load_cluster_ids=True),
        ParquetWriter(str(out / "kept")),
    ]
    step("filter", keep, files)
    shutil.rmtree(out / "scratch")
    kept, gone = (
        sum(pq.read_metadata(path).num_rows for path in (out / name).glob("*.parquet")) for name in ("kept", "dropped")
    )
    write_pairs(out)
    print(json.dumps({"rows": kept + gone, "removed": gone}))


def write_pairs(out: Path) -> None:
    """Who was removed for whom, by the numbers of the clusters."""
    kept, dropped = (
        [row for path in sorted((out / name).glob("*.parquet")) for row in clusters_of(path)]
        for name in ("kept", "dropped")
    )
    of = {number: name for name, number in kept if number >= 0}
    pairs = {"removed": [name for name, _ in dropped], "kept": [of[number] for _, number in dropped]}
    pq.write_table(pa.table(pairs), out / "pairs.parquet")


def clusters_of(path: Path) -> list[tuple[str, int]]:
    """(id, number of its cluster, -1 for none) of the documents of a file."""
    table = pq.read_table(path, columns=["id", "metadata"])
    number = pc.struct_field(table.column("metadata"), "minhash_cluster_id")
    return list(zip(table.column("id").to_pylist(), number.to_pylist(), strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
