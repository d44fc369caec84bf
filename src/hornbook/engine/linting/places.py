"""Where a lint's findings stand: the file and the line to look at."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from hornbook.core.knobs import InputPath, local_path
from hornbook.engine.linting.findings import Finding
from hornbook.engine.recipe import Recipe, Step, ancestors

TEXTS = (".jsonl", ".json", ".txt", ".md", ".csv", ".tsv", ".yaml", ".yml")
MOST_LINES = 1_000_000
"""Lines of a file that are looked at."""
_QUOTED = re.compile(r"“(.*)”", re.DOTALL)


def placed(finding: Finding, recipe: Recipe) -> Finding:
    """The same with its place: `FILE:LINE`.

    A fault of a list stands at the item (of one that is there twice, at the second), or at the list's knob. A fault
    of a prompt stands where its variable is written, in the recipe or in a text file that a step above reads; else
    at that file's line with the prompt's id; else at the step that makes the prompts, and one of lengths at the step
    that asks.
    """
    step = next((step for step in recipe.steps if step.name == finding.step), None)
    if step is None:
        return finding
    if finding.check == "lists":
        return replace(finding, where=_listed(finding, recipe, step))
    if finding.check == "system":
        return replace(finding, where=_in_step(recipe, step, _said(finding)) or _line(recipe, step))
    return replace(finding, where=_prompted(finding, recipe, step))


def _listed(finding: Finding, recipe: Recipe, step: Step) -> str:
    """The line of the first item named, after the line of the list's knob."""
    knob = re.split(r"[.\[ ]", finding.what, maxsplit=1)[0]
    item = finding.examples[0].split(" = ")[0].split(" holds ")[0] if finding.examples else ""
    first, last = _range(recipe, step)
    at = 0
    for number, line in _numbered(Path(recipe.source)):
        if not first <= number < last:
            continue
        if not at and re.search(rf"\b{re.escape(knob)}\s*:", line):
            at = number
        if at and item and item in line:
            found = number
            if finding.what.endswith("twice"):
                found = _again(recipe, item, number, last) if line.count(item) < 2 else number
            return f"{recipe.source}:{found}"
    return f"{recipe.source}:{at}" if at else _line(recipe, step)


def _again(recipe: Recipe, item: str, first: int, last: int) -> int:
    """The next line that holds an item; the first where there is none."""
    return next((n for n, line in _numbered(Path(recipe.source)) if first < n < last and item in line), first)


def _prompted(finding: Finding, recipe: Recipe, step: Step) -> str:
    above = ancestors(step.above, recipe.steps)
    files = [file for source in above for file in _files(source)]
    name = re.split(r" “| holds ", finding.examples[0], maxsplit=1)[0] if finding.examples else ""
    if finding.check == "unfilled" and (said := _said(finding)):
        for source in above:
            if place := _in_step(recipe, source, said):
                return place
        for file in files:
            if place := _first(file, partial(_holds, said)):
                return place
    for file in files if name else ():
        quoted = json.dumps(name, ensure_ascii=False)
        if place := _first(file, partial(_holds, quoted)):
            return place
    maker = step if finding.check == "length" or not above else above[-1]
    return _line(recipe, maker)


def _said(finding: Finding) -> str:
    found = _QUOTED.search(finding.examples[0]) if finding.examples else None
    return found.group(1) if found else ""


def _holds(text: str, line: str) -> bool:
    return text in line


def _in_step(recipe: Recipe, step: Step, text: str) -> str:
    """The line of a step that holds a text; '' where none does."""
    first, last = _range(recipe, step)
    found = (n for n, line in _numbered(Path(recipe.source)) if first <= n < last and text and text in line)
    number = next(found, 0)
    return f"{recipe.source}:{number}" if number else ""


def _first(file: Path, holds: Callable[[str], bool]) -> str:
    return next((f"{file}:{number}" for number, line in _numbered(file) if holds(line)), "")


def _line(recipe: Recipe, step: Step) -> str:
    return f"{recipe.source}:{step.line}" if step.line else recipe.source


def _range(recipe: Recipe, step: Step) -> tuple[int, int]:
    """The first line of a step, and that of the next."""
    later = [other.line for other in recipe.steps if other.line > step.line]
    return step.line, min(later, default=MOST_LINES)


def _files(step: Step) -> Iterator[Path]:
    """The text files that a step's knobs name."""
    for name in type(step.stage).model_fields:
        value: Any = getattr(step.stage, name)
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, InputPath):
                path = Path(local_path(one))
                if path.suffix in TEXTS and path.is_file():
                    yield path


def _numbered(file: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a text file; nothing of one that cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from islice(enumerate(lines, 1), MOST_LINES)
    except OSError:
        return
