"""Whatever bytes a file holds: documents and drops that Arrow and Parquet can hold, never an exception."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from hornbook.core.stage import Dropped
from hornbook.store.reading import expand, read_file
from tests.corpus import rows as corpus

ROUNDS = 60


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(corpus()), sink, row_group_size=7)
    return sink.getvalue()


LINES = b"".join(orjson.dumps(row) + b"\n" for row in corpus())
SOUND = {
    ".jsonl": LINES,
    ".json": orjson.dumps(corpus(), option=orjson.OPT_INDENT_2),
    ".jsonl.gz": gzip.compress(LINES),
    ".jsonl.zst": zstandard.compress(LINES),
    ".parquet": _parquet(),
    ".csv": b'id,text\n1,"a\nb"\n2,c\n' * 20,
    ".txt": LINES,
    ".py": LINES,
}


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, taken out, put in, or all cut off after one."""
    some = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(some)) if some else 0
        match rng.randrange(4):
            case 0 if some:
                some[at] ^= 1 << rng.randrange(8)
            case 1:
                del some[at : at + rng.randrange(1, 50)]
            case 2:
                some[at:at] = rng.randbytes(rng.randrange(1, 20))
            case _:
                del some[at:]
    return bytes(some)


@pytest.mark.parametrize("suffix", SOUND)
def test_damaged_files_are_read(tmp_path: Path, suffix: str) -> None:
    rng = random.Random(f"damage {suffix}")
    for turn in range(ROUNDS):
        path = tmp_path / f"{turn}{suffix}"
        path.write_bytes(_damaged(SOUND[suffix], rng))
        split = rng.choice(["file", "line", "blank-line", "delimiter"])
        seen = 0
        for found in read_file(expand([str(path)])[0], split=split, errors=rng.choice(["drop", "replace"])):
            table = found.table if isinstance(found, Dropped) else found
            table.validate(full=True)
            pq.write_table(table, io.BytesIO())
            seen += table.num_rows
        assert seen or suffix == ".csv", f"turn {turn}: {path.stat().st_size} bytes vanished"
