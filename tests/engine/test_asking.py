"""Asking: what did not reach its teacher is asked again; runs that share a step do it once; hours are paid for."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from hornbook.engine.executors import Inline
from hornbook.engine.recipe import check_data
from hornbook.engine.run import Runner
from hornbook.engine.workspace import Workspace
from hornbook.store.journal import Journal, JournalWriter
from tests.commands import begin, write_jsonl
from tests.faulty_server import counts_of, faulty_server


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(12)])
    return tmp_path


def recipe(teacher: dict[str, object], name: str = "r", **knobs: object) -> dict[str, object]:
    generate = {"use": "generate.complete", "max_tokens": 50} | knobs
    steps = [{"use": "sources.prompts", "path": "prompts.jsonl"}, generate]
    return {"name": name, "teacher": teacher, "steps": steps}


def run(data: dict[str, object]) -> list[dict[str, object]]:
    made = check_data(data, "test")
    done = Runner(Workspace(Path("runs")), Inline(), Path("cache"), lambda event: None).run(made)
    return [dict(artifact.manifest) for artifact in done]


def lose_one(manifest: dict[str, object]) -> None:
    """Make the disk as it is when one request never reached its teacher: tombstone, drop, facts."""
    root = Path("runs")
    journal = Journal(root / "journal")
    (key,) = [key for key in journal.keys() if "Write story 3." in json.dumps(journal.request(key))]  # noqa: SIM118
    journal.close()
    for path in (root / "journal").glob("*.sqlite"):
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM replies WHERE key = ?", [bytes.fromhex(key)])
        connection.close()
    with JournalWriter(root / "journal") as writer:
        writer.fail(key, "transport", "no route").result(10)
    for path in root.glob("artifacts/*/manifest.json"):
        found = json.loads(path.read_text())
        if found["stage"] == "generate.complete":
            found["facts"]["errors"] = {"transport": 1}
            path.write_text(json.dumps(found))


@pytest.mark.parametrize("knobs", [{}, {"min_characters": 1}])
def test_only_what_did_not_reach_the_teacher_is_asked_again(here, knobs):
    teacher = {"use": "scripted", "rule": "story"}
    first = run(recipe(teacher))[1]
    assert (first["kept"], first["facts"]["asked"]) == (12, 12)
    lose_one(first)
    again = run(recipe(teacher, **knobs))[1]
    assert (again["kept"], again["facts"]["asked"], again["facts"]["cached"]) == (12, 1, 11)
    assert run(recipe(teacher, **knobs))[1] == again


def test_runs_at_once_do_a_common_step_once(here):
    with faulty_server(latency=0.3) as url:
        teacher = {"url": f"{url}/v1", "model": "test", "concurrency": 4}
        children = []
        for name, least in (("a", 0), ("b", 0), ("c", 5)):
            path = here / f"{name}.yaml"
            path.write_text(json.dumps(recipe(teacher, name, min_characters=least)), encoding="utf-8")
            children.append(begin("run", path, "--json", cwd=here))
        said = [child.communicate(timeout=120) for child in children]
        counts = counts_of(url)["asked"]
    assert [child.returncode for child in children] == [0, 0, 0], said
    assert [json.loads(out.splitlines()[-1])["documents"] for out, _ in said] == [12, 12, 12]
    assert set(counts.values()) == {1}
    assert len(counts) == 12


def test_the_hours_of_a_machine_stop_a_run_and_are_remembered(here):
    from hornbook.core.errors import BudgetStop

    with faulty_server(latency=0.2) as url:
        teacher = {"url": f"{url}/v1", "model": "test", "concurrency": 1, "usd_per_hour": 3600.0}
        data = recipe(teacher) | {"budget": {"usd": 0.7}}
        with pytest.raises(BudgetStop, match="usd"):
            run(data)
        state = json.loads(Path("runs/r/run.json").read_text())
        assert state["status"] == "stopped"
        assert 0.7 < state["spent_usd"] < 3
        assert run(data | {"budget": {"usd": 600}})[1]["kept"] == 12
        assert set(counts_of(url)["asked"].values()) == {1}
