"""Values from a person into checked models; each mistake told with its place and the nearest right name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hornbook.core.errors import UserError
from hornbook.core.knobs import source_of, unit_of

M = TypeVar("M", bound=BaseModel)
_BRANCHES = re.compile(r"list\[.*|function-.*|int|float")
"""What pydantic puts into a place that is no key: which of several types was tried."""
_TYPES = {"int": "a whole number", "float": "a number", "string": "a text", "bool": "true or false", "list": "a list",
          "tuple": "a list", "dict": "a mapping"}  # fmt: skip
_FAULTS = ("type", "parsing", "from_float")


def checked(model: type[M], values: Mapping[str, Any], name: str, where: Callable[[str], str]) -> M:
    """A model with its values: a stage with its knobs, a teacher, a budget.

    Args:
        model: the class.
        values: key → value, as YAML gives them.
        name: what messages call it.
        where: key → the place where it was set.

    Raises:
        UserError: unknown key, wrong type, out of bounds.
    """
    for key in values:
        if key not in model.model_fields:
            raise unknown(f"knob of {name}:", key, model.model_fields, where(key))
    try:
        return model.model_validate(_listed(model, dict(values)))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        words = [str(word) for word in first["loc"]]
        inner = ".".join([*words[:1], *(word for word in words[1:] if not _BRANCHES.fullmatch(word))])
        raise _wrong(name, inner, first, model.model_fields.get(key), where(key)) from error


def _listed(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """One text, number or flag where only a list will do is a list of one: `against=FILE`."""
    for key, value in values.items():
        if isinstance(value, (str, int, float)) and _only_list(model.model_fields[key].annotation):
            values[key] = [value]
    return values


def _only_list(annotation: Any) -> bool:
    """Whether a type is a list or tuple, or such a one or nothing."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    if get_origin(annotation) in (list, tuple):
        return True
    return bool(kinds) and all(get_origin(kind) in (list, tuple) for kind in kinds)


def unknown(what: str, given: str, known: Iterable[str], where: str) -> UserError:
    """The error for a name that is none of the known ones."""
    names = [str(k) for k in known]
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    like = f"did you mean `{close[0]}`? " if close else ""
    return UserError(f"unknown {what} `{given}`", where=where, fix=f"{like}known: {', '.join(names) or 'none'}")


def _wrong(name: str, key: str, fault: Any, field: FieldInfo | None, where: str) -> UserError:
    """A pydantic fault as one of our messages: knob, value, bound; then what the knob means."""
    given, context = fault["input"], fault.get("ctx", {})
    said = {
        "greater_than_equal": f"= {given} is below {context.get('ge')}",
        "greater_than": f"= {given} is not above {context.get('gt')}",
        "less_than_equal": f"= {given} is above {context.get('le')}",
        "less_than": f"= {given} is not below {context.get('lt')}",
        "missing": "is missing",
        "literal_error": f"= {given!r} is not {context.get('expected')}",
        **{f"{kind}_{how}": f"= {given!r} is not {it}" for kind, it in _TYPES.items() for how in _FAULTS},
    }.get(fault["type"], f"= {given!r}: {fault['msg'].removeprefix('Value error, ')}")
    what = f"{name}: {key} {said}" if key else f"{name}: {fault['msg'].removeprefix('Value error, ')}"
    close = difflib.get_close_matches(str(given), re.findall("'([^']*)'", str(context.get("expected", ""))), n=1)
    like = f"did you mean `{close[0]}`? " if close else ""
    return UserError(what, where=where, fix=like + (_meaning(key, field) if field else "see `hornbook stages`"))


def _meaning(key: str, field: FieldInfo) -> str:
    unit = f", in {unit_of(field)}" if unit_of(field) else ""
    source = f" ({source_of(field)})" if source_of(field) else ""
    plain = field.default_factory is None and not field.is_required() and field.default is not None
    default = f"; default {field.default!r}" if plain else ""
    return f"{key}: {field.description or ''}{unit}{default}{source}"
