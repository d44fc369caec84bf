"""Children of a topic: what is asked, what a reply holds, and which of them say the same in other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hornbook.core.asking import Reply
from hornbook.stages.sources._units import titled
from hornbook.teachers.json_text import json_in

LONGEST = 80
"""Characters of a topic's name; ours."""
SHOWN = 60
"""Names that the teacher is told not to say again; the last ones, so that a request stays short."""

KINDS = {
    "en": ("broad areas", "topics, each a chapter of a textbook", "subtopics, each a section of a chapter",
           "single concepts, facts or methods, each to be explained on one page"),
    "zh": ("大的领域", "主题，每个可以写成教材的一章", "子主题，每个可以写成一节",
           "具体的概念、事实或方法，每个可以用一页讲清楚"),
}  # fmt: skip
"""What is below a node of level 0, 1, 2 and more: domain → topic → subtopic → concept (phi-1.5, Cosmopedia)."""
_ASK = {
    "en": "Name {many} {kind}, that belong to: {topic}.{within}{without}\n"
    "Together they shall cover the whole of it, also what is seldom thought of. Each name has 1 to 6 words, stands on "
    'its own, and differs in meaning from all others.\n\nReply with JSON alone: {{"topics": ["…", "…"]}}',
    "zh": "请列出属于“{topic}”的 {many} 个{kind}。{within}{without}\n"
    "合在一起要覆盖它的全部内容，包括不常想到的部分。每个名称不超过 15 个字，单独看也能明白，含义各不相同。\n\n"
    '只回复 JSON：{{"topics": ["…", "…"]}}',
}
_WITHIN = {"en": " It is a part of {path}.", "zh": "它属于：{path}。"}
_WITHOUT = {"en": "\nNot these, which are known already: {names}.", "zh": "\n不要重复以下已有的：{names}。"}


@dataclass
class Grown:
    """What the replies of a row have come to.

    Args:
        names: children, each another one by letters and by meaning.
        rounds: replies that were of use.
        stale: replies in a row that brought nothing new, or nothing at all.
        alike: names that were left out for their meaning.
        error, detail: a failure after which nothing more is asked.
    """

    names: list[str] = field(default_factory=list)
    rounds: int = 0
    stale: int = 0
    alike: int = 0
    error: str = ""
    detail: str = ""


def asked(topic: str, path: Sequence[str], many: int, known: Sequence[str], language: str) -> str:
    """A request's text.

    Args:
        topic: the node's name.
        path: names above it, from the domain on; its own last.
        many: how many names are wanted.
        known: names that are there already.
        language: en or zh.
    """
    kinds = KINDS[language]
    kind = kinds[min(max(len(path), 1), len(kinds) - 1)]
    above = (" › " if language == "en" else "、").join(path[:-1])
    within = _WITHIN[language].format(path=above) if above else ""
    names = ("; " if language == "en" else "、").join(known[-SHOWN:])
    without = _WITHOUT[language].format(names=names) if known else ""
    return _ASK[language].format(many=many, kind=kind, topic=topic, within=within, without=without)


def schema_of(many: int) -> dict[str, Any]:
    """JSON schema of a reply."""
    name = {"type": "string", "minLength": 2, "maxLength": LONGEST}
    names = {"type": "array", "minItems": 1, "maxItems": many, "items": name}
    return {"type": "object", "properties": {"topics": names}, "required": ["topics"], "additionalProperties": False}


def names_in(reply: Reply) -> tuple[list[str], str]:
    """(names as they came, cleaned, ''), or ([], what is wrong)."""
    value, fault = json_in(reply.text, lambda found: isinstance(found, (dict, list)))
    if fault:
        return _cut_off(reply), fault
    given = value
    if isinstance(value, dict):
        lists = [one for one in (value.get("topics"), *value.values()) if isinstance(one, list)]
        given = lists[0] if lists else []
    if not isinstance(given, list):
        return [], "it has no list of names"
    found = []
    for one in given:
        said = (
            next((one[key] for key in ("name", "title", "topic", "text") if one.get(key)), "")
            if isinstance(one, dict)
            else one
        )
        name = clean(said)
        if name:
            found.append(name)
    return found, "" if found else "no name in it"


def clean(given: Any) -> str:
    """A topic's name on one line; '' where it is none: no letters, mostly other signs, a word three times."""
    if not isinstance(given, str):
        return ""
    name = titled(" ".join(given.replace("\x00", " ").split()).strip("*#_`\"'“”-•· ")).rstrip(".。;；,，:： ")
    words = name.casefold().split()
    letters = sum(char.isalpha() for char in name)
    babbled = letters < 0.6 * len("".join(words)) or any(words.count(word) > 2 for word in words) or "…" in name
    return name if 2 <= len(name) <= LONGEST and letters and not babbled else ""


def _cut_off(reply: Reply) -> list[str]:
    """The whole names of a list that broke off at the reply's end."""
    start, end = reply.text.find("["), reply.text.rfind('",')
    if reply.finish != "length" or not 0 <= start < end:
        return []
    value, fault = json_in(reply.text[start : end + 1] + "]")
    return [name for one in value if (name := clean(one))] if not fault and isinstance(value, list) else []


class Meanings:
    """Names, and which new ones are like one of them: by folded letters first, then by the cosine of their vectors.

    An `epsilon` of 0 leaves the vectors out.
    """

    def __init__(self, embedding: str, epsilon: float, given: Sequence[str]) -> None:
        from hornbook.kernels.embedders import embedder

        self._embed, self._least = embedder(embedding) if epsilon else None, 1.0 - epsilon
        self._folded = {folded(name) for name in given}
        self._vectors = np.zeros((0, 1), np.float32) if self._embed is None else self._embed(_column(given))

    def fresh(self, names: Sequence[str]) -> tuple[list[str], int]:
        """(those that are new, how many were left out for their meaning alone); the new ones are known from now on."""
        first: dict[str, str] = {}
        for name in names:
            first.setdefault(folded(name), name)
        some = [name for form, name in first.items() if form not in self._folded]
        if self._embed is None or not some:
            self._folded |= set(first)
            return some, 0
        vectors = self._embed(_column(some))
        kept: list[int] = []
        known: NDArray[np.float32] = self._vectors
        for at in range(len(some)):
            if not known.shape[0] or float((known @ vectors[at]).max()) < self._least:
                kept.append(at)
                known = np.concatenate([known, vectors[at : at + 1]]) if known.shape[0] else vectors[at : at + 1]
        self._vectors = known
        self._folded |= {folded(some[at]) for at in kept}
        return [some[at] for at in kept], len(some) - len(kept)


def _column(names: Sequence[str]) -> Any:
    return pa.array(list(names), pa.string())


def folded(name: str) -> str:
    """A name without letter case, spaces, hyphens, and a plural's s."""
    words = [word.removesuffix("s") if len(word) > 3 else word for word in name.casefold().replace("-", " ").split()]
    return "".join(words)
