"""Knobs: what a person can set on a stage, each with type, bounds, unit and source."""

from __future__ import annotations

from importlib import resources
from typing import Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

SHIPPED = "shipped:"


class InputPath(str):
    """A path, glob or URL whose *content* a stage reads.

    A step's key covers the content of every `InputPath` among its knobs, so a stage that declares
    its files with this type can never be served from a stale cache.
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def local_path(path: str) -> str:
    """A path as the file system knows it: `shipped:NAME` is a file of Hornbook's own `recipes/data`."""
    if not path.startswith(SHIPPED):
        return path
    return str(resources.files("hornbook.recipes").joinpath("data", path.removeprefix(SHIPPED)))


def knob(
    default: Any = ...,
    *,
    help: str,
    unit: str = "",
    source: str = "",
    threshold: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    default_factory: Any = None,
) -> Any:
    """Declare a knob: a pydantic field with a unit and the origin of its default.

    Args:
        help: one line that says what it does.
        unit: tokens, characters, share of lines …
        source: paper and section, or repository, that the default is from.
        threshold: it only decides what is dropped. The step's marks are computed without it, so
            changing it scores nothing again and asks no teacher again.
        ge, gt, le, lt: bounds.
    """
    settings: dict[str, Any] = {
        "description": help,
        "json_schema_extra": {"unit": unit, "source": source, "threshold": threshold},
    }
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    settings |= {name: value for name, value in bounds.items() if value is not None}
    if default_factory is not None:
        return Field(default_factory=default_factory, **settings)
    return Field(default, **settings)


def is_threshold(field: FieldInfo) -> bool:
    """Whether a knob only decides what is dropped."""
    return bool(_extra(field).get("threshold"))


def unit_of(field: FieldInfo) -> str:
    """A knob's unit, '' where it has none."""
    return str(_extra(field).get("unit", ""))


def source_of(field: FieldInfo) -> str:
    """Where a knob's default is from, '' where it is our own choice."""
    return str(_extra(field).get("source", ""))


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}
