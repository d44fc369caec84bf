"""The published rules, against plain readings of them."""

from __future__ import annotations

import difflib
import json
import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from hornbook.stages.decontaminate._pairs import read_items
from hornbook.stages.decontaminate.ladder import Ladder
from tests.corpus import HOSTILE, STORIES
from tests.stages.decontaminate.test_ladder import LONG, OWN, items_file
from tests.stages.decontaminate.test_leaks import WAYS
from tests.stages.driving import documents, mark, outcome

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


class Published:
    """Cosmopedia's functions, straightforwardly, with the one liberty that n-grams are met in the document's order."""

    def __init__(self, against: list[str], n: int = 10) -> None:
        self.n, self.owner, self.texts, self.keys = n, {}, [], []
        for item in read_items(against):
            for part in item.parts:
                grams = self.ngrams(self.tokens(part))
                if grams:
                    self.owner.update(dict.fromkeys(grams, len(self.texts)))
                    self.texts.append(part)
                    self.keys.append(item.key)

    def tokens(self, text: str) -> list[str]:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        return re.findall(r"\w+", text.lower())

    def ngrams(self, tokens: list[str]) -> list[tuple[str, ...]]:
        return list(zip(*[tokens[i:] for i in range(self.n)], strict=False))

    def decide(self, text: str) -> tuple[str | None, float | None]:
        for gram in self.ngrams(self.tokens(text)):
            if gram in self.owner:
                at = self.owner[gram]
                return self.keys[at], self.ratio(text, self.texts[at])
        return None, None

    def ratio(self, text: str, against: str) -> float:
        one, other = " ".join(self.tokens(text)), " ".join(self.tokens(against))
        matcher = difflib.SequenceMatcher(None, one.lower(), other.lower(), autojunk=False)
        parts = [one[a : a + size] for a, _, size in matcher.get_matching_blocks() if size > 5]
        match = " ".join("".join(parts).split())
        return len(match) / len(other) if other else 0


def same_as_published(against: list[str], told: list[str]) -> int:
    """Compare on every document; how many are contaminated."""
    stage, published = Ladder(against=against, compat="cosmopedia"), Published(against)
    rows = mark(stage, documents(told)).to_pylist()
    _, gone = outcome(stage, documents(told))
    for at, (row, text) in enumerate(zip(rows, told, strict=True)):
        key, ratio = published.decide(text)
        assert (row["decontaminate.item"], row["decontaminate.ratio"]) == (key, ratio), text[:200]
        assert (f"d{at}" in gone) == (ratio is not None and ratio > 0.5)
    return len(gone)


def test_cosmopedia_on_own_texts(tmp_path: Path) -> None:
    against = items_file(tmp_path, [row for row in OWN if "text" in row])
    told = [change(row["text"], random.Random(3)) for row in OWN if "text" in row for change in WAYS.values()]
    told += [f"{STORIES[0]} {text}" for text in told] + STORIES + list(HOSTILE.values())
    assert same_as_published([against], told) > 10


def test_cosmopedia_where_characters_are_several(tmp_path: Path) -> None:
    """Hangul comes apart under NFD, capital sigma depends on its place, İ is two characters in lower case."""
    words = ["한국어", "ΟΔΟΣ", "İstanbul", "ﬁne", "Å", "ŉ", "naïve", "x_y", "½", "Ⅳ", "क्षि", "ςσ"]
    against = items_file(tmp_path, [{"text": " ".join(words)}, {"text": " ".join(words[::-1]) + " and more words"}])
    told = [
        " ".join(words),
        " ".join(words).lower(),
        unicodedata.normalize("NFC", " ".join(words)),
        " ".join(words[1:]),
    ]
    told += [unicodedata.normalize("NFD", " ".join(words)), ", ".join(words[::-1]), " ".join(words).upper()]
    assert same_as_published([against], told) >= 5


def test_cosmopedia_on_real_texts() -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is not here; the law is tested on own texts above")
    names = ("arc_easy", "piqa", "siqa", "openbook_qa", "humaneval", "mbpp", "boolq")
    against = [str(SHARED / "benchmarks" / f"{name}.jsonl") for name in names]
    told = []
    for name, many in (("the_algorithms_python", 1385), ("openstax_physics", 99), ("wikipedia_excerpts", 1500)):
        lines = (SHARED / "corpora" / f"{name}.jsonl").open(encoding="utf-8").readlines()[:many]
        told += [json.loads(line)["text"] for line in lines]
    draw = random.Random(5)
    for item in draw.sample(read_items(against), 150):
        told.append(f"{draw.choice(told[:1000])[:800]}\n\n{draw.choice(list(WAYS.values()))(item.parts[0], draw)}")
    assert same_as_published(against, told) > 60


def test_cosmopedias_faults_are_kept(tmp_path: Path) -> None:
    """The last owner alone is compared, and nothing after the first hit."""
    start = "one two three four five six seven eight nine ten"
    against = items_file(tmp_path, [{"text": f"{start} eleven {STORIES[0]}"}, {"text": f"{start} twelve {STORIES[1]}"}])
    text = f"{start} eleven {STORIES[0]}"
    [row] = mark(Ladder(against=[against], compat="cosmopedia"), documents([text])).to_pylist()
    assert row["decontaminate.item"] == "items:2"
    assert row["decontaminate.ratio"] < 0.5


@pytest.mark.parametrize(("compat", "words", "taken"), [("phi1", 12, False), ("phi1", 13, True)])
def test_phi1_takes_thirteen_words(tmp_path: Path, compat: str, words: int, taken: bool) -> None:
    against = items_file(tmp_path, [{"text": LONG}])
    told = " ".join(LONG.split()[:words]) + " elephants"
    assert bool(outcome(Ladder(against=[against], compat=compat), documents([told]))[1]) == taken


def padded(hits: int) -> str:
    """Text with an item of fourteen words every thousand characters."""
    return "".join(f"{(STORIES[at % 3] * 9)[:1000]} {THIRTEEN} " for at in range(hits)) + (STORIES[3] * 9)[:1000]


THIRTEEN = " ".join(LONG.split()[:13])


def test_gpt3_cuts_hits_out_with_two_hundred_characters_around(tmp_path: Path) -> None:
    stage = Ladder(against=[items_file(tmp_path, [{"text": LONG}])], compat="gpt3")
    text = padded(1)
    [row] = mark(stage, documents([text])).to_pylist()
    first, last = text.index(THIRTEEN), text.index(THIRTEEN) + len(THIRTEEN)
    assert row["text"] == f"{text[: first - 200]}\n\n{text[last + 200 :]}"
    assert (row["decontaminate.pieces"], row["decontaminate.left"]) == (2, len(row["text"]))
    assert row["decontaminate.item"] == "items:1"
    twelve = " ".join(LONG.split()[:12])
    told = documents([twelve + " more", *STORIES])
    assert mark(stage, told).column("text").to_pylist() == told.column("text").to_pylist(), (
        "12 words in a row are no hit"
    )
    short = text[first - 399 : last + 399]
    assert outcome(stage, documents([short]))[1]["d0"][0] == "nothing_left", "pieces of 199 characters do not stay"


def test_gpt3_takes_documents_of_more_than_ten_pieces(tmp_path: Path) -> None:
    stage = Ladder(against=[items_file(tmp_path, [{"text": LONG}])], compat="gpt3")
    kept, gone = outcome(stage, documents([padded(9), padded(10)]))
    assert (kept, gone["d1"][0]) == (["d0"], "contaminated")
    assert gone["d1"][1].startswith("decontaminate.pieces = 11 > 10; items:1")


def test_gpt3_ignores_what_more_than_ten_documents_hold(tmp_path: Path) -> None:
    against = [items_file(tmp_path, [{"text": LONG}])]
    told = documents([f"{THIRTEEN} {at}" for at in range(11)])
    assert outcome(Ladder(against=against, compat="gpt3"), told)[1] == {}
    assert len(outcome(Ladder(against=against, compat="gpt3", common=11), told)[1]) == 11
    assert len(outcome(Ladder(against=against, compat="gpt3"), told.slice(1))[1]) == 10


def test_gpt3_reports_without_cutting(tmp_path: Path) -> None:
    stage = Ladder(against=[items_file(tmp_path, [{"text": LONG}])], compat="gpt3", action="report")
    table = mark(stage, documents([padded(10)]))
    assert table.column("text").to_pylist() == [padded(10)]
    assert table.column("decontaminate.pieces").to_pylist() == [11]


def test_llama3_takes_the_share_of_words_in_runs_of_eight(tmp_path: Path) -> None:
    words = LONG.split()
    against = [items_file(tmp_path, [{"text": LONG}])]
    told = [" ".join(some) for some in (words[:7], words[:8], [*words[:8], "x", *words[9:]], words)]
    ratios = mark(Ladder(against=against, compat="llama3"), documents(told)).column("decontaminate.ratio").to_pylist()
    assert ratios == [None, 8 / 20, 19 / 20, 1.0]
    assert list(outcome(Ladder(against=against, compat="llama3"), documents(told))[1]) == ["d2", "d3"]


@pytest.mark.parametrize(
    ("change", "ratio"),
    [
        (lambda words: words, 1.0),
        (lambda words: [*words[:10], "elephants", *words[11:]], 1.0),
        (lambda words: words[:10], None),
        (lambda words: words[:11], 11 / 20),
        (lambda words: [*words[:12], "x"], 12 / 20),
        (lambda words: [*words[:11], "a", "b", "c", "d", "e", *words[16:]], 11 / 20),
        (lambda words: [*words[:11], "a", "b", "c", "d", *words[15:]], 1.0),
    ],
)
def test_llama_spans(tmp_path: Path, change: Any, ratio: float | None) -> None:
    """Spans of more than ten words of which four may differ, none among the first ten and not the last."""
    words = LONG.rstrip("?").replace(".", "").split()
    assert len(words) == 20
    against = items_file(tmp_path, [{"text": LONG}])
    [row] = mark(Ladder(against=[against], compat="llama"), documents([" ".join(change(words))])).to_pylist()
    assert row["decontaminate.ratio"] == ratio
