from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.stages.prompts._shelf import by_meaning, cut, fused, load, tokens
from hornbook.stages.prompts.passages import Passages
from tests.contract import Example
from tests.corpus import HOSTILE

CORPUS = [
    {"id": "radio", "text": "Radio waves travel at the speed of light. They carry music and voices to a radio."},
    {"id": "fox", "text": "The red fox is a small hunter. Foxes sleep in dens and eat mice, berries and beetles."},
    {"id": "bread", "text": "Bread is baked from flour, water and yeast. The dough must rest before it is baked."},
    {"id": "lion", "text": "The lion is a large cat of Africa. Lions hunt in groups and sleep most of the day."},
    {"id": "mao", "text": "熊猫是中国特有的动物。大熊猫住在山里，每天吃很多竹子。"},
    {"id": "cha", "text": "茶是一种饮料。中国人很早就开始种茶、喝茶。"},
]
SEEDS = [
    {"id": "s0", "text": "What does a fox eat?"},
    {"id": "s1", "text": "How fast do radio waves travel?"},
    {"id": "s2", "text": "大熊猫吃什么？"},
    {"id": "s3", "text": "Zzyzx qwrtp"},
    {"id": "lion", "text": "The lion is a large cat of Africa."},
    *(
        {"id": f"h-{name}", "text": text}
        for name, text in HOSTILE.items()
        if name in ("empty", "nul", "emoji", "spaces")
    ),
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CORPUS)
EXAMPLE = Example(
    knobs={"corpus": ["{tmp}/corpus.jsonl"], "k": 2, "min_cosine": 0.1, "min_best": 0.01},
    rows=SEEDS,
    files={"corpus.jsonl": LINES},
    golden={"1": "f718486ed73338f6a7af4f40b83a2c2a"},
)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(LINES, encoding="utf-8")
    return str(path)


def found(corpus, *texts, ids=None, **knobs):
    """Sources of the passages of each text."""
    table = pa.table({"id": ids or [f"q{n}" for n in range(len(texts))], "text": list(texts)})
    return Passages(corpus=[corpus], **knobs).each(table)["passages"].to_pylist()


def sources(rows):
    return [[one["source"] for one in row] for row in rows]


@pytest.mark.parametrize("method", ["bm25", "vectors", "both"])
def test_the_passage_about_it_comes_first(corpus, method):
    rows = found(corpus, "What do foxes eat?", "How fast are radio waves?", "大熊猫吃什么？", method=method, k=1)
    assert sources(rows) == [["corpus.jsonl:2"], ["corpus.jsonl:1"], ["corpus.jsonl:5"]]
    assert rows[0][0]["text"] == CORPUS[1]["text"]


def test_bm25_is_the_formula(corpus):
    """Lucene's: idf · tf / (tf + k1 (1 - b + b · length / mean length)), worked out here."""
    [row] = found(corpus, "dough yeast dough", method="bm25", k=1)
    _, offsets = tokens(pa.array([one["text"] for one in CORPUS]))
    lengths = np.diff(offsets)
    idf = math.log(1 + (6 - 1 + 0.5) / (1 + 0.5))
    each = idf / (1 + 1.5 * (1 - 0.75 + 0.75 * lengths[2] / lengths.mean()))
    assert row[0]["score"] == pytest.approx(2 * each, abs=1e-3), "a word counts once, however often it is asked for"


def test_chinese_is_found_by_pairs_of_characters():
    one, offsets = tokens(pa.array(["熊猫", "猫熊", "fox den", "熊 猫", ""]))
    parts = [set(one[a:b].tolist()) for a, b in pairwise(offsets.tolist())]
    assert [len(part) for part in parts] == [3, 3, 2, 2, 0]
    assert len(parts[0] & parts[1]) == 2, "the same characters, another pair"
    assert parts[3] < parts[0]


@pytest.mark.parametrize("method", ["bm25", "vectors", "both"])
def test_a_seed_does_not_find_itself(corpus, method):
    lion = CORPUS[3]["text"]
    assert sources(found(corpus, lion, method=method, exclude_self=False, k=1)) == [["corpus.jsonl:4"]]
    by_text = sources(found(corpus, "Look: " + lion.upper(), method=method))[0]
    by_id = sources(found(corpus, "A lion?", ids=["lion"], method=method))[0]
    assert "corpus.jsonl:4" not in by_text + by_id
    assert by_text, "others are found in its place"


def test_what_is_under_the_limits_is_left_out(corpus):
    question = "How fast are radio waves?"
    [all_] = found(corpus, question, method="vectors", k=6)
    limit = all_[2]["score"]
    assert len(found(corpus, question, method="vectors", k=6, min_cosine=limit)[0]) == 3
    [words] = found(corpus, question, method="bm25", k=6)
    assert len(found(corpus, question, method="bm25", k=6, min_bm25=words[0]["score"])[0]) == 0
    assert found(corpus, "Zzyzx", "", method="bm25") == [[], []]
    assert found(corpus, "", "\x00", method="vectors") == [[], []]


def test_a_row_is_the_same_whatever_stands_beside_it(corpus):
    texts = [row["text"] for row in SEEDS]
    together = found(corpus, *texts)
    assert [found(corpus, text, ids=[f"q{n}"])[0] for n, text in enumerate(texts)] == together


def test_two_rankings_are_fused_by_their_ranks():
    one = (np.array([7, 3, 5]), np.array([9.0, 8.0, 1.0]))
    two = (np.array([3, 9]), np.array([0.9, 0.1]))
    which, scores = fused(one, two, 60.0, 3)
    assert which.tolist() == [3, 7, 9]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62], abs=1e-6)


def test_blocks_give_what_one_product_gives(corpus, monkeypatch):
    from hornbook.stages.prompts import _shelf

    shelf = load([corpus], "text", 600, 1, 1.5, 0.75, False, "wordllama")
    queries = shelf.vectors[[2, 0, 5, 1]]
    barred = [[], [(0, 1)], [], [(1, 3)]]
    whole = by_meaning(shelf, queries, barred, 3, -1.0)
    monkeypatch.setattr(_shelf, "_ROOM", 1)
    parts = by_meaning(shelf, queries, barred, 3, -1.0)
    assert [(a.tolist(), b.tolist()) for a, b in whole] == [(a.tolist(), b.tolist()) for a, b in parts]
    expected = shelf.vectors.astype(float) @ queries[0].astype(float)
    assert whole[0][0].tolist() == np.argsort(-expected, kind="stable")[:3].tolist()
    assert not {0} & set(whole[1][0].tolist())
    assert not {1, 2} & set(whole[3][0].tolist())


WORDS = st.lists(st.sampled_from(["fox", "a", "longerword", "x" * 70, "。", ".", "\n\n", "小猫"]), max_size=60)


@given(WORDS.map(" ".join), st.integers(50, 120), st.integers(0, 3))
def test_passages_hold_every_word_and_are_not_too_long(text, size, overlap):
    spans = list(cut(text, size, overlap))
    assert all(0 < b - a <= size for a, b in spans)
    assert [a for a, _ in spans] == sorted({a for a, _ in spans})
    assert [b for _, b in spans] == sorted({b for _, b in spans}), "each says something new"
    covered = {at for a, b in spans for at in range(a, b)}
    assert all(at in covered for at, letter in enumerate(text) if letter.isalnum())
    if not overlap:
        assert sum(b - a for a, b in spans) == len(covered)


def test_passages_end_where_sentences_end_and_overlap():
    text = "One is here. Two is here. Three is here. Four is here. Five is here."
    shown = [text[a:b] for a, b in cut(text, 50, 1)]
    assert shown[0] == "One is here. Two is here. Three is here."
    assert shown[1].startswith("Three is here.")
    assert shown[-1].endswith("Five is here.")


def test_the_source_says_where(tmp_path):
    long = " ".join(f"Sentence number {n} is about the river {n}." for n in range(40))
    (tmp_path / "rivers.md").write_text(f"# Rivers\n\n{long}\n")
    pq.write_table(pa.table({"body": ["The moon has no river."], "origin": ["moon.html:1"]}), tmp_path / "a.parquet")
    [row] = found(str(tmp_path / "rivers.md"), "river 31", method="bm25", k=1, size=100, overlap=0)
    place, _, span = row[0]["source"].partition(" ")
    a, b = map(int, span.split("-"))
    assert place == "rivers.md:1"
    assert (tmp_path / "rivers.md").read_text()[a:b] == row[0]["text"]
    assert "river 31" in row[0]["text"]
    [row] = found(str(tmp_path / "a.parquet"), "moon", method="bm25", text="body")
    assert row[0]["source"] == "moon.html:1"


def test_several_columns_are_searched_with(corpus):
    table = pa.table({"id": ["a", "b"], "text": ["Zzyzx", None], "topic": ["fox", "bread"]})
    made = Passages(corpus=[corpus], query=["topic", "text"], method="bm25", k=1).each(table)
    assert sources(made["passages"].to_pylist()) == [["corpus.jsonl:2"], ["corpus.jsonl:3"]]
    assert made["prompts.passages"].to_pylist() == [1, 1]


def test_mistakes_are_said(corpus, tmp_path):
    with pytest.raises(UserError, match="no column topic to search with"):
        found(corpus, "x", query=["topic"])
    (tmp_path / "none.txt").write_text("... !\n")
    with pytest.raises(UserError, match="nothing to be found"):
        found(str(tmp_path / "none.txt"), "x")
    with pytest.raises(UserError, match="does not exist"):
        found(str(tmp_path / "no.txt"), "x")
    with pytest.raises(ValueError, match="model2vec:NAME"):
        Passages(corpus=[corpus], embedding="word2vec")


def test_facts_add_up(corpus):
    stage = Passages(corpus=[corpus], method="bm25", k=1)
    marks = stage.each(pa.table({"id": ["a", "b"], "text": ["fox", "Zzyzx"]}))
    sums = stage.measure(marks)
    assert (sums["seeds"], sums["with_passage"], sums["passages"]) == (2, 1, 1)
    assert stage.facts(sums)["mean_best"] == pytest.approx(marks["prompts.passage_score"][0].as_py(), abs=1e-4)
    assert stage.facts({})["mean_best"] == 0
