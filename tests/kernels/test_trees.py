from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zss

from hornbook.kernels.parsing import parse
from hornbook.kernels.syntax import functions
from hornbook.kernels.trees import NOT_LIKE, Trees, common, distances, nearest, trees

BENCHMARKS = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "benchmarks"
Drawn = tuple[list[int], list[list[int]]]
"""A tree as (labels, children), its root node 0."""


def drawn(draw: random.Random, most: int = 15) -> Drawn:
    """A tree of any shape: bushy, a path, a fan."""
    many, shape, labels = draw.randint(1, most), draw.choice(["any", "deep", "flat"]), draw.choice([1, 2, 4, 8])
    children: list[list[int]] = [[] for _ in range(many)]
    for node in range(1, many):
        above = {"any": node, "deep": min(3, node), "flat": min(3, node)}[shape]
        parent = node - 1 - draw.randrange(above) if shape == "deep" else draw.randrange(above)
        children[parent].append(node)
    return [draw.randrange(labels) for _ in range(many)], children


def flat(tree: Drawn) -> tuple[list[int], list[int]]:
    """(labels, leftmost leaves) in postorder, written down as they are defined."""
    labels, left = [], []

    def visit(node: int) -> int:
        firsts = [visit(child) for child in tree[1][node]]
        labels.append(tree[0][node])
        left.append(firsts[0] if firsts else len(labels) - 1)
        return left[-1]

    visit(0)
    return labels, left


def packed(some: list[Drawn]) -> Trees:
    flats = [flat(tree) for tree in some]
    return trees([labels for labels, _ in flats], [left for _, left in flats])


def known(one: Any, other: Any, children: Any, label: Any) -> int:
    """What the package zss says."""
    return int(zss.distance(one, other, children, lambda _: 1, lambda _: 1, lambda a, b: int(label(a) != label(b))))


def by_zss(one: Drawn, other: Drawn) -> int:
    return known((one, 0), (other, 0), lambda n: [(n[0], c) for c in n[0][1][n[1]]], lambda n: n[0][0][n[1]])


@pytest.fixture(scope="module")
def thousand() -> tuple[list[Drawn], Trees, np.ndarray, np.ndarray]:
    draw = random.Random(6)
    some = [drawn(draw) for _ in range(2000)]
    pairs = np.arange(2000).reshape(1000, 2)
    packs = packed(some)
    return some, packs, pairs, distances(packs, packs, pairs)


def test_a_known_implementation_agrees_on_a_thousand_random_pairs(thousand) -> None:
    some, _, pairs, found = thousand
    assert found.tolist() == [by_zss(some[a], some[b]) for a, b in pairs.tolist()]
    assert len(set(found.tolist())) > 8


def source_trees(source: str) -> list[tuple[list[str], list[int]]]:
    tree = parse(source).tree
    assert tree is not None
    return [(f.labels, f.left) for f in functions(tree, "free", "types", True, 1000)]


OWN = """
def mean(values):
    return sum(values) / len(values)

def largest(values):
    best = values[0]
    for value in values[1:]:
        if value > best:
            best = value
    return best

def counts(words):
    found = {}
    for word in words:
        found[word.lower()] = found.get(word.lower(), 0) + 1
    return {word: many for word, many in found.items() if many > 1}
"""


def agree(some: list[tuple[list[str], list[int]]], pairs: list[tuple[int, int]]) -> None:
    numbers: dict[str, int] = {}
    packs = trees([[numbers.setdefault(x, len(numbers)) for x in labels] for labels, _ in some], [le for _, le in some])

    def children(node: tuple[int, int]) -> list[tuple[int, int]]:
        tree, at = node
        left, out, end = some[tree][1], [], at - 1
        while end >= left[at]:
            out.append((tree, end))
            end = left[end] - 1
        return out[::-1]

    def zssed(a: int, b: int) -> int:
        roots = ((a, len(some[a][0]) - 1), (b, len(some[b][0]) - 1))
        return known(*roots, children, lambda node: some[node[0]][0][node[1]])

    assert distances(packs, packs, np.array(pairs)).tolist() == [zssed(a, b) for a, b in pairs]


def test_it_agrees_on_syntax_trees() -> None:
    agree(source_trees(OWN), [(a, b) for a in range(3) for b in range(a, 3)])


def test_it_agrees_on_solutions_of_humaneval() -> None:
    path = BENCHMARKS / "humaneval.jsonl"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    some = [tree for row in rows for tree in source_trees(row["prompt"] + row["canonical_solution"])]
    some = [tree for tree in some if len(tree[0]) < 30]
    draw = random.Random(7)
    agree(some, [(draw.randrange(len(some)), draw.randrange(len(some))) for _ in range(40)])


def test_a_limit_changes_no_distance_within_it(thousand) -> None:
    _, packs, pairs, exact = thousand
    for most in range(13):
        found = distances(packs, packs, pairs, most)
        assert ((found <= most) == (exact <= most)).all()
        assert (found[exact <= most] == exact[exact <= most]).all()


def test_it_is_a_metric(thousand) -> None:
    _, packs, pairs, exact = thousand
    assert (distances(packs, packs, pairs[:, ::-1].copy()) == exact).all()
    assert (distances(packs, packs, np.repeat(pairs[:, :1], 2, axis=1)) == 0).all()
    third = (pairs[:, 0] + 77) % 2000
    around = [np.stack([pairs[:, 0], third], axis=1), np.stack([third, pairs[:, 1]], axis=1)]
    assert (sum(distances(packs, packs, some) for some in around) >= exact).all()


def edits(one: list[int], other: list[int]) -> int:
    """Levenshtein's distance, as it is defined."""
    row = list(range(len(other) + 1))
    for at, a in enumerate(one, 1):
        now = [at]
        for place, b in enumerate(other, 1):
            now.append(min(now[-1] + 1, row[place] + 1, row[place - 1] + (a != b)))
        row = now
    return row[-1]


def preorder(tree: Drawn, node: int = 0) -> list[int]:
    return [tree[0][node], *(label for child in tree[1][node] for label in preorder(tree, child))]


def test_words_over_several_blocks_of_bits() -> None:
    draw = random.Random(8)
    words = [[draw.randrange(5) for _ in range(size)] for size in (1, 63, 64, 65, 127, 128, 129, 200)]
    for other in words:
        asked, among = (trees(some, [[0] * len(word) for word in some]) for some in (words, [other]))  # paths
        pairs = np.array([(a, 0) for a in range(len(words))])
        expected = [edits(word, other) for word in words]
        assert distances(asked, among, pairs).tolist() == expected
        assert nearest(asked, among, common(among), 0.0, sequence=True)[1].tolist() == expected


def test_edits_of_labels_are_a_bound(thousand) -> None:
    some, _, pairs, exact = thousand
    for (a, b), distance in zip(pairs[:300].tolist(), exact.tolist(), strict=False):
        assert edits(preorder(some[a]), preorder(some[b])) <= distance
        assert edits(flat(some[a])[0], flat(some[b])[0]) <= distance


@pytest.mark.parametrize("floor", [0.0, 0.5, 0.8])
def test_no_bound_hides_the_nearest(floor: float) -> None:
    draw = random.Random(9)
    asked, among = packed([drawn(draw) for _ in range(120)]), packed([drawn(draw) for _ in range(150)])
    which, found, steps = nearest(asked, among, common(among), floor)
    every = distances(asked, among, np.array([(a, b) for a in range(120) for b in range(150)])).reshape(120, 150)
    larger = np.maximum.outer(np.diff(asked.offsets), np.diff(among.offsets))
    rates = 1 - every / larger
    best = rates.argmax(axis=1)
    hit = rates.max(axis=1) >= floor - 1e-9
    assert which.tolist() == np.where(hit, best, NOT_LIKE).tolist()
    assert found[hit].tolist() == every[np.arange(120), best][hit].tolist()
    assert hit.any()
    assert steps[0] == 120 * 150
    assert steps[3] < steps[0] / 4


def test_sequences_and_vectors() -> None:
    draw = random.Random(10)
    one, other = [drawn(draw) for _ in range(50)], [drawn(draw) for _ in range(60)]
    asked, among = packed(one), packed(other)
    pairs = [(a, b) for a in range(50) for b in range(60)]
    every = np.array([edits(preorder(one[a]), preorder(other[b])) for a, b in pairs]).reshape(50, 60)
    larger = np.maximum.outer(np.diff(asked.offsets), np.diff(among.offsets))
    which, found, _ = nearest(asked, among, common(among), 0.0, sequence=True)
    assert which.tolist() == (1 - every / larger).argmax(axis=1).tolist()
    assert found.tolist() == every[np.arange(50), which].tolist()

    vectors, owners = np.eye(2, dtype=np.float32), np.arange(60, dtype=np.int32) % 2
    apart = (vectors[np.arange(50) % 2], vectors, owners, 0.5)
    near, _, _ = nearest(asked, among, common(among), 0.0, apart=apart)
    assert (near % 2 == np.arange(50) % 2).all()


def test_no_trees() -> None:
    empty, one = packed([]), packed([([1], [[]])])
    assert len(empty) == 0
    assert nearest(empty, one, common(one), 0.5)[0].size == 0
    assert nearest(one, empty, common(empty), 0.5)[0].tolist() == [NOT_LIKE]
