"""Labelled statements about passages of real text: the passage's own sentences, and four kinds of made-up ones.

Passages are BoolQ's (excerpts of Wikipedia). Nothing is labelled by a model: what is made up is made up by what was
done to a sentence. Everything follows from the passages and one seed.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from hornbook.core.keys import random_for
from hornbook.kernels.embedders import embedder
from hornbook.kernels.sentences import said

ROOT = Path(__file__).resolve().parents[2]
BOOLQ = ROOT.parent / "shared" / "data" / "benchmarks" / "boolq.jsonl"
KINDS = ("true", "other", "number", "name", "term", "negated")
ABOUT = {
    "true": "a sentence of the passage",
    "other": "a sentence of the passage that is most like it, about something else",
    "number": "a sentence of the passage with another number in it",
    "name": "with another name in it",
    "term": "with another word in it",
    "negated": "with a not put in, or taken out",
}
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_TERM = re.compile(r"(?<=[a-z,;] )[a-z]{7,}(?=[ ,;.])")
_VERB = re.compile(r" (is|are|was|were|can|will|has|have|had|may|must|should|does|do|did)(?= )")
_SMALL = frozenset("the a an of that which also very and to in for by with as on at this its their".split())  # noqa: SIM905
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement about a passage.

    Args:
        about: the number of the passage.
        kind: one of `KINDS`; `true` is supported by the passage, all else is not.
        text: what is said.
    """

    about: int
    kind: str
    text: str


class Absent(Exception):
    """The texts are not here."""


@cache
def boolq(path: Path = BOOLQ) -> tuple[tuple[str, str, bool], ...]:
    """BoolQ's rows: (passage, question, whether the answer is yes).

    Raises:
        Absent: the file is not here.
    """
    if not path.exists():
        raise Absent(f"{path.name} is not under ../shared/data/benchmarks")
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        passage, _, question = row["query"].removeprefix("Passage: ").partition("\nQuestion: ")
        question = question.partition("\n")[0]
        found.append((tidy(passage), question, row["gold"] == row["choices"].index("yes")))
    return tuple(found)


def tidy(text: str) -> str:
    """LaTeX's quotes and dashes as people write them."""
    for old, new in (("``", '"'), ("''", '"'), ("--", "-")):
        text = text.replace(old, new)
    return text.strip()


def passages() -> list[str]:
    """BoolQ's different passages, in order."""
    return list(dict.fromkeys(passage for passage, _, _ in boolq()))


def good(passage: str) -> list[str]:
    """A passage's sentences that say something by themselves."""
    return [s for s in said(passage) if 50 <= len(s) <= 300 and s[-1] == "." and s[0].isupper()]


def neighbours(which: list[int], texts: list[str]) -> list[int]:
    """Of each passage the one most like it in meaning that shares no run of eight words with it."""
    vectors = embedder("wordllama")(pa.array(texts, pa.large_string()))
    found = []
    for at in which:
        order, own = np.argsort(-(vectors @ vectors[at]), kind="stable").tolist(), _runs(texts[at])
        found.append(next(o for o in order if o != at and not own & _runs(texts[o]) and len(good(texts[o])) >= 2))
    return found


@lru_cache(maxsize=4096)
def _runs(text: str, size: int = 8) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def statements(which: list[int], seed: int = 17, each: int = 2, *, reword: bool = False) -> list[Statement]:
    """The statements about some passages: `each` true ones and as many of `other`, one of every other kind.

    A kind is left out for a passage that has no sentence that can be changed so.

    Args:
        which: numbers of passages.
        seed: of all that is drawn.
        each: true ones a passage.
        reword: put every sentence, of all kinds, into other words first, see `reworded`.
    """
    texts = passages()
    pool = _pool(texts)
    found: list[Statement] = []
    for at, near in zip(which, neighbours(which, texts), strict=True):
        draw = random_for(seed, at)
        own, theirs = good(texts[at]), good(texts[near])
        if reword:
            own, theirs = [reworded(s, draw) for s in own], [reworded(s, draw) for s in theirs]
        found += [Statement(at, "true", text) for text in draw.sample(own, min(each, len(own)))]
        found += [Statement(at, "other", text) for text in draw.sample(theirs, min(each, len(theirs)))]
        for kind in KINDS[2:]:
            changed = next(filter(None, (_changed(kind, s, texts[at], pool, draw) for s in _drawn(own, draw))), None)
            found += [Statement(at, kind, changed)] if changed else []
    return found


def reworded(sentence: str, draw: random.Random) -> str:
    """A sentence said otherwise, and no more than it said: clauses in another order, half of the small words and one in
    seven of the others without a capital or digit left out. It is clumsy; that what is true and what is made up are not
    told apart by one of them being word for word in the passage is its whole use.
    """
    clauses = sentence.rstrip(".").split(", ")
    if len(clauses) > 1 and draw.random() < 0.5:
        clauses = [*clauses[1:], clauses[0]]
    kept = [_thinned(clause, draw) for clause in clauses]
    whole = ", ".join(part for part in kept if part)
    return whole[:1].upper() + whole[1:] + "."


def _thinned(clause: str, draw: random.Random) -> str:
    return " ".join(
        word for word in clause.split() if not word.islower() or draw.random() >= (0.5 if word in _SMALL else 1 / 7)
    )


def _drawn(items: list[str], draw: random.Random) -> list[str]:
    return draw.sample(items, len(items))


def _pool(texts: list[str]) -> dict[str, list[str]]:
    """Names and terms that stand in all passages."""
    names = sorted({name for text in texts for name in _NAME.findall(text)})
    terms = sorted({term for text in texts for term in _TERM.findall(text)})
    return {"name": names, "term": terms}


def _changed(kind: str, sentence: str, passage: str, pool: dict[str, list[str]], draw: random.Random) -> str | None:
    """The sentence with one thing changed; None where it has no such thing."""
    if kind == "negated":
        return _negated(sentence)
    places = list({"number": _NUMBER, "name": _NAME, "term": _TERM}[kind].finditer(sentence))
    if not places:
        return None
    place = draw.choice(places)
    old, lowered = place[0], passage.lower()
    if kind == "number":
        new = next((n for n in (_another(old, draw) for _ in range(20)) if n not in passage), None)
    else:
        many, end = old.count(" "), old[-2:] if kind == "term" else ""
        able = [w for w in pool[kind] if w.count(" ") == many and w.endswith(end) and w.lower() not in lowered]
        new = draw.choice(able) if able else None
    return None if new is None else sentence[: place.start()] + new + sentence[place.end() :]


def _another(number: str, draw: random.Random) -> str:
    """Another number of the same form; of a year, one near it."""
    if number.isdigit() and len(number) == 4 and 1000 <= int(number) <= 2100:
        return str(int(number) + draw.choice([-1, 1]) * draw.randint(2, 30))
    digits = [str(draw.randint(1, 9)) if sign.isdigit() else sign for sign in number]
    return "".join(digits)


def _negated(sentence: str) -> str | None:
    """The sentence with its first `not` taken out, or one put in behind its first verb that takes one."""
    if " not " in sentence:
        return sentence.replace(" not ", " ", 1)
    verb = _VERB.search(sentence)
    return None if verb is None else f"{sentence[: verb.end()]} not{sentence[verb.end() :]}"
