"""`hornbook look`: the funnel adds up, the drops are all there to be seen, hostile text is harmless."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from filelock import FileLock

from hornbook.engine.peek import sample, sample_dropped, status_of, step_of
from hornbook.engine.workspace import Workspace
from tests.commands import hornbook, last_json


def test_the_funnel_adds_up_and_says_what_is_on_disk(small: Path) -> None:
    found = last_json(hornbook("look", "small", "--json", cwd=small))
    assert [step["step"] for step in found["steps"]] == [
        "sources-words",
        "prompts",
        "generate",
        "notes",
        "short",
        "dedup",
    ]
    for step in found["steps"]:
        assert step["kept"] + step["dropped"] == step["rows_in"]
        assert step["kept"] == ds.dataset(sorted(Path(small, step["folder"]).glob("part-*.parquet"))).count_rows()
    short = found["steps"][4]
    assert short["reasons"] == {"too_short": 3, "too_long": 3}
    assert found["status"] == "done"
    assert found["usd"] > 0
    assert found["tokens"] > 0
    assert len(found["documents"]) == 3


def test_the_list_of_runs(small: Path) -> None:
    (run,) = last_json(hornbook("look", "--json", cwd=small))["runs"]
    kept = last_json(hornbook("look", "small", "--json", cwd=small))["kept"]
    assert (run["name"], run["status"], run["steps"], run["documents"]) == ("small", "done", 6, kept)
    shown = hornbook("look", cwd=small).stdout.splitlines()
    assert "small" in shown[-1]
    assert "done" in shown[-1]


def test_dropped_shows_each_reason_with_its_evidence(small: Path) -> None:
    found = last_json(hornbook("look", "small", "--dropped", "-n", "2", "--json", cwd=small))
    reasons = [(row["step"], row["reason"]) for row in found["dropped"]]
    assert reasons.count(("short", "too_short")) == 2
    assert reasons.count(("short", "too_long")) == 2
    assert all(row["evidence"] for row in found["dropped"])
    assert found["documents"] == []
    shown = hornbook("look", "small", "--dropped", "--step", "short", cwd=small).stdout
    assert "too_short (quality.words = 1 < 3)" in shown


def test_a_step_shows_its_knobs_and_facts(small: Path) -> None:
    for name in ("generate", "3", "generate.complete"):
        found = last_json(hornbook("look", "small", "--step", name, "-n", "1", "--json", cwd=small))
        (step,) = found["steps"]
        assert step["knobs"]["max_tokens"] == 30
        assert step["facts"]["asked"] == 40
        assert len(found["documents"]) == 1
    shown = hornbook("look", "small", "--step", "generate", cwd=small).stdout
    assert "max_tokens" in shown
    assert "tokens_per_second" in shown


def test_hostile_text_does_not_reach_the_terminal(small: Path) -> None:
    for args in (("look", "small", "-n", "1000"), ("look", "small", "--dropped"), ("why", "escape")):
        done = hornbook(*args, cwd=small)
        assert done.returncode == 0, done.stderr
        steering = [c for c in done.stdout if unicodedata.category(c) in ("Cc", "Cf", "Co") and c != "\n"]
        assert steering == []
    assert "␛[31malert" in hornbook("why", "escape", cwd=small).stdout


def test_mistakes_name_the_nearest(small: Path) -> None:
    for args, hint in [
        (("look", "smal"), "did you mean `small`?"),
        (("look", "small", "--step", "generat"), "did you mean `generate`?"),
        (("look", "--dropped"), "hornbook look RUN --dropped"),
    ]:
        done = hornbook(*args, cwd=small)
        assert done.returncode == 2
        assert hint in done.stderr


def test_no_runs_is_no_failure(tmp_path: Path) -> None:
    done = hornbook("look", cwd=tmp_path)
    assert (done.returncode, "no runs in runs" in done.stdout) == (0, True)


@pytest.mark.parametrize("count", [0, 1, 3, 7, 10_000])
def test_samples_are_spread_and_in_order(small: Path, count: int) -> None:
    steps = Workspace(small / "runs").steps("small")
    words = step_of(steps, "sources-words")
    all_ids = ds.dataset(sorted(words.folder.glob("part-*.parquet"))).to_table(["id"])["id"].to_pylist()
    at = [all_ids.index(row["id"]) for row in sample(words, count)]
    assert at == sorted(set(at))
    assert len(at) == min(count, len(all_ids))
    if count == 3:
        assert at == [250, 750, 1250]


def test_every_dropped_row_can_be_seen(small: Path) -> None:
    for step in Workspace(small / "runs").steps("small"):
        seen = sample_dropped(step, 10**6)
        assert len(seen) == step.manifest["dropped"]
        assert [row["reason"] for row in seen] == sorted(
            (row["reason"] for row in seen), key=list(step.manifest["reasons"]).index
        )


def test_a_run_that_was_killed_is_not_said_to_run(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small / "runs" / "small", tmp_path / "runs" / "small", symlinks=True)
    state = tmp_path / "runs" / "small" / "run.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"status": "running"}))
    workspace = Workspace(tmp_path / "runs")
    assert status_of(workspace, "small", workspace.read_run("small")) == "killed"
    with FileLock(tmp_path / "runs" / "small" / ".lock"):
        assert status_of(workspace, "small", workspace.read_run("small")) == "running"
