"""The dial: what follows from a depth meets the models it was taken from."""

import pytest

from hornbook.core.errors import UserError
from hornbook.nn.course import course_for
from hornbook.nn.model import Student
from hornbook.nn.shape import shape_for


@pytest.mark.parametrize(
    ("depth", "width", "heads"),
    [
        (4, 256, 8),  # as wide and with as many heads as SimpleStories-5M (arXiv:2504.09184)
        (6, 384, 6),  # SimpleStories-11M
        (8, 512, 8),  # as wide and deep as TinyStories-28M (arXiv:2305.07759)
        (12, 768, 12),  # GPT-2 small
        (32, 2048, 16),  # nanochat d32
    ],
)
def test_widths_meet_known_models(depth, width, heads):
    shape = shape_for(depth, 4096, 512)
    assert (shape.width, shape.heads) == (width, heads)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_weights_are_counted_right(depth):
    shape = shape_for(depth, 300, 16)
    assert shape.params == sum(w.numel() for w in Student(shape).parameters())
    assert shape.width % shape.heads == 0
    assert (shape.width // shape.heads) % 2 == 0
    assert 8 / 3 * shape.width <= shape.hidden < 8 / 3 * shape.width + 32


def _course(budget, **given):
    rest = {"batch": None, "lr": None, "optimizer": "adamw", "seed": 0, "warmup": 0.05, "validations": 5, "bf16": False}
    return course_for(shape_for(given.pop("depth", 2), 2048, 256), budget=budget, **rest | given)


def test_a_course_spends_its_budget():
    for budget in (256, 300, 5_000, 350_000, 20_000_000):
        course = _course(budget)
        spent = course.steps * course.batch * course.length
        assert budget - course.batch * course.length < spent <= budget


def test_learning_rate_and_batch_meet_their_sources():
    assert _course(350_000).lr == pytest.approx(3e-3)
    assert _course(10**6, depth=12).lr == pytest.approx(6e-4, rel=0.2)  # GPT-3 small, 768 wide
    assert _course(3 * 10**11).batch * 256 == pytest.approx(500_000, rel=0.1)  # GPT-3's batch


def test_a_budget_below_one_window_is_refused():
    with pytest.raises(UserError, match="255 tokens"):
        _course(255)
