"""datatrove's DocumentTokenizer without shuffling, a task a file, 1,000 documents a batch (its default takes 20 GB).

`python tokenize_datatrove.py OUT WORKERS VOCABULARY FOLDER`; writes `.ds` files, uint16, the end after each document.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer


def main(out: Path, workers: int, vocabulary: str, folder: str) -> None:
    """Encode all files."""
    files = len(list(Path(folder).glob("part-*.parquet")))
    LocalPipelineExecutor(
        pipeline=[
            ParquetReader(folder, glob_pattern="part-*.parquet", recursive=False),
            DocumentTokenizer(
                str(out / "tokens"),
                tokenizer_name_or_path=vocabulary,
                eos_token="<|endoftext|>",
                shuffle_documents=False,
                batch_size=1000,
                local_working_dir=str(out / "scratch"),
            ),
        ],
        tasks=files,
        workers=min(workers, files),
        logging_dir=str(out / "logs"),
    ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
