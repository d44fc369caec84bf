"""sources.instructions: every shape of set, Cosmopedia's filters, and what is no instruction."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.stages.sources.instructions import Instructions
from tests.contract import Example
from tests.corpus import HOSTILE
from tests.stages.sources.reading import read, reasons

WHY = "Why is the sky blue in the day and red in the evening?"
CHAT = [{"from": "system", "value": "Be kind."}, {"from": "human", "value": WHY}, {"from": "gpt", "value": "Light."}]
ROWS = [
    {"id": "sharegpt", "conversations": CHAT},
    {"id": "openai", "messages": [{"role": "user", "content": WHY}, {"role": "assistant", "content": "Light."}]},
    {"id": "as json", "messages": json.dumps([{"role": "user", "content": WHY}])},
    {"id": "ultrachat", "data": [WHY, "Light.", "And green?"]},
    {"id": "alpaca", "instruction": WHY, "input": "", "output": "Light."},
    {"id": "gsm", "question": WHY, "answer": "Light."},
    {"id": "task", "task": "t1", "input": WHY, "target": ["Light."]},
    {"id": "prompt", "prompt": WHY, "prompt_id": "p"},
]
HERMES = [
    {"id": name, "conversations": CHAT, "source": source, "category": category, "language": language}
    for name, source, category, language in [
        ("good", "airoboros2.2", "orca", "English"),
        ("no language", "airoboros2.2", None, None),
        ("camel", "camelai", None, None),
        ("glaive", "glaive-code-assist", "coding", None),
        *((name, "airoboros2.2", name, "English") for name in ("rp", "gtkm", "coding", "wordgame", "riddle")),
        ("german", "airoboros2.2", "orca", "German"),
    ]
]
EXAMPLE = Example(
    knobs={"path": ["{tmp}/rows.jsonl", "{tmp}/hermes.jsonl"]},
    files={
        "rows.jsonl": "".join(
            json.dumps(row) + "\n" for row in [*ROWS, *({"id": name, "prompt": text} for name, text in HOSTILE.items())]
        ),
        "hermes.jsonl": "".join(json.dumps(row) + "\n" for row in HERMES),
    },
    golden={"1": "f9bbd7c36dddc8b3fc6e9fe71a403887"},
)
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "instructions"


def instructions(tmp_path, rows, **knobs):
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return read(Instructions(path=str(path), **knobs))


def test_each_shape_gives_the_first_thing_a_person_asked(tmp_path):
    rows, drops = instructions(tmp_path, ROWS)
    assert drops == []
    assert {row["text"] for row in rows} == {WHY}
    assert [row["instruction.shape"] for row in rows] == [
        "conversations",
        "messages",
        "messages",
        "turns",
        "alpaca",
        "question",
        "task",
        "prompt",
    ]
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert {row["instruction.source"] for row in rows} == {"set"}
    assert rows[6]["instruction.category"] == "t1"


def test_parquet_says_the_same_as_json(tmp_path):
    some = [row for row in ROWS if row["id"] != "as json"]
    columns = {name: [row.get(name) for row in some] for row in some for name in row}
    pq.write_table(pa.table(columns), tmp_path / "set.parquet")
    rows, _ = read(Instructions(path=str(tmp_path / "set.parquet")))
    assert [row["text"] for row in rows] == [WHY] * 7
    alone, _ = instructions(tmp_path, some)
    assert [row["instruction.shape"] for row in rows] == [row["instruction.shape"] for row in alone]


def test_what_cosmopedia_left_out_of_openhermes_leaves(tmp_path):
    rows, drops = instructions(tmp_path, HERMES)
    assert [row["id"] for row in rows] == ["good", "no language"]
    assert [row["language"] for row in rows] == ["en", "en"]
    assert reasons(drops) == [
        ("camel", "source"),
        ("glaive", "source"),
        *((name, "category") for name in ("rp", "gtkm", "coding", "wordgame", "riddle")),
        ("german", "language"),
    ]
    everything = {"without_sources": [], "without_categories": [], "languages": []}
    rows, drops = instructions(tmp_path, HERMES, **everything)
    assert (len(rows), drops) == (len(HERMES), [])
    rows, _ = instructions(
        tmp_path, HERMES, **everything, only_categories=["riddle", "rp"], only_sources=["airoboros2.2"]
    )
    assert [row["id"] for row in rows] == ["rp", "riddle"]


def test_inputs_and_definitions_belong_to_the_instruction(tmp_path):
    given = [
        {"id": "a", "instruction": "Translate this into French.", "input": "The cat sleeps.", "output": "…"},
        {"id": "n", "definition": ["Answer in one word, please."], "input": "What is the capital of Peru?"},
    ]
    rows, _ = instructions(tmp_path, given)
    assert rows[0]["text"] == "Translate this into French.\n\nThe cat sleeps."
    assert rows[1]["text"] == "Answer in one word, please.\n\nWhat is the capital of Peru?"


def test_length_script_and_emptiness(tmp_path):
    given = [
        {"id": "long", "prompt": "Tell me about rivers and seas. " * 100},
        {"id": "hi", "prompt": "Hi there!"},
        {"id": "dots", "prompt": "." * 50},
        {"id": "none", "conversations": [{"from": "gpt", "value": "I begin, and nobody asked me anything."}]},
        {"id": "zh", "prompt": "请给我讲一个关于月亮的故事"},
        {"id": "ru", "prompt": "Расскажи мне сказку о рыбаке и рыбке"},
        {"id": "list", "prompt": ["not", "text"]},
    ]
    rows, drops = instructions(tmp_path, given, languages=["en", "zh"])
    assert [row["id"] for row in rows] == ["long", "zh"]
    assert 980 <= len(rows[0]["text"]) <= 1000
    assert rows[0]["text"].split()[-1] in {"Tell", "me", "about", "rivers", "and", "seas."}
    assert reasons(drops) == [
        ("hi", "near_empty"),
        ("dots", "near_empty"),
        ("none", "no_instruction"),
        ("ru", "language"),
        ("list", "near_empty"),
    ]


def test_shape_and_column_may_be_said(tmp_path):
    given = [
        {
            "id": "x",
            "question": WHY,
            "instruction": "Reply as a pirate would, please.",
            "ask": "How far is it to the moon?",
        }
    ]
    assert instructions(tmp_path, given)[0][0]["instruction.shape"] == "alpaca"
    assert instructions(tmp_path, given, shape="question")[0][0]["text"] == WHY
    assert instructions(tmp_path, given, instruction="ask")[0][0]["text"] == "How far is it to the moon?"


def test_real_sets():
    """22,457 rows of 60 tasks: all but those of a word or two stay, under the names of their tasks."""
    if not SHARED.exists():
        pytest.skip("../shared/data/instructions is not there: no real instruction sets")
    rows, drops = read(Instructions(path=str(SHARED / "arc-challenge_train.jsonl")))
    assert (len(rows), len(drops)) == (1119, 0)
    assert {row["instruction.shape"] for row in rows} == {"alpaca"}
