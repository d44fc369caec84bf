"""A document's nats are the sum over its tokens of what each costs, once."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from hornbook.nn.model import Student
from hornbook.nn.scoring import _cuts, nats
from hornbook.nn.shape import shape_for

SHAPE = shape_for(1, 50, 16)


@given(st.integers(0, 300), st.integers(1, 40))
def test_each_token_is_scored_once_with_half_a_context(length, context):
    scored = []
    for cut in _cuts(0, length, context):
        assert 0 <= cut.start <= cut.fresh < cut.stop <= length
        assert cut.stop - cut.start <= context
        assert cut.start == 0 or cut.fresh - cut.start >= context // 2
        scored += range(cut.fresh, cut.stop)
    assert scored == list(range(length))


def test_short_documents_by_hand():
    model = Student(SHAPE, 2).eval()
    documents = [np.array([3, 1, 4, 1, 5]), np.array([9]), np.array([], dtype=int), np.arange(15)]
    got = nats(model, documents, end=0, batch=3)
    for document, value in zip(documents, got, strict=True):
        wanted = 0.0
        for n, token in enumerate(document):
            with torch.no_grad():
                logits = model(torch.tensor([[0, *document[:n]]]))[0, -1]
            wanted -= float(F.log_softmax(logits, -1)[int(token)])
        assert value == pytest.approx(wanted, abs=1e-4)


def test_a_uniform_model_costs_log_vocab_a_token():
    model = Student(SHAPE, 2).eval()
    with torch.no_grad():
        model.embed.weight.zero_()
    rng = np.random.default_rng(1)
    documents = [rng.integers(0, 50, n) for n in (1, 7, 16, 17, 40, 133)]
    got = nats(model, documents, end=0)
    assert got == pytest.approx([len(d) * math.log(50) for d in documents], rel=1e-6)


def test_the_batch_changes_nothing():
    model = Student(SHAPE, 2).eval()
    documents = [np.random.default_rng(n).integers(0, 50, n * 5) for n in range(9)]
    assert nats(model, documents, 0, batch=1) == pytest.approx(nats(model, documents, 0, batch=64), rel=1e-5)


@given(st.integers(0, 300), st.integers(1, 40), st.integers(0, 320))
def test_what_is_given_is_read_and_not_scored(length, context, given_):
    scored = []
    for cut in _cuts(0, length, context, given_):
        assert 0 <= cut.start <= cut.fresh < cut.stop <= length
        assert cut.stop - cut.start <= context
        assert cut.start == 0 or cut.fresh - cut.start >= context // 2
        scored += range(cut.fresh, cut.stop)
    assert scored == list(range(given_, length))


def test_a_prompt_and_its_answer_cost_what_both_cost_together():
    model = Student(SHAPE, 2).eval()
    draw = np.random.default_rng(3)
    documents = [draw.integers(0, 50, n) for n in (5, 16, 9, 14)]
    for given_ in ([0, 0, 0, 0], [2, 10, 9, 1]):
        prompts = [d[:n] for d, n in zip(documents, given_, strict=True)]
        whole = nats(model, documents, 0) - nats(model, prompts, 0)
        assert nats(model, documents, 0, after=given_, batch=3) == pytest.approx(whole, abs=1e-4)
    one, other = (np.array([*head, 7, 7]) for head in ([1, 2], [9, 9]))
    assert len(set(nats(model, [one, other], 0, after=[2, 2]))) == 2, "the prompt is read"
