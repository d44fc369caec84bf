from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.core.errors import UserError
from hornbook.kernels.apart import apart, nearest
from hornbook.kernels.embedders import embedder
from hornbook.stages.dedup.semantic import Semantic
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES, rows
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(knobs={"blocks": 3, "keep": "longest"}, golden={"1": "b890fda772c9715f24b3a7401a75fa8f"})
PLACES = ["forest", "harbour", "kitchen", "market", "library", "desert", "village", "castle", "school", "garden"]
THINGS = ["lantern", "violin", "ladder", "compass", "teapot", "kite", "mirror", "wagon", "blanket", "whistle"]
TEXTS = [
    f"In the {place} an old {thing} was found. Nobody in the {place} knew whose {thing} it was, {number} years on."
    for number, (place, thing) in enumerate((place, thing) for place in PLACES for thing in THINGS)
]
OTHERS = [text.replace("Nobody", "No one").replace("an old", "one old") for text in TEXTS[::7]]


def by_hand(vectors: np.ndarray, order: list[int], limit: float) -> dict[int, tuple[int, float]]:
    """What is dropped → (what is kept for it, their cosine): all compared with all."""
    kept: list[int] = []
    gone: dict[int, tuple[int, float]] = {}
    for at in order:
        near = [round(float(vectors[at].astype(float) @ vectors[k].astype(float)), 6) for k in kept]
        best = int(np.argmax(near)) if near else 0
        if near and near[best] >= limit:
            gone[at] = (kept[best], near[best])
        else:
            kept.append(at)
    return gone


def unit(values: list[list[int]]) -> np.ndarray:
    found = np.array(values, np.float32).reshape(len(values), -1)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


VECTORS = st.lists(st.lists(st.integers(-3, 3), min_size=5, max_size=5).filter(any), min_size=1, max_size=40).map(unit)


@settings(deadline=None, max_examples=100)
@given(VECTORS, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_what_is_kept_is_as_found_by_comparing_all_with_all(vectors, limit):
    of, near = apart(vectors, limit)
    found = {at: (int(of[at]), float(near[at])) for at in np.flatnonzero(of >= 0).tolist()}
    assert found == by_hand(vectors, list(range(len(vectors))), limit)


@settings(deadline=None, max_examples=50)
@given(VECTORS, VECTORS)
def test_the_nearest_is_none_farther_than_another(vectors, centroids):
    which, near = nearest(vectors, centroids)
    best = (vectors @ centroids.T).max(axis=1)
    assert np.allclose(near, best, atol=1e-5)
    assert np.allclose((vectors * centroids[which]).sum(axis=1), best, atol=1e-5)


@pytest.mark.parametrize("blocks", [1, 4, 12])
@pytest.mark.parametrize("keep", ["first", "farthest", "nearest", "longest"])
def test_every_drop_is_as_like_as_said_to_one_that_is_kept(blocks, keep):
    texts = TEXTS + OTHERS
    table, stage = documents(texts), Semantic(epsilon=0.05, blocks=blocks, keep=keep)
    marks = mark(stage, table).to_pylist()
    kept, gone = outcome(stage, table)
    vectors = embedder("wordllama")(table.column("text")).astype(float)
    for at, row in enumerate(marks):
        if row["dedup.semantic_of"] is None:
            assert row["id"] in kept
            continue
        assert row["dedup.semantic_of"] in kept
        other = row["dedup.semantic_row"]
        assert row["dedup.semantic_of"] == f"d{other}"
        assert row["dedup.semantic_block"] == marks[other]["dedup.semantic_block"]
        assert row["dedup.semantic_similarity"] == pytest.approx(float(vectors[at] @ vectors[other]), abs=1e-6)
        assert row["dedup.semantic_similarity"] >= 0.95
        assert gone[row["id"]][1].endswith(f"; d{other}")
    left = [at for at, row in enumerate(marks) if row["dedup.semantic_of"] is None]
    for one in left:
        for two in left:
            if one < two and marks[one]["dedup.semantic_block"] == marks[two]["dedup.semantic_block"]:
                assert round(float(vectors[one] @ vectors[two]), 6) < 0.95


def test_one_block_is_brute_force():
    texts = TEXTS + OTHERS
    table = documents(texts)
    marks = mark(Semantic(epsilon=0.05, blocks=1, keep="first"), table).to_pylist()
    wanted = by_hand(embedder("wordllama")(table.column("text")), list(range(len(texts))), 0.95)
    found = {at: row["dedup.semantic_row"] for at, row in enumerate(marks) if row["dedup.semantic_row"] is not None}
    assert found == {at: of for at, (of, _) in wanted.items()}
    assert len(found) >= len(OTHERS)


def test_farthest_and_nearest_keep_opposite_ends():
    texts = ["a red ball in the park", "a red ball in the park today", "red ball park", "一个红球在公园里"]
    far, near = (
        outcome(Semantic(blocks=1, epsilon=0.4, keep=keep), documents(texts))[0] for keep in ("farthest", "nearest")
    )
    assert far != near


@pytest.mark.parametrize("story", STORIES)
def test_a_reworded_story_is_found_in_every_script_and_the_others_stay(story):
    again = (
        story.replace("One day", "Once").replace("妈妈", "母亲").replace("كبيرة", "جميلة").replace("The", "A") + " :)"
    )
    texts = [*STORIES, again]
    kept, gone = outcome(Semantic(epsilon=0.05, blocks=1, keep="first"), documents(texts))
    assert kept == [f"d{at}" for at in range(len(STORIES))]
    assert gone[f"d{len(STORIES)}"][1].endswith(f"; d{STORIES.index(story)}")


def test_the_best_by_a_mark_is_kept():
    table = documents([STORIES[0]] * 3).append_column("quality.score", pa.array([1.0, 3.0, None]))
    kept, gone = outcome(Semantic(keep="quality.score"), table)
    assert (kept, set(gone)) == (["d1"], {"d0", "d2"})
    assert outcome(Semantic(keep="quality.score", prefer="low"), table)[0] == ["d0"]
    with pytest.raises(UserError, match="no column"):
        mark(Semantic(keep="quality.none"), table)


def test_the_same_bytes_again_and_in_pieces_of_every_size():
    table = documents([row["text"] for row in rows()], [row["id"] for row in rows()])
    whole = mark(Semantic(blocks=4), table)
    assert all(mark(Semantic(blocks=4), table, size).equals(whole) for size in (1, 3, 4096))
    of = dict(zip(whole["id"].to_pylist(), whole["dedup.semantic_of"].to_pylist(), strict=True))
    assert sum(of[f"story-0-{copy}"] is None for copy in range(3)) == 1
    block = dict(zip(whole["id"].to_pylist(), whole["dedup.semantic_block"].to_pylist(), strict=True))
    for name in ("empty", "newline", "spaces"):
        assert of[f"hostile-{name}"] is None
        assert block[f"hostile-{name}"] is None


def test_texts_without_any_word_are_all_kept():
    texts = ["", "...", " \n"]
    assert outcome(Semantic(), documents(texts))[0] == ["d0", "d1", "d2"]
    assert outcome(Semantic(), documents([*texts, HOSTILE["thai"]]))[0] == ["d0", "d1", "d2", "d3"]


def test_facts_say_how_like_what_was_dropped_is():
    stage = Semantic(keep="first")
    marks = mark(stage, documents([STORIES[0], STORIES[0], STORIES[1], ""]))
    found = stage.facts(stage.measure(marks))
    assert found == {"documents": 3, "duplicates": 1, "similarity": {"0.995-1.000": 1}}


def test_an_unknown_embedding_is_refused():
    with pytest.raises(ValidationError, match="model2vec"):
        Semantic(embedding="word2vec")
