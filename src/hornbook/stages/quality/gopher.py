"""quality.gopher: the quality and repetition rules of Gopher, with FineWeb-2's limits for other languages."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Each
from hornbook.stages.quality._languages import known, limits
from hornbook.stages.quality._repeating import GRAMS, NAMES, Compat, counted, cut, gram_marks, line_marks, rules, share

_GOPHER = "Gopher, arXiv:2112.11446, section A.1.1"
_TABLE = "Gopher, arXiv:2112.11446, table A1; other languages: huggingface/fineweb-2, configs/"
_BOTH = f"{_GOPHER}; other languages: huggingface/fineweb-2, configs/"


def _repeat(what: str, default: str, unit: str = "share of characters") -> Any:
    return knob(
        None,
        help=f"largest share of {what}; null: {default}, or the language's",
        unit=unit,
        source=_TABLE,
        threshold=True,
        ge=0.0,
    )


class Gopher(Each):
    """Marks each document with what Gopher's rules look at, and drops those outside the limits.

    Marks: `quality.words`, `quality.stop_words` (int64), and float64 `quality.word_length` (characters a word
    that is no character of a script written without spaces; null where most words are), `quality.hash_share`,
    `quality.ellipsis_share` (signs a word), `quality.bullet_lines`, `quality.ellipsis_lines` (shares of lines),
    `quality.letter_words` (share
    of words that hold a letter); with `repetition` the thirteen of `quality.repetition` too.
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT,)

    language: str = knob(
        "eng",
        help="whose stop words and limits: eng, or one of FineWeb-2's (`deu`, `cmn_Hani`); see the page",
        source=_BOTH,
    )
    repetition: bool = knob(True, help="also the thirteen shares of `quality.repetition`", source=_TABLE)
    compat: Compat = knob(
        "none",
        help="datatrove: spaCy's English tokens, and the decisions of GopherQualityFilter and GopherRepetitionFilter",
        source="huggingface/datatrove 0.10.1, pipeline/filters/gopher_*_filter.py",
    )
    min_words: int = knob(50, help="fewest words", unit="words", source=_GOPHER, threshold=True, ge=0)
    max_words: int = knob(100_000, help="most words", unit="words", source=_GOPHER, threshold=True, ge=0)
    min_word_length: float | None = knob(
        None,
        help="least mean length; null: 3, or the language's",
        unit="characters",
        source=_BOTH,
        threshold=True,
        ge=0,
    )
    max_word_length: float | None = knob(
        None,
        help="most mean length; null: 10, or the language's",
        unit="characters",
        source=_BOTH,
        threshold=True,
        ge=0,
    )
    max_hashes: float = knob(0.1, help="most number signs", unit="a word", source=_GOPHER, threshold=True, ge=0.0)
    max_ellipses: float = knob(0.1, help="most ellipses", unit="a word", source=_GOPHER, threshold=True, ge=0.0)
    max_bullets: float = knob(
        0.9,
        help="most lines that begin with a bullet",
        unit="share of lines",
        source=_GOPHER,
        threshold=True,
        ge=0,
        le=1,
    )
    max_ellipsis_lines: float = knob(
        0.3,
        help="most lines that end in an ellipsis",
        unit="share of lines",
        source=_GOPHER,
        threshold=True,
        ge=0,
        le=1,
    )
    min_letters: float | None = knob(
        None, help="least share of words with a letter; null: 0.8, or the language's",
        unit="share of words", source=_BOTH, threshold=True, ge=0.0,
    )  # fmt: skip
    min_stop_words: int = knob(
        2, help="fewest different stop words of the language", unit="words", source=_GOPHER, threshold=True, ge=0
    )
    max_lines: float | None = _repeat("duplicate lines", "0.3", "share of lines")
    max_paragraphs: float | None = _repeat("duplicate paragraphs", "0.3", "share of paragraphs")
    max_line_chars: float | None = _repeat("characters in duplicate lines", "0.2")
    max_paragraph_chars: float | None = _repeat("characters in duplicate paragraphs", "0.2")
    max_top_2gram: float | None = _repeat("characters in the top 2-gram", "0.2")
    max_top_3gram: float | None = _repeat("characters in the top 3-gram", "0.18")
    max_top_4gram: float | None = _repeat("characters in the top 4-gram", "0.16")
    max_dup_5gram: float | None = _repeat("characters in repeated 5-grams", "0.15")
    max_dup_6gram: float | None = _repeat("characters in repeated 6-grams", "0.14")
    max_dup_7gram: float | None = _repeat("characters in repeated 7-grams", "0.13")
    max_dup_8gram: float | None = _repeat("characters in repeated 8-grams", "0.12")
    max_dup_9gram: float | None = _repeat("characters in repeated 9-grams", "0.11")
    max_dup_10gram: float | None = _repeat("characters in repeated 10-grams", "0.1")

    _known = field_validator("language")(known)

    @model_validator(mode="after")
    def _english(self) -> Gopher:
        if self.compat == "datatrove" and self.language[:3] != "eng":
            raise ValueError("compat: datatrove is there for language: eng alone")
        return self

    def each(self, piece: pa.Table) -> pa.Table:
        from hornbook.kernels.filters import survey
        from hornbook.kernels.words import blocks, texts

        data, offsets = texts(piece.column(TEXT))
        rows = piece.num_rows
        seen = survey(data, offsets)
        wanted = _stop_hashes(self.language, self.compat)
        counts, lengths, letters, found = (np.zeros(rows, np.int64) for _ in range(4))
        plain, alone = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        top, again = np.zeros((rows, 3)), np.zeros((rows, 6))
        for first, last in blocks(offsets):
            words = cut(data, offsets[first : last + 1], self.compat)
            some = slice(first, last)
            counts[some] = np.diff(words.offsets)
            plain[some], alone[some], lengths[some], letters[some], found[some] = _sums(words, wanted, self.compat)
            if self.repetition:
                top[some], again[some] = counted(words, self.compat)
        if self.compat == "none":
            every = counts + seen.signs
            spaced = plain > 2 * alone
        else:
            every, spaced = counts, plain > 0
        whole = np.maximum(1, plain - alone)
        marks: dict[str, Any] = {
            "words": plain,
            "word_length": pa.array(lengths / whole, mask=~spaced),
            "hash_share": seen.hashes / np.maximum(1, counts),
            "ellipsis_share": seen.ellipses / np.maximum(1, counts),
            "bullet_lines": share(seen.bullets, seen.lines),
            "ellipsis_lines": share(seen.trailing, seen.lines),
            "letter_words": share(letters, every),
            "stop_words": found,
        }
        if self.repetition:
            shares, chars = line_marks(data, offsets, self.compat)
            marks |= shares | gram_marks(top, again, chars)
            if self.compat == "none":
                short = counts < type(self).model_fields["min_words"].default
                marks |= {name: pa.array(marks[name], mask=short) for name in GRAMS[:3]}
        return pa.table({f"quality.{name}": values for name, values in marks.items()})

    def drops(self) -> dict[str, Rule]:
        said = limits(self.language)

        def limit(name: str) -> float | None:
            own: float | None = getattr(self, name)
            return (
                said[name.removeprefix("max_") if name.removeprefix("max_") in said else name] if own is None else own
            )

        repeats: dict[str, Rule] = {}
        if self.repetition:
            repeats = rules({name: limit(f"max_{name}") for name in (*NAMES, *GRAMS)}, self.compat)
        quality = {
            "too_short": Rule("quality.words", "<", self.min_words),
            "too_long": Rule("quality.words", ">", self.max_words),
            "short_words": Rule("quality.word_length", "<", limit("min_word_length")),
            "long_words": Rule("quality.word_length", ">", limit("max_word_length")),
            "hashes": Rule("quality.hash_share", ">", self.max_hashes),
            "ellipses": Rule("quality.ellipsis_share", ">", self.max_ellipses),
            "bullets": Rule("quality.bullet_lines", ">", self.max_bullets),
            "ellipsis_lines": Rule("quality.ellipsis_lines", ">", self.max_ellipsis_lines),
            "few_letters": Rule("quality.letter_words", "<", limit("min_letters")),
            "few_stop_words": Rule("quality.stop_words", "<", self.min_stop_words),
        }
        return quality | repeats


def _stop_hashes(language: str, compat: Compat) -> Any:
    """Hashes of the language's stop words, uint64; those that the word rule cuts or knows as no word are left out."""
    from hornbook.kernels.words import texts, words

    said = limits(language)["stop_words"]
    if compat == "datatrove":
        from hornbook.kernels.english import text_hash

        return np.array([text_hash(word) for word in said], np.uint64)
    found = words(*texts(pa.array(said)))
    one = np.diff(found.offsets) == 1
    return np.unique(found.hashes[found.offsets[:-1][one]])


def _sums(words: Any, wanted: Any, compat: Compat) -> tuple[Any, Any, Any, Any, Any]:
    """Of each document: words that count, those that are one character, characters of the rest, words with a letter,
    different stop words."""
    from hornbook.kernels.english import ALPHABETIC, NOT_SYMBOL
    from hornbook.kernels.filters import per_document, stops
    from hornbook.kernels.words import BY_ITSELF, LETTER

    flags, offsets = words.flags, words.offsets
    if compat == "datatrove":
        plain = flags & NOT_SYMBOL != 0
        alone, letters = np.zeros(flags.size, bool), flags & ALPHABETIC != 0
    else:
        plain, alone, letters = np.ones(flags.size, bool), flags & BY_ITSELF != 0, flags & LETTER != 0
    sums = (plain, alone, words.chars * (plain & ~alone), letters)
    return *(per_document(values, offsets) for values in sums), stops(words, wanted)  # type: ignore[return-value]
