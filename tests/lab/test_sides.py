"""What is said of teachers beside each other: differences prompt by prompt, and warnings."""

from __future__ import annotations

import numpy as np
import pytest

from hornbook.lab.sides import Side, differences, warnings


def side(name: str, **values: dict[str, float]) -> Side:
    return Side(name, f"model-{name}", prompts=len(next(iter(values.values()), {})), usd=0.0, by_prompt=values)


def scored(kappa: float | None) -> dict:
    return {"clear": {"mean": 3.0, "interval": None, "agreement": {"kappa_quadratic": kappa}}}


def test_differences_are_over_the_prompts_that_both_have():
    one = side("a", words={"p1": 10.0, "p2": 20.0, "p3": 30.0})
    other = side("b", words={"p2": 25.0, "p3": 33.0, "p9": 1000.0})
    (found,) = differences([one, other])
    assert (found.teacher, found.against, found.prompts, found.mean) == ("b", "a", 2, 4.0)
    assert 3.0 <= found.interval[0] <= found.mean <= found.interval[1] <= 5.0


def test_pairing_sees_what_means_cannot():
    """Prompts differ by far more than teachers do: means overlap, the paired difference does not."""
    draw = np.random.default_rng(0)
    base = draw.normal(100, 40, 80)
    one = side("a", words={f"p{n}": value for n, value in enumerate(base)})
    other = side(
        "b",
        words={f"p{n}": value + gap for n, (value, gap) in enumerate(zip(base, draw.normal(3, 5, 80), strict=True))},
    )
    (found,) = differences([one, other])
    assert found.interval[0] > 0
    assert abs(found.mean) < base.std() / 80**0.5, "less than the error of either mean"


def test_the_first_that_has_replies_is_what_others_are_held_against():
    gone = Side("gone", "m", failed="generate@gone: 10 of 10 requests failed")
    found = differences([gone, side("b", accepted={"p": 1.0, "q": 1.0}), side("c", accepted={"p": 0.0, "q": 1.0})])
    assert [(gap.against, gap.teacher, gap.mean) for gap in found] == [("b", "c", -0.5)]
    assert differences([gone]) == []


@pytest.mark.parametrize(
    ("kappas", "said"),
    [((0.1, 0.2), "does not agree with itself"), ((None, None), "one and the same of every text"), ((0.6, None), "")],
)
def test_a_judge_whose_scores_mean_nothing_is_called_that(kappas, said):
    sides = [side(name, accepted={"p": 1.0}) for name in "ab"]
    for one, kappa in zip(sides, kappas, strict=True):
        one.judged = scored(kappa)
    found = [line for line in warnings(sides, {}, "judge") if "mean nothing" in line]
    assert [said in line for line in found] == ([True] if said else [])
    assert not warnings(sides, {}, ""), "without a judge there is nothing to say"


def test_place_kinship_collapse_and_failure_are_named():
    one, other = side("a", accepted={"p": 1.0}), Side("b", "judge", failed="it broke", collapsed="90% begin “x”")
    found = "\n".join(warnings([one, other], {"a / b": {"position_bias": 0.8}}, "judge"))
    for said in ("b has collapsed: 90%", "b was given up: it broke", "one of those compared (b)", "in 80% of pairs"):
        assert said in found
    one.usd = None
    assert "a: no price is known" in "\n".join(warnings([one], {}, ""))
