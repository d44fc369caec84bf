"""Signatures proposed for a topic: what is asked, what a reply holds, how far a row has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hornbook.core.asking import Reply
from hornbook.kernels.signatures import Signature, meaning_of, signature_in
from hornbook.stages.sources._asking import FINAL
from hornbook.teachers.json_text import json_in

SHOWN = 60
"""Names that the teacher is told not to say again; the last ones, so that a request stays short."""
_LINES = 400
"""Lines of a reply that are looked at; ours."""
_LEVEL = {
    "en": {
        "easy": "one step of thought each, a loop or a condition",
        "medium": "two or three steps that work together, with an edge case",
        "hard": "an algorithm to be found, several cases, some twenty lines",
    },
    "zh": {
        "easy": "每个只需要一步思考，一个循环或一个条件",
        "medium": "需要两三步配合，并且有边界情况",
        "hard": "需要想出算法，情况较多，约二十行代码",
    },
}
_ASK = {
    "en": "Propose {many} Python functions that a student could write as exercises about {topic}. Difficulty: {level} "
    "({what}).{without}\n"
    "Each has a name in snake_case of two to six words that says exactly what it does, parameters and a result with "
    "types, built-in types alone. It returns its result and neither prints nor reads files, time or random numbers. "
    "All differ in what they do.\n\n"
    'Reply with JSON alone: {{"functions": ["def name(first: int, second: list[int]) -> bool:", "…"]}}',
    "zh": "请提出 {many} 个 Python 函数，作为关于“{topic}”的编程练习。难度：{level}（{what}）。{without}\n"
    "每个函数名用 snake_case，由两到六个英文单词组成，准确说明功能；参数和返回值都写出类型，只用内置类型。"
    "函数返回结果，不打印，也不读文件、时间或随机数。各个函数的功能互不相同。\n\n"
    '只回复 JSON：{{"functions": ["def name(first: int, second: list[int]) -> bool:", "…"]}}',
}
_NAMED = {"en": {}, "zh": {"easy": "简单", "medium": "中等", "hard": "困难"}}
_WITHOUT = {"en": "\nNot these, which are known already: {names}.", "zh": "\n不要重复以下已有的：{names}。"}


@dataclass
class Proposed:
    """What the replies of a row have come to.

    Args:
        found: (difficulty, signature), each of another meaning.
        at: which difficulty is asked for now; as many as there are: all done.
        mine: found for it. asked, stale: replies for it; those in a row that brought nothing new.
        alike: signatures left out because a name means the same. rounds: replies with a signature in them.
        error, detail: a failure after which nothing more is asked.
    """

    found: list[tuple[str, Signature]] = field(default_factory=list)
    at: int = 0
    mine: int = 0
    asked: int = 0
    stale: int = 0
    alike: int = 0
    rounds: int = 0
    error: str = ""
    detail: str = ""

    def names(self) -> list[str]:
        """The names so far."""
        return [signature.name for _, signature in self.found]


def asked(topic: str, level: str, many: int, known: Sequence[str], language: str) -> str:
    """A request's text."""
    names = ", ".join(known[-SHOWN:])
    without = _WITHOUT[language].format(names=names) if known else ""
    said = _NAMED[language].get(level, level)
    return _ASK[language].format(many=many, topic=topic, level=said, what=_LEVEL[language][level], without=without)


def schema_of(many: int) -> dict[str, Any]:
    """JSON schema of a reply."""
    one = {"type": "string", "minLength": 8, "maxLength": 160}
    some = {"type": "array", "minItems": 1, "maxItems": many, "items": one}
    return {
        "type": "object",
        "properties": {"functions": some},
        "required": ["functions"],
        "additionalProperties": False,
    }


def signatures_in(reply: str) -> list[Signature]:
    """The signatures in a reply, in their order: in its JSON, else one a line, whatever stands around them."""
    value, fault = json_in(reply, lambda found: isinstance(found, (dict, list)))
    lines = [] if fault else [line for line in _strings(value) if "(" in line]
    found = [one for line in (lines or reply.splitlines())[:_LINES] if (one := signature_in(line))]
    return found or [one for line in reply.splitlines()[:_LINES] if (one := signature_in(line))]


def replay(replies: Sequence[Reply], levels: Sequence[str], each: int, rounds: int, stale: int) -> Proposed:
    """What some replies have come to: a difficulty after the other, each to its number, or until nothing is new."""
    done = Proposed()
    known: set[str] = set()
    for reply in replies:
        if reply.error in FINAL and not (reply.error == "length" and reply.text):
            done.error, done.detail = reply.error or "", reply.detail
            break
        given = signatures_in(reply.text)
        done.rounds += bool(given)
        done.detail = "" if given else "no signature in it"
        before = done.mine
        for one in given:
            meaning = meaning_of(one.name)
            if done.mine >= each or meaning in known:
                done.alike += meaning in known
                continue
            known.add(meaning)
            done.found.append((levels[done.at], one))
            done.mine += 1
        done.asked += 1
        done.stale = 0 if done.mine > before else done.stale + 1
        if done.mine >= each or done.asked >= rounds or done.stale >= stale:
            done.at, done.mine, done.asked, done.stale = done.at + 1, 0, 0, 0
            if done.at >= len(levels):
                break
    return done


def _strings(value: Any) -> list[str]:
    """The texts in a value of JSON, some levels deep; of an object with a name its name, parameters and result."""
    found: list[str] = []
    below = [(value, 0)]
    while below and len(found) < _LINES:
        one, depth = below.pop(0)
        if isinstance(one, str):
            found.append(one)
        elif depth < 4 and isinstance(one, (list, dict)):
            below += [(inner, depth + 1) for inner in (one if isinstance(one, list) else one.values())]
    return found
