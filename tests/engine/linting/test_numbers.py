"""Numbers on disk are what numpy would say of them in memory, whatever the size of a block."""

import numpy as np
import pytest

from hornbook.engine.linting import numbers
from hornbook.engine.linting.numbers import Numbers


@pytest.mark.parametrize("block", [7, 64, 2**20])
@pytest.mark.parametrize("many", [0, 1, 500])
def test_as_in_memory(monkeypatch, block, many):
    monkeypatch.setattr(numbers, "BLOCK", block)
    drawn = np.random.default_rng(many).integers(0, 300, many).astype(np.uint64)
    kept = Numbers("uint64")
    for at in range(0, many, 13):
        kept.add(drawn[at : at + 13])
    assert np.concatenate([np.zeros(0, np.uint64), *(some for _, some in kept.blocks())]).tolist() == drawn.tolist()
    assert (kept.count, kept.most) == (many, int(drawn.max(initial=0)))
    seen: set[int] = set()
    again = [at for at, value in enumerate(drawn.tolist()) if value in seen or seen.add(value)]
    assert kept.again(3) == (len(again), again[:3])
    longest = kept.longest(20)
    assert sorted(drawn[longest].tolist()) == sorted(drawn.tolist())[-20:]
    assert longest == sorted(longest)
    some = list(range(0, many, 50))
    assert kept.at(some).tolist() == drawn[some].tolist()


def test_what_is_equal_is_found_across_blocks(monkeypatch):
    monkeypatch.setattr(numbers, "BLOCK", 10)
    kept = Numbers("uint64")
    kept.add(np.arange(100, dtype=np.uint64))
    kept.add(np.array([99, 2**64 - 1, 0, 2**64 - 1], np.uint64))
    assert kept.again(3) == (3, [100, 102, 103])
