from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels import spans
from hornbook.stages.dedup import substring
from hornbook.stages.dedup.substring import Substring
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES, rows
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(knobs={"n": 8, "cut": True, "max_share": 0.9}, golden={"1": "4fd2115e1676ad8133e95b05ba11072c"})
PARTS = ["a ", "b, ", "aa\n", "小狐狸", "قط ", "😀", "  ", "é", "\x00", "c-"]
TEXTS = st.lists(st.lists(st.sampled_from(PARTS), max_size=14).map("".join), min_size=1, max_size=6)


def units_of(text: str, unit: str) -> list[tuple[int, int]]:
    """The byte range of each unit, read plainly."""
    if unit == "words":
        at = [len(text[:k].encode()) for k in range(len(text) + 1)]
        return [(at[start], at[end]) for _, start, end in plain.words(text)]
    ends = [len(text[: k + 1].encode()) for k in range(len(text))]
    return list(zip([0, *ends], ends, strict=False))


def by_hand(texts: list[str], n: int, unit: str, keep_first: bool) -> list[set[int]]:
    """The bytes of each text that are in a repeated window: every window against every other."""
    found = []
    for d, text in enumerate(texts):
        data, units = text.encode(), units_of(text, unit)
        found += [(data[units[k][0] : units[k + n - 1][1]], d, units[k][0]) for k in range(len(units) - n + 1)]
    gone: list[set[int]] = [set() for _ in texts]
    for at, (window, d, start) in enumerate(found):
        others = found[:at] if keep_first else found[:at] + found[at + 1 :]
        if any(window == other for other, _, _ in others):
            gone[d] |= set(range(start, start + len(window)))
    return gone


def covered(row: dict) -> set[int]:
    return {at for span in row["dedup.substring_spans"] for at in range(span["start"], span["end"])}


def check(texts: list[str], stage: Substring, size: int = 4096) -> list[set[int]]:
    """The bytes marked, after each span was seen to stand where it is said to."""
    table = documents(texts)
    marks = mark(stage.model_copy(update={"cut": False}), table, size).to_pylist()
    cut = mark(stage.model_copy(update={"cut": True}), table, size)["text"].to_pylist()
    for d, row in enumerate(marks):
        data = texts[d].encode()
        for span in row["dedup.substring_spans"]:
            there = texts[int(span["of"][1:])].encode()
            said = data[span["start"] : span["end"]]
            assert there[span["at"] : span["at"] + len(said)] == said
            assert said.decode(), "never within a character"
            assert (span["of"], span["at"]) != (row["id"], span["start"])
        gone = covered(row)
        assert row["dedup.substring_bytes"] == len(gone)
        assert row["dedup.substring_share"] == len(gone) / max(1, len(data))
        assert cut[d].encode() == bytes(b for at, b in enumerate(data) if at not in gone)
    return [covered(row) for row in marks]


@settings(deadline=None, max_examples=200)
@given(TEXTS, st.integers(2, 7), st.sampled_from(["words", "characters"]), st.booleans(), st.integers(1, 6))
def test_as_found_by_comparing_all_with_all(texts, n, unit, keep_first, size):
    stage = Substring(n=n, unit=unit, keep_first=keep_first)
    assert check(texts, stage, size) == by_hand(texts, n, unit, keep_first)


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.integers(2, 5))
def test_with_hashes_that_collide_nothing_is_marked_that_is_not_repeated(texts, n):
    original = spans._roll

    def weak(own, joined, offsets, size, out):
        original(own, joined, offsets, size, out)
        out &= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "_roll", weak)
        found = check(texts, Substring(n=n))
    for mine, wanted in zip(found, by_hand(texts, n, "words", True), strict=True):
        assert mine <= wanted


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.integers(2, 5), st.booleans())
def test_shares_of_any_size_find_the_same(texts, n, keep_first):
    table, stage = documents(texts), Substring(n=n, keep_first=keep_first)
    whole = mark(stage, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(substring, "MOST", 2)
        patch.setattr(substring, "BLOCK", 16)
        assert mark(stage, table).equals(whole)


PASSAGE = "the quick brown fox, who had never seen the sea, ran down to it one morning and stood there for a while"


@pytest.mark.parametrize("passage", [PASSAGE, STORIES[3], STORIES[4], "один два три 😀 four 🎉 five six"])
def test_a_planted_passage_is_cut_where_it_comes_again_and_nothing_else(passage):
    texts = [f"First of all. {passage} And on.", "Something else.", f"Elsewhere: {passage}; more of it."]
    stage = Substring(n=6, cut=True)
    marks = mark(stage, documents(texts)).to_pylist()
    assert [row["text"] for row in marks[:2]] == texts[:2]
    left = marks[2]["text"]
    assert left.startswith("Elsewhere: ")
    assert left.endswith("; more of it.")
    assert len(left) <= len("Elsewhere: ; more of it.") + 1, "a full stop at its end is no word"
    assert marks[2]["dedup.substring_spans"][0]["of"] == "d0"


def test_as_in_the_paper_s_code_none_is_left():
    texts = [f"one {PASSAGE} two", f"three {PASSAGE} four"]
    stage = Substring(n=10, keep_first=False, cut=True)
    assert mark(stage, documents(texts))["text"].to_pylist() == ["one  two", "three  four"]


def test_a_document_of_little_else_is_dropped_with_its_proof():
    texts = [f"Here it stands. {PASSAGE}", f"{PASSAGE}!", "another text"]
    kept, gone = outcome(Substring(n=10, max_share=0.8), documents(texts))
    assert kept == ["d0", "d2"]
    reason, evidence = gone["d1"]
    assert reason == "repeated_spans"
    assert evidence.endswith(f"bytes 0-{len(PASSAGE)} are bytes 16-{16 + len(PASSAGE)} of d0")


def test_what_is_cut_stays_somewhere():
    texts = [f"{PASSAGE} {number % 3} {PASSAGE[number:]}" for number in range(9)]
    cut = mark(Substring(n=5, cut=True), documents(texts))["text"].to_pylist()
    assert set(" ".join(cut).split()) == set(" ".join(texts).split())


def test_tokens_are_cut_at_characters(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(vocab={c: i for i, c in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = ["小狐狸😀 in the wood", "", "a 小狐狸😀 in the sea"]
    tokens = check(texts, Substring(n=5, unit="tokens", tokenizer=str(tmp_path / "tokenizer.json")))
    assert tokens == by_hand(texts, 5, "characters", True)


def test_hostile_corpus_in_pieces_of_every_size():
    table = documents([row["text"] for row in rows()], [row["id"] for row in rows()])
    stage = Substring(n=8, cut=True)
    whole = mark(stage, table)
    assert all(mark(stage, table, size).equals(whole) for size in (1, 2, 5))
    texts = whole["text"].to_pylist()
    assert texts[: len(STORIES)] == STORIES, "nothing is repeated in one copy"
    assert all(not any(c.isalnum() for c in text) for text in texts[len(STORIES) : 3 * len(STORIES)])
    left = dict(zip(HOSTILE, texts[3 * len(STORIES) :], strict=True))
    assert left.pop("repeat").split() == ["ha"]
    assert left.pop("digits").startswith("0  1 2 3"), "ten zeros are three times eight"
    assert left == {name: text for name, text in HOSTILE.items() if name not in ("repeat", "digits")}


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_ten_megabytes_of_one_thing_stall_nothing(unit):
    marks = mark(Substring(unit=unit), documents(["ab " * 3_400_000]))
    assert marks["dedup.substring_bytes"][0].as_py() > 10_000_000


def test_a_missing_text_stays_missing():
    table = pa.table({"id": ["a", "b"], "text": pa.array([None, PASSAGE], pa.string())})
    assert mark(Substring(cut=True), table)["text"].to_pylist() == [None, PASSAGE]
