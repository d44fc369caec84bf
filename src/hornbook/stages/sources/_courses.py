"""Outlines of courses: what is asked, what a reply holds, which pages are not worth asking about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hornbook.core.asking import Reply
from hornbook.stages.sources._units import administrative, titled
from hornbook.teachers.json_text import json_in

TITLE, COVERS = 120, 300
"""Most characters of a unit's title, and of what it covers; ours."""
STOCK = [
    r"(this|the) (course|class|seminar|module|lecture)( series)?( is| will| covers| introduces| provides| examines)?",
    r"students will( learn| be able to)?|topics (include|covered|vary)|an? (introduction|overview)( to| of)?",
    r"(may be |can be )?repeat(ed|able) for credit|prerequisites?:?[^.]*|corequisites?:?[^.]*|(course|see) website",
    r"(consent|permission) of (the )?instructor( required)?|instructor consent( required)?|by arrangement",
    r"units?: [\d\-]+",
    r"(terms?|quarters?|semesters?): [^.]*|grading: [^.]*|(open|limited) to [^.]*|cross-?listed[^.]*|tba|tbd|n/?a|none",
    r"本课程(主要)?(介绍|讲授|面向)?|(先修|前置)(课程|要求)[::]?[^。]*|学分[::]?[^。]*|任课教师[::]?[^。]*|待定|无",
]
"""What catalogues say of every course (ours, after Cosmopedia's habit with Stanford's pages)."""

_ASK = {
    "en": "Below is what a catalogue or a person says of a course.\n\n<course>\n{page}\n</course>\n\n"
    "Make the outline of a textbook for it: {least} to {most} units, from the first to the last that a student reads. "
    "Each unit has a short title that names its subject, and one sentence on what it covers. No unit is about the "
    "course itself (teachers, dates, requirements, examinations, reading lists).\n\n"
    'Reply with JSON alone: {{"title": "…", "units": [{{"title": "…", "covers": "…"}}]}}',
    "zh": "下面是课程目录或某人对一门课程的介绍。\n\n<课程>\n{page}\n</课程>\n\n"
    "请为这门课编写一份教材提纲：{least} 到 {most} 个单元，按学生阅读的先后排列。每个单元有一个点明主题的短标题，"
    "和一句说明所讲内容的话。不要写关于课程本身的单元（教师、时间、要求、考试、书目）。\n\n"
    '只回复 JSON：{{"title": "…", "units": [{{"title": "…", "covers": "…"}}]}}',
}
_CHECK = {
    "en": "Here are outlines of courses. Some of their units teach no subject; they are about how the course is run: "
    "its teachers, what one must know or do before, dates, how work is marked, examinations, reading lists. Name the "
    "numbers of those units. Often there are none.\n\n"
    "Course: Roman History\n1. Course staff and office hours\n2. The early Republic\n3. The Punic Wars\n"
    '4. Grading and final exam\nReply: {{"administrative": [1, 4]}}\n\n'
    'Course: Plane Geometry\n1. Points and lines\n2. Triangles\n3. Circles\nReply: {{"administrative": []}}\n\n'
    "Course: {title}\n{units}\nReply:",
    "zh": "下面是几门课程的提纲。其中有些单元并不讲授任何知识，"
    "只涉及课程的管理：教师、先修要求、时间安排、评分、考试、书目。"
    "请给出这些单元的编号，往往一个也没有。\n\n"
    "课程：罗马史\n1. 任课教师与答疑时间\n2. 早期共和国\n3. 布匿战争\n4. 评分与期末考试\n"
    '回复：{{"administrative": [1, 4]}}\n\n'
    '课程：平面几何\n1. 点与线\n2. 三角形\n3. 圆\n回复：{{"administrative": []}}\n\n'
    "课程：{title}\n{units}\n回复：",
}
_AGAIN = {
    "en": "That cannot be used: {fault}. Reply again, with JSON alone, in the form that was asked for.",
    "zh": "这个回复无法使用：{fault}。请按要求的格式重新回复，只回复 JSON。",
}


@dataclass(frozen=True)
class Course:
    """An outline as a reply has it: cleaned, each title once."""

    title: str
    units: tuple[tuple[str, str], ...]


def asked(page: str, language: str, least: int, most: int) -> str:
    """The first request's text."""
    return _ASK[language].format(page=page, least=least, most=most)


def checked(course: Course, language: str) -> str:
    """The second request's text."""
    units = "\n".join(f"{number}. {title}" for number, (title, _) in enumerate(course.units, 1))
    return _CHECK[language].format(title=course.title, units=units)


def again(fault: str, language: str) -> str:
    """What is said to a reply that cannot be used."""
    return _AGAIN[language].format(fault=fault)


def outline_schema(least: int, most: int) -> dict[str, Any]:
    """JSON schema of the first reply."""
    unit = _object({"title": _text(TITLE), "covers": _text(COVERS)})
    units = {"type": "array", "minItems": least, "maxItems": most, "items": unit}
    return _object({"title": _text(TITLE), "units": units})


def check_schema(many: int) -> dict[str, Any]:
    """JSON schema of the second reply: numbers of units."""
    number = {"type": "integer", "enum": list(range(1, many + 1))}
    return _object({"administrative": {"type": "array", "maxItems": many, "items": number}})


def course_in(reply: Reply, least: int, most: int) -> tuple[Course | None, str]:
    """(the outline, ''), or (None, what is wrong). Units without a title, or with an earlier one's, are left out."""
    value, fault = json_in(reply.text, lambda found: isinstance(found, dict) and "units" in found)
    units = value.get("units") if isinstance(value, dict) else None
    if fault or not isinstance(units, list):
        cut = ": it was cut at max_tokens" if reply.finish == "length" else ""
        return None, f"{fault or 'it has no list of units'}{cut}"
    found: dict[str, tuple[str, str]] = {}
    for unit in units:
        given = unit if isinstance(unit, dict) else {"title": unit}
        title = titled(_line(given.get("title"), TITLE))
        if any(char.isalnum() for char in title) and "…" not in title:
            found.setdefault(title.casefold(), (title, _line(given.get("covers"), COVERS)))
    if len(found) < least:
        return None, f"{len(found)} different units, {least} are wanted"
    return Course(_line(value.get("title"), TITLE), tuple(found.values())[:most]), ""


def named_in(reply: Reply, many: int) -> tuple[list[int], str]:
    """(numbers of the units that the reply calls administrative, ''), or ([], what is wrong)."""
    value, fault = json_in(reply.text, lambda found: isinstance(found, dict) and "administrative" in found)
    numbers = value.get("administrative") if isinstance(value, dict) else value
    if fault or not isinstance(numbers, list):
        return [], fault or "it has no list of numbers"
    good = {int(one) for one in numbers if isinstance(one, (int, str)) and str(one).strip().isdecimal()}
    return sorted(number for number in good if 1 <= number <= many), ""


def by_rule(course: Course, patterns: Sequence[str]) -> list[int]:
    """Numbers of the units whose titles name no subject."""
    return [number for number, (title, _) in enumerate(course.units, 1) if administrative(title, patterns)]


def generic(title: str, text: str, stock: Sequence[str]) -> str:
    """Why a page is too little to make an outline of; '' where it is enough.

    Cosmopedia's rules: a description of under 20 characters without stock phrases; none at all, and a title of under
    25. A character of Chinese, Japanese or Korean counts as two.
    """
    described = text[: 4 * 1000]
    if not any(char.isalnum() for char in described):
        return "" if _size(title) >= 25 else f"no description, and a title of {_size(title)} characters < 25"
    left = described
    for pattern in stock:
        left = re.sub(rf"(?i)(?<![^\W_]){pattern}(?![^\W_])" if pattern.isascii() else pattern, " ", left)
    left = " ".join(word for word in re.split(r"[\W_]+", left) if word)
    return "" if _size(left) >= 20 else f"{_size(left)} characters < 20 without stock phrases: {left}"


def _size(text: str) -> int:
    return sum(2 if char >= "\u2e80" else 1 for char in text.strip())


def _line(value: Any, most: int) -> str:
    """A value as one line of at most so many characters, without what Markdown puts around it."""
    said = (
        " ".join(str(value).replace("\x00", " ").split()).strip("*#_` ") if isinstance(value, (str, int, float)) else ""
    )
    return said[:most].rstrip()


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}
