"""Repetition: the kernel and a literal reading of Gopher's measures agree."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.kernels.repetition import DUPLICATE, TOP, lines, ngrams
from hornbook.kernels.words import texts, words
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain

LOOPS = st.lists(st.sampled_from(["a", "b", "cat", "the", "小", "狐"]), max_size=60).map(" ".join)
PAGES = st.lists(st.sampled_from(["one", "two ", " one", "", " ", "\t", "é", "one\r"]), max_size=20).map("\n".join)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(LOOPS, st.text(alphabet="ab 小é\n")), max_size=4))
@example([*HOSTILE.values(), *STORIES])
@example([" ".join(["x y z w v u t s r q p"] * 3)])
def test_ngrams(many: list[str]) -> None:
    top, again = ngrams(words(*texts(pa.array(many, pa.string()))))
    for row, text in enumerate(many):
        found = plain.words(text)
        assert top[row].tolist() == [plain.top(found, n) for n in TOP], text
        assert again[row].tolist() == [plain.again(found, n) for n in DUPLICATE], text


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(PAGES, st.text(alphabet="ab \né\r")), max_size=4))
@example([*HOSTILE.values(), "a\nb\n\na\nb\n\n\n", "\n\na"])
def test_lines_and_paragraphs(many: list[str]) -> None:
    got = lines(*texts(pa.array(many, pa.string())))
    for row, text in enumerate(many):
        found, blocks = plain.lines(text), plain.paragraphs(text)
        assert got.chars[row] == len(text)
        assert got.lines[row] == len(found)
        assert got.same_lines[row] == len(found) - len(set(found))
        assert got.same_line_chars[row] == sum(map(len, found)) - sum(map(len, set(found)))
        assert got.paragraphs[row] == len(blocks)
        assert got.same_paragraphs[row] == len(blocks) - len({tuple(block) for block in blocks})
        assert (got.same_paragraph_chars[row] > 0) == (got.same_paragraphs[row] > 0)


def test_paragraph_characters_count_its_line_feeds() -> None:
    """Worked by hand: the second `ab\\ncd` is five characters."""
    got = lines(*texts(pa.array(["ab\ncd\n\nab\ncd\n\nef"])))
    assert (got.same_paragraphs[0], got.same_paragraph_chars[0]) == (1, 5)
