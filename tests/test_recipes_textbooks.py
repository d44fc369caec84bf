"""The other shipped textbook recipes, end to end by a scripted teacher; the seeds and templates that come with them."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.knobs import local_path
from hornbook.engine.recipe import load_recipe
from tests.commands import hornbook, last_json, write_jsonl
from tests.textbooks import ONE, again_is_cached, check_prompts, prose, rows_of, sets, teacher

if importlib.util.find_spec("wordllama") is None:
    pytest.skip("clusters and topics need hornbook[classify]", allow_module_level=True)

STUDENT = {"train.threads": 1, "train.depth": 1, "train.epochs": 1, "train.context": 64, "tokenize.vocab": 300}
SHORT = {"samples.prompts": 1, "samples.free": 1, "samples.max_tokens": 8}


QA = "Question: What is it about?\nAnswer: " + prose(7, 6)
LIST = "\n".join(f"- {prose(20 + n, 1)}" for n in range(6))
SMALL: dict[str, tuple[dict[str, Any], list[dict[str, str]]]] = {
    "phi_textbooks": (
        STUDENT | SHORT | {"domains.limit": 2, "lessons.count": 5, "web_lessons.count": 2, "openings.max_share": 1},
        [],
    ),
    "simplestories": (STUDENT | SHORT | {"prompts.count": 6, "openings.max_share": 1}, []),
    "stories_instruct": (
        STUDENT | SHORT | {"prompts.count": 6, "openings.max_share": 1, "completions.max_tokens": 4, "drawn.count": 3},
        [],
    ),
    "nemotron_rephrase": (
        {"prompts.per_seed": 2, "tokenize.vocab": 300},
        [{"match": "[Qq]uestion", "text": QA}, {"match": "[Ll]ist|know", "text": LIST}],
    ),
}
TRAINED = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize("name", SMALL)
def test_the_others_from_end_to_end(name, tmp_path):
    values, lines = SMALL[name]
    if "train.depth" in values and not TRAINED:
        pytest.skip("the student needs hornbook[train]")
    values = values | teacher(tmp_path, lines)
    found = last_json(hornbook("run", name, *ONE, *sets(values), "--json", cwd=tmp_path))
    run = tmp_path / "runs" / name
    assert len(found["steps"]) == len(load_recipe(name).steps)
    final = rows_of(run, "final/part-*.parquet")
    assert found["documents"] == len(final) > 1
    assert (run / "report.html").stat().st_size > 10_000
    if name != "stories_instruct":
        asked = check_prompts(tmp_path, name)
        assert {row["id"] for row in final} <= {row["id"] for row in asked}
    else:
        judged = rows_of(run, "*-judge-*/part-*.parquet")
        assert len(judged) == 3
        assert all(row["judge.gpt_eval.grammar"] is not None for row in judged)
        assert {row["id"] for row in final} <= {row["id"] for row in rows_of(run, "*-prompts-*/part-*.parquet")}
    again_is_cached(name, tmp_path, values, found)


def test_rephrasing_goes_by_quality(tmp_path):
    """Bad documents are told again as an encyclopaedia would, good ones in the four other ways."""
    seeds = local_path("shipped:seeds/rephrase.jsonl")
    step = ["prompts.rephrase", seeds, "--out", "out", "mark=quality", "high_from=12", "per_seed=8"]
    assert hornbook("step", *step, cwd=tmp_path).returncode == 0
    formats: dict[str, set[str]] = {"low": set(), "high": set()}
    for row in rows_of(tmp_path / "out", "part-*.parquet"):
        formats[row["rephrase.bucket"]].add(row["prompts.format"])
        assert row["prompts.seed"].startswith(row["rephrase.bucket"])
    assert formats["low"] == {"wikipedia"}
    assert formats["high"] == {"diverse_qa", "distill", "extract_knowledge", "knowledge_list"}


@pytest.mark.parametrize(("stage", "seeds"), [("wikihow", "titles_zh.txt"), ("textbook", "web_zh.jsonl")])
def test_chinese_seeds_give_chinese_prompts(stage, seeds, tmp_path):
    """What `--set wikihow.language=zh` and the like do in the recipe."""
    path = local_path(f"shipped:seeds/{seeds}")
    read = ["sources.titles", "--out", "seeds", f"path={path}"] if seeds.endswith("txt") else None
    if read:
        assert hornbook("step", *read, cwd=tmp_path).returncode == 0
    given = tmp_path / "seeds" / "part-00000-000.parquet" if read else path
    done = hornbook("step", f"prompts.{stage}", given, "--out", "out", 'language=["zh"]', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    prompts = [row["prompt"] for row in rows_of(tmp_path / "out", "part-*.parquet")]
    assert len(prompts) == 8
    for prompt in prompts:
        letters = [char for char in prompt if char.isalpha()]
        assert sum(char >= "\u4e00" for char in letters) > 0.9 * len(letters)


@pytest.mark.parametrize(
    ("stage", "seeds", "least"),
    [("textbook", "web.jsonl", 3), ("blogpost", "web.jsonl", 2), ("wikihow", "web.jsonl", 2), ("textbook", "short", 3)],
)
def test_plain_templates_are_short_and_differ(stage, seeds, least, tmp_path):
    path = Path(local_path(f"shipped:seeds/{seeds}"))
    if seeds == "short":
        path = write_jsonl(tmp_path / "short.jsonl", [{"id": "a", "text": "Friction", "context": "Balanced forces"}])
    knobs = [f'templates=["shipped:plain/{stage}"]', "shipped=false", "per_seed=6"]
    done = hornbook("step", f"prompts.{stage}", path, "--out", "out", *knobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "out", "part-*.parquet")
    assert max(len(row["prompt"]) for row in rows) < 800
    of_one = [row["prompt"] for row in rows if row["prompts.seed"] == rows[0]["prompts.seed"]]
    assert len(set(of_one)) == len(of_one) > least


def test_shipped_seeds_are_small_and_whole():
    """Under 150 kB in all; every line can be read, ids differ, and what the filters are to find is there."""
    folder = Path(local_path("shipped:seeds"))
    files = sorted(folder.iterdir())
    assert sum(file.stat().st_size for file in files) < 150_000
    for file in files:
        if file.suffix == ".jsonl":
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            assert len({row["id"] for row in rows}) == len(rows)
    web = [json.loads(line) for line in (folder / "web.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all(400 <= len(row["text"]) <= 900 for row in web)
    assert set(Counter(row["label"] for row in web)) == {
        "astronomy", "cooking", "garden", "money", "health", "computer", "advert", "gossip",
    }  # fmt: skip
