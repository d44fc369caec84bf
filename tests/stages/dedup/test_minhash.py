from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.kernels.near import meeting
from hornbook.stages.dedup._shingling import Shingling
from hornbook.stages.dedup.minhash import MinHash
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.kernels import plain
from tests.stages.driving import documents, mark, outcome

ALPHABET = ["cat", "Dog", "小", "é", "كتاب", "😀", "ก"]
COPIES = [
    {"id": f"d{n}", "text": "one two three four five six seven eight nine ten " * 2 + "x" * (n // 4)} for n in range(12)
]
EXAMPLE = Example(
    rows=[*COPIES, *({"id": f"h{n}", "text": text} for n, text in enumerate(HOSTILE.values()))],
    golden={"1": "f512fdb317f70b0be37387e3785a7168"},
)
SHARED = Path(__file__).resolve().parents[3] / ".." / "shared"
CORPORA, ARTICLES = SHARED / "data" / "corpora", SHARED / "articles"
HAN = range(0x4E00, 0x9FA6)
EVERY = {"bands": 128, "rows": 1}
"""So many bands of one row that practically every pair that shares anything is compared."""


def grams(text: str, n: int = 5) -> frozenset[tuple[str, ...]]:
    found = [word for word, _, _ in plain.words(text)]
    return frozenset(tuple(found[at : at + n]) for at in range(max(1, len(found) - n + 1))) if found else frozenset()


def jaccard(one: frozenset[Any], two: frozenset[Any]) -> float:
    return len(one & two) / len(one | two) if one or two else 0.0


def groups(rows: list[dict[str, Any]]) -> set[frozenset[str]]:
    found = defaultdict(set)
    for row in rows:
        found[row["dedup.minhash_cluster"] or f"alone {row['id']}"].add(row["id"])
    return {frozenset(some) for some in found.values()}


def components(names: list[str], links: list[tuple[str, str]]) -> set[frozenset[str]]:
    home = {name: {name} for name in names}
    for one, two in links:
        if home[one] is not home[two]:
            home[one] |= home[two]
            for name in home[two]:
                home[name] = home[one]
    return {frozenset(some) for some in home.values()}


TEXTS = st.lists(st.lists(st.sampled_from(ALPHABET), max_size=8).map(" ".join), min_size=1, max_size=14)


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.sampled_from([0.3, 0.5, 0.7, 1.0]), st.integers(1, 3), st.integers(1, 9))
@example([*STORIES, *STORIES, *(t for t in HOSTILE.values() if len(t) < 5000)], 0.7, 2, 4)
def test_clusters_and_drops_are_those_of_brute_force(texts: list[str], threshold: float, n: int, size: int) -> None:
    stage = MinHash(threshold=threshold, n=n, **EVERY)
    table = documents(texts)
    rows = mark(stage, table, size).to_pylist()
    sets = {row["id"]: grams(text, n) for row, text in zip(rows, texts, strict=True)}
    names = list(sets)
    alike = [(a, b) for a, b in combinations(names, 2) if sets[a] and jaccard(sets[a], sets[b]) >= threshold]
    assert groups(rows) == components(names, alike)
    kept: list[str] = []
    for row in rows:
        near = [(jaccard(sets[name], sets[row["id"]]), name) for name in kept if (name, row["id"]) in alike]
        if near:
            best = max(value for value, _ in near)
            assert row["dedup.minhash_similarity"] == pytest.approx(best, abs=1e-12)
            assert row["dedup.minhash_of"] == next(name for value, name in near if value == best)
            assert names[row["dedup.minhash_row"]] == row["dedup.minhash_of"]
        else:
            assert row["dedup.minhash_of"] is None
            kept.append(row["id"])
    assert outcome(stage, table, size)[0] == kept


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(10)), st.integers(1, 11))
def test_order_does_not_change_which_clusters_exist(order: list[int], size: int) -> None:
    draw = random.Random(3)
    base = [draw.choices(ALPHABET, k=30) for _ in range(3)]
    texts = []
    for number in range(10):
        some = list(base[number % 3])
        some[number] = "changed"
        texts.append(" ".join(some))
    table = documents(texts)
    shuffled = table.take(pa.array(order))
    stage = MinHash(n=3, threshold=0.5)
    assert groups(mark(stage, table).to_pylist()) == groups(mark(stage, shuffled, size).to_pylist())


def test_the_best_of_a_cluster_is_kept() -> None:
    words = [f"w{n}" for n in range(60)]
    texts = [" ".join(words[:56]), " ".join(words), " ".join(words[:58]), "something else altogether, alone as can be"]
    table = documents(texts).append_column("score", pa.array([0.5, None, 0.1, 0.0], pa.float64()))
    for knobs, best in (
        ({}, "d0"),
        ({"keep": "longest"}, "d1"),
        ({"keep": "score"}, "d0"),
        ({"keep": "score", "prefer": "low"}, "d2"),
    ):
        kept, gone = outcome(MinHash(**knobs), table, 2)
        assert kept == [best, "d3"], knobs
        assert all(reason == "near_duplicate" and f"; {best}" in evidence for reason, evidence in gone.values())


def test_a_column_that_is_not_there_is_said() -> None:
    with pytest.raises(UserError, match="no column `score`"):
        mark(MinHash(keep="score"), documents(["same words here", "same words here"]))
    with pytest.raises(UserError, match="no number"):
        mark(MinHash(keep="id"), documents(["same words here", "same words here"]))


def test_a_higher_limit_drops_only_what_reaches_it() -> None:
    words = [f"w{n}" for n in range(100)]
    texts = [" ".join(words), " ".join(words[:80]), " ".join(words)]
    assert outcome(MinHash(threshold=0.6), documents(texts))[0] == ["d0"]
    assert outcome(MinHash(threshold=0.6, min_similarity=0.9), documents(texts))[0] == ["d0", "d1"]


def test_without_verification_all_that_bands_connect_goes() -> None:
    words = [f"w{n}" for n in range(100)]
    chain = [" ".join(words[start : start + 60]) for start in (0, 20, 40)]
    assert outcome(MinHash(n=1, threshold=0.5, **EVERY), documents(chain))[0] == ["d0", "d2"]
    kept, gone = outcome(MinHash(n=1, threshold=0.5, verify=False, **EVERY), documents(chain))
    assert kept == ["d0"]
    assert gone["d2"][1] == f"dedup.minhash_similarity = {20 / 100:.4g} >= 0.0; d0"


@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
def test_units(unit: str, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    path = tmp_path / "tokenizer.json"
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2, "sat": 3}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
    knobs = {"tokenizer": str(path)} if unit == "tokens" else {}
    stage = MinHash(unit=unit, n=2, threshold=0.99, **EVERY, **knobs)
    kept, _ = outcome(stage, documents(["the cat sat", "the  cat\nsat", "the cat", "小猫坐", "小猫坐", "", None]))
    assert (
        kept
        == {
            "words": ["d0", "d2", "d3", "d5", "d6"],
            "characters": ["d0", "d2", "d3", "d5", "d6"],
            "tokens": ["d0", "d2", "d3", "d5", "d6"],
        }[unit]
    )


def test_knobs_that_do_not_go_together_are_refused() -> None:
    for knobs in ({"bands": 4}, {"rows": 4}, {"unit": "tokens"}, {"tokenizer": "x.json"}):
        with pytest.raises(ValueError, match=r"go together|tokenizer"):
            MinHash(**knobs)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.95])
def test_bands_are_chosen_for_the_threshold(threshold: float) -> None:
    bands, rows = MinHash(threshold=threshold, recall=0.9).banding()
    assert bands * rows <= 128
    assert meeting(threshold, bands, rows) >= 0.9
    assert meeting(threshold, 128 // (rows + 1), rows + 1) < 0.9
    facts = MinHash(threshold=threshold).facts({})
    assert facts["curve"]["0.80"] == pytest.approx(1 - (1 - 0.8 ** facts["rows"]) ** facts["bands"], abs=1e-4)


def planted(texts: list[str], copies: int, seed: int) -> list[str]:
    """Near-copies of some texts, 0.5 to 0.95 alike: a changed word changes five runs of five words."""
    draw = random.Random(seed)
    long = [text for text in texts if len(grams(text)) >= 60]
    made = []
    for _ in range(copies):
        text = draw.choice(long)
        chinese = any(HAN.start <= ord(character) < HAN.stop for character in text[:100])
        words, space = (list(text), "") if chinese else (text.split(), " ")
        similar = draw.uniform(0.5, 0.95)
        changes = (1 - similar) / (1 + similar) / 5
        other = [chr(draw.choice(HAN)) if chinese else f"q{draw.randrange(10**9)}" for _ in words]
        made.append(
            space.join(new if draw.random() < changes else word for word, new in zip(words, other, strict=True))
        )
    return made


def similarities(sets: list[frozenset[Any]]) -> dict[tuple[int, int], float]:
    """The exact similarity of all pairs that share anything, by brute force."""
    places = defaultdict(list)
    for at, some in enumerate(sets):
        for gram in some:
            places[gram].append(at)
    shared = Counter(pair for where in places.values() if len(where) > 1 for pair in combinations(where, 2))
    return {(a, b): many / (len(sets[a]) + len(sets[b]) - many) for (a, b), many in shared.items()}


Row = tuple[float, int, float, float, float]


def curve(texts: list[str], copies: int, bands: int, rows: int, threshold: float) -> list[Row]:
    """Planted copies against brute force: precision must be 1, pairs must meet as often as theory says.

    Returns:
        (similarity, pairs, share that share a band, theory, share found in one cluster), one a bin of 0.05.
    """
    texts = texts + planted(texts, copies, 11)
    exact = similarities([grams(text) for text in texts])
    stage, table = MinHash(threshold=threshold, bands=bands, rows=rows), documents(texts)
    marked = mark(stage, table, 512).to_pylist()
    numbers = {row["id"]: at for at, row in enumerate(marked)}
    gone = [(at, numbers[row["dedup.minhash_of"]]) for at, row in enumerate(marked) if row["dedup.minhash_of"]]
    assert gone
    for one, two in gone:
        true = exact[min(one, two), max(one, two)]
        assert marked[one]["dedup.minhash_similarity"] == pytest.approx(true, abs=1e-12)
        assert true >= threshold
    keys, _ = Shingling("words", 5).keys(table.column("text"), bands, rows)
    clusters = [row["dedup.minhash_cluster"] for row in marked]
    found = []
    for low in np.arange(threshold, 1.0, 0.05):
        some = [(pair, value) for pair, value in exact.items() if low <= value < low + 0.05]
        if len(some) < 20:
            continue
        met = [bool((keys[a] == keys[b]).any()) for (a, b), _ in some]
        together = [clusters[a] is not None and clusters[a] == clusters[b] for (a, b), _ in some]
        assert all(same for same, shared in zip(together, met, strict=True) if shared), "compared, alike and not found"
        chances = np.array([meeting(value, bands, rows) for _, value in some])
        spread = float(np.sqrt((chances * (1 - chances)).sum()))
        assert abs(sum(met) - chances.sum()) <= 5 * spread + 1, f"{low:.2f}: {sum(met)} of {len(met)} met"
        found.append((float(low), len(some), float(np.mean(met)), float(chances.mean()), float(np.mean(together))))
    assert len(found) > 5
    return found


def test_recall_follows_the_curve_and_precision_is_one_on_made_up_text() -> None:
    draw = random.Random(5)
    words = [f"word{n}" for n in range(2000)]
    texts = [" ".join(draw.choices(words, k=draw.randrange(60, 200))) for _ in range(400)]
    for bands, rows in ((16, 8), (21, 6)):
        curve(texts, 400, bands, rows, 0.5)


def test_recall_follows_the_curve_on_made_up_chinese() -> None:
    draw = random.Random(6)
    texts = ["".join(chr(draw.choice(HAN[:2000])) for _ in range(draw.randrange(80, 250))) for _ in range(400)]
    curve(texts, 400, 16, 8, 0.5)


def test_recall_and_precision_on_chinese_articles(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(ARTICLES.glob("*.txt"))
    if not files:
        pytest.skip("../shared/articles is not here; the law is tested on made up Chinese above")
    texts = []
    for file in files:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if any(ord(c) in HAN for c in line)]
        whole = "".join(lines)
        texts += [whole[at : at + 250] for at in range(0, len(whole), 250)]
    found = curve(texts, 1500, 16, 8, 0.5)
    with capsys.disabled():
        show(found, f"{len(texts):,} Chinese passages")


def show(found: list[Row], what: str) -> None:
    print(f"\nsimilarity  pairs  met  theory  in one cluster ({what}, 1,500 planted copies, 16 x 8)")
    for low, many, met, theory, together in found:
        print(f"{low:.2f}-{low + 0.05:.2f}  {many:6d}  {met:.3f}  {theory:.3f}  {together:.3f}")


@pytest.mark.slow
def test_recall_and_precision_on_real_documents(capsys: pytest.CaptureFixture[str]) -> None:
    path = CORPORA / "wikipedia_excerpts.jsonl"
    if not path.exists():
        pytest.skip("../shared/data/corpora is not here; the law is tested on made texts above")
    texts = [orjson.loads(line)["text"][:4000] for line in path.read_bytes().splitlines()[:5000]]
    found = curve(texts, 1500, 16, 8, 0.5)
    with capsys.disabled():
        show(found, "5,000 documents")
