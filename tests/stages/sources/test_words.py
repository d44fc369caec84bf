"""sources.words: what the list must be for prompts to be simple, all different and grammatical."""

from collections import Counter
from importlib.resources import files

import pytest

from hornbook.stages.sources.words import Words
from tests.contract import Example

EXAMPLE = Example(golden={"1": "f7b90e9341417e6dae99b762eb6bb800"})
UPOS = {"noun": "NOUN", "verb": "VERB", "adjective": "ADJ"}


@pytest.fixture(scope="module")
def table():
    stage = Words()
    (item,) = stage.shards(None)
    (table,) = stage.read(item, None)
    return table


def test_has_the_size_of_tinystories_list(table):
    assert Counter(table["words.pos"].to_pylist()) == {"noun": 750, "verb": 400, "adjective": 350}


def test_every_word_is_there_once_and_plain(table):
    words = table["text"].to_pylist()
    assert len(set(words)) == len(words)
    assert all(word.isascii() and word.isalpha() and word.islower() and len(word) >= 2 for word in words)


def test_ids_and_origins_name_the_word(table):
    lines = (files("hornbook.stages.sources") / "words.tsv").read_text(encoding="utf-8").splitlines()
    for row in table.to_pylist():
        assert row["id"] == f"{row['words.pos']}-{row['text']}"
        name, _, line = row["origin"].partition(":")
        assert (name, lines[int(line) - 1]) == ("words.tsv", f"{row['text']}\t{row['words.pos']}")


def is_base_form(word, part):
    """Whether LemmInflect's lexicon (from the NIH SPECIALIST lexicon) has the word as base form of that part."""
    from lemminflect import getAllLemmas

    return word in getAllLemmas(word, upos=UPOS[part]).get(UPOS[part], ())


def test_every_word_is_the_base_form_of_its_part_of_speech(table):
    words = zip(table["text"].to_pylist(), table["words.pos"].to_pylist(), strict=True)
    assert [pair for pair in words if not is_base_form(*pair)] == []


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("foxes", "noun"),
        ("ran", "verb"),
        ("bigger", "adjective"),
        ("quickly", "adjective"),
        ("fox", "adjective"),
    ],
)
def test_the_check_would_find_a_wrong_word(word, part):
    assert not is_base_form(word, part)


UNFIT = "gun kill die dead blood beer wine drug naked hell damn stupid idiot rob murder war sexy ass suicide"


def test_no_word_is_unfit_for_a_small_child(table):
    assert not set(UNFIT.split(" ")) & set(table["text"].to_pylist())
