"""Published rules: Cosmopedia's to the letter, and those of phi-1, GPT-3 and Llama 2 as their papers give them."""

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
from hornbook.stages.decontaminate._pairs import Found, Pair, cached, column, joined, read_items, shown

_BLOCK = 5
_KEPT = 16
_SHORTEST, _LONGEST = 8, 13
"""Words of GPT-3's n-grams: the 5th percentile of a benchmark's lengths, within these (arXiv 2005.14165, C)."""
_MISSES = 4
"""Words that may differ within a span of Llama 2's (arXiv 2307.09288, A.6)."""


@dataclass(frozen=True, slots=True)
class Cosmopedia:
    """Benchmark texts as Cosmopedia's script has them.

    Args:
        items: the item of each text of at least n words.
        texts: their words joined by spaces.
        ngrams: n-gram → number of the last text that has it.
        words: the same n-grams as hashes, to find the documents that may hold one.
    """

    n: int
    items: list[Item]
    texts: list[str]
    ngrams: dict[tuple[str, ...], int]
    words: Index


def tokens(text: str) -> list[str]:
    """The script's words: without accents, lower case, runs of `\\w`."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return re.findall(r"\w+", plain.lower())


def _load_cosmopedia(against: tuple[str, ...], n: int) -> Cosmopedia:
    items: list[Item] = []
    joints: list[str] = []
    ngrams: dict[tuple[str, ...], int] = {}
    for item in read_items(against):
        for part in item.parts:
            found = tokens(part)
            if len(found) >= n:
                for at in range(len(found) - n + 1):
                    ngrams[tuple(found[at : at + n])] = len(joints)
                items.append(item)
                joints.append(" ".join(found))
    own = words(*texts(column(joints)), rule())
    return Cosmopedia(n, items, joints, ngrams, _all(own, n))


load_cosmopedia = cached(_load_cosmopedia)


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
    maybe = set(np.unique(find(words(data, offsets, rule()), bench.words)[0]).tolist())
    maybe |= set(np.flatnonzero(pc.match_substring_regex(piece, strange()).to_numpy(zero_copy_only=False)).tolist())
    out = {}
    for row in sorted(maybe):
        found = tokens(piece[row].as_py())
        grams = (tuple(found[at : at + bench.n]) for at in range(len(found) - bench.n + 1))
        hit = next((bench.ngrams[gram] for gram in grams if gram in bench.ngrams), None)
        if hit is not None:
            parts = _matching(" ".join(found), bench.texts[hit])
            match = " ".join("".join(parts).split())
            longest = max(parts, key=len, default="")
            out[row] = Found([Pair(hit, len(match) / len(bench.texts[hit]), "aligned", "", longest[:300])], {})
    return out


def _matching(text: str, against: str) -> list[str]:
    one, other = text.lower(), against.lower()
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [text[block.a : block.a + block.size] for block in blocks if block.size > _BLOCK]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Benchmark texts whose n-grams are looked for, n by benchmark.

    Args:
        items: the item of each text.
        words: their words.
        indexes: one for each n, of the texts looked for with it.
        spans: whether n-grams are the beginnings of longer spans (Llama 2) or count alone.
    """

    items: list[Item]
    words: Words
    indexes: list[Index]
    spans: bool


def _load_overlaps(against: tuple[str, ...], compat: str, n: int) -> Overlaps:
    parts = [(part, item) for item in read_items(against) for part in item.parts]
    found = words(*texts(column([part for part, _ in parts])))
    sizes = np.diff(found.offsets)
    sought = np.full(sizes.size, n, np.int64)
    if compat == "gpt3" and not n:
        names = np.array([item.benchmark for _, item in parts])
        for name in np.unique(names):
            own = names == name
            sought[own] = np.clip(int(np.percentile(sizes[own], 5)), _SHORTEST, _LONGEST)
    indexes = []
    for each in np.unique(sought).tolist():
        text = np.repeat(np.arange(sizes.size), sizes)
        inside = np.arange(text.size) - found.offsets[text]
        indexes.append(build(found, each, (sought[text] == each) & (inside + each <= sizes[text])))
    return Overlaps([item for _, item in parts], found, indexes, compat == "llama")


load_overlaps = cached(_load_overlaps)


def overlaps(piece: pa.Array, bench: Overlaps) -> dict[int, Found]:
    """Which documents share n-grams, or spans, with which texts; the ratio is the share of the text's words in them."""
    data, offsets = texts(piece)
    found = words(data, offsets)
    covered: dict[tuple[int, int], set[int]] = {}
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
    seeds: dict[tuple[int, int], set[int]] = {}
    base = 0
    for index in bench.indexes:
        for document, position, number in zip(*(part.tolist() for part in find(found, index)), strict=True):
            for place in range(int(index.owners[number]), int(index.owners[number + 1])):
                text, inside = int(index.texts[place]), int(index.positions[place])
                size = _span(found, bench.words, document, position, text, inside, index.n) if bench.spans else index.n
                if size > index.n or not bench.spans:
                    pair = (document, text)
                    covered.setdefault(pair, set()).update(range(inside, inside + size))
                    spans.setdefault(pair, []).append((position, position + size))
                    seeds.setdefault(pair, set()).add(base + number)
        base += index.owners.size
    return _found(data, offsets, found, bench, covered, spans, seeds)


def _span(found: Words, own: Words, document: int, position: int, text: int, inside: int, n: int) -> int:
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
) -> dict[int, Found]:
    sizes = np.diff(bench.words.offsets)
    ranked: dict[int, list[tuple[float, int]]] = {}
    for (document, text), which in covered.items():
        ranked.setdefault(document, []).append((-len(which) / int(sizes[text]), text))
    out = {}
    for document, pairs in sorted(ranked.items()):
        first = int(offsets[document])
        raw, low = data[first : int(offsets[document + 1])], int(found.offsets[document])
        kept = []
        for ratio, text in sorted(pairs)[:_KEPT]:
            runs = joined(spans[document, text], 0)
            ranges = [(int(found.starts[low + a]) - first, int(found.ends[low + b - 1]) - first) for a, b in runs]
            kept.append(Pair(text, -ratio, "ngrams", *shown(raw, ranges), sorted(seeds[document, text])))
        out[document] = Found(kept, {seed: False for _, text in pairs for seed in seeds[document, text]})
    return out
