"""Rubrics: what a judge is told, as a YAML file of the user's; and how a request is worded in a language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hornbook.core.errors import UserError
from hornbook.core.knobs import local_path

SLOT = "{document}"
WIDEST = 20
"""Steps of the widest scale: what judges say is counted as a table of score against score."""
REASONS = 200
"""Fewest tokens that reasons take."""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "by": "Score it by:",
        "from": "from {low} to {high}",
        "one of": "one of {choices}",
        "prompt": "This was asked for:",
        "text": "This is the text:",
        "first": "Text 1:",
        "second": "Text 2:",
        "reasons": 'Write what you think of it in a few sentences under "reasons", then the scores.',
        "reply": "Reply with JSON alone: {form}",
        "better": 'Which is better? "1", "2", or "tie" where neither is.',
        "again": "That cannot be used: there is no {names} on its scale in it. Reply with JSON alone: {form}",
    },
    "zh": {
        "by": "按以下各项打分：",
        "from": "从 {low} 到 {high}",
        "one of": "从 {choices} 中选一个",
        "prompt": "这是要求：",
        "text": "这是文字：",
        "first": "文字 1：",
        "second": "文字 2：",
        "reasons": "先在 “reasons” 里用几句话写出你的看法，再给分。",
        "reply": "只用 JSON 回答：{form}",
        "better": "哪一篇更好？“1”、“2”，不分上下则用 “tie”。",
        "again": "这个回答不能用：里面没有合乎范围的 {names}。只用 JSON 回答：{form}",
    },
}


class Criterion(BaseModel):
    """One thing a judge scores: a scale of whole numbers, or choices in order, the first counting 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    asks: str = Field(min_length=1)
    lowest: int = 1
    highest: int = 5
    choices: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be(self) -> Criterion:
        if self.name == "reasons":
            raise ValueError("a criterion cannot be called `reasons`")
        if self.choices and len(self.choices) < 2:
            raise ValueError(f"{self.name}: one choice is none")
        if not self.choices and not 0 < self.highest - self.lowest <= WIDEST:
            raise ValueError(f"{self.name}: a scale from {self.lowest} to {self.highest}; at most {WIDEST} steps")
        return self

    @property
    def values(self) -> list[int]:
        """What a mark can be, lowest first."""
        return list(range(1, len(self.choices) + 1) if self.choices else range(self.lowest, self.highest + 1))

    def labels(self) -> list[str]:
        """The values as a person reads them."""
        if self.choices:
            return [f"{key}: {said}" for key, said in self.choices.items()]
        return [str(value) for value in self.values]

    def bound(self) -> dict[str, Any]:
        """JSON schema of what a judge may say."""
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        return {"type": "integer", "enum": self.values}

    def read(self, said: Any) -> float | None:
        """A mark of what a judge said; None where it is off the scale."""
        if self.choices:
            if not isinstance(said, str):
                return None
            word = re.match(r"\W*(\w+)", said)
            keys = [key.casefold() for key in self.choices]
            return float(keys.index(word[1].casefold()) + 1) if word and word[1].casefold() in keys else None
        if isinstance(said, str):
            number = re.fullmatch(r"\s*(-?\d{1,6}(?:\.\d{1,6})?)\s*(?:/\s*\d+\s*)?", said)
            said = float(number[1]) if number else None
        if isinstance(said, bool) or not isinstance(said, (int, float)):
            return None
        return float(said) if self.lowest <= said <= self.highest else None


class Rubric(BaseModel):
    """What a judge is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    about: str = ""
    language: str = "en"
    tells: str
    marker: str = ""
    """Where set, prompt and text are shown as one text with the marker between them."""
    needs_prompt: bool = False
    criteria: tuple[Criterion, ...] = ()
    words: dict[str, str] = Field(default_factory=dict)
    """Wordings of a language that is not shipped, by the names of `WORDS`."""

    @model_validator(mode="after")
    def _can_be(self) -> Rubric:
        if self.tells.count(SLOT) != 1:
            raise ValueError(f"tells: {SLOT} stands {self.tells.count(SLOT)} times in it; write it once")
        names = [one.name for one in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError("two criteria have one name")
        if unknown := sorted(self.words.keys() - WORDS["en"].keys()):
            raise ValueError(f"words: {', '.join(unknown)} unknown; there are {', '.join(WORDS['en'])}")
        return self

    def say(self, what: str, **values: str) -> str:
        """A wording in the rubric's language (in English where it has none), filled in."""
        found = self.words.get(what) or WORDS.get(self.language, WORDS["en"])[what]
        for name, value in values.items():
            found = found.replace("{" + name + "}", value)
        return found

    def whole(self, shown: str, *, turned: bool = False) -> str:
        """What the judge is told with what it judges in its place, or before all of it where `turned`."""
        before, _, after = self.tells.partition(SLOT)
        parts = [shown, after, before] if turned else [before, shown, after]
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def listed(self, criteria: Sequence[Criterion], *, down: bool = False) -> str:
        """The criteria as a list; with `down` the scales are worded from their upper end."""
        lines = [self.say("by")]
        for one in criteria:
            if one.choices:
                pairs = list(one.choices.items())[:: -1 if down else 1]
                scale = self.say("one of", choices="; ".join(f"{key} ({said})" for key, said in pairs))
            else:
                ends = [str(one.lowest), str(one.highest)][:: -1 if down else 1]
                scale = self.say("from", low=ends[0], high=ends[1])
            lines.append(f"- {one.name} ({scale}): {' '.join(one.asks.split())}")
        return "\n".join(lines)


def possible(label: str, reasons: bool, max_tokens: int) -> None:
    """Refuse knobs of a judge that cannot be.

    Raises:
        ValueError: a label that cannot be part of a column's name, or no room for reasons.
    """
    if label and not all(letter.isalnum() or letter in "_-" for letter in label):
        raise ValueError(f"label: {label!r}: letters, digits, _ and - alone")
    if reasons and max_tokens < REASONS:
        raise ValueError(f"reasons do not fit in max_tokens: {max_tokens}; set it to 400")


def read_rubric(path: str) -> Rubric:
    """A rubric from its file.

    Raises:
        UserError: it cannot be read, is no YAML, or is no rubric.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    fix = "name, tells (with {document} once in it), criteria: [{name, asks, lowest, highest}]; docs/judging.md"
    try:
        data = YAML(typ="safe", pure=True).load(Path(local_path(path)).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the rubric: {error}", where=path, fix="rubric: a YAML file") from error
    except YAMLError as error:
        raise UserError(f"the rubric is no YAML: {' '.join(str(error).split())[:300]}", where=path, fix=fix) from error
    if not isinstance(data, Mapping):
        raise UserError("the rubric is no mapping", where=path, fix=fix)
    try:
        return Rubric.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UserError(
            f"the rubric is wrong: {place}: {first['msg']}".replace(": : ", ": "), where=path, fix=fix
        ) from error


def fenced(tag: str, text: str) -> str:
    """A text between tags that do not occur in it: what is judged cannot end its own quotation."""
    while f"{tag}>" in text:
        tag += "_"
    return f"<{tag}>\n{text}\n</{tag}>"
