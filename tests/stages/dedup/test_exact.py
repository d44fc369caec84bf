from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.stages.dedup.exact import Exact
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

EXAMPLE = Example(knobs={"normalise": "words"}, golden={"1": "25d25ca33d1e7b0be6e28d3aefd42035"})
ODDITIES = [text for text in HOSTILE.values() if len(text) < 5000]
FORMS = ("none", "space", "case", "words")
ODD = st.text(alphabet="aA bB\t\n.,小é\u0301\u00ad", max_size=6)


def normal(text: str, form: str) -> object:
    spaced = " ".join(text.split())
    folded = "".join(map(plain.fold, spaced))
    return {"none": text, "space": spaced, "case": folded, "words": tuple(w for w, _, _ in plain.words(text))}[form]


@settings(deadline=None, max_examples=80)
@given(st.lists(ODD, min_size=1, max_size=30), st.sampled_from(FORMS), st.integers(1, 31))
@example([*ODDITIES, *STORIES, *ODDITIES], "words", 4)
def test_the_first_of_equal_texts_is_kept(texts: list[str], form: str, size: int) -> None:
    stage, table = Exact(normalise=form), documents(texts)
    clusters: dict[object, list[str]] = defaultdict(list)
    for at, text in enumerate(texts):
        clusters[normal(text, form)].append(f"d{at}")
    marks = mark(stage, table, size).to_pylist()
    for row, text in zip(marks, texts, strict=True):
        cluster = clusters[normal(text, form)]
        assert row["dedup.exact_copies"] == len(cluster)
        assert row["dedup.exact_of"] == (None if row["id"] == cluster[0] else cluster[0])
    kept, gone = outcome(stage, table, size)
    assert kept == sorted((cluster[0] for cluster in clusters.values()), key=lambda key: int(key[1:]))
    assert gone.keys() == {key for cluster in clusters.values() for key in cluster[1:]}


@settings(deadline=None, max_examples=40)
@given(
    st.permutations([("a", "x"), ("b", "x"), ("c", "X "), ("d", "y"), ("e", ""), ("f", " ")]), st.sampled_from(FORMS)
)
def test_order_does_not_change_which_clusters_exist(pairs: list[tuple[str, str]], form: str) -> None:
    def clusters(order: list[tuple[str, str]]) -> set[frozenset[str]]:
        table = documents([text for _, text in order], [key for key, _ in order])
        rows = mark(Exact(normalise=form), table, 2).to_pylist()
        found = defaultdict(set)
        for row in rows:
            found[row["dedup.exact_of"] or row["id"]].add(row["id"])
        return {frozenset(cluster) for cluster in found.values()}

    assert clusters(pairs) == clusters(sorted(pairs))


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        ("none", ["d0", "d1", "d2", "d3", "d4", "d5", "d6"]),
        ("space", ["d0", "d2", "d3", "d4", "d5"]),
        ("case", ["d0", "d3", "d4", "d5"]),
        ("words", ["d0", "d4", "d5"]),
    ],
)
def test_what_each_form_forgives(form: str, kept: list[str]) -> None:
    texts = ["The cat sat.", " The  cat\nsat. ", "the CAT sat.", "the cat sat", "the cats at", "", " "]
    assert outcome(Exact(normalise=form), documents(texts))[0] == kept


def test_the_evidence_is_the_document_kept() -> None:
    _, gone = outcome(Exact(), documents(["same", "same"], ["first", "second"]))
    assert gone == {"second": ("duplicate", "dedup.exact_of = first")}


def test_copies_come_back_whatever_the_pieces() -> None:
    table = documents([str(n % 37) for n in range(1000)])
    whole = mark(Exact(), table)
    assert set(whole.column("dedup.exact_copies").to_pylist()) == {27, 28}
    assert all(mark(Exact(), table, size).equals(whole) for size in (1, 64, 999))
