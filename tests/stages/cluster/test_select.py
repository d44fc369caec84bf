from __future__ import annotations

import pyarrow as pa
import pytest

from hornbook.core.errors import UserError
from hornbook.core.stage import Dropped
from hornbook.stages.cluster.select import REASONS, Select
from tests.contract import Example
from tests.stages.cluster.sets import LABELLED, above, documents, names, step

EXAMPLE = Example(
    above=LABELLED,
    knobs={"from": ["above-0", "above-2"], "min_score": 5, "exclude": [0]},
    golden={"1": "1cf3101c1b90db81fd642a84bd6abaf1"},
)
LABELS = [0, 1, 2, 3, None, 0, 7, 2]
TOPICS = ["Baking bread", "Advertisements", "Contract law", None]
SCORES = [8, 1, 6, None]


@pytest.fixture
def inputs(tmp_path):
    table = documents(LABELS)
    group = step(tmp_path, "group", [table.slice(0, 3), table.slice(3)])
    return above(group, step(tmp_path, "label", [names(TOPICS, SCORES)]))


def chosen(inputs, **knobs):
    stage = Select(**knobs)
    kept, gone = [], {}
    for item in stage.shards(inputs):
        for found in stage.read(item, inputs):
            if isinstance(found, Dropped):
                gone |= {row["id"]: (row["reason"], row["evidence"]) for row in found.table.to_pylist()}
            else:
                kept += found.to_pylist()
    assert len(kept) + len(gone) == len(LABELS)
    return kept, gone


def test_documents_have_the_names_of_their_clusters(inputs):
    kept, gone = chosen(inputs, min_score=5)
    assert [(row["id"], row["cluster.topic"], row["cluster.score"]) for row in kept] == [
        ("d0", "Baking bread", 8),
        ("d2", "Contract law", 6),
        ("d5", "Baking bread", 8),
        ("d7", "Contract law", 6),
    ]
    assert [row["text"] for row in kept] == ["text 0 of 0", "text 2 of 2", "text 5 of 0", "text 7 of 2"]
    assert {key: reason for key, (reason, _) in gone.items()} == {
        "d1": "low_score",
        "d3": "unlabelled",
        "d4": "unassigned",
        "d6": "unlabelled",
    }
    assert gone["d1"][1] == "cluster.score = 1 < 5; cluster.id = 1: Advertisements"
    assert all(reason in REASONS and evidence for reason, evidence in gone.values())


def test_a_list_goes_by_topic_or_number_whatever_the_case(inputs):
    for entry in ("baking BREAD ", "Baking  bread", 0, "0"):
        kept, gone = chosen(inputs, exclude=[entry])
        assert [row["id"] for row in kept] == ["d2", "d7"]
        assert gone["d0"][0] == gone["d5"][0] == "excluded"


def test_what_is_included_is_kept_whatever_its_score(inputs):
    kept, gone = chosen(inputs, include=["advertisements"])
    assert [row["id"] for row in kept] == ["d1"]
    assert gone["d0"][0] == "not_included"


def test_nothing_but_names_means_nothing_is_dropped_by_score(inputs):
    assert len(chosen(inputs, min_score=0)[0]) == 5


def test_a_topic_that_is_no_cluster_is_an_error(inputs):
    with pytest.raises(UserError) as error:
        Select(exclude=["Baking braed"]).shards(inputs)
    assert "exclude: 'Baking braed' is no cluster" in str(error.value)
    assert "did you mean 'Baking bread'?" in str(error.value)
    with pytest.raises(UserError, match="include: 'bread' is no cluster") as error:
        Select(include=["bread"]).shards(inputs)
    assert "'Baking bread'" in str(error.value)
    with pytest.raises(UserError, match="Contract lawAdvertisements"):
        Select(exclude=["Contract lawAdvertisements"]).shards(inputs)  # a comma was missing
    with pytest.raises(UserError, match="9 is no cluster") as error:
        Select(exclude=[9]).shards(inputs)
    assert "0 to 3" in str(error.value)
    with pytest.raises(UserError, match="topics stand in"):
        Select(exclude=["zzzzzz"]).shards(inputs)


@pytest.mark.parametrize("other", ["baking bread", 0])
def test_a_cluster_in_both_lists_is_an_error(inputs, other):
    with pytest.raises(UserError, match=r"'Baking bread' \(cluster 0\) stands in both lists"):
        Select(include=["Baking bread", 2], exclude=[other]).shards(inputs)


def test_both_steps_must_be_there(tmp_path, inputs):
    group, label = inputs.sources
    for some, missing in ((above(group), "names"), (above(label), "documents")):
        with pytest.raises(UserError, match=missing):
            Select().shards(some)


def test_columns_of_that_name_are_replaced(tmp_path):
    table = documents([0]).append_column("cluster.topic", pa.array(["old"]))
    inputs = above(step(tmp_path, "group", [table]), step(tmp_path, "label", [names(["new"], [9])]))
    stage = Select()
    (item,) = stage.shards(inputs)
    (found,) = stage.read(item, inputs)
    assert found["cluster.topic"].to_pylist() == ["new"]
