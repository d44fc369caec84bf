"""The price of a recipe: volumes times prices, and nothing that is not one of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.engine.costs import Bill, bill_of
from hornbook.engine.forecast import Forecast
from hornbook.engine.recipe import check
from hornbook.engine.taken import Taken
from hornbook.engine.yamls import Lines

NUMBERS = st.floats(0, 1e12, allow_nan=False)
GPU = {"name": "A", "usd_per_hour": 2, "tflops": 100, "utilisation": 0.5}


def data(volumes: dict[str, Any] | None = None, **cost: Any) -> dict[str, Any]:
    prices = {
        "old": {"models": {"write": {"input": 1, "output": 4}}, "gpu": GPU},
        "new": {"models": {"write": {"input": 0.5, "output": 2}}, "gpu": GPU | {"usd_per_hour": 3}},
    }
    steps: list[dict[str, Any]] = [
        {"use": "sources.prompts", "path": ["a.jsonl"]},
        {"use": "generate.complete", "name": "said"},
        {"use": "tokenize.bpe"},
        {"use": "train.student", "name": "a.train"},
    ]
    found = {
        "name": "r",
        "scales": {"one": {} if volumes is None else {"volumes": volumes}},
        "cost": {"parts": {"write": ["said"], "train": ["*.train"]}, "prices": prices} | cost,
        "steps": steps,
    }
    return found


def bill(volumes: dict[str, Any]) -> Bill:
    return bill_of(check(data(volumes), Lines("r.yaml"), {}))


@given(NUMBERS, st.floats(1, 1e12), NUMBERS, st.floats(0.5, 50))
@settings(max_examples=50, deadline=None)
def test_a_sum_is_volumes_times_prices(prompts, replies, hours, runs):
    found = bill(
        {
            "said": {"prompt_tokens": prompts, "tokens": replies, "runs": runs, "source": "x"},
            "students": {"part": "train", "gpu_hours": hours, "runs": runs, "source": "x"},
        }
    )
    old = runs * ((prompts + 4 * replies) / 1e6 + 2 * hours)
    new = runs * ((0.5 * prompts + 2 * replies) / 1e6 + 3 * hours)
    assert found.sums("old") == pytest.approx(old)
    assert found.sums("new") == pytest.approx(new)
    assert found.sums("old", "write") == pytest.approx(runs * (prompts + 4 * replies) / 1e6)


def test_hours_follow_from_operations_where_none_are_said():
    """6 x 1e9 x 1e10 operations at half of 100 TFLOP/s: 1.2e6 seconds."""
    sizes = {"part": "train", "parameters": 1e9, "trained_tokens": 1e10, "source": "x"}
    hours = 6e19 / 5e13 / 3600
    line = bill({"students": sizes}).lines[0]
    assert line.flops_hours["old"] == pytest.approx(hours)
    assert line.usd["old"] == pytest.approx(2 * hours)
    said = bill({"students": sizes | {"gpu_hours": 7}}).lines[0]
    assert said.usd["old"] == 14
    assert said.flops_hours["old"] == pytest.approx(hours), "shown beside those that are said"


def test_hours_of_a_teacher_follow_from_its_rate_and_have_no_price_of_tokens():
    recipe = data({"served": {"part": "train", "tokens": 3.6e6, "tokens_per_second": 100, "source": "x"}})
    line = bill_of(check(recipe, Lines("r.yaml"), {})).lines[0]
    assert line.hours == pytest.approx(10)
    assert line.usd["old"] == pytest.approx(20), "no model is named for this part: a processor of one's own"


def test_stated_hours_have_a_price_here_where_all_are_known():
    hours = {"said": {"tokens": 3600, "tokens_per_second": 1, "source": "x"}}
    sizes = {"part": "train", "parameters": 1e9, "trained_tokens": 1e10, "source": "x"}
    recipe = data(hours | {"students": sizes}, machine={"usd_per_hour": 7})
    found = bill_of(check(recipe, Lines("r.yaml"), {}))
    assert found.sums("here") == pytest.approx(7 * (1 + 6e19 / 5e13 / 3600))
    without = data({"said": {"tokens": 3600, "source": "x"}} | {"students": sizes}, machine={"usd_per_hour": 7})
    assert bill_of(check(without, Lines("r.yaml"), {})).sums("here") is None


def test_what_stands_beside_is_in_no_sum():
    both = {
        "said": {"tokens": 1e6, "source": "x"},
        "another": {"part": "write", "tokens": 5e6, "beside": True, "source": "x"},
    }
    found = bill(both)
    assert found.sums("old") == 4
    assert [line.usd["old"] for line in found.lines] == [4, 20]


def test_what_is_done_is_measured_what_is_not_is_planned_and_what_nobody_knows_is_in_no_sum():
    recipe = check(data(machine={"usd_per_hour": 1}), Lines("r.yaml"), {})
    write = Forecast("said", "generate.complete", "ask", 2, "to do", tokens=10**6, prompt_tokens=0, usd=9.0)
    write.seconds = 1800.0
    train = Forecast("a.train", "train.student", "job", 4)
    planned = bill_of(recipe, [write, train])
    assert [line.origin for line in planned.lines] == ["planned", "unknown"]
    assert (planned.sums("here"), planned.sums("old"), planned.whole()) == (9.5, 4, False)
    taken = {"said": Taken(7200.0, 3.0, 5, 100, 2 * 10**6), "a.train": Taken(3600.0)}
    done = bill_of(recipe, [write, train], taken)
    assert [line.origin for line in done.lines] == ["measured", "measured"]
    assert done.sums("here") == pytest.approx(3 + 2 + 1)
    assert done.sums("old") == pytest.approx(8.0001 + 2)
    assert done.whole()


def test_todays_prices_are_those_of_the_price_list():
    """Origin: genai-prices 0.2.3: gpt-4 $30 and $60, gpt-3.5-turbo $0.50 and $1.50 per million tokens."""
    prices = {"today": {"models": {"write": "openai:gpt-4"}}}
    found = bill_of(check(data({"said": {"tokens": 1e6, "source": "x"}}, prices=prices), Lines("r.yaml"), {}))
    assert found.sums("today") == 60
    assert "gpt-4, genai-prices" in found.origins["today"][0]
    with pytest.raises(UserError, match="has no price for 'openai:gpt-none'"):
        bill_of(
            check(
                data({"said": {"tokens": 1, "source": "x"}}, prices={"t": {"models": {"write": "openai:gpt-none"}}}),
                Lines("r.yaml"),
                {},
            )
        )


@pytest.mark.parametrize(
    ("volumes", "cost", "words"),
    [
        ({"nobody": {"tokens": 1, "source": "x"}}, {}, ["volume nobody is of no part", "write, train"]),
        ({"said": {"tokens": 1}}, {}, ["source is missing", "scale one"]),
        ({"said": {"token": 1, "source": "x"}}, {}, ["`token`", "did you mean `tokens`?"]),
        ({"said": 3}, {}, ["volume said = 3 is not a mapping"]),
        (None, {"parts": {"write": ["sayd"]}}, ["unknown step in `cost` `sayd`", "did you mean `said`?"]),
        (None, {"prices": {"a": {"models": {"wrote": "x:y"}}}}, ["unknown part in `cost` `wrote`", "`write`"]),
        (None, {"machine": {"usd_per_hour": -1}}, ["machine.usd_per_hour = -1 is below 0"]),
    ],
)
def test_what_cannot_be_is_refused(volumes, cost, words):
    with pytest.raises(UserError) as refused:
        check(data(volumes, **cost), Lines("r.yaml"), {})
    for word in words:
        assert word in str(refused.value)


def test_a_price_can_be_set():
    sets = {"cost.prices.old.gpu.usd_per_hour": 5, "cost.machine.usd_per_hour": 0.5}
    recipe = check(data({"h": {"part": "train", "gpu_hours": 2, "source": "x"}}), Lines("r.yaml"), sets)
    assert bill_of(recipe).sums("old") == 10
    assert recipe.cost.machine.usd_per_hour == 0.5
