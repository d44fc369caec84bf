"""`compare:`: what it writes out, its mistakes with their lines, and a small one from texts to the table."""

from __future__ import annotations

import contextlib
import html
import json

import pyarrow.parquet as pq
import pytest

from hornbook.core import compared
from hornbook.core.errors import UserError
from hornbook.engine.executors import Pool
from hornbook.engine.recipe import check_data, load_recipe
from hornbook.engine.workspace import Workspace
from tests.commands import hornbook
from tests.contract import run
from tests.corpus import STORIES

RECIPE = """\
name: arms
seed: 3
steps:
  - {use: sources.files, name: input, path: texts.jsonl}
  - {use: quality.length, name: filtered, from: input, min_words: 8}
  - {use: tokenize.bpe, name: tokens_raw, from: input, vocab: 300, val_share: 0.2}
  - {use: tokenize.like, name: tokens_filtered, from: [tokens_raw, filtered]}
  - {use: sources.files, name: exercises, path: exercises.jsonl}
  - {use: tokenize.like, name: tokens_exercises, from: [tokens_raw, exercises]}
  - {use: report.page}
compare:
  arms:
    raw: tokens_raw
    filtered & all: tokens_filtered
  seeds: 2
  train:
    depth: 1
    context: 32
    tokens: 800
  tune:
    none: null
    exercises: {from: tokens_exercises, tokens: 300}
  exams:
    - use: evaluate.bits
      from: tokens_raw
      prime_mb: 0.0
      resamples: 10
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, recipe=RECIPE):
    rows = [{"id": f"s{n}", "text": f"{n}. {STORIES[n % 3]}" if n % 4 else f"few words {n}"} for n in range(40)]
    sums = [{"id": f"e{n}", "text": f"{n} plus {n} is {2 * n}. " * 3} for n in range(20)]
    for name, some in (("texts", rows), ("exercises", sums)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    (folder / "arms.yaml").write_text(recipe)
    return folder / "arms.yaml"


def loaded(folder, recipe=RECIPE, **sets):
    return load_recipe(str(written(folder, recipe)), sets)


def test_it_becomes_ordinary_steps(here):
    made = loaded(here)
    names = [step.name for step in made.steps]
    assert names[6:] == [
        "raw.s0.train", "filtered-all.s0.train", "raw.s1.train", "filtered-all.s1.train",
        "raw-exercises.s0.tune", "filtered-all-exercises.s0.tune", "raw-exercises.s1.tune",
        "filtered-all-exercises.s1.tune",
        "raw.s0.bits", "filtered-all.s0.bits", "raw.s1.bits", "filtered-all.s1.bits",
        "raw-exercises.s0.bits", "filtered-all-exercises.s0.bits", "raw-exercises.s1.bits",
        "filtered-all-exercises.s1.bits",
        "compare", "report",
    ]  # fmt: skip
    assert made.step("filtered-all-exercises.s1.tune").above == ("filtered-all.s1.train", "tokens_exercises")
    assert made.step("filtered-all-exercises.s1.bits").above == ("filtered-all-exercises.s1.tune", "tokens_raw")
    assert [made.step(f"raw.s{n}.train").stage.seed for n in (0, 1)] == [3, 4]
    assert made.step("raw.s0.train").stage.threads == 1
    assert made.step("compare").stage.arms["filtered & all + exercises"]["4"] == [
        "filtered-all.s1.train", "filtered-all-exercises.s1.tune", "filtered-all-exercises.s1.bits",
    ]  # fmt: skip
    assert made.step("compare").stage.over == {
        "raw + exercises": "raw", "filtered & all + exercises": "filtered & all",
    }  # fmt: skip
    assert made.steps[-1].above == ("compare",)
    more = loaded(here, **{"compare.table.over": {"filtered & all": "raw + exercises"}}).step("compare").stage.over
    assert more == made.step("compare").stage.over | {"filtered & all": "raw + exercises"}


def test_the_resolved_recipe_is_the_same_recipe(here):
    """What a run keeps as recipe.yaml has the steps written out, and they are the very same."""
    made = loaded(here)
    again = check_data(made.resolved(), "recipe.yaml")
    assert [(s.name, s.use, s.above, s.stage) for s in again.steps] == [
        (s.name, s.use, s.above, s.stage) for s in made.steps
    ]


def test_set_reaches_into_it(here):
    made = loaded(here, **{"compare.seeds": 3, "compare.train.depth": 2, "compare.exams.bits.batch": 4})
    assert "raw.s2.train" in [step.name for step in made.steps]
    assert made.step("raw.s2.train").stage.depth == 2
    assert made.step("raw-exercises.s2.bits").stage.batch == 4
    listed = loaded(here, **{"compare.seeds": [7, 11]})
    assert listed.step("raw.s11.train").stage.seed == 11


def test_an_exam_without_a_student_goes_on_from_the_one_before(here):
    recipe = (
        RECIPE + "    - {use: evaluate.completions, each: 1}\n    - {use: quality.length, name: long, max_words: 9}\n"
    )
    made = loaded(here, recipe)
    assert made.step("raw.s1.completions").above == ("raw.s1.train",)
    assert made.step("raw.s1.long").above == ("raw.s1.completions",)


@pytest.mark.parametrize(
    ("old", "new", "what", "where", "fix"),
    [
        ("raw: tokens_raw", "raw: tokens_rw", "step that makes tokens `tokens_rw`", "arms.yaml:13", "tokens_raw"),
        ("    tokens: 800\n", "", "without `tokens`", "arms.yaml:16", "tokens: 3_000_000"),
        ("depth: 1", "depht: 1", "`depht`", "arms.yaml:17, step 7", "did you mean `depth`"),
        ("  seeds: 2", "  seeds: 0", "leaves no student", "arms.yaml:15", "seeds: 3"),
        ("  seeds: 2", "  seeds: [1, 1]", "names one twice", "arms.yaml:15", "different numbers"),
        ("  seeds: 2", "  seedz: 2", "`seedz`", "arms.yaml:15", "did you mean `seeds`"),
        ("{from: tokens_exercises,", "{from: exercises,", "`from` of exercises", "arms.yaml:22", "tokens_exercises"),
        ("- use: evaluate.bits", "- use: evaluate.bitz", "unknown stage", "arms.yaml:24", "evaluate.bits"),
        ("      from: tokens_raw\n", "      from: tokens\n", "unknown step in `from`", "arms.yaml:24", "tokens_raw"),
        ("- use: evaluate.bits", "- use: quality.length", "looks at no student", "arms.yaml:24", "evaluate.bits"),
        ("resamples: 10", "resample: 10", "`resample`", "arms.yaml:27, step 15", "did you mean `resamples`"),
        ("filtered & all:", "'&&':", "no letter or digit", "arms.yaml:11", "labels"),
        ("filtered & all:", "exercises:", "would both be exercises", "arms.yaml:11", "labels"),
        ("compare:\n", "compare: 5\nabout: |\n", "is not a mapping", "arms.yaml:11", "arms:"),
    ],
)  # fmt: skip
def test_mistakes_have_their_line(here, old, new, what, where, fix):
    recipe = RECIPE.replace(old, new, 1)
    assert recipe != RECIPE
    with pytest.raises(UserError) as told:
        loaded(here, recipe)
    assert what in told.value.what
    assert where in told.value.where
    assert fix in told.value.fix


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("compare.seeds", "many", ["seeds = 'many' is not a whole number"]),
        ("compare.train.depht", 1, ["did you mean `depth`"]),
        ("compare.tune.exercises.tokens", 0, ["tokens = 0 is below 1"]),
        ("compare.exams.bits.bach", 1, ["did you mean `batch`"]),
        ("compare.exams.bit.batch", 1, ["did you mean `bits`"]),
    ],
)
def test_a_wrong_set_is_blamed(here, name, value, words):
    with pytest.raises(UserError) as told:
        loaded(here, **{name: value})
    assert told.value.where == f"--set {name}"
    assert all(word in str(told.value) for word in words)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The recipe done by one worker: its folder, and its steps."""
    folder = tmp_path_factory.mktemp("arms")
    with contextlib.chdir(folder):
        return folder, {artifact.step: artifact for artifact in run(loaded(folder), folder)}


def test_from_texts_to_the_table(alone):
    """Four rows of two seeds, all examined on the same documents; a second run does nothing again."""
    folder, done = alone
    facts = done["compare"].manifest["facts"]
    assert list(facts["arms"]) == ["raw", "filtered & all", "raw + exercises", "filtered & all + exercises"]
    assert facts["trained"]["raw + exercises"][0] == facts["trained"]["filtered & all"][0]
    bits = done["raw.s1.bits"].manifest["facts"]
    assert facts["arms"]["raw"]["bits: bits_per_byte"]["seeds"]["4"] == bits["bits_per_byte"]
    others = [done[f"{arm}.s0.bits"].manifest["facts"]["documents"] for arm in ("raw", "filtered-all-exercises")]
    assert others == [bits["documents"]] * 2, "not all arms were examined on the same held-out documents"
    held = pq.read_table(done["tokens_raw"].folder / "val.parquet").column("id").to_pylist()
    assert set(pq.read_table(done["tokens_filtered"].folder / "val.parquet").column("id").to_pylist()) <= set(held)
    page = (Workspace(folder / "runs").run("arms") / "report.html").read_text()
    assert "What the data sets taught" in page
    assert all(html.escape(sentence).split(":")[0] in page for sentence in compared.sentences(facts))
    keys = {name: artifact.manifest["key"] for name, artifact in done.items()}
    with contextlib.chdir(folder):
        assert {a.step: a.manifest["key"] for a in run(loaded(folder), folder)} == keys


def test_look_shows_the_table(alone):
    folder, done = alone
    shown = " ".join(hornbook("look", "arms", "-n", "0", cwd=folder).stdout.split())
    assert "filtered & all + exercises" in shown
    assert " ".join(compared.sentences(done["compare"].manifest["facts"])) in shown


def test_side_by_side_gives_the_same_students(alone, here):
    """Two workers train two students at a time: the same weights, and each its own finished step."""
    heard, recipe = [], RECIPE.replace("  - {use: report.page}\n", "")
    with Pool(2) as pool:
        found = run(loaded(here, recipe, **{"compare.seeds": 1, "compare.tune": {}}), here, pool, heard.append)
    both = {artifact.step: artifact for artifact in found}
    for name in ("raw.s0.train", "filtered-all.s0.train"):
        one, two = (some[name].folder / "student" / "model.safetensors" for some in (alone[1], both))
        assert one.read_bytes() == two.read_bytes()
    together = {event.step for event in heard if "2 of 2 such steps, 2 at a time" in getattr(event, "note", "")}
    assert together == {"raw.s0.train", "raw.s0.bits"}
    state = Workspace(here / "runs").read_run("arms")
    assert [entry["cached"] for entry in state["steps"]] == [False] * len(both)
