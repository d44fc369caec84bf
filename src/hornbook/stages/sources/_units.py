"""Titles of units: without their numbers, and which of them name no subject."""

from __future__ import annotations

import re
from collections.abc import Sequence

ADMINISTRATIVE = [
    r"preface|foreword|copyright.*|dedication|imprint|colophon|title page|front ?matter|back ?matter|errata",
    r"(table of )?contents|((subject|author|name) )?index|index of (names|subjects|terms)",
    r"list of (figures|tables|symbols)|glossary|key terms",
    r"acknowledge?ments?|(about|for|note to) the (authors?|instructors?|teachers?|students?|book|course)|contributors",
    r"answers?( key)?|answers to .*|solutions?( manual)?|answer key.*",
    r"references|bibliography|works cited|further reading|(suggested|recommended) (reading|resources)s?|credits",
    r"(chapter |end.of.chapter )?(exercises|review( questions)?|problems|quiz(zes)?|test prep|assessments?)|homework",
    r"(mid-?term|final|practice) (exam|test|quiz)s?|syllabus|schedule|grading( policy)?|prerequisites|office hours",
    r"(chapter|unit|section|lesson) (summary|review|outline|objectives)|learning (objectives|outcomes)",
    r"前言|序言?|序|目录|索引|附录.*索引|版权.*|致谢|参考文献|参考书目|答案.*|习题(答案)?|术语表|词汇表|后记|编者的话|作者简介",
    r"课程(大纲|安排|介绍)|考核方式|先修课程|期[中末]考试|本章(小结|习题|总结)|复习题|练习题?",
]
"""Titles that name no subject. Ours; Cosmopedia removed the like by hand and by asking a teacher."""
_NUMBERING = re.compile(
    r"^\s*(?:(?:chapter|unit|part|section|lesson|module|week|lecture|appendix)\s+(?:\d+(?:\.\d+)*|[ivxlc]+|[a-z])"
    r"(?:\s*[:.\-–—)]\s*|\s+(?=\S))|\d+(?:\.\d+)+[.)]?\s+|\d+[.)]\s+|\d+[.、)．](?=[\u4e00-\u9fff])|第[\d零一二三四五六七八九十百]+[章节節课課讲講部分单元篇]+[::、\s]*)",
    re.IGNORECASE,
)
LONGEST = 300
"""Characters of a title; longer ones are text that got there by mistake."""


def titled(title: str) -> str:
    """A title without its number: `2.1 Vectors`, `Chapter 3: Forces`, `第一章 运动`."""
    said = " ".join(title.split())
    return _NUMBERING.sub("", said, count=1) or said if len(said) <= LONGEST else said


def administrative(title: str, patterns: Sequence[str]) -> str:
    """The first pattern that the whole title fits, letter case and marks at its ends aside; '' where none does."""
    plain = title.casefold().strip(" .:：。")
    return next((pattern for pattern in patterns if re.fullmatch(pattern, plain)), "")


def patterns(value: list[str]) -> list[str]:
    """The patterns, where all are regular expressions.

    Raises:
        ValueError: one is none.
    """
    for pattern in value:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no pattern: {error}") from error
    return value
