"""evaluate.agreement: κ of judges as scikit-learn has it, means side by side."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from hornbook.core.errors import HornbookError
from hornbook.core.judged import agreement, score
from hornbook.engine.recipe import check_data
from tests.contract import Example, run
from tests.corpus import rows

EXAMPLE = Example(above=(("evaluate.judge", {"judges": 1}), ("evaluate.judge", {"label": "again", "judges": 2})))


def facts_of(tmp_path, names: dict[str, list[float | None]], **knobs) -> dict:
    """The facts over documents that have these columns, written as a judge writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    many = len(next(iter(names.values())))
    columns: dict = {"id": [f"d{n}" for n in range(many)], "text": ["text"] * many}
    for name, values in names.items():
        columns[name] = values
        if name.startswith("judge."):
            columns[f"{name}_readings"] = [None if v is None else [v] for v in values]
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    steps = [{"use": "sources.files", "path": str(tmp_path / "in.parquet")}, {"use": "evaluate.agreement"} | knobs]
    return run(check_data({"name": "a", "steps": steps}, "a.yaml"), tmp_path)[-1].manifest["facts"]


def test_two_judges_are_compared_where_both_scored(tmp_path):
    draw = random.Random(2)
    one = [float(draw.randint(1, 5)) if draw.random() < 0.9 else None for _ in range(150)]
    two = [
        None if v is None or n % 11 == 0 else min(5.0, max(1.0, v + draw.choice([-1, 0, 0, 1])))
        for n, v in enumerate(one)
    ]
    facts = facts_of(tmp_path, {"judge.x.clear": one, "judge.y.clear": two})
    a, b = zip(*[(v, w) for v, w in zip(one, two, strict=True) if v is not None and w is not None], strict=True)
    (found,) = facts["two"]
    assert found["documents"] == len(a)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(a, b), abs=1e-4)
    assert found["kappa_quadratic"] == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"), abs=1e-4)
    assert found["interval"][0] < found["kappa_quadratic"] < found["interval"][1]
    assert found["mean_difference"] == pytest.approx(np.mean(np.array(a) - np.array(b)), abs=1e-4)
    assert [(s["judge"], s["documents"]) for s in facts["scores"]] == [
        ("x", sum(v is not None for v in one)),
        ("y", len(a)),
    ]
    assert facts["all"] == []


def test_three_judges_have_fleiss_and_alpha(tmp_path):
    draw = random.Random(3)
    one = [float(draw.randint(1, 5)) for _ in range(60)]
    facts = facts_of(tmp_path, {f"judge.{name}.q": one if name != "z" else one[::-1] for name in "xyz"})
    assert [(pair["judges"], pair["kappa"] == 1.0) for pair in facts["two"]] == [
        (["x", "y"], True), (["x", "z"], False), (["y", "z"], False),
    ]  # fmt: skip
    (found,) = facts["all"]
    assert 0.1 < found["fleiss"] < 0.6
    assert found["judges"] == ["x", "y", "z"]
    assert found["alpha"] is not None


def test_judges_of_pairs_are_compared(tmp_path):
    one, two = ["a", "b", "tie", "a", None, "b"], ["a", "b", "tie", "b", "a", "b"]
    facts = facts_of(tmp_path, {"pairwise.winner": one, "pairwise.q.winner": two})
    (found,) = facts["verdicts"]
    assert (found["judges"], found["pairs"]) == (["pairwise", "q"], 5)
    assert found["kappa"] == pytest.approx(
        cohen_kappa_score(["a", "b", "tie", "a", "b"], ["a", "b", "tie", "b", "b"]), abs=1e-4
    )


def test_without_judges_it_says_so(tmp_path):
    with pytest.raises(HornbookError, match="no judge's column"):
        facts_of(tmp_path, {"quality.words": [1.0, 2.0]})


def test_two_readings_of_a_run_stand_beside_the_means(tmp_path):
    path = tmp_path / "in.jsonl"
    import json

    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    steps = [
        {"use": "sources.files", "path": str(path)},
        {"use": "evaluate.judge"},
        {"use": "evaluate.judge", "name": "other", "label": "other", "judges": 1, "temperature": 1},
        {"use": "evaluate.agreement"},
        {"use": "report.page", "from": ["evaluate-agreement"]},
    ]
    done = run(check_data({"name": "a", "teacher": {"use": "scripted"}, "steps": steps}, "a.yaml"), tmp_path)
    facts = done[3].manifest["facts"]
    own = done[1].manifest["facts"]["judged"]
    said = {(one["judge"], one["criterion"]): one for one in facts["scores"]}
    assert said["textbook", "clear"]["mean"] == own["clear"]["mean"]
    assert said["textbook", "clear"]["agreement"] == own["clear"]["agreement"]
    assert said["other", "clear"]["agreement"].startswith("not measured")
    assert len(facts["two"]) == 3
    page = (done[-1].folder / "report.html").read_text(encoding="utf-8")
    assert "What judges say" in page
    assert "every two judges" in page
    for criterion in own.values():  # beside every mean stands its agreement
        assert score(criterion) in page
        assert agreement(criterion["agreement"]) in page
