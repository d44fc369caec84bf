"""`hornbook journal`: it counts, checks, merges, writes out, and has asked again what was asked for."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server, reply_to, totals_of

RECIPE = """\
name: asked
seed: 1
teacher: {{url: "{url}/v1", model: test, concurrency: 8}}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 60
  - use: quality.length
    min_words: 1
"""


@pytest.fixture
def here(tmp_path):
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(60)])
    return tmp_path


def write(here, url: str) -> None:
    (here / "recipe.yaml").write_text(RECIPE.format(url=url), encoding="utf-8")


def test_redriven_requests_are_asked_again_and_nothing_else(here):
    with faulty_server(faults={"empty": 0.2}, seed=3) as url:
        write(here, url)
        first = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        empty = first["steps"][1]["facts"]["errors"]["empty"]
        assert empty > 3
    stats = last_json(hornbook("journal", "stats", "--json", cwd=here))
    assert (stats["requests"], stats["replies"], stats["failed"], stats["unanswered"]) == (60, 60, 0, 0)
    assert stats["classes"] == {"empty": {"failed": 0, "replies": empty}}
    again = ["journal", "redrive", "--class", "empty", "--json"]
    said = last_json(hornbook(*again, "--run", "asked", "--dry-run", cwd=here))
    assert (said["requests"], said["done"]) == (empty, False)
    assert len(said["steps"]) == 2, "the step and its marks"
    assert any(name.startswith("asked/02-generate") for name in said["names"])
    with faulty_server() as url:
        write(here, url)
        same = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert same["documents"] == first["documents"]
        assert counts_of(url)["asked"] == {}, "--dry-run does nothing"
        done = last_json(hornbook(*again, cwd=here))
        assert done["requests"] == empty
        second = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert sum(counts_of(url)["asked"].values()) == empty
    assert second["documents"] == 60
    assert last_json(hornbook(*again, cwd=here))["requests"] == 0


def test_compact_export_verify(here):
    with faulty_server() as url:
        write(here, url)
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        merged = last_json(hornbook("journal", "compact", "--json", cwd=here))
        assert (merged["files"], merged["replies"], merged["damaged"]) == (1, 60, [])
        out = last_json(hornbook("journal", "export", "--out", "x.jsonl.zst", "--json", cwd=here))
        assert out["records"] == 60
        plain = hornbook("journal", "export", cwd=here)
        counts = counts_of(url)
        for path in here.glob("runs/artifacts/*/manifest.json"):
            path.unlink()
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert counts_of(url) == counts, "after compaction every reply is still known"
    packed = zstandard.ZstdDecompressor().stream_reader((here / "x.jsonl.zst").read_bytes()).read()
    lines = [json.loads(line) for line in packed.splitlines()]
    assert sorted(plain.stdout.encode().splitlines()) == sorted(packed.splitlines())
    assert {line["request"]["messages"][0]["content"] for line in lines} == {f"Write story {n}." for n in range(60)}
    assert all(line["reply"]["choices"] and line["class"] is None for line in lines)
    assert last_json(hornbook("journal", "verify", "--json", cwd=here))["sound"]


def test_damage_is_said_and_exits_with_1(here):
    with faulty_server() as url:
        write(here, url)
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        (file,) = (here / "runs" / "journal").glob("*.sqlite")
        data = bytearray(file.read_bytes())
        data[8192:12288] = b"\xff" * 4096
        file.write_bytes(data)
        done = hornbook("journal", "verify", cwd=here)
        assert done.returncode == 1
        assert "damaged" in done.stderr
        assert "Traceback" not in done.stderr
        for path in here.glob("runs/artifacts/*/manifest.json"):
            path.unlink()
        found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert found["documents"] == 60, "what cannot be read was asked again"


def test_each_class_is_redriven_by_itself(here):
    """Replies that are no JSON, empty ones and refusals, in one journal: only those of the class are asked again."""
    faults = {"garbage": 0.1, "empty": 0.1, "refusal": 0.1}
    with faulty_server(faults=faults, seed=4) as url:
        write(here, url)
        first = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))["steps"][1]["facts"]["errors"]
        asked = counts_of(url)["asked"]
    assert set(first) == {"parse", "empty", "refusal"}
    bad = {line["request"]["messages"][0]["content"] for line in exported(here) if line["class"] == "parse"}
    assert len(bad) == first["parse"]
    with faulty_server() as url:
        write(here, url)
        said = hornbook("journal", "redrive", "--class", "parse", cwd=here)
        assert said.returncode == 0, said.stderr
        assert f"{len(bad)} requests of class parse will be asked again" in said.stdout
        assert {line["class"] for line in exported(here)} == {None, "empty", "refusal"}
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert counts_of(url)["asked"] == dict.fromkeys(bad, 1)
    assert len(asked) == len(exported(here)) == 60


def exported(here, *, form: str = "jsonl") -> list[dict[str, Any]]:
    """All records, as a file of that form has them."""
    out = here / f"all.{form}"
    done = last_json(hornbook("journal", "export", "--out", out, "--json", cwd=here))
    if form == "parquet":
        rows = pq.read_table(out).to_pylist()
        rows = [row | {name: row[name] and json.loads(row[name]) for name in ("request", "reply")} for row in rows]
    else:
        rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(rows) == done["records"]
    return rows


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_export_holds_every_request_and_reply_once(here, form):
    with faulty_server(faults={"empty": 0.1, "length": 0.1}, seed=6) as url:
        write(here, url)
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        paid = counts_of(url)["paid"]
    rows = exported(here, form=form)
    prompts = [row["request"]["messages"][0]["content"] for row in rows]
    assert sorted(prompts) == sorted(f"Write story {n}." for n in range(60))
    with_reply = {prompt for prompt, row in zip(prompts, rows, strict=True) if row.get("reply")}
    assert with_reply == set(paid)
    for prompt, row in zip(prompts, rows, strict=True):
        assert (row["class"] == "length") == (prompt not in paid)
        if row["class"] is None:
            assert row["reply"]["choices"][0]["message"]["content"] == reply_to(prompt)


def test_a_kill_leaves_a_journal_that_is_sound_and_says_what_lacks(here):
    with faulty_server(latency=[0.05, 0.3]) as url:
        write(here, url)
        child = begin("run", "recipe.yaml", cwd=here)
        until = time.monotonic() + 30
        while totals_of(url)["delivered"] < 20 and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        stats = last_json(hornbook("journal", "stats", "--json", cwd=here))
        assert 20 - 8 <= stats["replies"] < 60
        assert stats["unanswered"] > 0
        assert stats["requests"] == stats["replies"] + stats["unanswered"] <= 60
        assert last_json(hornbook("journal", "verify", "--json", cwd=here))["sound"]
        assert len(exported(here)) == stats["replies"]
        found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert found["documents"] == 60
        assert found["steps"][1]["facts"]["cached"] == stats["replies"]
        assert totals_of(url)["paid"] <= 60 + 8, "what was in flight, eight at most, may be paid again"


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A run's folder, to be copied and damaged, and what its journal held."""
    here = tmp_path_factory.mktemp("whole")
    write_jsonl(here / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write story {n}."} for n in range(600)])
    with faulty_server() as url:
        write(here, url)
        last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
    (path,) = (here / "runs" / "journal").glob("*.sqlite")
    sqlite3.connect(path).close()
    return here, {line["key"]: line for line in exported(here)}


@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_wherever_it_is_damaged_what_it_gives_is_true_and_the_rest_is_asked_again(tmp_path, journal, how, seed):
    draw = random.Random(f"{how} {seed}")
    whole, held = journal
    here = tmp_path / "here"
    shutil.copytree(whole, here, symlinks=True)
    (path,) = (here / "runs" / "journal").glob("*.sqlite")
    data = bytearray(path.read_bytes())
    if how == "flip":
        for at in draw.sample(range(len(data)), 40):
            data[at] ^= draw.randrange(1, 256)
    else:
        del data[draw.randrange(len(data)) :]
    path.write_bytes(data)
    verified = hornbook("journal", "verify", cwd=here)
    assert verified.returncode == 1, verified.stdout
    assert "damaged" in verified.stderr
    assert "Traceback" not in verified.stderr
    assert hornbook("journal", "stats", cwd=here).returncode == 0
    compacted = hornbook("journal", "compact", cwd=here)
    assert compacted.returncode == 0, compacted.stderr
    rows = exported(here)
    for row in rows:
        assert (row["reply"], row["class"]) == (held[row["key"]]["reply"], None)
        assert row["request"] in (held[row["key"]]["request"], None)
    shutil.rmtree(here / "runs" / "artifacts")
    with faulty_server() as url:
        write(here, url)
        done = hornbook("run", "recipe.yaml", "--json", cwd=here)
        if done.returncode:  # what was written into damaged pages is not found again: then another file is taken
            assert "run the recipe again" in done.stderr
            done = hornbook("run", "recipe.yaml", "--json", cwd=here)
        assert last_json(done)["documents"] == 600
        assert totals_of(url)["paid"] <= 600 - 0.9 * len(rows), "what it still held was hardly asked again"


@pytest.mark.parametrize("make", [True, False])
@pytest.mark.parametrize("command", [["stats"], ["verify"], ["compact"], ["export"], ["redrive", "--class", "parse"]])
def test_an_empty_journal_is_no_mistake_an_absent_one_is(tmp_path, command, make):
    if make:
        (tmp_path / "runs" / "journal").mkdir(parents=True)
    done = hornbook("journal", *command, cwd=tmp_path)
    assert done.returncode == (0 if make else 2)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert ("empty" in said or "0 requests" in said or "no request" in said) if make else "there is no journal" in said


def test_a_class_that_is_none_is_refused_with_the_nearest(tmp_path):
    done = hornbook("journal", "redrive", "--class", "prase", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean parse?" in done.stderr


def test_a_form_that_is_none_is_refused(tmp_path):
    done = hornbook("journal", "export", "--out", "all.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert ".parquet" in done.stderr
    assert not (tmp_path / "all.csv").exists()


@pytest.mark.parametrize(
    "args",
    [["stats"], ["verify"], ["compact"], ["export"], ["redrive", "--class", "parse"], ["redrive", "--class", "pars"]],
)
def test_mistakes_are_explained(tmp_path, args):
    done = hornbook("journal", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "fix" in done.stderr
