"""Rounds of map and reduce: facts reach the next round wherever the documents lie, and their sums the manifest."""

from __future__ import annotations

import json

import pytest

from hornbook.engine.executors import Inline, Pool
from hornbook.engine.recipe import check_data
from hornbook.engine.tasks import ROWS_A_LANE, added, lanes_for
from tests.contract import run, table_of


def recipe(folder, texts, files):
    each = -(-len(texts) // files)
    paths = []
    for number in range(files):
        path = folder / f"{number}.jsonl"
        some = texts[number * each : (number + 1) * each]
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in some), encoding="utf-8")
        paths.append(str(path))
    steps = [{"use": "sources.files", "path": paths}, {"use": "tests.engine.hops"}]
    return check_data({"name": "hops", "steps": steps}, "hops.yaml")


@pytest.mark.parametrize("count", [1, 2, 7, 9000])
def test_facts_walk_over_the_borders_of_parts(tmp_path, count):
    texts = [f"text {n}" for n in range(count)]
    wanted = ([None] * 3 + texts)[:count]
    with Pool(2) as pool:
        for name, executor in (("inline", Inline()), ("pool", pool)):
            last = run(recipe(tmp_path, texts, min(3, count)), tmp_path / name, executor)[-1]
            assert table_of(last)["hops.text"].to_pylist() == wanted
            assert last.manifest["facts"]["moved"] == max(0, count - 3)
            assert last.manifest["facts"]["of"][0] == count
            assert not list((tmp_path / name).rglob(".shuffle")), "scratch was left"


def test_sums_add_up_and_what_is_missing_counts_as_nothing():
    assert added({"a": 1, "b": [1, 2]}, {"b": [3, 4], "c": {"d": 1.5}}) == {"a": 1, "b": [4, 6], "c": {"d": 1.5}}


def test_lanes_grow_with_the_corpus_so_that_none_of_them_does():
    assert [lanes_for(rows) for rows in (0, 1, 1024, 1025, 20_000, 500_000)] == [1, 1, 1, 2, 16, 16]
    for rows in (10**6, 10**8):
        assert rows / lanes_for(rows) <= ROWS_A_LANE
