"""Reading whatever text comes as: JSON Lines, JSON, Parquet, CSV, TSV, text, Markdown, folders of code.

    for file in expand(["stories/*.jsonl.zst", "repo/"]):
        for found in read_file(file):
            ...  # a pyarrow.Table of documents, or Dropped with file, line and fault

Memory is bounded by the piece (4,096 rows or 32 MB) whatever the size of the file. Nothing in a file raises:
what cannot be read is a drop. Only a path that does not exist is an error, before anything is read.
"""

from hornbook.store.reading.columns import conform, unify
from hornbook.store.reading.cutting import cut
from hornbook.store.reading.layout import How
from hornbook.store.reading.places import File, expand
from hornbook.store.reading.prints import fingerprint
from hornbook.store.reading.reader import read_file, read_files

__all__ = ["File", "How", "conform", "cut", "expand", "fingerprint", "read_file", "read_files", "unify"]
