from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from hornbook.kernels.support import recall
from hornbook.kernels.words import texts, words


def hashed(sentences):
    found = words(*texts(pa.array(sentences, pa.large_string())))
    return found.hashes, found.offsets


def recalled(own, passage):
    """Of each row's sentences."""
    rows = np.cumsum([0, *map(len, own)])
    passage_rows = np.cumsum([0, *map(len, passage)])
    flat, theirs = [s for some in own for s in some], [s for some in passage for s in some]
    return recall(rows, *hashed(flat), passage_rows, *hashed(theirs))


def test_worked_by_hand():
    # four sentences: "the" stands in all, "fox" in two, "red" in one of the passage's, "blue" in the text's own
    [found] = recalled([["The blue fox"]], [["The red fox", "the end", "the"]])
    weight = {word: math.log(1 + 4 / d) for word, d in {"the": 4, "blue": 1, "fox": 2}.items()}
    assert found == pytest.approx((weight["the"] + weight["fox"]) / sum(weight.values()))


def test_whole_part_and_none_of_it():
    passage = ["Radio waves travel at the speed of light.", "Lightning emits them."]
    whole, none = recalled([[passage[0], "Quiet green cabbages slept."]], [passage])
    assert whole == 1.0
    assert none == 0.0


def test_words_must_stand_together():
    far = "alpha " + "filler " * 60 + "omega"
    [near] = recalled([["alpha omega"]], [["alpha and then omega"]])
    [apart] = recalled([["alpha omega"]], [[far]])
    assert near == 1.0
    assert apart == pytest.approx(0.5)


def test_rows_know_nothing_of_each_other():
    one, two = (["A fox ran."], ["The fox ran home."]), (["小狐狸跑了。", "x"], ["小狐狸回家了。"])
    alone = np.concatenate([recalled([one[0]], [one[1]]), recalled([two[0]], [two[1]])])
    together = recalled([one[0], [], two[0], ["y"]], [one[1], ["z"], two[1], []])
    assert together.tolist() == [*alone.tolist(), 0.0]
    assert 0 < alone[1] < 1


def test_texts_without_words_score_nothing():
    assert recalled([["...", ""], []], [["..."], []]).tolist() == [0.0, 0.0]
    assert recalled([["a"]], [[""]]).tolist() == [0.0]
