"""The budget: no cap is passed, whatever requests cost and in whatever order they come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import BudgetStop
from hornbook.engine.budget import Governor

COSTS = st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), max_size=60)


@given(COSTS, st.integers(0, 300), st.randoms(use_true_random=False))
def test_no_cap_is_passed(costs, cap, draw):
    governor = Governor(tokens=cap)
    flying: list[tuple[int, int]] = []
    for worst, share in costs:
        while flying and draw.random() < 0.4:
            reserved, spent = flying.pop(draw.randrange(len(flying)))
            governor.settle((0.0, reserved), 0.0, spent)
        try:
            governor.reserve(0.0, worst)
        except BudgetStop:
            continue
        flying.append((worst, int(worst * share)))
        assert governor.tokens + governor.reserved_tokens <= cap
    for reserved, spent in flying:
        governor.settle((0.0, reserved), 0.0, spent)
    assert governor.tokens <= cap
    assert governor.reserved_tokens == 0


def test_what_earlier_executions_spent_counts():
    with pytest.raises(BudgetStop, match="9 used"):
        Governor(tokens=10, spent_tokens=9).reserve(0.0, 2)


def test_the_time_of_the_teachers_machine_counts():
    governor = Governor(usd=1.0)
    governor.pay(0.9)
    governor.reserve(0.05, 1)
    with pytest.raises(BudgetStop, match="usd"):
        governor.reserve(0.2, 1)
