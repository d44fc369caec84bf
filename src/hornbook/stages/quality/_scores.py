"""Reading a score out of a teacher's reply: from its words, and from the probabilities of its tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBER = r"(?<![\w.])(\d{1,3}(?:\.\d+)?)(?![\w%])(?!\.\d)"
_NAMED = re.compile(
    rf"(?:score|rating|points?|value|grade)\b[\"'*_`\s]*(?:[:=]|is|of)?[\"'*_`\s]*{_NUMBER}", re.IGNORECASE
)
_OUT_OF = re.compile(rf"{_NUMBER}\s*(?:/|out of)\s*(\d+)", re.IGNORECASE)
_ALONE = re.compile(rf"^\W*{_NUMBER}\W*$")
_ANY = re.compile(_NUMBER)
_DIGITS = re.compile(r"\W*(\d{1,3})\W*")

Span = tuple[float, int]
"""A score and where its first digit stands."""


def score_in(text: str, lowest: int, highest: int) -> Span | None:
    """The score that a reply gives, and the place of its first digit; None where it gives none.

    Looked for in this order, the last of each kind: a number after the word score, rating, points, value or
    grade; `3/5` and `3 out of 5`; a reply that is one number; a lone number anywhere. One that lies outside
    the scale is no score.

    Args:
        text: the reply; what stands before `</think>` is left out.
        lowest, highest: ends of the scale, both part of it.
    """
    start = text.rfind("</think>") + 1
    for pattern in (_NAMED, _OUT_OF, _ALONE):
        fits = [m for m in pattern.finditer(text, start) if _fits(m, lowest, highest)]
        if fits:
            return float(fits[-1][1]), fits[-1].start(1)
    numbers = list(_ANY.finditer(text, start))
    if len(numbers) == 1 and lowest <= float(numbers[0][1]) <= highest:
        return float(numbers[0][1]), numbers[0].start(1)
    return None


def _fits(match: re.Match[str], lowest: int, highest: int) -> bool:
    scale = match.re is not _OUT_OF or int(match[2]) == highest
    return scale and lowest <= float(match[1]) <= highest


def expectation(logprobs: Any, lowest: int, highest: int) -> tuple[float, float] | None:
    """(mean score under the teacher's probabilities, probability on score tokens); None where it cannot be told.

    The probabilities of the tokens that could have stood where the score's first digit stands are taken, and
    normalised over those that are a score. In a tokenizer that writes 10 as `1`, `0`, what `1` has is divided
    by how likely a `0` is after it; that is known where `1` was written, else all of it counts as 1.

    Args:
        logprobs: as OpenAI's chat reply has them: {"content": [{"token", "logprob", "top_logprobs": […]}]}.
        lowest, highest: ends of the scale.
    """
    places = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(places, list) or not all(isinstance(place, Mapping) for place in places):
        return None
    tokens = [str(place.get("token", "")) for place in places]
    found = score_in("".join(tokens), lowest, highest)
    if found is None:
        return None
    at, left = 0, found[1]
    while left >= len(tokens[at]):
        left -= len(tokens[at])
        at += 1
    masses: dict[int, float] = {}
    for token, p in _alternatives(places[at]):
        digits = _DIGITS.fullmatch(token)
        if digits and lowest <= int(digits[1]) <= highest:
            masses[int(digits[1])] = masses.get(int(digits[1]), 0.0) + p
    if highest >= 10 and 1 in masses and _DIGITS.fullmatch(tokens[at]) and tokens[at].strip() == "1":
        zero = sum(p for token, p in _alternatives(places[at + 1]) if token == "0") if at + 1 < len(places) else 0.0
        masses[10] = masses.get(10, 0.0) + masses[1] * min(1.0, zero)
        masses[1] *= 1.0 - min(1.0, zero)
    mass = sum(masses.values())
    return (sum(score * p for score, p in masses.items()) / mass, min(1.0, mass)) if mass > 0 else None


def _alternatives(place: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """Tokens that could have stood in a place, with their probabilities, each token once."""
    listed = place.get("top_logprobs")
    every = [*(listed if isinstance(listed, list) else []), place]
    found: dict[str, float] = {}
    for one in every:
        if not isinstance(one, Mapping) or not isinstance(one.get("logprob"), (int, float)):
            continue
        token, log = str(one.get("token", "")), float(one["logprob"])
        if token not in found and not math.isnan(log):
            found[token] = math.exp(min(0.0, log))
    return list(found.items())
