"""The shipped recipe that turns prose into tokens: each step drops what it is there for, and nothing is lost."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.commands import hornbook, last_json
from tests.corpus import STORIES

pytest.importorskip("fastokens", reason="tokenize.pretrained is measured with fastokens")

NOUNS = [
    "river",
    "mountain",
    "teacher",
    "garden",
    "engine",
    "letter",
    "village",
    "winter",
    "island",
    "question",
    "window",
    "market",
]
VERBS = [
    "crossed",
    "measured",
    "followed",
    "painted",
    "repaired",
    "remembered",
    "watched",
    "described",
    "carried",
    "studied",
]
ADJECTIVES = ["old", "quiet", "heavy", "curious", "northern", "broken", "careful", "distant", "bright", "narrow"]
EXAM = "A farmer has seventeen sheep and all but nine of them run away over the hill. How many are left?"


def prose(draw: random.Random, sentences: int = 24) -> str:
    """Sentences that a filter of web text takes for prose, three to a line."""

    def sentence() -> str:
        a, b, c = draw.sample(NOUNS, 3)
        what, how = draw.choice(VERBS), draw.choice(ADJECTIVES)
        year, way = draw.randrange(1200, 2020), draw.choice(["with", "without", "near", "after", "before"])
        return f"In {year} the {how} {a} {what} the {b}, {way} that {c} which {draw.choice(VERBS)} it."

    told = [sentence() for _ in range(sentences)]
    return "\n".join(" ".join(told[at : at + 3]) for at in range(0, sentences, 3))


def written(folder: Path) -> dict[str, str]:
    draw = random.Random(5)
    texts = {f"good-{n}": prose(draw) for n in range(40)}
    texts["same"] = texts["good-0"]
    texts["near"] = texts["good-1"].replace("In 1", "In 2", 1)
    texts["exam"] = f"{prose(draw)}\n{EXAM}\n{prose(draw)}"
    texts["short"] = "Buy now!"
    texts["chinese"], texts["arabic"] = STORIES[3] * 20, STORIES[4] * 20
    texts["emoji"] = "🐑🐑🐑 " * 200
    texts["mail"] = f"{prose(draw)} He wrote to mary.smith@example.com about the river and the hill."
    lines = [json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in texts.items()]
    (folder / "texts.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "exam.json").write_text(json.dumps({"id": "sheep", "text": EXAM}) + "\n", encoding="utf-8")
    return texts


def test_each_step_drops_what_it_is_there_for(tmp_path):
    texts = written(tmp_path)
    exam = ["--set", f'decontaminate.against=["{tmp_path / "exam.json"}"]', "--set", 'sources.path=["texts.jsonl"]']
    done = hornbook("run", "curate", *exam, "--json", cwd=tmp_path)
    found = last_json(done)
    run = tmp_path / "runs" / "curate"
    gone = {
        row["id"]: row["reason"]
        for part in sorted(run.glob("*/dropped/part-*.parquet"))
        for row in pq.read_table(part, columns=["id", "reason"]).to_pylist()
    }
    kept = [row for part in sorted((run / "final").glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]
    assert sorted([*gone, *(row["id"] for row in kept)]) == sorted(texts), "kept and dropped are all"
    assert {gone.pop("same"), gone.pop("near")} == {"duplicate", "near_duplicate"}
    assert gone.pop("exam") == "contaminated"
    assert gone.pop("chinese") == gone.pop("arabic") == "other_language"
    assert set(gone) <= {"short", "emoji"}
    assert len(gone) == 2
    assert "<EMAIL>" in next(row["text"] for row in kept if row["id"] == "mail")

    tokens = next(step["facts"] for step in found["steps"] if "train_tokens" in step["facts"])
    shards = [np.fromfile(path, "<u2") for path in run.glob("*tokenize*/*.bin") if ".offsets" not in path.name]
    assert sum(shard.size for shard in shards) == tokens["train_tokens"] + tokens["val_tokens"] > 40 * 300

    again = last_json(hornbook("run", "curate", *exam, "--json", cwd=tmp_path))
    assert [step["key"] for step in again["steps"]] == [step["key"] for step in found["steps"]]
