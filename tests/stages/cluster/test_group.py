from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from hornbook.kernels.embedders import embedder
from hornbook.kernels.neighbours import rotated
from hornbook.stages.cluster._fitting import by_size, main_directions
from hornbook.stages.cluster._model import Model
from hornbook.stages.cluster.group import Group
from tests.contract import Example
from tests.corpus import STORIES, rows
from tests.stages.driving import documents, mark

SMALL = {"space": "pca", "method": "kmeans", "clusters": 4, "dimensions": 8}
EXAMPLE = Example(knobs=SMALL, golden={"1": "f157d4072fc8b102f330ac5850de3bea"})
TOPICS = {
    "bread": "Knead the dough of flour, water, salt and yeast, let the loaf rise, bake it in a hot oven. Number {n}.",
    "stars": "The telescope shows planets, stars and galaxies; an astronomer measures their light at night. {n}.",
    "law": "The court heard the plaintiff, and the judge said that the contract had been broken. Number {n}.",
}
TEXTS = [text.format(n=n) + f" {name}" * (n % 3) for n in range(20) for name, text in TOPICS.items()]
LABELS = [name for _ in range(20) for name in TOPICS]
ODD = [
    "Quarterly semiconductor export tariffs",
    "giraffes graze on acacia",
    "a sonata in four movements",
    "zippers jam",
    "glaciers carve valleys",
]
MARKS = ["cluster.id", "cluster.distance", "cluster.x", "cluster.y"]


def test_the_main_directions_hold_what_differs_most():
    base = np.zeros((50, 5), np.float32)
    base[:, 2], base[:, 4] = np.linspace(-9, 9, 50), np.tile([1, -1], 25)
    mean, basis = main_directions(base + 3, 2)
    assert np.allclose(mean, 3, atol=1e-5)
    assert np.allclose(np.abs(basis.T), [[0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], atol=0.05)
    assert np.allclose(rotated(base + 3, mean, basis) @ basis.T, base, atol=1e-3)


def test_clusters_are_numbered_by_size():
    assert by_size(np.array([5, 7, 7, -1, 5, 7, 2])).tolist() == [1, 0, 0, -1, 1, 0, 2]
    assert by_size(np.array([3, 1])).tolist() == [0, 1]
    assert by_size(np.array([-1, -1])).tolist() == [-1, -1]
    assert by_size(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("method", ["kmeans", "hdbscan", "dbscan"])
def test_topics_become_clusters(method):
    knobs = {"clusters": 3, "min_size": 6, "min_samples": 3, "eps": 0.3, "dimensions": 8, "max_distance": 0.5}
    found = mark(Group(space="pca", method=method, **knobs), documents(TEXTS))
    pairs = set(zip(LABELS, found["cluster.id"].to_pylist(), strict=True))
    assert len(pairs) == 3
    assert {number for _, number in pairs} == {0, 1, 2}
    assert found.schema.field("cluster.id").type == pa.int32()
    assert found["cluster.distance"].to_pylist() == [0.0] * len(TEXTS), "all are of the sample"


def test_documents_outside_the_sample_go_where_their_neighbours_are():
    stage = Group(**SMALL | {"clusters": 3, "sample": 30}, max_distance=0.9)
    found = mark(stage, documents(TEXTS))
    assert len(set(zip(LABELS, found["cluster.id"].to_pylist(), strict=True))) == 3
    assert sum(distance > 0 for distance in found["cluster.distance"].to_pylist()) > 5


def test_what_is_like_nothing_belongs_nowhere():
    texts = [*TEXTS, *ODD, *STORIES]
    knobs = {"clusters": 3, "dimensions": 0, "sample": 40}
    near, far = (mark(Group(**SMALL | knobs, max_distance=most), documents(texts)) for most in (0.2, 2.0))
    assert near["cluster.id"].null_count > far["cluster.id"].null_count
    for one, other in zip(near.to_pylist(), far.to_pylist(), strict=True):
        assert one["cluster.distance"] == other["cluster.distance"]
        assert one["cluster.id"] == (other["cluster.id"] if one["cluster.distance"] < 0.2 else None)


def test_without_rescue_noise_stays_noise():
    texts = [*TEXTS, *ODD]
    knobs = {"space": "pca", "method": "dbscan", "eps": 0.3, "min_samples": 5, "dimensions": 0, "max_distance": 2}
    strict, kind = (mark(Group(**knobs, rescue=rescue, neighbours=1), documents(texts)) for rescue in (False, True))
    assert kind["cluster.id"].null_count == 0
    assert strict["cluster.id"].null_count == len(ODD)


def test_the_same_bytes_in_pieces_of_every_size():
    table = documents([row["text"] for row in rows()], [row["id"] for row in rows()])
    for knobs in (SMALL, SMALL | {"sample": 12}):
        whole = mark(Group(**knobs), table)
        assert all(mark(Group(**knobs), table, size).equals(whole) for size in (1, 3, 4096))


def test_texts_without_words_are_nowhere():
    for texts in (["", "\n", "..."], ["", "a fox"], ["a fox"], ["", *TEXTS[:5]]):
        found = mark(Group(), documents(texts)).to_pylist()
        for text, row in zip(texts, found, strict=True):
            assert (row["cluster.x"] is None) == (row["cluster.distance"] is None) == (not text.strip(" .\n"))


def test_a_model_survives_being_packed():
    rng = np.random.default_rng(0)
    one = Model(
        rng.normal(size=6).astype(np.float32),
        rng.normal(size=(6, 3)).astype(np.float32),
        rng.normal(size=(9, 3)).astype(np.float16),
        np.arange(9, dtype=np.int32),
        rng.normal(size=(9, 2)).astype(np.float32),
    )
    packed = one.packed()
    assert packed == one.packed()
    two = Model.unpacked(packed)
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in Model.__dataclass_fields__)
    queries = rng.normal(size=(5, 6)).astype(np.float32)
    assert np.array_equal(one.place(queries, 3, 2.0).places, two.place(queries, 3, 2.0).places)


def test_facts_count():
    stage = Group(**SMALL | {"clusters": 3})
    found = stage.facts(stage.measure(mark(stage, documents([*TEXTS, ""])).select(MARKS)))
    assert found["documents"] == 61
    assert found["clusters"] == 3
    assert found["empty"] == found["unassigned"] == 1
    assert found["sizes"] == {"0": 20, "1": 20, "2": 20}
    assert found["share_unassigned"] == 0.0164


def test_an_unknown_embedding_or_method_is_refused():
    for knobs in ({"embedding": "word2vec"}, {"method": "leiden"}, {"near": 1}):
        with pytest.raises(ValidationError):
            Group(**knobs)


@pytest.mark.slow
def test_by_umap_the_same_bytes_twice_and_topics_apart():
    texts = [f"{text} {n}" for n, text in enumerate(TEXTS * 3)]
    stage = Group(min_size=20, min_samples=5, max_distance=1.0)
    one, two = (mark(stage, documents(texts), size) for size in (4096, 50))
    assert one.equals(two)
    kinds = set(zip(LABELS * 3, one["cluster.id"].to_pylist(), strict=True))
    assert {label for label, _ in kinds} == set(TOPICS)
    assert len({number for _, number in kinds}) == len(kinds), "no cluster holds two topics"
    places = np.stack([one["cluster.x"].to_numpy(), one["cluster.y"].to_numpy()], axis=1)
    same = np.array(LABELS * 3)
    middles = {label: places[same == label].mean(axis=0) for label in TOPICS}
    nearest = [min(middles, key=lambda label, at=at: np.linalg.norm(places[at] - middles[label])) for at in range(180)]
    assert np.mean(np.array(nearest) == same) > 0.95
    assert embedder("wordllama")(pa.array(texts[:1])).shape[1] > 32
