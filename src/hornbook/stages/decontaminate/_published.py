"""Published rules: Cosmopedia's to the letter, and those of phi-1, GPT-3, Llama 2 and 3 as their papers give them."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cydifflib import SequenceMatcher
from numpy.typing import NDArray

from hornbook.kernels.letters import KIND_AT, OTHER, PASSED, RUN, SPACE
from hornbook.kernels.ngrams import Index, build, find
from hornbook.kernels.words import Words, texts, words
from hornbook.stages.decontaminate._items import Item
from hornbook.stages.decontaminate._pairs import Found, Pair, column, in_characters, joined, read_items, shown
from hornbook.store.remembered import remembered

_BLOCK = 5
_KEPT = 16
_MISSES = 4
"""Words that may differ within a span of Llama 2's (arXiv 2307.09288, A.6)."""


@dataclass(frozen=True, slots=True)
class Cosmopedia:
    """Benchmark texts as Cosmopedia's script has them.

    Args:
        items: the item of each text of at least n words.
        texts: their words joined by spaces.
        ngrams: all of theirs.
    """

    items: list[Item]
    texts: list[str]
    ngrams: Index


def tokens(text: str) -> list[str]:
    """The script's words: without accents, lower case, runs of `\\w`."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return re.findall(r"\w+", plain.lower())


def _load_cosmopedia(against: tuple[str, ...], n: int) -> Cosmopedia:
    items: list[Item] = []
    joints: list[str] = []
    for item in read_items(against):
        for part in item.parts:
            found = tokens(part)
            if len(found) >= n:
                items.append(item)
                joints.append(" ".join(found))
    return Cosmopedia(items, joints, _all(words(*texts(column(joints)), rule()), n))


load_cosmopedia = remembered(_load_cosmopedia)


def _all(found: Words, n: int) -> Index:
    """Every n-gram of some texts."""
    wanted = np.ones(found.hashes.size, bool)
    for back in range(1, n):
        last = found.offsets[1:] - back
        wanted[last[last >= found.offsets[:-1]]] = False
    return build(found, n, wanted)


@lru_cache(maxsize=1)
def rule() -> NDArray[np.uint32]:
    """The script's words as a word rule, for all characters but those of `_strange`."""
    entries = np.zeros(sys.maxunicode + 1, np.uint32)
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        kind, folded = _kind(character)
        entries[code] = (ord(folded) if len(folded) == 1 else code) | kind << KIND_AT
    return entries


def _kind(character: str) -> tuple[int, str]:
    if unicodedata.category(character) == "Mn":
        return PASSED, character
    if not character.isalnum() and character != "_":
        return SPACE if character.isspace() else OTHER, character
    if character.isascii():
        return RUN, character.lower()
    plain = "".join(c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn").lower()
    return RUN, "σ" if plain == "ς" else plain


@lru_cache(maxsize=1)
def strange() -> str:
    """A character class of those that the script reads as several; documents with one are read by the script alone."""
    codes = np.array(
        [
            code
            for code in range(0x80, sys.maxunicode + 1)
            if not 0xD800 <= code <= 0xDFFF and len(_plain(chr(code))) != 1
        ]
    )
    begins = codes[np.r_[True, np.diff(codes) != 1]]
    ends = codes[np.r_[np.diff(codes) != 1, True]]
    return "[" + "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in zip(begins, ends, strict=True)) + "]"


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Mn":
        return character
    return "".join(c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn").lower()


def cosmopedia(piece: pa.Array, bench: Cosmopedia) -> dict[int, Found]:
    """The script's decisions: the first n-gram of a document that a benchmark has, in the order of the document, says
    which text it is compared with (the script takes the first in the order of a set, which changes from run to run)."""
    data, offsets = texts(piece)
    maybe = set(np.unique(find(words(data, offsets, rule()), bench.ngrams)[0]).tolist())
    maybe |= set(np.flatnonzero(pc.match_substring_regex(piece, strange()).to_numpy(zero_copy_only=False)).tolist())
    out: dict[int, Found] = {}
    for row in sorted(maybe):
        found = tokens(piece[row].as_py())
        joint = " ".join(found)
        _, position, number = find(words(*texts(column([joint])), rule()), bench.ngrams)
        owners = (_last(bench, found, at, ngram) for at, ngram in zip(position.tolist(), number.tolist(), strict=True))
        hit = next((owner for owner in owners if owner is not None), None)
        if hit is not None:
            parts = _matching(joint, bench.texts[hit])
            match = " ".join("".join(parts).split())
            longest = max(parts, key=len, default="")
            out[row] = Found([Pair(hit, len(match) / len(bench.texts[hit]), "aligned", "", longest[:300])], {})
    return out


def _last(bench: Cosmopedia, found: list[str], at: int, ngram: int) -> int | None:
    """The last text that has the n-gram which begins at a word; None where only what it is hashed from is the same."""
    index = bench.ngrams
    wanted = " ".join(found[at : at + index.n])
    for place in range(int(index.owners[ngram + 1]) - 1, int(index.owners[ngram]) - 1, -1):
        text, inside = int(index.texts[place]), int(index.positions[place])
        if " ".join(bench.texts[text].split(" ")[inside : inside + index.n]) == wanted:
            return text
    return None


def _matching(text: str, against: str) -> list[str]:
    one, other = text.lower(), against.lower()
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [text[block.a : block.a + block.size] for block in blocks if block.size > _BLOCK]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Benchmark texts whose n-grams are looked for.

    Args:
        items: the item of each text.
        words: their words.
        ngrams: of the texts.
        compat: whose rule; for `llama` n-grams are the beginnings of longer spans, for `gpt3` their places are kept.
    """

    items: list[Item]
    words: Words
    ngrams: Index
    compat: str


def _load_overlaps(against: tuple[str, ...], compat: str, n: int) -> Overlaps:
    parts = [(part, item) for item in read_items(against) for part in item.parts]
    found = words(*texts(column([part for part, _ in parts])))
    return Overlaps([item for _, item in parts], found, _all(found, n), compat)


load_overlaps = remembered(_load_overlaps)


def overlaps(piece: pa.Array, bench: Overlaps) -> dict[int, Found]:
    """Which documents share n-grams, or spans, with which texts; the ratio is the share of the text's words in them."""
    data, offsets = texts(piece)
    found, index = words(data, offsets), bench.ngrams
    covered: dict[tuple[int, int], set[int]] = {}
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    seeds: dict[tuple[int, int], set[int]] = {}
    places: dict[int, dict[int, set[int]]] = {}
    for document, position, number in zip(*(part.tolist() for part in find(found, index)), strict=True):
        if bench.compat == "gpt3":
            places.setdefault(document, {}).setdefault(number, set()).add(position)
        for place in range(int(index.owners[number]), int(index.owners[number + 1])):
            text, inside = int(index.texts[place]), int(index.positions[place])
            size = index.n
            if bench.compat == "llama":
                size = _span(found, bench.words, document, position, text, inside)
            if size > index.n or bench.compat != "llama":
                pair = (document, text)
                covered.setdefault(pair, set()).update(range(inside, inside + size))
                spans.setdefault(pair, []).append((position, position + size))
                seeds.setdefault(pair, set()).add(number)
    return _found(data, offsets, found, bench, covered, spans, seeds, places)


def _span(found: Words, own: Words, document: int, position: int, text: int, inside: int) -> int:
    """Words of the span that begins with a shared n-gram: four may differ, none of the first n, not the last."""
    a, b = int(found.offsets[document]) + position, int(own.offsets[text]) + inside
    most = min(int(found.offsets[document + 1]) - a, int(own.offsets[text + 1]) - b)
    same = found.hashes[a : a + most] == own.hashes[b : b + most]
    missed = np.flatnonzero(~same)
    last = int(missed[_MISSES]) if missed.size > _MISSES else most
    return int(np.flatnonzero(same[:last])[-1]) + 1


def _found(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    found: Words,
    bench: Overlaps,
    covered: dict[tuple[int, int], set[int]],
    spans: dict[tuple[int, int], list[tuple[int, int]]],
    seeds: dict[tuple[int, int], set[int]],
    places: dict[int, dict[int, set[int]]],
) -> dict[int, Found]:
    sizes = np.diff(bench.words.offsets)
    ranked: dict[int, list[tuple[float, int]]] = {}
    for (document, text), which in covered.items():
        ranked.setdefault(document, []).append((-len(which) / int(sizes[text]), text))
    out = {}
    for document, pairs in sorted(ranked.items()):
        first, low = int(offsets[document]), int(found.offsets[document])
        raw, begins, ends = (
            data[first : int(offsets[document + 1])],
            found.starts[low:] - first,
            found.ends[low:] - first,
        )
        kept = []
        for ratio, text in sorted(pairs)[:_KEPT]:
            ranges = [(int(begins[a]), int(ends[b - 1])) for a, b in joined(spans[document, text], 0)]
            kept.append(Pair(text, -ratio, "ngrams", *shown(raw, ranges), sorted(seeds[document, text])))
        where = {}
        for number, at in places.get(document, {}).items():
            ranges = [(int(begins[a]), int(ends[a + bench.ngrams.n - 1])) for a in sorted(at)]
            where[number] = in_characters(raw, ranges)
        out[document] = Found(kept, {seed: False for _, text in pairs for seed in seeds[document, text]}, where)
    return out
