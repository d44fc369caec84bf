"""Steps of a comparison are told together: nothing is lost of what they sum up."""

from __future__ import annotations

from hornbook.cli.folding import FEW, folded, listed, together
from hornbook.engine.forecast import Forecast


def trained(arm: str, seed: int, seconds: float | None = 2.0) -> Forecast:
    return Forecast(f"{arm}.s{seed}.train", "train.student", "job", seed + 2, "to do", seconds=seconds)


def test_students_are_one_row_and_others_stay_their_own():
    steps = [Forecast("corpus", "sources.files", "source", 1), *(trained("raw", seed) for seed in range(FEW + 1))]
    found = folded([*steps, Forecast("compare", "report.arms", "job", 9)])
    assert [one.step for one in found] == ["corpus", f"{FEW + 1} × .train", "compare"]
    assert found[1].seconds == 2.0 * (FEW + 1)
    assert len(folded(steps[: FEW + 1])) == FEW + 1, "a few are told one by one"


def test_a_row_of_many_says_what_is_cached_and_knows_no_time_that_one_lacks():
    steps = [trained("raw", seed) for seed in range(FEW + 2)]
    steps[0].state = "cached"
    steps[1].seconds = None
    one = folded(steps)[0]
    assert (one.step, one.state, one.seconds) == (f"{FEW + 2} × .train, 1 cached", "to do", None)


def test_what_is_said_of_many_is_said_once():
    said = [(f"step{n}", "time unknown") for n in range(20)] + [("a", "x")]
    assert together(said) == [(f"step0, step1, step2, step3 and {20 - FEW} more", "time unknown"), ("a", "x")]
    assert listed(["a", "b"]) == "a, b"
