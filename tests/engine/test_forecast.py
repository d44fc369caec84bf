"""A plan names every request of every variant before anything is asked: as many as come, never more than the most."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.asking import Ahead
from hornbook.engine.budget import Governor
from hornbook.engine.execute import Setting
from hornbook.engine.executors import Inline
from hornbook.engine.forecast import Forecast
from hornbook.engine.plan import Planner
from hornbook.engine.recipe import Recipe, check_data
from hornbook.engine.rounds import load_of
from hornbook.engine.workspace import Workspace
from hornbook.teachers.prices import Band, Tariff
from tests.billing_server import Billing, billing_server
from tests.commands import write_jsonl
from tests.contract import run

ROWS = 7
COMPLETE: dict[str, dict[str, Any]] = {
    "one": {},
    "score": {"best_of": 3},
    "pairwise": {"best_of": 3, "judge": "pairwise"},
    "longest": {"best_of": 3, "judge": "longest"},
    "revise": {"revise": 2},
    "all": {"best_of": 2, "judge": "pairwise", "revise": 1},
}
FORM = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
STEPS = {name: {"use": "generate.complete", "max_tokens": 30} | knobs for name, knobs in COMPLETE.items()}
STEPS["structured"] = {"use": "generate.structured", "max_tokens": 30, "json_schema": FORM, "tries": 3}
STEPS["annotate"] = {"use": "quality.annotate", "share": 1.0, "second": 1.0, "bind": True}


def answers() -> Callable[[dict[str, Any]], str]:
    """Every text another and as long as may be, never fine."""
    numbers: Iterator[int] = itertools.count()

    def say(body: dict[str, Any]) -> str:
        form = body.get("response_format")
        if form is None:
            return f"{next(numbers)}" + 29 * " word"
        names = form["json_schema"]["schema"]["properties"]
        said = {"score": 3, "better": "A", "faults": "dull " * 250, "fine": False, "n": 1, "reasons": "none"}
        return json.dumps({name: said[name] for name in names})

    return say


def recipe(server: Billing, folder: Path, step: dict[str, Any]) -> Recipe:
    price = {"input": 1.0, "output": 4.0}
    teacher = {"url": f"{server.url}/v1", "model": "test", "concurrency": 4, "price": price}
    steps = [{"use": "sources.prompts", "path": str(folder / "prompts.jsonl")}, step | {"name": "asks"}]
    return check_data({"name": "planned", "seed": 1, "teacher": teacher, "steps": steps}, "planned.yaml")


def planned(made: Recipe, folder: Path) -> Forecast:
    deaf = lambda event: None  # noqa: E731
    setting = Setting(Workspace(folder / "runs"), Inline(), folder / "cache", deaf, Governor())
    return Planner(made, setting).plan()[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": f"p{n}", "prompt": f"Write text {n}.", "text": f"A text to judge, number {n}."} for n in range(ROWS)]
    write_jsonl(tmp_path / "prompts.jsonl", rows)
    return tmp_path


@pytest.mark.parametrize("name", STEPS)
def test_as_many_requests_as_planned_and_no_more_than_the_most(folder: Path, name: str) -> None:
    with billing_server(says=answers(), counts=lambda text: len(text) // 4) as server:
        made = recipe(server, folder, STEPS[name])
        blind = planned(made, folder)
        run(recipe(server, folder, {"use": "quality.length", "min_words": 0}), folder)
        plan = planned(made, folder)
        assert server.asked == 0, "planning asks nobody"
        facts = run(made, folder)[-1].manifest["facts"]
        assert plan.requests == server.asked == facts["asked"]
        assert blind.requests in (None, plan.requests)
        assert plan.most is not None
        assert server.asked <= plan.most["requests"]
        assert server.prompt_tokens <= plan.most["prompt_tokens"]
        assert server.completion_tokens <= plan.most["tokens"]
        assert facts["usd"] <= plan.most["usd"]
        assert plan.usd is not None
        assert facts["usd"] <= plan.usd <= plan.most["usd"]
        assert plan.prompt_tokens == pytest.approx(server.prompt_tokens, rel=0.35)
        assert planned(made, folder).state == "cached"
        if name != "one" and plan.sorts:
            assert sum(plan.sorts.values()) == plan.requests
            rows = [
                {"id": f"q{n}", "prompt": f"Write text {n} now.", "text": f"A text to judge: {n}."} for n in range(20)
            ]
            write_jsonl(folder / "prompts.jsonl", rows)
            run(recipe(server, folder, {"use": "quality.length", "min_words": 0}), folder)
            learned = planned(made, folder)
            assert learned.requests == 20 * server.asked // ROWS
            assert learned.prompt_tokens == pytest.approx(20 / ROWS * facts["prompt_tokens"], rel=0.01)


def test_of_rows_that_were_begun_the_rest_is_planned(folder: Path) -> None:
    with billing_server(says=answers()) as server:
        run(recipe(server, folder, STEPS["longest"]), folder)
        assert server.asked == 3 * ROWS
        more = recipe(server, folder, STEPS["score"] | {"best_of": 5})
        plan = planned(more, folder)
        assert (plan.left, plan.journaled) == (ROWS, 0)
        assert plan.requests == ROWS * (2 + 5)
        run(more, folder)
        assert server.asked == 3 * ROWS + plan.requests
        fewer = planned(recipe(server, folder, STEPS["score"]), folder)
        assert (fewer.requests, fewer.journaled) == (0, ROWS)


def test_requests_that_may_not_come_count_for_the_most_alone() -> None:
    price = Tariff((Band(0, 1.0, 1.0),))
    ahead = [Ahead("again", likely=0.25, tokens=10), Ahead("again", likely=0.25, tokens=10)]
    usual, most = (load_of(ahead, {0: 100}, (50.0, 20.0), price, most=flag) for flag in (False, True))
    assert (usual.requests, usual.tokens, usual.sorts["again"]) == (150, 100 * 20 + 50 * 10, 50)
    assert (most.requests, most.tokens) == (300, 100 * 20 + 200 * 10)
    late = load_of(ahead, {2: 8, 3: 4}, (50.0, 20.0), price, most=True)
    assert late.requests == 8 + 4, "a row that is not done asks at least once more"
