"""Whether a short text is in one of the languages wanted: by its script first, for a few words tell a model little."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

SURE = 0.6
"""The model's probability from which it is believed. Of 164 English section titles it named 41 another language, none
of them with more than 0.5 (docs/stages/sources.titles.md)."""
LOOKED = 400
"""Characters that are looked at."""

_SCRIPTS = {
    "zh": ("CJK",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ko": ("HANGUL",),
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk", "sr", "kk", "ky", "mn", "tg"), ("CYRILLIC",)),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "ug", "sd", "ckb"), ("ARABIC",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    "el": ("GREEK",),
    "he": ("HEBREW",),
    "yi": ("HEBREW",),
    "th": ("THAI",),
    "lo": ("LAO",),
    "km": ("KHMER",),
    "my": ("MYANMAR",),
    "ka": ("GEORGIAN",),
    "hy": ("ARMENIAN",),
    "bn": ("BENGALI",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "kn": ("KANNADA",),
    "ml": ("MALAYALAM",),
    "gu": ("GUJARATI",),
    "pa": ("GURMUKHI",),
    "si": ("SINHALA",),
    "am": ("ETHIOPIC",),
    "bo": ("TIBETAN",),
}
"""Languages that are not written in Latin letters, with the first word of their letters' Unicode names."""
_CHINESE = {"wuu", "yue", "gan", "hak", "nan", "lzh", "cdo"}
"""What py3langid calls Chinese as well, which in a few characters cannot be told from it."""


def tongues(column: Any, wanted: Sequence[str]) -> tuple[list[str | None], list[str]]:
    """Each text's language, and why it is not wanted.

    A text is wanted where most of its letters are of a script of a wanted language, unless the model is sure that it
    is in another language of that script.

    Args:
        column: text.
        wanted: ISO 639-1; none: all are.

    Returns:
        the language (the model's where it is sure or among those wanted, else the first wanted one of the script, None
        where none is); what is wrong, '' where the text is wanted.
    """
    from hornbook.kernels.languages import languages

    names, scores = languages(column, LOOKED)
    found: list[str | None] = []
    faults: list[str] = []
    for text, said, score in zip(column.to_pylist(), names.to_pylist(), scores.tolist(), strict=True):
        name = "zh" if said in _CHINESE else said
        if not wanted:
            found.append(name if score >= SURE else None)
            faults.append("")
            continue
        script = script_of(text or "")
        fitting = [one for one in wanted if script in _SCRIPTS.get(one, ("LATIN",))] if script else list(wanted)
        if name in fitting:
            found.append(name)
            faults.append("")
        elif not fitting:
            found.append(None)
            faults.append(f"written in {script.title()} letters")
        elif script and score >= SURE:
            found.append(name)
            faults.append(f"in the language {name} ({score:.2f})")
        else:
            found.append(fitting[0])
            faults.append("")
    return found, faults


def script_of(text: str) -> str:
    """The first word of the Unicode names of most letters in a text; kana before Han; '' where there are no letters."""
    counts = Counter(_script(char) for char in text[:LOOKED] if char.isalpha())
    if not counts:
        return ""
    if "CJK" in counts and counts["HIRAGANA"] + counts["KATAKANA"] > 0:
        return "HIRAGANA"
    return max(counts, key=lambda name: (counts[name], name))


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "UNNAMED").split()[0].split("-")[0]
