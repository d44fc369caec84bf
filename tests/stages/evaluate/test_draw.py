"""evaluate.draw: an even draw that depends on ids and seed alone."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from hornbook.stages.evaluate.draw import Draw
from tests.contract import Example
from tests.stages.above import Above

EXAMPLE = Example(knobs={"count": 5}, golden={"1": "0291b455672359b9a5cc786a32fac2c1"})


def drawn(stage: Draw, names: list[str], size: int = 7) -> list[str]:
    above = Above([{"id": name, "text": name} for name in names], size)
    tables = [table for item in stage.shards(above) for table in stage.read(item, above)]
    return pa.concat_tables(tables)["id"].to_pylist() if tables else []


NAMES = [f"d{n}" for n in range(200)]


def test_so_many_are_drawn_in_their_order_whatever_the_pieces():
    some = drawn(Draw(count=20, seed=3), NAMES)
    assert len(some) == 20
    assert some == sorted(some, key=NAMES.index)
    assert some == drawn(Draw(count=20, seed=3), NAMES, size=31)
    assert some != drawn(Draw(count=20, seed=4), NAMES)
    assert drawn(Draw(count=500), NAMES) == NAMES
    assert drawn(Draw(count=5), []) == []


def test_a_larger_draw_holds_the_smaller_and_order_means_nothing():
    some = set(drawn(Draw(count=20), NAMES))
    assert some < set(drawn(Draw(count=40), NAMES))
    assert some == set(drawn(Draw(count=20), NAMES[::-1]))


def test_each_is_drawn_about_as_often():
    often = Counter(name for seed in range(300) for name in drawn(Draw(count=20, seed=seed), NAMES[:100], size=100))
    assert set(often) == set(NAMES[:100])
    assert 30 < min(often.values()) <= max(often.values()) < 95, "60 expected, standard deviation 7"


def test_equal_ids_are_told_apart_by_their_place():
    assert drawn(Draw(count=2), ["x", "x", "x"]) == ["x", "x"]
