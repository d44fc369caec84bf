"""Labelled statements: what is made up is what was done to a sentence; areas; what was recorded is whole."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from bench.checking import statements as made
from bench.checking.areas import auroc, interval, table
from bench.checking.record import RECORDED, SAMPLES, prompts, topics
from bench.selfcheck import scored

PASSAGE = (
    "The old town of Ulm lies on the Danube, in the south of Germany, and had 125,596 inhabitants in 2019. It is known "
    "for a very high church tower, which was finished in 1890 after centuries of building. The tower is not open."
)
POOL = {"name": ["Lake Zurich", "Spain", "Germany"], "term": ["painting", "villages", "sculptures"]}
needs_boolq = pytest.mark.skipif(not made.BOOLQ.exists(), reason="needs ../shared/data/benchmarks/boolq.jsonl")


@pytest.mark.parametrize("kind", ["number", "name", "term", "negated"])
def test_one_thing_is_changed_into_what_the_passage_does_not_have(kind):
    for seed in range(20):
        for sentence in made.said(PASSAGE):
            new = made._changed(kind, sentence, PASSAGE, POOL, random.Random(seed))
            if new is None:
                continue
            assert new != sentence
            fresh = set(new.replace(".", "").replace(",", "").split()) - set(
                PASSAGE.replace(".", "").replace(",", "").split()
            )
            assert len(fresh) <= 2
            if kind == "name":
                assert fresh & {"Lake", "Zurich", "Spain"}
            if kind == "negated":
                assert abs(new.split().count("not") - sentence.split().count("not")) == 1


def test_said_otherwise_nothing_is_added():
    first = made.said(PASSAGE)[0]
    for seed in range(20):
        other = made.reworded(first, random.Random(seed))
        assert set(other.rstrip(".").replace(",", "").lower().split()) <= set(
            first.rstrip(".").replace(",", "").lower().split()
        )
        assert {"Ulm", "Danube", "Germany", "2019"} <= set(other.replace(",", "").rstrip(".").split())


def test_an_area_worked_by_hand():
    scores, made_up = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True])
    assert auroc(scores, made_up) == (2 + 1.5) / 4
    assert auroc(-scores, made_up) == pytest.approx(1 - 3.5 / 4)


def test_an_interval_is_of_passages():
    """A hundred statements of two passages are worth two."""
    draw = np.random.default_rng(1)
    made_up = np.tile([False, True], 200)
    scores = made_up + draw.normal(0, 1, 400)
    many, few = interval(scores, made_up, np.arange(400) // 2), interval(scores, made_up, np.arange(400) // 200)
    area = auroc(scores, made_up)
    assert many[0] < area < many[1]
    assert 0.02 < many[1] - many[0] < 0.15
    assert few[1] - few[0] < many[1] - many[0], "two alike passages cannot show how passages differ"
    assert table(scores, np.where(made_up, "name", "true"), np.arange(400) // 2)["name"][0] == round(area, 3)


def test_what_was_recorded_is_whole():
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    assert {row["setting"]: len(row["samples"]) for row in rows} == SAMPLES
    assert all(len(row["samples"]) == SAMPLES[row["setting"]] and all(row["samples"]) for row in rows)
    assert {row["model"].partition("@")[0] for row in rows} == {"smollm2-135m-instruct"}


@needs_boolq
def test_selfcheck_tells_what_a_passage_says_from_what_was_made_up():
    """On samples of the embedded teacher that has the passage before it: better than chance, and than length."""
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    assert {row["id"] for row in rows} == {row["id"] for row in prompts()}
    labelled = made.statements(list(topics()))
    assert len(labelled) >= 200
    made_up, about = np.array([s.kind != "true" for s in labelled]), np.array([s.about for s in labelled])
    scores = scored(labelled, "given")[0]
    for name in ("similarity", "ngram"):
        assert interval(scores[name], made_up, about)[0] > 0.5
        assert auroc(scores[name], made_up) > auroc(scores["length"], made_up)
