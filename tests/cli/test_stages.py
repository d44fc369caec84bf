"""`hornbook stages`: what stages say of themselves, their pages, and the schema editors use."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.errors import UserError
from hornbook.engine.finding import stage_names
from hornbook.engine.pages import BEGIN, END, bounds, described, fill, filled, knob_table, stale, type_name
from hornbook.engine.recipe import check_data
from hornbook.engine.schema import recipe_schema
from tests.commands import ROOT, hornbook, last_json

PAGES = ROOT / "docs" / "stages"


def test_the_list_is_all_there_is() -> None:
    found = last_json(hornbook("stages", "--json", cwd=ROOT))["stages"]
    assert [stage["use"] for stage in found] == stage_names()
    assert all(stage["summary"] for stage in found), "a stage without a summary"


def test_one_stage_with_its_knobs() -> None:
    found = last_json(hornbook("stages", "quality.length", "--json", cwd=ROOT))
    knobs = {knob["name"]: knob for knob in found["knobs"]}
    assert knobs["min_words"]["threshold"]
    assert (knobs["max_words"]["type"], knobs["max_words"]["bounds"]) == ("int | null", "≥ 0")
    assert found["drops"]["too_short"] == f"quality.words < {knobs['min_words']['default']}"
    shown = hornbook("stages", "quality.length", cwd=ROOT).stdout
    assert "Gopher" in shown
    assert "min_words" in shown


def test_an_unknown_stage_names_the_nearest() -> None:
    done = hornbook("stages", "quality.lenght", cwd=ROOT)
    assert done.returncode == 2
    assert "did you mean `quality.length`?" in done.stderr


def test_pages_are_up_to_date() -> None:
    left = stale(PAGES, [name for name in stage_names() if (PAGES / f"{name}.md").exists()])
    assert not left, f"run `hornbook stages --pages docs/stages`: {left}"


@pytest.mark.parametrize("use", stage_names())
def test_tables_are_tables(use: str) -> None:
    lines = [line for line in knob_table(use).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) <= 1
    assert len(lines) == (2 + len(described(use)["knobs"]) if described(use)["knobs"] else 0)


def test_a_page_that_lags_is_named_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "quality.length.md"
    page.write_text(f"# quality.length\n\nWords.\n\n{BEGIN}\nold\n{END}\n\nMore.\n", encoding="utf-8")
    names = ["quality.length", "dedup.exact"]
    assert stale(tmp_path, names) == {"quality.length": "out of date", "dedup.exact": "missing"}
    checked = hornbook("stages", "--pages", str(tmp_path), "--check", cwd=tmp_path)
    assert checked.returncode == 1
    assert "quality.length (out of date)" in checked.stderr
    assert "old" in page.read_text(encoding="utf-8")
    assert fill(tmp_path, names) == ["quality.length"]
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# quality.length\n\nWords.\n")
    assert text.endswith(f"{END}\n\nMore.\n")
    assert "`min_words` ¹" in text
    assert stale(tmp_path, ["quality.length"]) == {}


@pytest.mark.parametrize("text", ["none", f"{BEGIN}\nno end", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_a_page_without_one_pair_of_markers_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="marker"):
        filled(text, "quality.length")


def test_types_as_a_person_writes_them() -> None:
    from pydantic import BaseModel, Field

    from hornbook.core.knobs import InputPath

    class Model(BaseModel):
        a: int | None = Field(1, ge=0, lt=10)
        b: list[InputPath] = Field([])
        c: dict[str, float] = Field({})
        d: tuple[str, ...] = Field(())

    fields = Model.model_fields
    assert [type_name(field.annotation) for field in fields.values()] == [
        "int | null", "list[path]", "map[str, float]", "list[str]",
    ]  # fmt: skip
    assert bounds(fields["a"]) == "≥ 0, < 10"


GOOD: dict[str, Any] = {
    "name": "ok",
    "seed": 3,
    "budget": {"usd": 1.5},
    "teacher": {"use": "openai", "url": "http://localhost:1/v1", "price": {"input": 0.1}},
    "steps": [
        "sources.words",
        {"use": "prompts.story", "count": 5, "features": ["twist"], "name": "p"},
        {"use": "generate.complete", "max_tokens": 5, "from": "p", "teacher": {"model": "other"}},
        {"use": "quality.length", "min_words": 3, "from": ["generate"]},
    ],
}
BAD: list[tuple[str, list[Any], Any]] = [
    ("unknown key", ["nmae"], "x"),
    ("unknown knob", ["steps", 1, "cuont"], 3),
    ("wrong type", ["steps", 1, "count"], "many"),
    ("out of bounds", ["steps", 1, "count"], 0),
    ("not a choice", ["steps", 1, "features"], ["dragons"]),
    ("no use", ["steps", 3], {"min_words": 3}),
    ("teacher's key", ["teacher", "modle"], "x"),
    ("teacher on a stage that asks nobody", ["steps", 3, "teacher"], {"model": "x"}),
    ("negative budget", ["budget", "usd"], -1),
    ("no steps", ["steps"], []),
]


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(GOOD)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


def test_the_schema_is_one_and_takes_what_the_engine_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    check_data(copy.deepcopy(GOOD), "good.yaml")
    assert list(check.iter_errors(GOOD)) == []
    own = {"use": "mypkg.stages.mine", "anything": 1}
    assert list(check.iter_errors(GOOD | {"steps": ["sources.words", own]})) == []


@pytest.mark.parametrize(("what", "path", "value"), BAD, ids=[entry[0] for entry in BAD])
def test_the_schema_refuses_what_the_engine_refuses(what: str, path: list[Any], value: Any) -> None:
    bad = changed(path, value)
    if what != "teacher on a stage that asks nobody":
        with pytest.raises(UserError):
            check_data(copy.deepcopy(bad), "bad.yaml")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    assert list(jsonschema.Draft202012Validator(recipe_schema()).iter_errors(bad))


def test_shipped_recipes_fit_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    from ruamel.yaml import YAML

    check = jsonschema.Draft202012Validator(recipe_schema())
    for path in sorted((ROOT / "src" / "hornbook" / "recipes").glob("*.yaml")):
        data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        assert [error.message for error in check.iter_errors(data)] == [], path.name
