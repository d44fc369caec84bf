"""datatrove's NGramsDecontFilter, n = 10, two workers, from Parquet to the documents it removes.

`python decontaminate_datatrove.py JOB`; prints one JSON object. Its indexer asks for lighteval and the hub even for own
data, so the hashes are made by its `compute_hashes` and written as it writes them.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import create_hash_func
from datatrove.utils.word_tokenizers import load_word_tokenizer


def lines(path):
    """Lines of a packed file."""
    with gzip.open(path) as file:
        return sum(1 for _ in file)


def main():
    """Index, then filter."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    config = NGramsDecontConfig(n_grams=10)
    indexer = object.__new__(NGramsDecontIndexer)
    indexer.config, indexer.tokenizer = config, load_word_tokenizer("eng")
    indexer.hash_func = create_hash_func(config.hash_config)
    hashes = set()
    for line in Path(job["items"]).read_text(encoding="utf-8").splitlines():
        hashes.update(indexer.compute_hashes(json.loads(line)["text"]))
    (folder / "index").mkdir()
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(folder / "index" / "items.index.hashes")
    source = folder / "source"
    source.mkdir()
    for number, path in enumerate(job["files"]):
        (source / f"{number:03d}.parquet").symlink_to(path)
    removed = folder / "removed"
    LocalPipelineExecutor(
        pipeline=[
            ParquetReader(str(source)),
            NGramsDecontFilter(str(folder / "index"), config=config, exclusion_writer=JsonlWriter(str(removed))),
            JsonlWriter(str(folder / "kept")),
        ],
        tasks=min(4, len(job["files"])),
        workers=2,
        logging_dir=str(folder / "logs"),
    ).run()
    flagged = sum(map(lines, removed.glob("*.gz")))
    rows = flagged + sum(map(lines, (folder / "kept").glob("*.gz")))
    shutil.rmtree(folder / "kept")
    print(json.dumps({"rows": rows, "flagged": flagged}))


if __name__ == "__main__":
    main()
