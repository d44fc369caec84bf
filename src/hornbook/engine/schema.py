"""The JSON schema of whole recipes, so that an editor completes and checks them while they are written."""

from __future__ import annotations

from typing import Any

from hornbook.core.stage import Ask, Stage
from hornbook.engine.arms import COMPARE, Compare
from hornbook.engine.costing import Cost, Volume
from hornbook.engine.finding import find_stage, stage_names, summary
from hornbook.engine.recipe import Budget
from hornbook.engine.scales import ABOUT, VOLUMES
from hornbook.teachers.spec import TeacherSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe with the shipped stages.

    A step that uses a shipped stage may have that stage's knobs and no others; a step that uses a stage of
    one's own (`mypkg.stages.mine`) may have any.
    """
    definitions: dict[str, Any] = {}
    teacher = _model(TeacherSpec, definitions)
    names = stage_names()
    stages = {name: find_stage(name) for name in names}
    cases = [_case(name, stage, definitions) for name, stage in stages.items()]
    own = {"type": "string", "pattern": r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"}
    shipped = [{"const": name, "description": summary(stage)} for name, stage in stages.items()]
    definitions["teacher"] = teacher
    definitions["step"] = {
        "type": "object",
        "required": ["use"],
        "properties": {"use": {"anyOf": [*shipped, own]}, **_common()},
        "allOf": cases,
    }
    return {
        "$schema": DRAFT,
        "title": "Hornbook recipe",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "description": "names the run's folder", "pattern": r"^[^./\\][^/\\]*$"},
            "about": {"type": "string", "description": "one line for people"},
            "seed": {"type": "integer", "description": "of every stage that draws", "default": 0},
            "budget": _model(Budget, definitions),
            "teacher": {"$ref": "#/$defs/teacher"},
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [{"$ref": "#/$defs/step"}, {"type": "string", "description": "a stage"}]},
            },
            COMPARE: _compare(definitions),
            "scale": {"type": "string", "description": "the scale where --scale names none"},
            "scales": _scales(definitions),
            "cost": _model(Cost, definitions),
        },
        "$defs": definitions,
    }


def _compare(definitions: dict[str, Any]) -> dict[str, Any]:
    """The block `compare:`; its exams may be a list of steps too."""
    made = _model(Compare, definitions)
    exams = made["properties"]["exams"]
    step = {"$ref": "#/$defs/step"}
    made["properties"]["exams"] = {
        "description": exams["description"],
        "anyOf": [
            {"type": "object", "minProperties": 1, "additionalProperties": step},
            {"type": "array", "minItems": 1, "items": step},
        ],
    }
    return made


def _scales(definitions: dict[str, Any]) -> dict[str, Any]:
    """Names of scales, each with values as --set gives them."""
    volume = _model(Volume, definitions)
    scale = {
        "type": ["object", "null"],
        "description": "values as --set gives them: STEP.KNOB: value",
        "properties": {
            ABOUT: {"type": "string", "description": "one line for people"},
            VOLUMES: {"type": "object", "description": "what steps take, for `cost`", "additionalProperties": volume},
        },
    }
    return {"type": "object", "minProperties": 1, "additionalProperties": scale}


def _common() -> dict[str, Any]:
    """Keys that every step may have."""
    names = {"type": "string", "description": "name of a step above"}
    return {
        "name": {"type": "string", "description": "what `from:` and --set call this step"},
        "from": {
            "anyOf": [names, {"type": "array", "items": names}],
            "description": "the step or steps it reads from [default: the one above]",
        },
        "teacher": {"$ref": "#/$defs/teacher"},
    }


def _case(name: str, stage: type[Stage], definitions: dict[str, Any]) -> dict[str, Any]:
    """If the step uses this stage, then it has these knobs and no others."""
    made = _model(stage, definitions)
    common = _common()
    if not issubclass(stage, Ask):
        common.pop("teacher")
    knobs = made.get("properties", {})
    return {
        "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
        "then": {
            "properties": {"use": True} | common | knobs,
            "required": sorted(made.get("required", [])),
            "additionalProperties": False,
        },
    }


def _model(model: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A pydantic model's schema, its own definitions moved to the top."""
    made: dict[str, Any] = model.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(made.pop("$defs", {}))
    made.pop("title", None)
    return made
