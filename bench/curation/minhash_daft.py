"""Daft's published recipe: normalise, minhash(128, 5), bands, group by band, components with scipy, join back, write.

`python minhash_daft.py OUT FILE…`; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, col, lit
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BANDS, ROWS, NGRAM = 16, 8, 5


def main(out: Path, files: list[str]) -> None:
    """Dedup the files; what is kept goes to OUT/kept, the rest to OUT/dropped."""
    frame = daft.read_parquet(files)
    count = frame.count_rows()
    frame = frame._add_monotonically_increasing_id("node")
    signed = frame.select(
        "node",
        "id",
        col("text")
        .normalize(remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
        .minhash(num_hashes=BANDS * ROWS, ngram_size=NGRAM, seed=42, hash_function="xxhash")
        .alias("signs"),
    ).collect()
    numbers = lit(list(range(BANDS))).cast(DataType.list(DataType.int64()))
    bands = signed.select("node", numbers.alias("band"), col("signs").chunk(ROWS).alias("key")).explode("band", "key")
    groups = (
        bands.groupby("band", "key").agg(col("node").list_agg().alias("nodes")).where(col("nodes").list_count() > 1)
    )
    found = groups.select("nodes").to_arrow().column("nodes")
    sizes = np.array([len(nodes) for nodes in found])
    flat = np.concatenate([np.asarray(nodes.values) for nodes in found]) if len(found) else np.zeros(0, np.int64)
    nodes, index = np.unique(flat, return_inverse=True)
    first = np.repeat(index[np.cumsum(sizes) - sizes], sizes) if len(found) else index
    graph = coo_matrix((np.ones(index.size, np.int8), (first, index)), shape=(nodes.size, nodes.size))
    labels = connected_components(graph, directed=False)[1]
    keep = np.unique(labels, return_index=True)[1]
    gone = np.delete(nodes, keep)
    drops = daft.from_pydict({"node": gone.tolist()})
    frame.join(drops, on="node", how="anti").exclude("node").write_parquet(str(out / "kept"), compression="zstd")
    frame.join(drops, on="node", how="semi").exclude("node").write_parquet(str(out / "dropped"), compression="zstd")
    names = signed.select("node", "id").where(col("node").is_in(nodes.tolist())).to_pydict()
    name = dict(zip(names["node"], names["id"], strict=True))
    removed = np.delete(np.arange(nodes.size), keep)
    pairs = {
        "removed": [name[node] for node in nodes[removed].tolist()],
        "kept": [name[node] for node in nodes[keep][labels[removed]].tolist()],
    }
    pq.write_table(pa.table(pairs), out / "pairs.parquet")
    print(json.dumps({"rows": count, "removed": int(gone.size)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
