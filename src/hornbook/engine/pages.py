"""What a stage says of itself, as values, and as the generated table of its page."""

from __future__ import annotations

import inspect
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from hornbook.core.errors import UserError
from hornbook.core.knobs import is_threshold, source_of, unit_of
from hornbook.core.stage import Ask, Stage
from hornbook.engine.finding import find_stage, kind_of, stage_names, summary
from hornbook.store.files import whole

BEGIN, END = "<!-- knobs -->", "<!-- /knobs -->"
INDEX = "README.md"


def described(use: str) -> dict[str, Any]:
    """A stage as JSON: kind, summary, docstring, knobs, what it reads, makes and needs, drop reasons.

    Raises:
        UserError: no such stage.
    """
    stage = find_stage(use)
    return {
        "use": use,
        "kind": kind_of(stage),
        "summary": summary(stage),
        "about": inspect.getdoc(stage) or "",
        "version": stage.version,
        "makes": stage.makes,
        "needs": list(stage.needs),
        "reads": None if stage.reads is None else list(stage.reads),
        "drops": drop_reasons(stage),
        "knobs": [_knob(name, field) for name, field in stage.model_fields.items()],
        "file": inspect.getfile(stage),
    }


def drop_reasons(stage: type[Stage]) -> dict[str, str]:
    """Reason → what is compared, with every knob at its default; empty where a knob has no default."""
    if any(field.is_required() for field in stage.model_fields.values()):
        return {}
    rules = stage().drops()
    return {
        name: f"{rule.mark} {rule.op}" + ("" if rule.op == "is set" else f" {rule.limit}")
        for name, rule in rules.items()
    }


def knob_table(use: str) -> str:
    """The knobs of a stage as a Markdown table, and its kind and version below."""
    about = described(use)
    lines = []
    if about["knobs"]:
        lines = ["| knob | type | default | bounds | unit | what it does | source |", "|---|---|---|---|---|---|---|"]
    for knob in about["knobs"]:
        name = f"`{knob['name']}`" + (" ¹" if knob["threshold"] else "")
        default = "required" if knob["required"] else f"`{_shown(knob['default'])}`"
        cells = [name, f"`{knob['type']}`", default, knob["bounds"], knob["unit"], knob["help"], knob["source"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    if not lines:
        lines = ["This stage has no knobs."]
    if any(knob["threshold"] for knob in about["knobs"]):
        lines += ["", "¹ A threshold: changing it computes no mark again and asks no teacher again."]
    teacher = ", asks the recipe's `teacher`" if issubclass(find_stage(use), Ask) else ""
    lines += ["", f"Kind `{about['kind']}`, version {about['version']}, makes {about['makes']}{teacher}."]
    return "\n".join(lines) + "\n"


def filled(text: str, use: str) -> str:
    """A page with its generated part as it should be.

    Raises:
        UserError: the page has not exactly one pair of marker lines.
    """
    before, begin, rest = text.partition(BEGIN + "\n")
    inside, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or BEGIN in inside:
        raise UserError(
            f"the page of {use} has no pair of marker lines",
            where=f"{use}.md",
            fix=f"put {BEGIN} and {END} on two lines",
        )
    return f"{before}{BEGIN}\n{knob_table(use)}{END}{after}"


def index() -> str:
    """The list of all shipped stages, as Markdown: a table for each folder."""
    lines = ["# Stages", "", "Written by `hornbook stages --pages docs/stages`. `hornbook stages NAME` shows one."]
    for folder, group in groupby(stage_names(), lambda name: name.rpartition(".")[0]):
        lines += ["", f"## {folder}", "", "| stage | kind | what it does |", "|---|---|---|"]
        for use in group:
            stage = find_stage(use)
            said = summary(stage).replace("|", "\\|")
            lines.append(f"| [{use}]({use}.md) | {kind_of(stage)} | {said} |")
    return "\n".join(lines) + "\n"


def stale(folder: Path, names: list[str]) -> dict[str, str]:
    """Pages that are not as they should be: stage → `missing`, `no markers` or `out of date`.

    Args:
        folder: `docs/stages`; where it has a README.md, that is the list of the pages, and looked at too.
        names: the stages that must have a page.
    """
    found = {}
    listed = folder / INDEX
    if listed.exists() and listed.read_text(encoding="utf-8") != index():
        found[INDEX] = "out of date"
    for use in names:
        page = folder / f"{use}.md"
        if not page.exists():
            found[use] = "missing"
            continue
        text = page.read_text(encoding="utf-8")
        try:
            if filled(text, use) != text:
                found[use] = "out of date"
        except UserError:
            found[use] = "no markers"
    return found


def fill(folder: Path, names: list[str]) -> list[str]:
    """Write the generated part of every page that is out of date; the names of those written.

    Raises:
        UserError: a page has no marker lines.
    """
    written = []
    for use, fault in stale(folder, names).items():
        if fault == "missing":
            continue
        page = folder / (INDEX if use == INDEX else f"{use}.md")
        text = index() if use == INDEX else filled(page.read_text(encoding="utf-8"), use)
        with whole(page) as draft:
            draft.write_text(text, encoding="utf-8")
        written.append(use)
    return written


def _knob(name: str, field: FieldInfo) -> dict[str, Any]:
    required = field.is_required()
    default = None if required else field.get_default(call_default_factory=True, validated_data={})
    return {
        "name": name,
        "type": type_name(field.annotation),
        "required": required,
        "default": default if isinstance(default, (str, int, float, bool, list, dict, type(None))) else _plain(default),
        "bounds": bounds(field),
        "unit": unit_of(field),
        "help": field.description or "",
        "source": source_of(field),
        "threshold": is_threshold(field),
    }


def type_name(annotation: Any) -> str:
    """A type as a person writes it in a recipe: `int`, `list[str]`, `"a" | "b"`, `path | null`."""
    args = get_args(annotation)
    if annotation is type(None):
        return "null"
    if str(annotation).startswith("typing.Literal"):
        return " | ".join(repr(value).replace("'", '"') for value in args)
    origin = getattr(annotation, "__origin__", None)
    if origin is None and not args:
        name = str(getattr(annotation, "__name__", annotation))
        return {"InputPath": "path", "NoneType": "null", "Any": "any"}.get(name, name)
    if origin in (list, set, frozenset):
        return f"list[{type_name(args[0])}]" if args else "list"
    if origin is tuple:
        return f"list[{' | '.join(dict.fromkeys(type_name(a) for a in args if a is not ...))}]"
    if origin is dict:
        return f"map[{', '.join(type_name(a) for a in args)}]"
    if args and getattr(annotation, "__metadata__", None) is not None:
        return type_name(args[0])
    return " | ".join(dict.fromkeys(type_name(a) for a in args)) or str(annotation)


def bounds(field: FieldInfo) -> str:
    """A knob's bounds: `≥ 0, ≤ 1`, '' where it has none."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = []
    for entry in field.metadata:
        for name, sign in signs.items():
            limit = getattr(entry, name, None)
            if limit is not None:
                found.append(f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {limit:g}")
    return ", ".join(found)


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def _shown(value: Any) -> str:
    """A default as YAML says it."""
    import json

    return "null" if value is None else json.dumps(value, ensure_ascii=False)
