"""Best-fit packing: against the rule written down plainly, and the rows it fills."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.kernels.packing import best_fit, filled

ROOMS = st.integers(1, 200)


def plainly(sizes: list[int], room: int) -> list[list[int]]:
    """Longest first, each into the row with the least room left that holds it; among equal ones the last touched."""
    rows: list[list[int]] = []
    left: list[int] = []
    touched: list[int] = []
    for turn, piece in enumerate(sorted(range(len(sizes)), key=lambda n: -sizes[n])):
        fitting = [n for n in range(len(rows)) if left[n] >= sizes[piece]]
        if fitting:
            row = min(fitting, key=lambda n: (left[n], -touched[n]))
        else:
            row = len(rows)
            rows, left, touched = [*rows, []], [*left, room], [*touched, 0]
        rows[row].append(piece)
        left[row] -= sizes[piece]
        touched[row] = turn
    return rows


@settings(deadline=None, max_examples=200)
@given(st.data(), ROOMS)
def test_it_is_best_fit_decreasing(data, room):
    sizes = data.draw(st.lists(st.integers(1, room), max_size=60))
    packing = best_fit(np.array(sizes, np.int64), room)
    found = [[int(p) for p in packing.order if packing.rows[p] == row] for row in range(packing.count)]
    assert found == plainly(sizes, room)


@settings(deadline=None, max_examples=100)
@given(st.data(), ROOMS)
def test_rows_hold_every_piece_once_and_are_filled_with_ends(data, room):
    sizes = np.array(data.draw(st.lists(st.integers(1, room), min_size=1, max_size=40)), np.int64)
    starts = np.cumsum(sizes) - sizes
    ids = np.arange(1, sizes.sum() + 1).astype(np.uint32)
    packing = best_fit(sizes, room)
    rows = filled(ids, starts, sizes, packing, room, 0)
    assert rows.shape == (packing.count, room)
    assert sorted(rows[rows > 0].tolist()) == ids.tolist()
    for row in rows.tolist():
        full = [token for token in row if token]
        assert row == full + [0] * (room - len(full))
    for piece, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        row = rows[packing.rows[piece]].tolist()
        at = row.index(int(ids[start]))
        assert row[at : at + size] == ids[start : start + size].tolist()


def test_rooms_beyond_one_word_of_the_bitmap():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 4097, 20_000)
    packing = best_fit(sizes, 4096 + 1)
    used = np.bincount(packing.rows, sizes, packing.count)
    assert used.max() <= 4097
    assert used.sum() / (packing.count * 4097) > 0.99
