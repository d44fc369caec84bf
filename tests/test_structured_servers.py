"""Structured replies through real servers that bind, refuse with or without a word, and wrap what they say."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from tests.billing_server import billing_server
from tests.commands import hornbook, last_json, write_jsonl

FORMS = """\
from enum import Enum
from pydantic import BaseModel, field_validator

class Level(Enum):
    easy = "easy"
    hard = "hard"

class Part(BaseModel):
    names: list[str]
    weight: float

class Quiz(BaseModel):
    title: str
    level: Level
    parts: list[Part]

    @field_validator("title")
    @classmethod
    def named(cls, given: str) -> str:
        assert "狐" in given, "must speak of the 狐"
        return given
"""
RECIPE = """\
name: formed
teacher: {{url: {url}/v1, model: test, concurrency: 4}}
steps:
  - {{use: sources.prompts, path: prompts.jsonl}}
  - {{use: generate.structured, json_schema: "forms:Quiz", tries: 2, max_tokens: 200}}
"""
GOOD = {"title": "小狐狸 Ü", "level": "hard", "parts": [{"names": ["a", "ß"], "weight": 0.5}]}
BAD = GOOD | {"title": "no fox"}
MANY = 12


def says(body: dict) -> str:
    """Two of three are wrong at first, and one of three for good."""
    number = int(body["messages"][0]["content"].split("\n")[0].split()[-1])
    wrong = number % 3 == 0 or (number % 3 == 1 and len(body["messages"]) == 1)
    return f"As in [1]:\n```json\n{json.dumps(BAD if wrong else GOOD, ensure_ascii=False, indent=1)}\n```\nOK {{?}}"


def refuses(words: str) -> Callable[[dict], int | None]:
    return lambda body: 400 if words and "response_format" in body else None


@pytest.mark.parametrize("refuse", ["", "without a word"])
def test_a_pydantic_model_of_the_users_through_a_server(tmp_path, refuse: str) -> None:
    (tmp_path / "forms.py").write_text(FORMS, encoding="utf-8")
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Give me quiz {n}"} for n in range(MANY)])
    with billing_server(says=says, refuses=refuses(refuse)) as server:
        (tmp_path / "formed.yaml").write_text(RECIPE.format(url=server.url), encoding="utf-8")
        step = last_json(hornbook("run", "formed.yaml", "--json", cwd=tmp_path))["steps"][1]
        assert (step["kept"], step["reasons"]) == (8, {"schema": 4})
        assert server.paid == 4 * (1 + 2 + 3), "each try once, three at most"
        assert set(server.by_prompt.values()) == {1}
        assert server.asked - server.paid <= (4 if refuse else 0), "those in flight when it was found out"
        assert "must speak of the 狐" in server.bodies[-1]["messages"][-1]["content"] or len(server.bodies) > MANY
        assert last_json(hornbook("run", "formed.yaml", "--set", "generate.max_tokens=200", "--json", cwd=tmp_path))
        assert server.paid == 24
    rows = [r for part in (tmp_path / "runs/formed/final").glob("part-*") for r in pq.read_table(part).to_pylist()]
    assert [json.loads(row["text"]) for row in rows] == [GOOD] * 8
    assert sorted(row["generate.tries"] for row in rows) == [1] * 4 + [2] * 4


def test_a_server_that_refuses_everything_is_no_server_that_cannot_bind(tmp_path) -> None:
    (tmp_path / "forms.py").write_text(FORMS, encoding="utf-8")
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Give me quiz {n}"} for n in range(MANY)])
    with billing_server(says=says, refuses=lambda body: 400) as server:
        (tmp_path / "formed.yaml").write_text(RECIPE.format(url=server.url), encoding="utf-8")
        done = hornbook("run", "formed.yaml", cwd=tmp_path)
        assert done.returncode == 1
        assert "does not bind" not in done.stderr
        assert server.paid == 0
