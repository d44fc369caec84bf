"""What every family of prompt templates must keep, whoever it is written for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hornbook.core.stage import Source
from hornbook.engine.linting.prompts import PromptChecks
from hornbook.stages.prompts._catalogue import find_wording
from tests.stages.sources.given import Given, read_given

_HOW = ("Fast", "Old", "Deep", "Warm", "Loud", "Thin", "Wild", "Dry", "Soft", "Red")
_WHAT = ("rivers", "laws", "engines", "songs", "cells", "maps", "coins", "bridges", "winds", "gods")
TOPICS = [f"{how} {what}" for how in _HOW for what in _WHAT]
HAN = [a + b for a in "水火山石土木光电热声" for b in "法学史力车船画桥器律"]
_GLUED = re.compile(r"[a-z][.!?:;,][A-Z]|[a-z]\"[A-Z]|  ")
_NARROW = re.compile(r"[\u4e00-\u9fff][,:;?!()]|[,;?!()][\u4e00-\u9fff]")


def seeds(topics: Iterable[str]) -> list[dict[str, Any]]:
    """Seeds that are nothing but a topic."""
    return [{"id": f"t{at}", "text": topic, "origin": f"test:{at}"} for at, topic in enumerate(topics)]


def built(stage: Source, folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All prompts of a stage, none dropped."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    good, bad = read_given(stage, Given(folder, [{n: row.get(n) for n in names} for row in rows], part=64, group=64))
    assert bad == []
    return good


def is_clean(row: dict[str, Any]) -> None:
    """Nothing unfilled, nothing glued together, punctuation of its language."""
    prompt = row["prompt"]
    assert not re.search(r"\{\{|\}\}|\{%|%\}|\bNone\b", prompt), prompt
    assert "\n\n\n" not in prompt
    if row["prompts.language"] == "zh":
        assert not _NARROW.search(prompt), f"narrow punctuation: {_NARROW.search(prompt)}\n{prompt}"
        assert not re.search(r"[\u4e00-\u9fff] [\u4e00-\u9fff]", prompt), prompt
    else:
        assert not _GLUED.search(prompt), f"{_GLUED.search(prompt)}\n{prompt}"
        assert not re.search(r"[\u4e00-\u9fff]", prompt), prompt


def share_alike(prompts: list[str]) -> float:
    """The share of prompts that are near-identical to an earlier one, as `hornbook lint` counts it."""
    checks = PromptChecks("prompts", len(prompts), 0, 0)
    for at in range(0, len(prompts), 1000):
        some: list[str | None] = list(prompts[at : at + 1000])
        checks.piece(some, [0] * len(some), [True] * len(some))
    names = [str(at) for at in range(len(prompts))]
    found = checks.findings(lambda rows: [names[r] for r in rows], lambda rows: {r: prompts[r] for r in rows})
    return sum(one.count for one in found if one.check == "duplicates") / len(prompts)


def audiences_differ(stage: str, language: str, names: Iterable[str]) -> None:
    """Each audience has words of its own for every slot, no alternative twice, all of some length."""
    said = find_wording(stage, language).audiences
    slots = {slot for name in names for slot in said[name]}
    for slot in slots:
        every = [one for name in names for one in said[name].get(slot, [])]
        assert len(set(every)) == len(every), f"{slot}: two audiences share an alternative"
