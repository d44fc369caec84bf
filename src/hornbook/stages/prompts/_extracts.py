"""Seed texts as they go into prompts: cleaned of what nobody can read, cut at the end of a sentence, on one line."""

from __future__ import annotations

import re

_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
"""Control characters, and the marks that turn the direction of what follows."""
_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")
_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s|$)|[。！？；…]+[”’」』）】]*|[।॥؟۔።។၊။]+""")
_SHORT_WORD = re.compile(
    r"(?:^|[\s(\[\"“])(?:(?:[A-Za-z]\.)*[A-Za-z]|\d{1,2}|[DM]rs?|Ms|St|[SJ]r|Prof|Rev|Gen|Col|Capt|Lt|Gov|Sen|Rep|"
    r"Figs?|Eqs?|[Nn]os?|Vol|Ch|Sec|[Cc]f|[Vv]s|[Cc]a|[Pp]p|[Ee]ds?|et al|Inc|Ltd|Co|Corp|Dept|Univ|approx)\.$"
)
"""What ends in a full stop and is no end of a sentence: initials, Dr., Fig., e.g., the number of a list."""
LEAST = 0.4
"""Share of the limit under which a whole sentence is too little, and the cut is made between words."""
LONGEST_TOPIC = 200


def cleaned(text: str) -> str:
    """A text without control and direction characters, with at most one empty line in a row."""
    text = _UNREADABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _GAP.sub("\n\n", text).strip() if "\n" in text else text.strip()


def cut(text: str, most: int) -> str:
    """The beginning of a text, at most so many characters, to the end of the last whole sentence.

    Where no sentence ends after two fifths of it the cut is between words, and in a text without any it is
    where it falls. A text that is short enough stays whole.
    """
    if len(text) <= most:
        return text
    least, start = int(most * LEAST), text[: most + 1]
    for match in reversed(list(_END.finditer(start, least, most))):
        at = match.end()
        if text[at - 1] != "." or not _SHORT_WORD.search(start, max(0, at - 9), at):
            return start[:at].rstrip()
    line = start.rfind("\n", least)
    space = max(start.rfind(" ", least), line)
    return start[: space if space > 0 else most].rstrip()


def line(text: str, most: int = LONGEST_TOPIC) -> str:
    """A text on one line, without a full stop at its end; longer than `most` characters it is cut between words."""
    text = " ".join(_UNREADABLE.sub("", text).split())
    if len(text) > most:
        space = text.rfind(" ", most // 2, most)
        text = text[: space if space > 0 else most]
    return text[:-1] if text.endswith(("。", ".")) and not text.endswith("..") else text


def says_something(text: str) -> bool:
    """Whether there is a letter or a digit in it, of any script."""
    return any(map(str.isalnum, text))
