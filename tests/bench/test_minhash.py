"""The minhash benchmark: a contender must account for every document, ours on real files does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.harness import Failed
from bench.minhash import contenders, measured, prepared, similarity


@pytest.fixture
def given(tmp_path: Path):
    texts = [f"a text of some words, number {n % 7}, long enough to have runs of five" for n in range(20)]
    table = pa.table({"id": [f"d{n}" for n in range(20)], "text": texts, "path": texts})
    pq.write_table(table, tmp_path / "raw.parquet")
    return prepared([str(tmp_path / "raw.parquet")], tmp_path)


def test_ours_and_the_limit_account_for_all(given, tmp_path):
    assert given.rows == 20
    assert given.size == sum(len(t) for t in pq.read_table(tmp_path / "raw.parquet")["text"].to_pylist())
    found = {c.name: c.act(100.0) for c in contenders(given, tmp_path) if c.role in ("ours", "limit")}
    assert found["hornbook"]["removed"] == 13
    assert found["read and write alone"]["removed"] == 0
    assert all(facts["value"] > 0 and facts["cpu"] > 0 for facts in found.values())


def test_similarity_is_of_what_was_removed_to_what_was_kept(given, tmp_path):
    ours = next(c for c in contenders(given, tmp_path) if c.role == "ours")
    ours.act(100.0)
    found = similarity("hornbook", given)
    assert (found["pairs"], found["median"]) == (13, 1.0)
    pairs = given.scratch / "pairs" / "daft"
    pairs.mkdir()
    pq.write_table(pa.table({"removed": ["d1", "d7"], "kept": ["d0", "d0"]}), pairs / "pairs.parquet")
    found = similarity("daft", given)
    assert found["median"] == (1.0 + 5 / 15) / 2, "ten runs of five, five of which hold the number"
    assert found["at_least"]["0.7"] == 0.5


def test_one_that_loses_documents_has_no_result(given):
    command = [sys.executable, "-c", f"print({json.dumps(json.dumps({'rows': 19, 'removed': 1}))})"]
    with pytest.raises(Failed, match="19 of 20"):
        measured("daft", command, given, 60.0)
    with pytest.raises(Failed, match="exit code 3"):
        measured("hornbook", [sys.executable, "-c", "raise SystemExit(3)"], given, 60.0)
