"""Stopped in any way, a run goes on: same bytes, nothing that had arrived is asked again, nothing is done twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from hornbook.store.journal import Journal
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server

RECIPE = """\
name: resumed
seed: 1
teacher: {{url: "{url}/v1", model: test, concurrency: 8}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 100
  - use: quality.length
    min_words: 5
  - use: quality.repetition
  - use: quality.openings
    words: 2
    max_share: 0.5
  - use: dedup.exact
"""


@pytest.fixture
def here(tmp_path):
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n % 110}."} for n in range(120)])
    return tmp_path


def recipe(folder: Path, url: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(RECIPE.format(url=url), encoding="utf-8")
    return path


def parts(folder: Path) -> dict[str, bytes]:
    """The bytes of every document and drop of a run's steps, by step."""
    found = {}
    for link in sorted(folder.glob("[0-9][0-9]-*")):
        for path in sorted([*link.glob("part-*.parquet"), *link.glob("dropped/*.parquet")]):
            found[f"{link.name.rsplit('-', 1)[0]}/{path.parent.name[:7]}/{path.name}"] = path.read_bytes()
    return found


def kill(child, number) -> None:
    """Kill a whole process group and close its pipes."""
    if child.poll() is None:
        os.killpg(child.pid, number)
    child.communicate()


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_again_and_again(here, kills):
    draw = random.Random(5)
    with faulty_server(latency=[0.02, 0.2]) as url:
        recipe(here, url)
        before: list[tuple[set[str], dict[str, int]]] = []
        for _ in range(kills):
            child = begin("run", "recipe.yaml", cwd=here)
            time.sleep(draw.uniform(0.3, 2.5))
            kill(child, signal.SIGKILL)
            before.append((answered(here), dict(counts_of(url)["asked"])))
        found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        counts = counts_of(url)
        again = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert counts_of(url) == counts, "a finished run asked again"
        whole = last_json(hornbook("run", "recipe.yaml", "--json", "--runs", "whole", cwd=here))
    assert found["documents"] == again["documents"] == whole["documents"]
    assert len(counts["asked"]) == 110, "the ten repeated prompts are one request each"
    for known, asked in before:
        for prompt in known:
            assert counts["asked"][prompt] == asked[prompt], f"{prompt} was answered before a kill and asked again"
    lost = sum(counts["asked"].values()) - 110
    assert lost <= kills * 8, "more was asked twice than was in flight at the kills"
    assert deterministic(parts(here / "runs" / "resumed")) == deterministic(parts(here / "whole" / "resumed"))


def deterministic(found: dict[str, bytes]) -> dict[str, bytes]:
    """All but the columns of latencies: steps before asking byte for byte, later ones by their ids."""
    import io

    import pyarrow.parquet as pq

    same = {}
    for name, data in found.items():
        table = pq.read_table(io.BytesIO(data))
        drop = [c for c in table.column_names if c.endswith("seconds")]
        same[name] = str(table.drop_columns(drop).to_pylist()).encode() if drop else data
    return same


def answered(folder: Path) -> set[str]:
    """The prompts whose replies the journal held."""
    journal = Journal(folder / "runs" / "journal")
    found = set()
    for key in journal.keys():  # noqa: SIM118
        request = journal.request(key)
        assert request is not None
        found.add(request["messages"][-1]["content"])
    journal.close()
    return found


@pytest.mark.parametrize("delay", [0.4, 1.2, 2.0])
def test_ctrl_c_says_so_and_the_run_goes_on(here, delay):
    with faulty_server(latency=0.2) as url:
        recipe(here, url)
        child = begin("run", "recipe.yaml", cwd=here)
        time.sleep(delay)
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=30)
        assert child.returncode in (130, -signal.SIGINT), errors
        assert "Traceback" not in errors
        known, asked = answered(here), counts_of(url)["asked"]
        assert last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))["documents"] > 0
        counts = counts_of(url)["asked"]
    assert all(counts[prompt] == asked[prompt] for prompt in known)


def test_a_threshold_redoes_only_what_comes_after_and_asks_nothing(here):
    with faulty_server() as url:
        recipe(here, url)
        first = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        counts = counts_of(url)
        change = ["--set", "quality.length.min_words=6"]
        second = last_json(hornbook("run", "recipe.yaml", *change, "--json", cwd=here))
        assert counts_of(url) == counts
    keys = [[step["key"] for step in found["steps"]] for found in (first, second)]
    assert keys[0][:2] == keys[1][:2]
    assert all(a != b for a, b in zip(keys[0][2:], keys[1][2:], strict=True))


def test_another_recipe_pays_only_for_what_is_new(here):
    with faulty_server() as url:
        recipe(here, url)
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        write_jsonl(here / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"Write story {n}."} for n in range(100, 130)])
        found = last_json(hornbook("run", "recipe.yaml", "--set", "name=other", "--json", cwd=here))
        counts = counts_of(url)["asked"]
    facts = found["steps"][1]["facts"]
    assert (facts["asked"], facts["cached"]) == (20, 10)
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("fault", ["garbage", "truncated", "empty"])
def test_a_teacher_that_replies_rubbish(here, fault):
    with faulty_server(fault=fault) as url:
        recipe(here, url)
        done = hornbook("run", "recipe.yaml", cwd=here)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "requests failed" in done.stderr
    with faulty_server() as url:
        recipe(here, url)
        found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
    generate = found["steps"][1]
    assert generate["kept"] + generate["dropped"] == 120


def test_two_runs_of_one_name_do_not_meet(here):
    with faulty_server(latency=0.5) as url:
        recipe(here, url)
        child = begin("run", "recipe.yaml", cwd=here)
        time.sleep(2.5)
        second = hornbook("run", "recipe.yaml", cwd=here)
        kill(child, signal.SIGKILL)
    assert second.returncode == 2
    assert "another process" in second.stderr
