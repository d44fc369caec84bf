"""The order of the windows: a function of seed and step, every epoch a permutation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import UserError
from hornbook.nn.loader import Rows, Windows, shuffled


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_shuffled_is_a_permutation(count, key):
    assert sorted(shuffled(np.arange(count), count, key)) == list(range(count))


def test_shuffled_shuffles():
    orders = {tuple(shuffled(np.arange(6), 6, key)) for key in range(3000)}
    assert len(orders) > 600  # of 720
    far = shuffled(np.arange(10**6), 10**6, 7)
    assert abs(np.corrcoef(far, np.arange(10**6))[0, 1]) < 0.01
    assert (np.diff(far) == 1).mean() < 1e-4


@settings(deadline=None)
@given(st.integers(2, 700), st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_each_epoch_serves_each_window_once(tokens, length, batch, seed):
    if tokens <= length:
        with pytest.raises(UserError, match="fewer than one window"):
            Windows(np.arange(tokens), length, batch, seed)
        return
    windows = Windows(np.arange(tokens), length, batch, seed)
    epochs = 3
    steps = -(-epochs * windows.count // batch)
    starts = np.concatenate([windows.starts(t) for t in range(steps)])
    assert starts.min() >= 0
    assert starts.max() + length + 1 <= tokens
    for epoch in range(epochs):
        mine = np.sort(starts[epoch * windows.count : (epoch + 1) * windows.count])
        assert (np.diff(mine) == length).all()
        assert 0 <= mine[0] < length
        assert tokens - windows.count * length < 2 * length + 2  # what an epoch leaves out


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 9))
def test_a_step_needs_no_history(step, seed):
    ids = np.arange(1000, dtype=np.uint16)
    fresh, used = Windows(ids, 13, 4, seed), Windows(ids, 13, 4, seed)
    for t in range(step):
        used.at(t)
    batch = fresh.at(step)
    assert (batch == used.at(step)).all()
    assert (np.diff(batch, axis=1) == 1).all()  # windows are pieces of the stream
    assert batch.shape == (4, 14)


def test_seeds_and_epochs_differ():
    windows, other = Windows(np.arange(5000), 16, 8, 1), Windows(np.arange(5000), 16, 8, 2)
    assert (windows.at(0) != other.at(0)).any()
    first = np.concatenate([windows.starts(t) for t in range(windows.count // 8)])
    assert len(np.unique(first)) == len(first)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 99))
def test_each_epoch_serves_each_row_once(count, batch, seed):
    rows = Rows(np.arange(count * 4, dtype=np.uint16).reshape(count, 4), 3, batch, seed)
    steps = -(-3 * count // batch)
    served = np.concatenate([rows.at(t) for t in range(steps)])
    assert served.dtype == np.int64
    for epoch in range(3):
        mine = served[epoch * count : (epoch + 1) * count]
        assert sorted(mine[:, 0].tolist()) == list(range(0, count * 4, 4))
    assert (rows.at(steps - 1) == served[-batch:]).all()


def test_rows_of_another_length_are_refused():
    with pytest.raises(UserError, match="packed for a context of 3 tokens cannot be trained on with 4"):
        Rows(np.zeros((2, 4), np.uint16), 4, 1, 0)
