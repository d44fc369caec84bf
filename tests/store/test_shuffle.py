from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import HornbookError
from hornbook.store.shuffle import ShuffleWriter, read_lane


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=20), max_size=4), st.integers(1, 9))
def test_every_row_is_in_its_lane_in_the_order_written(tmp_path_factory, writes, lanes):
    folder = tmp_path_factory.mktemp("shuffle")
    number, expected = 0, {lane: [] for lane in range(lanes)}
    for name in ("a", "b"):
        with ShuffleWriter(folder / f"{name}.arrow", lanes) as out:
            for keys in writes:
                rows = pa.table({"key": pa.array(keys, pa.uint64()), "n": np.arange(number, number + len(keys))})
                out.write(rows, np.array(keys, np.uint64))
                for at, key in enumerate(keys):
                    expected[key % lanes].append(number + at)
                number += len(keys)
    for lane, rows in expected.items():
        found = read_lane(sorted(folder.glob("*.arrow")), lane, lanes)
        assert ([] if found is None else found.column("n").to_pylist()) == rows
    assert bool(list(folder.glob("*.arrow"))) == bool(writes)


def test_an_empty_lane_still_says_its_columns(tmp_path):
    with ShuffleWriter(tmp_path / "a.arrow", 4) as out:
        out.write(pa.table({"x": ["one"]}), np.array([2]))
    found = read_lane([tmp_path / "a.arrow"], 1, 4)
    assert found is not None
    assert found.column_names == ["x"]
    assert found.num_rows == 0


def test_a_torn_file_says_what_to_remove(tmp_path):
    path = tmp_path / ".shuffle" / "map-0" / "a.arrow"
    with ShuffleWriter(path, 1) as out:
        out.write(pa.table({"x": [1, 2, 3]}), np.zeros(3, np.int64))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(HornbookError, match="torn"):
        read_lane([path], 0, 1)
