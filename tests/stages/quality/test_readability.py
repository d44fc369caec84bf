from __future__ import annotations

import pytest

from hornbook.stages.quality.readability import Readability
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(golden={"1": "ab9173f7b38f635b093c4e2912ddd652"})
SYLLABLES = {
    "cat": 1, "table": 2, "little": 2, "make": 1, "makes": 1, "boxes": 2, "wanted": 2, "jumped": 1, "happy": 2,
    "banana": 3, "the": 1, "eye": 1, "beautiful": 3, "strength": 1, "café": 2, "naïve": 1, "horses": 2, "rhythm": 1,
}  # fmt: skip
"""By the rule of the kernel; `naïve` (2 in a dictionary) shows where the rule is blind."""


def test_syllables_by_the_rule() -> None:
    found = mark(Readability(), documents(list(SYLLABLES))).column("quality.syllables").to_pylist()
    assert dict(zip(SYLLABLES, found, strict=True)) == SYLLABLES


def test_formulas() -> None:
    """One sentence of six words, eight syllables: the formulas written out."""
    row = mark(Readability(), documents(["The happy cat sat on tables."])).to_pylist()[0]
    letters = 3 + 5 + 3 + 3 + 2 + 6
    assert (row["quality.sentences"], row["quality.sentence_words"]) == (1, 6.0)
    assert row["quality.flesch"] == pytest.approx(206.835 - 1.015 * 6 - 84.6 * 8 / 6)
    assert row["quality.grade"] == pytest.approx(0.39 * 6 + 11.8 * 8 / 6 - 15.59)
    assert row["quality.ari"] == pytest.approx(4.71 * letters / 6 + 0.5 * 6 - 21.43)
    assert row["quality.coleman_liau"] == pytest.approx(0.0588 * 100 * letters / 6 - 0.296 * 100 / 6 - 15.8)
    assert row["quality.lix"] == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("...", 0),
        ("One. Two! Three?", 3),
        ('He said "no." Then he left.', 2),
        ("Pi is 3.14 and a.b is a name.", 1),
        ("A title\n\nA line\nthat goes on.", 2),
        ("小狐狸很高兴。它回家了!妈妈呢?", 3),
        ("كان هناك قط. هل تعب؟ نعم.", 3),
        ("🎉🎉🎉", 0),
    ],
)
def test_sentences_in_every_script(text: str, sentences: int) -> None:
    assert mark(Readability(), documents([text])).column("quality.sentences").to_pylist() == [sentences]


def test_no_formula_where_it_makes_no_sense() -> None:
    rows = mark(Readability(), documents([STORIES[3], STORIES[4], HOSTILE["thai"], "", "1234"])).to_pylist()
    for row in rows:
        assert row["quality.flesch"] is None
        assert row["quality.grade"] is None
    assert [row["quality.lix"] is None for row in rows] == [True, False, True, True, False]


def test_hard_and_easy_leave() -> None:
    hard = "Electroencephalographic characterisation necessitates multidisciplinary institutional collaboration."
    easy = "The cat sat. The dog ran."
    both = documents([hard, easy, STORIES[3]])
    assert outcome(Readability(max_grade=12), both)[1].keys() == {"d0"}
    assert outcome(Readability(max_flesch=100), both)[1]["d1"][0] == "easy"
    assert outcome(Readability(), both)[1] == {}


def test_hostile_texts_are_marked() -> None:
    table = documents([*HOSTILE.values(), "x" * 10_000_000, ". " * 500_000])
    assert mark(Readability(), table).num_rows == table.num_rows
