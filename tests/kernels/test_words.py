"""The one word rule: the kernel and a plain reading of the rule agree on every text."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.kernels import letters
from hornbook.kernels import words as kernel
from hornbook.kernels.jit import kernel as compile_kernel
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain

ODD = "aZé\u0301\u0345ßİıſKΣς Ⱥⱥ٣5५๕\u00ad\u200d\u200b\u200c\ufeff小狐คนกิ\u0e34ぁー_'-.\n\t"
ODD += "한글\U00020000\U00031350\U0001f600\ufe0f"
TEXT = st.one_of(st.text(), st.text(alphabet=ODD), st.text(alphabet="ab .é小"))

EXAMPLES = {
    "The cat's 2 hats, snake_case!": ["the", "cat", "s", "2", "hats", "snake", "case"],
    "小狐狸2024年": ["小", "狐", "狸", "2024", "年"],
    "กินข้าว": ["กิ", "น", "ข้", "า", "ว"],
    "ひらがなカタカナー": list("ひらがなカタカナー"),
    "كان هناك قِطّ": ["كان", "هناك", "قِطّ"],
    "می\u200cخواهم": ["میخواهم"],
    "Е\u0308ж ÉCOLE STRASSE ß": ["е\u0308ж", "école", "strasse", "ß"],
    "soft\u00adhyphen zero\u200bwidth": ["softhyphen", "zero", "width"],
    "👩‍👩‍👧 ❤️ 1️⃣ \u0301": ["1\ufe0f\u20e3"],
    "한국어 문장": ["한국어", "문장"],
    "ខ្មែរ ພາສາ မြန်": ["ខ្", "មែ", "រ", "ພ", "າ", "ສ", "າ", "မြ", "န်"],
    "": [],
}


def found(text: str) -> kernel.Words:
    return kernel.words(*kernel.texts(pa.array([text])))


def spelled(text: str) -> list[str]:
    """The kernel's words as strings, by its own byte ranges."""
    data, got = text.encode(), found(text)
    raw = [data[a:b].decode() for a, b in zip(got.starts, got.ends, strict=True)]
    return ["".join(plain.fold(c) for c in word if plain.kind(c) != "passed") for word in raw]


@pytest.mark.parametrize("text", EXAMPLES)
def test_words_in_many_scripts(text: str) -> None:
    assert spelled(text) == EXAMPLES[text]
    assert [word for word, _, _ in plain.words(text)] == EXAMPLES[text]


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXT, max_size=5))
@example([*HOSTILE.values()])
@example([*STORIES])
def test_kernel_and_plain_reading_agree(many: list[str]) -> None:
    data, offsets = kernel.texts(pa.array(many, pa.string()))
    got = kernel.words(data, offsets)
    assert np.diff(got.offsets).tolist() == [len(plain.words(text)) for text in many]
    at, base = 0, 0
    for text in many:
        place = np.concatenate([[0], np.cumsum([len(c.encode()) for c in text])]).astype(int)
        for word, start, end in plain.words(text):
            assert (got.starts[at] - base, got.ends[at] - base) == (place[start], place[end])
            assert got.chars[at] == len(word)
            kinds = {plain.kind(c) for c in word}
            assert bool(got.flags[at] & kernel.BY_ITSELF) == ("alone" in kinds)
            has_letter = "alone" in kinds or any(unicodedata.category(c)[0] == "L" for c in word)
            assert bool(got.flags[at] & kernel.LETTER) == has_letter
            at += 1
        base += len(text.encode())


@settings(deadline=None, max_examples=60)
@given(TEXT, TEXT)
def test_hashes_are_equal_where_folded_words_are(one: str, other: str) -> None:
    both = [word for text in (one, other) for word, _, _ in plain.words(text)]
    hashes = np.concatenate([found(one).hashes, found(other).hashes]).tolist()
    assert len(set(both)) == len(set(hashes)) == len(set(zip(both, hashes, strict=True)))


@pytest.mark.parametrize("letters", ["ab", "éa", "жю", "a\U00010400"])
def test_every_letter_counts_wherever_it_stands(letters: str) -> None:
    """Words are hashed in parts of 64 bits: one letter changed, added or moved in any part is another word."""
    one, other = letters
    same = [one * size for size in range(1, 40)]
    changed = [one * at + other + one * (size - at - 1) for size in range(1, 40) for at in range(size)]
    many = sorted(set(same + changed))
    assert len(set(found(" ".join(many)).hashes.tolist())) == len(many)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), TEXT), max_size=8), st.integers(0, 3), st.integers(0, 9))
def test_any_arrow_layout_gives_the_same(many: list[str | None], first: int, size: int) -> None:
    wanted = [text or "" for text in many[first : first + size]]
    column = pa.array(many, pa.string()).slice(first, size)
    layouts = [
        column,
        column.cast(pa.large_string()),
        column.cast(pa.string_view()),
        column.dictionary_encode(),
        pa.chunked_array([column.slice(0, 2), column.slice(2)]),
        pa.chunked_array([], pa.string()) if not wanted else pa.chunked_array([column]),
    ]
    for layout in layouts:
        data, offsets = kernel.texts(layout)
        raw = [data[a:b].tobytes().decode() for a, b in pairwise(offsets)]
        assert raw == wanted


def test_one_chunk_is_not_copied() -> None:
    column = pa.chunked_array([pa.array(["one", "two"])])
    data, _ = kernel.texts(column)
    assert data.ctypes.data == column.chunk(0).buffers()[2].address


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 60))
def test_blocks_cover_every_document_once(sizes: list[int], size: int) -> None:
    offsets = np.concatenate([[3], 3 + np.cumsum(sizes)]).astype(np.int64)
    runs = list(kernel.blocks(offsets, size))
    assert [row for first, last in runs for row in range(first, last)] == list(range(len(sizes)))
    assert all(offsets[last] - offsets[first] <= size or last == first + 1 for first, last in runs)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=40))
@example(b"a\xf0\x9f\x98")
@example(b"\xed\xa0\x80 \xc0\x80 \xff")
def test_bytes_that_are_not_utf8_do_no_harm(raw: bytes) -> None:
    data = np.frombuffer(raw + b"zz", np.uint8)
    got = kernel.words(data, np.array([0, len(raw)]))
    assert (got.ends <= len(raw)).all()
    broken = pa.LargeStringArray.from_buffers(1, pa.py_buffer(np.array([0, len(raw)])), pa.py_buffer(raw))
    for form in ("space", "case", "words"):
        kernel.normalise(broken, form)


@settings(deadline=None, max_examples=60)
@given(TEXT)
@example("Ⱥ小Ⱥ小" * 50)
@example("\u212b K\u0345 小\u0345")
def test_normalising(text: str) -> None:
    def one(value: str, form: str) -> str:
        return kernel.normalise(pa.array([value]), form)[0].as_py()

    spaced = one(text, "space")
    assert spaced == " ".join(text.replace("\u200b", " ").split())
    assert one(text, "case") == "".join(map(plain.fold, spaced))
    of_words = [word for word, _, _ in plain.words(text)]
    got = one(text, "words")
    assert got.replace(" ", "") == "".join(of_words)
    assert [word for word, _, _ in plain.words(got)] == of_words
    for form in ("space", "case", "words"):
        once = one(text, form)
        assert one(once, form) == once


def test_words_are_joined_by_a_space_unless_both_stand_by_themselves() -> None:
    got = kernel.normalise(pa.array(["小 狐,Fox 2 号。", "  The\tEND"]), "words")
    assert got.to_pylist() == ["小狐 fox 2 号", "the end"]


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXT, max_size=3), st.integers(1, 4), st.integers(1, 12))
def test_the_beginning_of_a_text(many: list[str], most: int, limit: int) -> None:
    whole = kernel.normalise(pa.array(many, pa.string()), "words", most_words=most).to_pylist()
    cut = kernel.normalise(pa.array(many, pa.string()), "words", most_words=most, most_bytes=limit).to_pylist()
    for text, first, short in zip(many, whole, cut, strict=True):
        assert [w for w, _, _ in plain.words(first)] == [w for w, _, _ in plain.words(text)][:most]
        assert first.startswith(short)
        assert len(short.encode()) <= limit


def test_counting_goes_block_by_block() -> None:
    many = ["one two three", "", "小狐狸"] * 1000
    data, offsets = kernel.texts(pa.array(many))
    assert kernel.count(data, offsets).tolist() == [3, 0, 3] * 1000


def test_a_ten_megabyte_line() -> None:
    text = "word " * 2_000_000
    assert kernel.count(*kernel.texts(pa.array([text]))).tolist() == [2_000_000]


def test_folding_follows_unicode() -> None:
    """Values from Unicode CaseFolding.txt, statuses C and S; F and T are not simple."""
    table = letters.table()
    for code, folded in [(0x41, 0x61), (0x1E9E, 0xDF), (0xDF, 0xDF), (0x130, 0x130), (0x3C2, 0x3C3), (0xB5, 0x3BC)]:
        assert table[code] & 0x1FFFFF == folded
    for code, folded in [(0x212A, 0x6B), (0x1F88, 0x1F80), (0x13F8, 0x13F0), (0x10400, 0x10428), (0x17F, 0x73)]:
        assert table[code] & 0x1FFFFF == folded
    once = table & 0x1FFFFF
    assert (table[once] == (table & ~np.uint32(0x1FFFFF) | once)).all(), "folding twice, or into another kind"


def test_a_kernel_compiles_where_nothing_can_be_cached() -> None:
    names: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<nowhere>", "exec"), names)
    assert compile_kernel(names["twice"])(21) == 42
