"""The shipped recipe, end to end: on the embedded teacher, on a real llama.cpp server, and killed on the way."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hornbook.store.journal import Journal
from tests.commands import begin, hornbook, last_json
from tests.llama_server import llama_server

pytest.importorskip("xllamacpp", reason="the embedded teacher needs hornbook[local]")
pytest.importorskip("torch", reason="the student needs hornbook[train]")

SMALL = ["--set", "prompts.count=8", "--set", "generate.max_tokens=120", "--set", "train.epochs=2"]


def journal_of(folder: Path) -> dict[str, int]:
    journal = Journal(folder / "runs" / "journal")
    try:
        return journal.counts()
    finally:
        journal.close()


def check(folder: Path, found) -> None:
    """All 13 steps, a report, and the last documents."""
    assert len(found["steps"]) == 13
    run = folder / "runs" / "stories"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    rows = sum(pq.read_metadata(part).num_rows for part in (run / "final").glob("part-*.parquet"))
    assert rows == found["documents"] > 0
    student = next(run.glob("*-train-*")) / "student"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in student.iterdir()}


def test_on_the_embedded_teacher(tmp_path, smollm):
    found = last_json(hornbook("run", "stories", *SMALL, "--json", cwd=tmp_path, timeout=280))
    check(tmp_path, found)
    counts = journal_of(tmp_path)
    assert counts["replies"] == 8

    again = last_json(hornbook("run", "stories", *SMALL, "--json", cwd=tmp_path))
    assert [step["key"] for step in again["steps"]] == [step["key"] for step in found["steps"]]

    threshold = [*SMALL, "--set", "quality.length.min_words=51"]
    changed = last_json(hornbook("run", "stories", *threshold, "--json", cwd=tmp_path))
    assert [step["key"] for step in changed["steps"]][:3] == [step["key"] for step in found["steps"]][:3]
    assert changed["steps"][3]["key"] != found["steps"][3]["key"]
    assert journal_of(tmp_path) == counts, "a changed threshold asked the teacher"

    why = last_json(hornbook("why", "story-0000003", "--json", cwd=tmp_path))
    assert why["id"] == "story-0000003"


@pytest.mark.slow
def test_on_a_real_llama_server(tmp_path, smollm):
    with llama_server(smollm) as url:
        args = ["run", "stories", *SMALL, "--set", f"teacher.url={url}", "--json"]
        found = last_json(hornbook(*args, cwd=tmp_path, timeout=280))
    check(tmp_path, found)
    assert found["steps"][2]["facts"]["asked"] == 8


@pytest.mark.slow
def test_ten_kills_of_the_real_thing(tmp_path, smollm):
    """Killed at ten random moments: what had arrived is not written again, later steps come out the same."""
    draw = random.Random(11)
    known: set[str] = set()
    for _ in range(10):
        child = begin("run", "stories", *SMALL, cwd=tmp_path)
        time.sleep(draw.uniform(1, 12))
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        now = set(replies(tmp_path).items())
        assert known <= now, "a reply that was in the journal has changed or gone"
        known = now
    found = last_json(hornbook("run", "stories", *SMALL, "--json", cwd=tmp_path, timeout=280))
    check(tmp_path, found)
    assert known <= set(replies(tmp_path).items())
    assert journal_of(tmp_path)["replies"] == 8
    before = parts(tmp_path)
    for key in {step["key"] for step in found["steps"][3:8]}:
        (tmp_path / "runs" / "artifacts" / key / "manifest.json").unlink()
    last_json(hornbook("run", "stories", *SMALL, "--json", cwd=tmp_path, timeout=280))
    assert parts(tmp_path) == before


def replies(folder: Path) -> dict[str, tuple[float, bytes]]:
    """Key → (when, reply) of everything that arrived."""
    found = {}
    journal = Journal(folder / "runs" / "journal")
    for entry in journal.find(journal.keys()).values():
        assert entry.raw is not None
        found[entry.key] = (entry.at, entry.raw.body)
    journal.close()
    return found


def parts(folder: Path) -> dict[str, bytes]:
    """The bytes of the documents of every step."""
    run = folder / "runs" / "stories"
    return {
        f"{link.name}/{part.name}": part.read_bytes() for link in run.glob("0*-*") for part in link.glob("*.parquet")
    }
