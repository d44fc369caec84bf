"""A reply's schema: from a recipe, a file or a pydantic class; what of a value is wrong with it."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from hornbook.core.knobs import InputPath, local_path

SCALARS = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_SHOWN = 3
"""Faults of one reply that are said; models mend a few at a time."""
_FAULT = 300
"""Characters of one fault."""


class ClassPath(str):
    """`mypkg.module:Name`, a pydantic model of the user's."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.str_schema(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")
        return core_schema.no_info_after_validator_function(cls, plain)


@dataclass(frozen=True)
class Form:
    """What a reply must be.

    Args:
        schema: JSON schema.
        model: the pydantic class it is from, or None.
    """

    schema: dict[str, Any]
    model: type[BaseModel] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | InputPath | ClassPath) -> Form:
        """The form that a recipe gives.

        Raises:
            ValueError: there is no such file or class, it is no JSON schema, or it points outside of itself.
        """
        model = None
        if isinstance(given, ClassPath):
            model = _model(given)
            schema = model.model_json_schema()
        elif isinstance(given, InputPath):
            schema = _file(given)
        else:
            schema = dict(given)
        _check(schema)
        return cls(schema, model)

    def digest(self) -> str:
        """What of a class is not in the recipe: its schema and its code; '' where there is no class."""
        from hornbook.core.keys import key_of

        if self.model is None:
            return ""
        try:
            code = inspect.getsource(self.model)
        except (OSError, TypeError):
            code = ""
        return key_of([self.schema, code])

    def columns(self) -> dict[str, pa.DataType]:
        """Top-level properties with a scalar type → their Arrow type, in the schema's order."""
        found = {}
        for name, given in self.schema.get("properties", {}).items():
            kinds = _kinds(given, self.schema) - {"null"}
            if kinds == {"integer", "number"}:
                kinds = {"number"}
            if len(kinds) == 1 and (kind := kinds.pop()) in SCALARS:
                found[str(name)] = SCALARS[kind]
        return found

    def faults(self, value: Any) -> str:
        """What does not fit, '' where all does: the first few faults, each with its place."""
        if self.model is not None:
            try:
                self.model.model_validate_json(orjson.dumps(value))
            except ValidationError as error:
                said = [f"{_place(e['loc'])}: {e['msg']}" for e in error.errors(include_url=False, include_input=False)]
                return _listed(said)
            return ""
        import jsonschema

        kind = jsonschema.validators.validator_for(self.schema, jsonschema.Draft202012Validator)
        validator = kind(self.schema, format_checker=kind.FORMAT_CHECKER)
        try:
            return _listed(sorted(_said(error) for error in validator.iter_errors(value)))
        except RecursionError:
            return "it is nested too deep to be checked"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space, so that equal values are equal texts."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _model(path: str) -> type[BaseModel]:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ValueError(f"{module} cannot be imported: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, BaseModel)):
        raise ValueError(f"{module} has no pydantic model called {name}")
    return found


def _file(path: str) -> dict[str, Any]:
    try:
        found = orjson.loads(Path(local_path(path)).read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON schema: not an object")
    return found


def _check(schema: dict[str, Any]) -> None:
    """Raise ValueError where it is no schema of use."""
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"no JSON schema: {_place(error.absolute_path)}: {error.message[:_FAULT]}") from error
    for reference in _references(schema):
        if not reference.startswith("#") or _resolved(reference, schema) is None:
            raise ValueError(f"$ref {reference!r} points to nothing in the schema itself")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolved(reference: str, schema: dict[str, Any]) -> Any:
    """What a JSON pointer (`#/$defs/Name`) points to, None where nothing."""
    found: Any = schema
    for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _kinds(given: Any, schema: dict[str, Any], depth: int = 0) -> set[str]:
    """The JSON types a property may have; {'any'} where the schema does not say."""
    if not isinstance(given, dict) or depth > 8:
        return {"any"}
    if isinstance(given.get("$ref"), str):
        return _kinds(_resolved(given["$ref"], schema), schema, depth + 1)
    for name in ("anyOf", "oneOf"):
        if given.get(name):
            return set().union(*(_kinds(one, schema, depth + 1) for one in given[name]))
    if "type" in given:
        return {given["type"]} if isinstance(given["type"], str) else set(given["type"])
    values = given.get("enum", [given["const"]] if "const" in given else [])
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return {names.get(type(value), "any") for value in values} or {"any"}


def _said(error: Any) -> str:
    """A fault in words of our own: they go into the next request, so they must outlive versions of a library."""
    what, rule, value = error.validator, error.validator_value, error.instance
    place = _place(error.absolute_path)
    if what == "required" and isinstance(value, dict) and isinstance(rule, list):
        missing = ", ".join(str(name) for name in rule if name not in value)
        return f"{place}: {missing} is missing"
    shown = orjson.dumps(value).decode()[:100]
    return f"{place}: {shown} breaks {what}: {json.dumps(rule, ensure_ascii=False)}"


def _place(path: Any) -> str:
    return "/".join(str(step) for step in path) or "the whole"


def _listed(faults: list[str]) -> str:
    shown = "; ".join(fault[:_FAULT] for fault in faults[:_SHOWN])
    return shown + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")
