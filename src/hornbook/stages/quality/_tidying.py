"""Replies to prompts.rephrase, tidied: without what models put around a text, and as the pairs or items they hold."""

from __future__ import annotations

import re

_PREFACE = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok|absolutely|here(?:'s|\u2019s| is| are)|below (?:is|are)|the following)"
    r"[^\n]{0,200}?:[ \t]*(?:\n|\Z)"
    r"|(?:sure|certainly|of course|okay|ok|absolutely)[!,.][ \t]*(?=here|below|the )[^\n]{0,200}?:\s*"
    r"|here(?:'s|\u2019s| is| are)[^\n:]{0,120}?(?:version|text|paraphrase|passage|summary|list|facts|rewrite|questions"
    r"(?: and answers)?)[^\n:]{0,60}?:\s*"
    r"|(?:paraphrased|rewritten|condensed|concise|distilled|revised|encyclop(?:a?e)dic)"
    r"(?: (?:text|version|passage|paraphrase))?:\s*"
    "|(?:\u597d\u7684|\u5f53\u7136)[\uff0c,\u3002\uff01!]\\s*"
    "|(?:\u4ee5\u4e0b|\u4e0b\u9762)(?:\u662f|\u4e3a)[^\n\uff1a:]{0,60}[\uff1a:]\\s*"
    "|(?:\u6539\u5199|\u538b\u7f29|\u7cbe\u7b80|\u7cbe\u70bc)(?:\u540e|\u7248)?(?:\u7684)?(?:\u6587\u5b57|\u6587\u672c|"
    "\u5185\u5bb9|\u7248\u672c)?[\uff1a:]\\s*)",
    re.IGNORECASE,
)
"""What a reply begins with that is not what was asked for."""
_CLOSING = re.compile(
    r"\n\s*(?:i hope (?:this|that|it)|(?:please )?let me know|feel free to|is there anything|would you like|"
    "if you (?:need|have any)|\u5e0c\u671b(?:\u8fd9|\u4ee5\u4e0a|\u5bf9)|"
    "\u5982\u679c(?:\u60a8|\u4f60)(?:\u8fd8|\u6709|\u9700)|\u5982\u6709)[^\n]{0,300}\\Z",
    re.IGNORECASE,
)
_FENCED = re.compile(r"\A```[^\n]{0,20}\n(.*?)\n?```\Z", re.DOTALL)
_BOLD = re.compile(r"(\*\*|__)(?=\S)([^\n*_]{1,400}?)(?<=\S)\1")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]*(?:passage|text)(?:[ \t]*\d{1,3})?:[ \t]*", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(r"\n[ \t]*\n[ \t\n]*")
_QUESTION = re.compile(
    "^[ \\t]*(?:[-*\u2022]|\\d{1,3}[.)\u3001])?[ \\t]*(?:question|q|\u95ee\u9898|\u95ee)[ \\t]*\\d{0,3}"
    "[ \\t]*[:\uff1a.][ \\t]*",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    "^[ \\t]*(?:[-*\u2022])?[ \\t]*(?:answer|a|\u7b54\u6848|\u56de\u7b54|\u7b54)[ \\t]*\\d{0,3}[ \\t]*[:\uff1a][ \\t]*",
    re.IGNORECASE,
)
_ITEM = re.compile("^[ \\t]{0,8}(?:[-*\u2022\u00b7\u2013]|\\d{1,3}[.)\u3001\uff09])[ \\t]*(?=\\S)")
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u300c": "\u300d", "'": "'"}
_LONGEST = 200_000
"""Characters of a reply that are looked at: none that was asked for is longer."""


def plain(text: str) -> str:
    """A reply without thoughts, fences, preface, closing remark, Markdown's marks and quotes around all of it."""
    text = text[:_LONGEST].rpartition("</think>")[2].strip().removeprefix("\ufeff")
    fenced = _FENCED.match(text)
    text = fenced[1].strip() if fenced else text
    text = _HEADING.sub("", _BOLD.sub(r"\2", text))
    text = _CLOSING.sub("", _PREFACE.sub("", _PREFACE.sub("", text.strip()).lstrip())).strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return _BLANK.sub("\n\n", text)


def passage(text: str) -> str:
    """A reply that is prose, without labels such as `Passage 1:`."""
    return _LABEL.sub("", plain(text)).strip()


def pairs(text: str) -> list[tuple[str, str]]:
    """The questions in a reply that have an answer, each once; a pair that broke off is none."""
    found: dict[str, tuple[str, str]] = {}
    question, answer, into = "", "", 0
    for line in [*plain(text).splitlines(), "Question:"]:
        if _QUESTION.match(line):
            if question.strip() and answer.strip():
                found.setdefault(" ".join(question.casefold().split()), (question.strip(), answer.strip()))
            question, answer, into = _QUESTION.sub("", line, count=1), "", 1
        elif _ANSWER.match(line) and into:
            said = _ANSWER.sub("", line, count=1)
            answer, into = (f"{answer}\n{said}" if answer else said), 2
        elif line.strip() and into == 1:
            question += f"\n{line.strip()}"
        elif line.strip() and into == 2:
            answer += f"\n{line.strip()}"
    return list(found.values())


def items(text: str) -> list[str]:
    """The items of the list in a reply, each once; lines that stand further in go on with the item above."""
    found: dict[str, str] = {}
    key = ""
    for line in plain(text).splitlines():
        if _ITEM.match(line):
            said = _ITEM.sub("", line, count=1).strip()
            key = " ".join(said.casefold().split())
            if any(map(str.isalnum, said)):
                found.setdefault(key, said)
        elif line[:1] in (" ", "\t") and line.strip() and key in found:
            found[key] += f" {line.strip()}"
    return list(found.values())
