from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.scoring import Trees, grams, says, weigh
from hornbook.kernels.words import texts, words

TEXTS = st.lists(st.text(alphabet=st.sampled_from("ab c小م."), max_size=30), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.integers(1, 4), st.sampled_from([256, 1000, 2**18]))
def test_weights_are_summed_over_the_root_of_the_number(given_texts, n, buckets):
    found = words(*texts(pa.array(given_texts, pa.string())))
    flat, ends = grams(found, n, buckets)
    weights = np.sin(np.arange(buckets)).astype(np.float32)
    sizes = np.diff(found.offsets)
    assert np.diff(ends).tolist() == [sum(max(0, int(size) - k) for k in range(n)) for size in sizes]
    assert flat.size == 0 or (flat.min() >= 0 and flat.max() < buckets)
    for d, total in enumerate(weigh(found, n, weights)):
        own = flat[ends[d] : ends[d + 1]]
        assert total == pytest.approx(weights[own].sum(dtype=np.float64) / math.sqrt(own.size) if own.size else 0.0)


def test_an_ngram_is_the_same_wherever_it_stands_and_order_counts():
    found = words(*texts(pa.array(["one two three", "three one two", "two one"])))
    flat, ends = grams(found, 2, 2**20)
    first, second, third = (set(flat[a:b].tolist()) for a, b in pairwise(ends))
    assert len(first & second) == 4, "three words and the pair one-two"
    assert len(third) == 3
    assert len(third & first) == 2, "two words; two-one is not one-two"


def test_a_forest_goes_where_its_limits_say():
    trees = Trees(
        features=np.array([1, -1, 0, -1, -1, -1], np.int32),
        limits=np.array([0.5, 0, -1.0, 0, 0, 0], np.float32),
        left=np.array([1, -1, 3, -1, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1, -1], np.int32),
        values=np.array([0, 1.0, 0, 2.0, 3.0, 10.0], np.float32),
        roots=np.array([0, 5], np.int32),
    )
    rows = np.array([[9, 0.5], [-1.0, 0.6], [0.0, 0.6]], np.float32)
    assert says(trees, rows).tolist() == [(1 + 10) / 2, (2 + 10) / 2, (3 + 10) / 2]


def test_the_forest_of_scikit_learn_says_the_same():
    pytest.importorskip("sklearn", reason="needs hornbook[classify]")
    from sklearn.ensemble import RandomForestRegressor

    from hornbook.stages.quality._models import Model, fit

    draw = np.random.default_rng(2)
    rows = draw.normal(size=(200, 12)).astype(np.float32)
    labels = rows[:, 0] * 2 + draw.normal(size=200)
    model = fit("forest", rows, labels, 30, 5)
    own = RandomForestRegressor(30, max_features="sqrt", min_samples_leaf=2, max_leaf_nodes=1024, random_state=5)
    assert model.of_features(rows) == pytest.approx(own.fit(rows, labels).predict(rows), abs=1e-5)
    again = Model.unpack(model.pack())
    assert (again.of_features(rows) == model.of_features(rows)).all()
    assert fit("forest", rows, labels, 30, 5).pack() == model.pack()


def test_ngrams_are_fitted_and_scored_alike():
    pytest.importorskip("sklearn", reason="needs hornbook[classify]")
    from hornbook.stages.quality._models import fit, matrix_of, ngram_features

    draw = np.random.default_rng(3)
    said = [" ".join(draw.choice(["a", "b", "小", "c"], size=int(draw.integers(0, 30)))) for _ in range(80)]
    column = pa.chunked_array([pa.array(said)])
    which, counts = ngram_features(column, 2, 512)
    matrix = matrix_of(pa.chunked_array([which]), pa.chunked_array([counts]), 512)
    model = fit("ngrams", matrix, np.array([text.count("a") - text.count("b") for text in said], float), 1, 0)
    assert model.of_words(column, 2) == pytest.approx(model.of_features(matrix), abs=1e-9)


@pytest.mark.parametrize("noise", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("rows", [15, 150])
def test_ridge_is_scikit_learns_and_so_is_its_penalty(noise, rows, monkeypatch):
    pytest.importorskip("sklearn", reason="needs hornbook[classify]")
    from sklearn.linear_model import Ridge, RidgeCV

    from hornbook.stages.quality import _models

    draw = np.random.default_rng(4)
    known = draw.normal(size=(rows, 20)).astype(np.float32) + 1
    labels = known @ draw.normal(size=20) + draw.normal(size=rows) * noise + 50
    found = _models.fit("linear", known, labels, 1, 0)
    best = RidgeCV(alphas=_models.PENALTIES).fit(known.astype(np.float64), labels)
    penalty = _models._penalty(known, labels)[0]
    assert penalty == best.alpha_
    assert found.of_features(known) == pytest.approx(Ridge(alpha=penalty).fit(known, labels).predict(known), abs=1e-3)
    monkeypatch.setattr(_models, "FEW", rows - 1)
    monkeypatch.setattr(_models, "_penalty", lambda *given: (penalty, None))
    assert _models.fit("linear", known, labels, 1, 0).of_features(known) == pytest.approx(
        found.of_features(known), abs=1e-2
    )
