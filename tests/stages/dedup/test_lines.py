from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.stages.dedup.lines import Lines
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES, rows
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(
    knobs={"min_words": 2, "cut": True, "max_share": 0.9}, golden={"2": "7d99dee184066f3fc8c22690f623d11d"}
)
LINES = [
    "All rights reserved by us.\n",
    "  all RIGHTS reserved, by us\r\n",
    "小狐狸睡了\n",
    "one two\n",
    "\n",
    "a b c d",
    "x\n\n",
    "😀 ...\n",
]
TEXTS = st.lists(st.lists(st.sampled_from(LINES), max_size=6).map("".join), min_size=1, max_size=8)


def by_hand(texts: list[str], fewest: int, many: int, keep_first: bool) -> list[tuple[str, int]]:
    """(text without repeated lines, how many there were), read plainly."""
    split = [text.split("\n") for text in texts]
    split = [[line + "\n" for line in each[:-1]] + ([each[-1]] if each[-1] else []) for each in split]
    keys = [[tuple(word for word, _, _ in plain.words(line)) for line in each] for each in split]
    where = defaultdict(set)
    for d, each in enumerate(keys):
        for key in each:
            where[key].add(d)

    def repeated(d: int, key: tuple[str, ...]) -> bool:
        return len(key) >= fewest and len(where[key]) >= many and not (keep_first and d == min(where[key]))

    found = []
    for d, (each, of) in enumerate(zip(split, keys, strict=True)):
        gone = [repeated(d, key) for key in of]
        found.append(("".join(line for line, out in zip(each, gone, strict=True) if not out), sum(gone)))
    return found


@settings(deadline=None, max_examples=150)
@given(TEXTS, st.integers(1, 4), st.integers(2, 3), st.booleans(), st.integers(1, 5))
def test_as_read_by_hand(texts, fewest, many, keep_first, size):
    stage = Lines(min_words=fewest, documents=many, keep_first=keep_first, cut=True)
    marks = mark(stage, documents(texts), size).to_pylist()
    wanted = by_hand(texts, fewest, many, keep_first)
    assert [(row["text"], row["dedup.lines_repeated"]) for row in marks] == wanted
    for row, text in zip(marks, texts, strict=True):
        size_of = len(text.encode())
        assert row["dedup.lines_share"] == (size_of - len(row["text"].encode())) / max(1, size_of)


def test_marked_alone_the_text_stays():
    texts = ["A line of five words.\nMine.", "Yours.\na line of five words"]
    marks = mark(Lines(), documents(texts))
    assert marks["text"].to_pylist() == texts
    assert marks["dedup.lines_repeated"].to_pylist() == [0, 1]
    kept, gone = outcome(Lines(max_share=0.5), documents(texts))
    assert (kept, set(gone)) == (["d0"], {"d1"})
    assert gone["d1"][1].endswith("> 0.5; d0"), "the evidence names where the line stands"
    both = mark(Lines(keep_first=False), documents(texts))
    assert both["dedup.lines_of"].to_pylist() == ["d1", "d0"]


def test_the_same_line_twice_in_one_document_is_no_matter_of_others():
    assert mark(Lines(), documents(["one two three four five\n" * 3]))["dedup.lines_repeated"].to_pylist() == [0]


def test_hostile_corpus_in_pieces_of_every_size():
    table = documents([row["text"] for row in rows()], [row["id"] for row in rows()])
    stage = Lines(min_words=1, cut=True)
    whole = mark(stage, table)
    assert all(mark(stage, table, size).equals(whole) for size in (1, 2, 5))
    again = mark(stage, table.slice(0, len(STORIES)))
    assert again["text"].to_pylist() == STORIES, "nothing is repeated in one copy"
    copies = whole["text"].to_pylist()[len(STORIES) : 2 * len(STORIES)]
    assert copies == [""] * len(STORIES), "of the second copy nothing is left"
    texts = whole["text"].to_pylist()
    assert texts[3 * len(STORIES) :] == list(HOSTILE.values())


def test_a_missing_text_stays_missing():
    table = pa.table({"id": ["a", "b"], "text": pa.array([None, "one two three four five"], pa.string())})
    assert mark(Lines(cut=True), table)["text"].to_pylist() == [None, "one two three four five"]
