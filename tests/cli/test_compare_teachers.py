"""`hornbook compare-teachers`: the same prompts to each, paid once, and what the table says is so."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from hornbook.cli.main import run
from hornbook.core.errors import UserError
from hornbook.engine.recipe import load_recipe
from hornbook.lab.contenders import Contender
from hornbook.lab.teachers import Wish, branch
from hornbook.teachers.spec import TeacherSpec
from tests.commands import begin, write_jsonl
from tests.faulty_server import counts_of, faulty_server, totals_of

RECIPE = """\
name: mine
seed: 3
budget: {budget}
teacher: {{use: scripted, rule: story, concurrency: 4, price: {{input: 1.0, output: 4.0}}}}
steps:
  - {{use: sources.prompts, path: prompts.jsonl}}
  - {{use: generate.complete, max_tokens: 60, want: 5}}
  - {{use: quality.length, min_words: 5}}
  - use: dedup.exact
  - {{use: tokenize.bpe, vocab: 300}}
"""
FLAT = "Once upon a time there was a cat and the cat sat on the mat all day."
TEACHERS = """\
lively: {use: scripted, rule: story, latency: 0.001, price: {input: 1, output: 4}}
flat: {use: scripted, replies: flat.jsonl, price: {input: 0.1, output: 0.4}}
judge: {use: scripted, rule: story}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, its prompts and a file of teachers."""
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write of {n} things."} for n in range(60)])
    write_jsonl(tmp_path / "flat.jsonl", [
        {"match": " (3|13|23|33|43|53) things", "refusal": "I will not."}, {"match": ".", "text": FLAT},
    ])  # fmt: skip
    (tmp_path / "mine.yaml").write_text(RECIPE.format(budget="{}"), encoding="utf-8")
    (tmp_path / "teachers.yaml").write_text(TEACHERS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compared(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    """The JSON of a comparison done in this process."""
    args = ["compare-teachers", "mine.yaml", *words, "--json", "--workers", "1"]
    assert run(args) == code, capsys.readouterr().err
    said = capsys.readouterr()
    return json.loads(said.out.strip().splitlines()[-1]) if code == 0 else {"err": said.err}


def asked(url: str) -> set[str]:
    return set(counts_of(url)["paid"])


def test_each_gets_the_same_prompts_and_a_second_run_pays_nothing(here, capsys):
    with faulty_server() as one, faulty_server(seed=5) as other:
        teachers = (f"a={{url: {one}/v1, model: m-one}}", f"b={{url: {other}/v1, model: m-two}}")
        first = compared(capsys, *teachers, "--prompts", "12")
        assert len(asked(one)) == 12
        assert asked(one) == asked(other)
        assert first["prompts"] == 12
        again = compared(capsys, *teachers, "--prompts", "12")
        assert again["teachers"] == first["teachers"]
        assert (totals_of(one)["paid"], totals_of(other)["paid"]) == (12, 12)
        drawn = asked(one)
        compared(capsys, *teachers, "--prompts", "20")
        assert asked(one) > drawn, "more prompts hold the fewer"
        assert totals_of(one)["paid"] == totals_of(other)["paid"] == 20


def test_a_teacher_that_collapses_is_shown_as_such(here, capsys):
    found = compared(capsys, "lively", "flat", "--teachers", "teachers.yaml", "--prompts", "40")
    lively, flat = found["teachers"]
    assert (lively["replies"], lively["collapsed"]) == (40, "")
    assert flat["errors"] == {"refusal": 40 - flat["replies"]}
    assert 0 < 40 - flat["replies"] < 10
    assert flat["accepted"] == 1, "all but one are duplicates"
    assert flat["accepted_interval"][0] < 1 / 40 < flat["accepted_interval"][1]
    assert flat["opening"] == ["once upon a", 1.0]
    assert flat["repeats"] > 0.9
    assert "100% of its replies begin “once upon a”" in flat["collapsed"]
    assert any(said.startswith("flat has collapsed") for said in found["says"])
    accepted = next(gap for gap in found["differences"] if gap["measure"] == "accepted")
    assert accepted["mean"] == pytest.approx(flat["accepted_share"] - lively["accepted_share"])
    assert accepted["interval"][1] < -0.5
    assert found["filters"] == ["quality", "dedup"]


def test_cost_is_the_tokens_at_the_teachers_price(here, capsys):
    lively, flat = compared(capsys, "lively", "flat", "--teachers", "teachers.yaml", "--prompts", "10")["teachers"]
    assert lively["usd"] == pytest.approx((lively["prompt_tokens"] * 1 + lively["tokens"] * 4) / 1e6)
    assert flat["usd"] == pytest.approx((flat["prompt_tokens"] * 0.1 + flat["tokens"] * 0.4) / 1e6)
    assert lively["usd_per_million"] == pytest.approx(lively["usd"] / lively["accepted_tokens"] * 1e6)
    assert lively["seconds"] == pytest.approx(0.001)


def test_a_judge_scores_with_its_agreement_beside_it(here, capsys):
    words = ("lively", "flat", "--teachers", "teachers.yaml", "--prompts", "20", "--judge", "judge")
    found = compared(capsys, *words)
    lively, flat = found["teachers"]
    for side in (lively, flat):
        assert set(side["judged"]) == {"quality", "correct", "clear"}
        assert side["judged"]["quality"]["documents"] == side["replies"]
        assert side["judged"]["quality"]["agreement"]["kappa"] is not None
    (pair,) = found["pairs"].items()
    assert pair[0] == "lively / flat"
    assert pair[1]["pairs"] == flat["replies"], "only prompts that both answered"
    assert any("its scores mean nothing" in said for said in found["says"]), "a judge that throws dice is called that"
    assert any("favour their own" in said for said in found["says"]), "the judge is one of the two"
    assert {gap["measure"] for gap in found["differences"]} >= {"accepted", "words", "judge: quality"}
    assert run(["compare-teachers", "mine.yaml", *words, "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    for said in ("accepted", "judge: clear", "weighted", "in pairs", "follows place", "note: flat has collapsed"):
        assert said in shown
    assert run(["look", "mine-teachers", "--step", "judge@flat", "-n", "0"]) == 0
    assert "agreement of its readings" in capsys.readouterr().out


def test_a_teacher_that_fails_is_given_up_and_the_others_go_on(here, capsys):
    write_jsonl(here / "bad.jsonl", [{"match": ".", "fail": "rejected", "text": "no such model"}])
    bad = "bad={use: scripted, replies: bad.jsonl}"
    found = compared(capsys, bad, "lively", "flat", "--teachers", "teachers.yaml", "--prompts", "24")
    sides = {side["name"]: side for side in found["teachers"]}
    assert "24 rejected" in sides["bad"]["failed"] or "requests failed" in sides["bad"]["failed"]
    assert sides["lively"]["replies"] == 24
    assert {(gap["against"], gap["teacher"]) for gap in found["differences"]} == {("lively", "flat")}
    assert any(said.startswith("bad was given up") for said in found["says"])
    assert run(["compare-teachers", "mine.yaml", bad, "lively", "--teachers", "teachers.yaml", "--workers", "1"]) == 0
    assert "–" in capsys.readouterr().out


def test_a_budget_stops_it_and_it_goes_on_where_it_was(here, capsys):
    with faulty_server() as one, faulty_server() as other:
        teachers = (f"a={{url: {one}/v1, model: m-one}}", f"b={{url: {other}/v1, model: m-two}}", "--prompts", "20")
        said = compared(capsys, *teachers, "--set", "budget.tokens=2000", code=3)
        assert "budget" in said["err"]
        before = totals_of(one)["paid"] + totals_of(other)["paid"]
        assert 0 < before < 40
        found = compared(capsys, *teachers)
        assert [side["replies"] for side in found["teachers"]] == [20, 20]
        assert totals_of(one)["paid"] + totals_of(other)["paid"] == 40, "no request was paid twice"


def test_interrupted_it_goes_on(here, capsys):
    with faulty_server(latency=0.1) as one, faulty_server() as other:
        teachers = (
            f"a={{url: {one}/v1, model: m-one, concurrency: 2}}",
            f"b={{url: {other}/v1, model: m-two, concurrency: 2}}",
            "--prompts", "10",
        )  # fmt: skip
        child = begin("compare-teachers", "mine.yaml", *teachers, "--workers", "1", cwd=here)
        until = time.monotonic() + 60
        while totals_of(one)["paid"] < 3 and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)
        _, said = child.communicate(timeout=60)
        assert child.returncode == 130, said
        assert 0 < totals_of(one)["paid"] < 10
        assert [side["replies"] for side in compared(capsys, *teachers)["teachers"]] == [10, 10]
        assert totals_of(one)["paid"] <= 10 + 2, "what was under way may be paid twice, nothing else"
        assert totals_of(other)["paid"] == 10


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["lively", "--teachers", "teachers.yaml"], "needs two teachers"),
        (["a", "b", "--step", "quality"], "no step `quality` that asks"),
        (["{use: scripted, rle: x}", "b"], "rle"),
    ],
)
def test_mistakes_are_explained(here, capsys, words, fault):
    assert fault in compared(capsys, *words, code=2)["err"]


def test_the_branches_are_the_recipes_own_steps(here):
    """Knobs stay; what would end a teacher's turn early (`want`) does not; what is no filter ends the branch."""
    recipe = load_recipe("mine.yaml")
    found = [Contender("a", TeacherSpec(use="scripted")), Contender("b", TeacherSpec(use="scripted", rule="echo"))]
    branches = branch(recipe, found, Wish(prompts=7))
    names = [step.name for step in branches.recipe.steps]
    assert names == ["sources", "drawn", "generate@a", "quality@a", "dedup@a", "generate@b", "quality@b", "dedup@b"]
    steps = {step.name: step for step in branches.recipe.steps}
    assert steps["drawn"].stage.count == 7
    assert (steps["generate@a"].stage.want, steps["generate@a"].stage.max_tokens) == (None, 60)
    assert steps["generate@a"].above == steps["generate@b"].above == ("drawn",)
    assert steps["dedup@b"].above == ("quality@b",)
    assert branches.ends == {"a": "dedup@a", "b": "dedup@b"}
    assert load_recipe("mine.yaml", {"name": "x"}).name == "x"
    (here / "none.yaml").write_text("steps: [{use: sources.prompts, path: prompts.jsonl}]", encoding="utf-8")
    with pytest.raises(UserError, match="generates nothing"):
        branch(load_recipe("none.yaml"), found, Wish())


def test_a_rubric_that_cannot_be_used_is_told_before_anything_is_paid(here, capsys):
    with faulty_server() as one:
        words = (f"a={{url: {one}/v1, model: m-one}}", "lively", "--teachers", "teachers.yaml", "--judge", "judge")
        assert "cannot read the rubric" in compared(capsys, *words, "--rubric", "none.yaml", code=2)["err"]
        (here / "bad.yaml").write_text("name: x\ntells: no place\n", encoding="utf-8")
        assert "write it once" in compared(capsys, *words, "--pairwise", "bad.yaml", code=2)["err"]
        assert totals_of(one)["paid"] == 0
