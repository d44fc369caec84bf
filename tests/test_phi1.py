"""The recipe phi1: its scales, its price, and the smallest of it from end to end by a scripted teacher."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.knobs import local_path
from hornbook.engine.costs import bill_of
from hornbook.engine.recipe import check_data, load_recipe
from tests.commands import hornbook, last_json
from tests.textbooks import ONE, rows_of

SCALES = ("tiny", "laptop", "gpu", "paper")
PROBLEMS = Path(local_path("shipped:code/problems.jsonl"))
needs_all = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("wordllama", "torch", "sklearn")),
    reason="the recipe needs hornbook[classify,train]",
)


def money(scale: str = "paper", **sets: Any) -> tuple[dict[str, float | None], dict[str, dict[str, float | None]]]:
    """Sums by price list, and by part and price list."""
    recipe = load_recipe("phi1", {name.replace("__", "."): value for name, value in sets.items()}, scale)
    bill = bill_of(recipe)
    names = list(bill.origins)
    assert recipe.cost is not None
    parts = {part: {name: bill.sums(name, part) for name in names} for part in recipe.cost.parts}
    return {name: bill.sums(name) for name in names}, parts


@needs_all
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_can_be_read_and_is_itself_again(scale: str) -> None:
    recipe = load_recipe("phi1", {}, scale)
    assert recipe.scale.name == recipe.resolved()["scale"] == scale
    assert check_data(recipe.resolved(), "again").resolved() == recipe.resolved()
    assert load_recipe("phi1").scale.name == "laptop"


@needs_all
def test_the_articles_arithmetic() -> None:
    """Origin: the cost section: 100 M x $0.03/1k, 1,280 M x $0.002/1k, 1,090 h x $1; GPT-4 at 30 times the price."""
    sums, parts = money()
    assert {part: both["article"] for part, both in parts.items()} == pytest.approx(
        {"filter": 3000, "synthesis": 2560, "training": 1090}
    )
    assert sums["article"] == pytest.approx(6650)
    assert parts["synthesis"]["GPT-4"] == pytest.approx(30 * 2560)
    small = next(line for line in bill_of(load_recipe("phi1", {}, "paper")).lines if line.what == "phi-1-small")
    assert small.beside
    assert small.usd["article"] == pytest.approx(400)
    assert all(line.source for line in bill_of(load_recipe("phi1", {}, "paper")).lines)


@needs_all
def test_a_changed_price_or_volume_changes_the_sum() -> None:
    sums, _ = money()
    dearer, parts = money(cost__prices__article__gpu__usd_per_hour=2)
    assert dearer["article"] == pytest.approx(6650 + 1090)
    assert parts["training"]["today"] == pytest.approx(1090 * 2.79)
    path = Path(local_path("shipped:../phi1.yaml"))
    halved = path.read_text(encoding="utf-8").replace("prompt_tokens: 100_000_000", "prompt_tokens: 50_000_000")
    assert halved != path.read_text(encoding="utf-8")
    assert sums["article"] - _article(halved) == pytest.approx(1500)


def _article(text: str) -> float | None:
    from hornbook.engine.recipe import check
    from hornbook.engine.yamls import parse

    data, lines = parse(text, "changed.yaml")
    return bill_of(check(data, lines, {}, "paper")).sums("article")


@needs_all
def test_the_plan_of_the_paper_is_one_screen_and_touches_nothing(tmp_path: Path) -> None:
    done = hornbook("plan", "phi1", "--scale", "paper", cwd=tmp_path, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 100
    assert "…" not in done.stdout
    for said in ("$3,000", "$2,560", "$1,090", "$6,650", "genai-prices", "1,280 M"):
        assert said in done.stdout
    assert not (tmp_path / "runs").exists()
    found = last_json(hornbook("plan", "phi1", "--scale", "paper", "--json", cwd=tmp_path))
    assert (found["scale"], found["cost"]["usd"]["article"]) == ("paper", pytest.approx(6650))


def test_the_problems_that_come_with_it_are_solved_by_their_solutions_and_by_nothing(tmp_path: Path) -> None:
    problems = [json.loads(line) for line in PROBLEMS.read_text(encoding="utf-8").splitlines()]
    rows = [{"task_id": one["task_id"], "completion": one["canonical_solution"]} for one in problems]
    rows += [{"task_id": one["task_id"], "completion": "    return None\n"} for one in problems]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = hornbook(
        "step", "evaluate.code", path, "--out", "out", f"problems={PROBLEMS}", "workers=1", *ONE, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    marks = rows_of(tmp_path, "out/part-*.parquet")
    passed = [(row["completion"] != "    return None\n") == row["code.passed"] for row in marks]
    assert len(passed) == 2 * len(problems) == 24
    assert all(passed)


@needs_all
def test_the_smallest_from_end_to_end(tmp_path: Path) -> None:
    """What must go goes for its reason; students of all arms stand in the table; the price is of what was done."""
    shutil.copytree(
        local_path("shipped:../../kernels"), tmp_path / "code", ignore=shutil.ignore_patterns("__pycache__")
    )
    args = ["phi1", "--scale", "tiny", "--set", "compare.seeds=1", "--set", 'corpus.path=["code"]']
    found = last_json(hornbook("run", *args, *ONE, "--json", cwd=tmp_path))
    steps = {step["step"]: step for step in found["steps"]}
    assert steps["exercises"]["reasons"] == {"no_code": 1}
    assert steps["runs"]["reasons"] == {"assertion": 2}
    assert steps["verified"]["reasons"] == {"contaminated": 1}
    run = tmp_path / "runs" / "phi1"
    kept = rows_of(run, "*-verified-*/part-*.parquet")
    assert len(kept) == found["documents"] == 8
    assert {"last_word", "halve_even", "area_of_square", "cumulative_totals"}.isdisjoint(
        row["entry_point"] for row in kept
    )
    assert all(row["run.verdict"] == "pass" and row["run.checked"] for row in kept)
    arms = steps["compare"]["facts"]["arms"]
    assert len(arms) == 6
    assert {name.removesuffix(" + exercises") for name in arms} == {"raw", "filtered", "filtered + synthetic"}
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    assert "scale: tiny" in recipe

    planned = last_json(hornbook("plan", *args, "--json", cwd=tmp_path))
    assert {step["state"] for step in planned["steps"]} == {"cached"}
    cost = planned["cost"]
    assert cost["whole"]
    lines = {line["what"]: line for line in cost["lines"]}
    assert {line["origin"] for line in lines.values()} == {"measured"}
    assert lines["annotate"]["requests"] == steps["annotate"]["rows_in"]
    assert lines["exercises"]["tokens"] == steps["exercises"]["facts"]["tokens"] > 0
    seconds = sum(steps[name]["seconds"] for name in lines if name.endswith((".train", ".tune")))
    assert cost["parts"]["training"]["here"] == pytest.approx(seconds / 3600 * 0.1)
