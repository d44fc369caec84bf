"""`hornbook journal`: it counts, checks, merges, writes out, and has asked again what was asked for."""

from __future__ import annotations

import json

import pytest
import zstandard

from tests.commands import hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server

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
    said = last_json(hornbook("journal", "redrive", "--class", "empty", "--run", "asked", "--json", cwd=here))
    assert (said["requests"], said["done"]) == (empty, False)
    assert len(said["steps"]) == 2, "the step and its marks"
    with faulty_server() as url:
        write(here, url)
        same = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert same["documents"] == first["documents"]
        assert counts_of(url)["asked"] == {}, "without --yes nothing was done"
        done = last_json(hornbook("journal", "redrive", "--class", "empty", "--yes", "--json", cwd=here))
        assert done["requests"] == empty
        second = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))
        assert sum(counts_of(url)["asked"].values()) == empty
    assert second["documents"] == 60
    assert last_json(hornbook("journal", "redrive", "--class", "empty", "--json", cwd=here))["requests"] == 0


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


@pytest.mark.parametrize(
    "args",
    [["stats"], ["verify"], ["compact"], ["export"], ["redrive", "--class", "parse"], ["redrive", "--class", "pars"]],
)
def test_mistakes_are_explained(tmp_path, args):
    done = hornbook("journal", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "fix" in done.stderr
