"""The seeds of the benchmark of prompts: distinct, as many as asked for, some of them short."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.prompts import EXTRACT, LEAST, write_seeds


@pytest.fixture
def pieces(tmp_path):
    texts = [f"How to count to {n} by hand\n" + " ".join(f"word{n}x{k}" for k in range(900)) for n in range(30)]
    table = pa.table(
        {"id": [str(n) for n in range(60)], "text": texts * 2, "path": [f"pack{n % 3}/f.md" for n in range(60)]}
    )
    pq.write_table(table, tmp_path / "corpus.parquet")
    return [tmp_path / "corpus.parquet"]


@pytest.mark.parametrize(("many", "have"), [(50, 50), (10_000, None)])
def test_seeds_are_distinct_and_some_are_short(pieces, tmp_path, many, have):
    made = write_seeds(pieces, tmp_path / "seeds", many)
    rows = [row for path in sorted((tmp_path / "seeds").glob("*")) for row in pq.read_table(path).to_pylist()]
    assert made == len(rows) == (have or made) < 10_000
    assert len({row["text"] for row in rows}) == len({row["id"] for row in rows}) == made
    short = [row for row in rows if row["text"].startswith("How to count to ") and len(row["text"]) < 40]
    long = [row for row in rows if LEAST <= len(row["text"]) <= EXTRACT]
    assert len(short) + len(long) == made
    assert len(short) > made / 20
    assert all(row["cluster.topic"] is None for row in short)
    assert {row["cluster.topic"] for row in long} == {"pack0", "pack1", "pack2"}
