"""Sampling with kept keys and values writes what sampling without them writes."""

import numpy as np
import pytest
import torch

from hornbook.nn.model import Student
from hornbook.nn.sampler import Sampling, _draws, _pick, sample
from hornbook.nn.shape import shape_for

SHAPE = shape_for(2, 61, 48)


@pytest.fixture(scope="module")
def model():
    made = Student(SHAPE, 4)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim == 2:
                weight.mul_(6.0)
    return made.eval()


PROMPTS = [[5], [0, 9, 3, 44, 2, 2], [7, 8, 9], [1] * 20]
NAMES = ["a", "b", "c", "d"]


def _uncached(model, prompt, name, how):
    """The definition: the whole text goes through the model again for every token."""
    ids, draws = list(prompt), _draws(how.seed, name, how.most)
    for n in range(how.most):
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[:, -1]
        token = int(_pick(logits, draws[n : n + 1], how)[0])
        if token == how.end:
            return ids[len(prompt) :], True
        ids.append(token)
    return ids[len(prompt) :], False


@pytest.mark.parametrize(("temperature", "top_k"), [(0.0, 0), (1.0, 0), (0.7, 5)])
def test_kept_keys_change_nothing(model, temperature, top_k):
    how = Sampling(temperature, top_k, most=20, end=0, seed=3)
    fast = list(sample(model, PROMPTS, NAMES, how))
    assert fast == [_uncached(model, p, n, how) for p, n in zip(PROMPTS, NAMES, strict=True)]
    assert len({tuple(ids) for ids, _ in fast}) == len(PROMPTS)


def test_kept_keys_give_the_same_logits(model):
    padding = torch.tensor([0, 3])
    ids = torch.tensor([[4, 8, 15, 16, 23, 42], [0, 0, 0, 7, 7, 9]])
    cache = model.cache(padding, 10)
    with torch.no_grad():
        parts = [model.continued(ids[:, a:b], padding, cache) for a, b in ((0, 4), (4, 5), (5, 6))]
        whole = [model(ids[:1]), model(ids[1:, 3:])]
    cached = torch.cat(parts, 1)
    assert (cached[:1] - whole[0]).abs().max() < 1e-4
    assert (cached[1:, 3:] - whole[1]).abs().max() < 1e-4


def test_a_row_does_not_depend_on_its_batch(model):
    how = Sampling(1.0, 0, most=15, end=0, seed=9)
    together = list(sample(model, PROMPTS, NAMES, how))
    assert together == list(sample(model, PROMPTS, NAMES, how, batch=1))
    assert together[::-1] == list(sample(model, PROMPTS[::-1], NAMES[::-1], how, batch=3))


def test_draws_follow_the_distribution():
    """Chi-squared-like check against the softmax, and top_k cuts."""
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]]).expand(20_000, 4)
    draws = np.random.default_rng(0).random(20_000)
    for top_k, temperature in ((0, 1.0), (0, 0.5), (2, 1.0)):
        wanted = torch.tensor([2.0, 0.0, 1.0, -1.0]) / temperature
        if top_k:
            wanted[[1, 3]] = -torch.inf
        picked = _pick(logits, draws, Sampling(temperature, top_k, 1, 0, 0))
        share = np.bincount(picked, minlength=4) / len(picked)
        assert np.abs(share - wanted.softmax(-1).numpy()).max() < 0.012


def test_a_full_context_ends_a_text(model):
    how = Sampling(1.0, 0, most=500, end=60, seed=1)
    ((ids, ended),) = sample(model, [[3] * 200], ["x"], how)
    assert ended or len(ids) == SHAPE.context - SHAPE.context // 2


def test_what_is_enough_goes_no_further_and_changes_no_other_row(model):
    """Texts that are said to be enough are beginnings of what they would have been; the others are as before."""
    how = Sampling(1.0, 0, most=26, end=0, seed=5)
    prompts, names = PROMPTS * 4, [f"{name}{at}" for at in range(4) for name in NAMES]
    whole = list(sample(model, prompts, names, how))
    seen = []

    def enough(texts):
        seen.append(len(texts))
        return [text[0] % 3 != 0 for text in texts]

    some = list(sample(model, prompts, names, how, enough=enough))
    assert seen[0] > seen[-1] > 0, "nobody is asked about again"
    for (ids, ended), (short, early) in zip(whole, some, strict=True):
        if len(ids) < 8 or ids[0] % 3 == 0:
            assert (short, early) == (ids, ended)
        else:
            assert (short, early) == (ids[:8], False)
