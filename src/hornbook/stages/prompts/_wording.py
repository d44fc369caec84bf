"""Wordings: how one language speaks to and of each audience, and what all its templates share.

A wording is a YAML file:

    language: en
    audiences:                      # as many as one likes, each with the same slots
      middle_school:
        reader: [a twelve-year-old who …, someone in the seventh grade who …]
    phrases:                        # said to every audience, in one of several ways
      manners: [Begin with the matter itself …, …]
    parts:                          # pieces of template that `{% part NAME %}` puts in
      extract: |
        {% if extract %} … {% endif %}

Every slot of `audiences` and `phrases` is a list of alternatives of one meaning; a prompt gets one of them by its
draw. They are plain text, never evaluated; `parts` are templates. Files of one language are laid over each other,
later ones last: shared, the stage's, the user's. Shipped ones are `templates/LANGUAGE/_wording.yaml` and
`templates/LANGUAGE/STAGE/_wording.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import UserError

Slots = dict[str, list[str]]


class WordingFile(BaseModel):
    """What a wording file may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    language: str = Field(min_length=1)
    audiences: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    phrases: dict[str, list[str]] = Field(default_factory=dict)
    parts: dict[str, str] = Field(default_factory=dict)


@dataclass
class Wording:
    """All wordings of one language.

    Args:
        language: its code.
        audiences: audience → slot → alternatives.
        phrases: slot → alternatives.
        parts: name → template text.
        files: what it was read from.
    """

    language: str
    audiences: dict[str, Slots] = field(default_factory=dict)
    phrases: Slots = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def lay(self, file: WordingFile, path: str) -> None:
        """Put a file's words over those that there are."""
        for audience, slots in file.audiences.items():
            self.audiences.setdefault(audience, {}).update(slots)
        self.phrases.update(file.phrases)
        self.parts.update(file.parts)
        self.files.append(path)


def read_wording(path: Path) -> WordingFile:
    """A wording file.

    Raises:
        UserError: it is not YAML, or says something a wording cannot; with file and line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    values = load_yaml(text, str(path), 0, fast=True)
    try:
        file = WordingFile.model_validate(values)
    except ValidationError as error:
        raise mistake(error, path, load_yaml(text, str(path), 0), 0, "wording") from None
    for audience, slots in [*file.audiences.items(), ("phrases", file.phrases)]:
        empty = [slot for slot, said in slots.items() if not said or not all(one.strip() for one in said)]
        if empty:
            raise UserError(
                f"wording `{audience}.{empty[0]}` has an empty alternative, or none",
                where=str(path),
                fix="a list of texts, each a way to say the same",
            )
    return file


def load_yaml(text: str, where: str, before: int, *, fast: bool = False) -> Any:
    """The values of a YAML text.

    Args:
        text: YAML.
        where: the file, for errors.
        before: lines in front of it in the file.
        fast: without the places of keys.

    Raises:
        UserError: it is not YAML; with the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe" if fast else "rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = before + (mark.line + 1 if mark else 1)
        raise UserError(
            f"not YAML: {error.problem}", where=f"{where}:{line}", fix="see yaml.org; mind colons"
        ) from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"not YAML: {str(error)[:200]}", where=f"{where}:{before + 1}", fix="see yaml.org") from None


def mistake(error: ValidationError, path: Path, values: Any, before: int, what: str) -> UserError:
    """The first thing wrong with a file's YAML, with its line where that can be told."""
    first = error.errors()[0]
    names = [str(part) for part in first["loc"]]
    known = ", ".join(("language", "audiences", "phrases", "parts") if what == "wording" else ())
    says = {
        "missing": "is missing",
        "extra_forbidden": "is unknown" + (f"; there are {known}" if known else ""),
    }.get(first["type"], f"is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}")
    line = line_of(values, first["loc"]) + before
    return UserError(
        f"{what}: `{'.'.join(names) or what}` {says}",
        where=f"{path}:{line}",
        fix=f"see the {what}s shipped, docs/prompts.md",
    )


def line_of(values: Any, place: Sequence[int | str]) -> int:
    """The line (from 1) of a value in YAML read with places; of what holds it where it has none."""
    line = 1
    for name in place:
        at = getattr(values, "lc", None)
        try:
            found = at.key(name) if isinstance(values, Mapping) else at.item(name)  # type: ignore[union-attr]
            line, values = found[0] + 1, values[name]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return int(line)
