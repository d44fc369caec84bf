from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.stages.cluster._keywords import keywords
from hornbook.stages.cluster.extracts import Extracts
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.cluster.sets import GROUPED, above, documents, step

EXAMPLE = Example(above=GROUPED, golden={"1": "2fe702cc7c581d45027ba4a7fec75155"})


def made(tmp_path, tables, **knobs):
    inputs = above(step(tmp_path, "group", tables))
    stage = Extracts(**knobs)
    (item,) = stage.shards(inputs)
    return pa.concat_tables(list(stage.read(item, inputs))).to_pylist()


def test_each_cluster_has_its_extracts_and_its_size(tmp_path):
    labels = [2, 0, None, 0, 2, 2, 2, None]
    found = made(tmp_path, [documents(labels)], count=3)
    assert [row["cluster.id"] for row in found] == [0, 2]
    assert [row["cluster.size"] for row in found] == [2, 4]
    assert [row["cluster.share"] for row in found] == [0.25, 0.5]
    assert [row["cluster.x"] for row in found] == [0.0, 2.0]
    for row in found:
        shown = row["text"].split("\n\n")
        assert [line.partition(". ")[0] for line in shown] == [str(n + 1) for n in range(len(shown))]
        assert len(shown) == min(3, row["cluster.size"])
        assert len(set(shown)) == len(shown)
        assert all(line.endswith(f" of {row['cluster.id']}") for line in shown)


def test_the_draw_does_not_hang_on_parts_but_on_the_seed(tmp_path):
    table = documents([at % 3 for at in range(300)])
    whole = made(tmp_path / "one", [table], seed=1)
    cut = made(tmp_path / "two", [table.slice(0, 70), table.slice(70, 1), table.slice(71)], seed=1)
    assert whole == cut
    other = made(tmp_path / "three", [table], seed=2)
    assert [row["text"] for row in other] != [row["text"] for row in whole]
    drawn = [int(line.split()[2]) for row in whole for line in row["text"].split("\n\n")]
    assert max(drawn) > 150, "not the first ones"


def test_texts_are_cut_and_of_one_line(tmp_path):
    texts = ["a b\n\nc " * 10_000, "x" * 10_000, "短" * 10_000]
    (found,) = made(tmp_path, [documents([0, 0, 0], texts)], characters=50)
    assert all(len(line) <= 53 for line in found["text"].split("\n\n"))
    assert len(found["text"].split("\n\n")) == 3


def test_hostile_texts_pass(tmp_path):
    texts = [*HOSTILE.values(), "", None]
    (found,) = made(tmp_path, [documents([0] * len(texts), texts)], count=50)
    assert found["cluster.size"] == len(texts)


def test_keywords_tell_clusters_apart():
    texts = (
        ["the hops and the malt of the beer", *["the beer and hops"] * 3] * 2
        + ["the judge and the court"] * 3
        + ["啤酒花很香"] * 2
    )
    clusters = np.array([1] * 8 + [4] * 3 + [9] * 2)
    found = keywords(pa.array(texts), clusters, 3)
    assert set(found[1][:2]) == {"beer", "hops"}
    assert set(found[4][:2]) == {"judge", "court"}
    assert "啤酒" in keywords(pa.array(texts), clusters, 9)[9]
    assert keywords(pa.array(["", "..."]), np.array([0, 1]), 3) == {0: [], 1: []}
    assert set(keywords(pa.array(["a fox ran"]), np.array([0]), 9)[0]) == {"fox", "ran"}


def test_without_clusters_it_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"cluster\.id"):
        made(tmp_path / "one", [documents([0]).drop_columns(["cluster.id"])])
    with pytest.raises(UserError, match="none of 2 documents"):
        made(tmp_path / "two", [documents([None, None])])
