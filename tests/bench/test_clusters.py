from __future__ import annotations

import numpy as np
import pytest

from bench.clustering.sets import half
from bench.clusters import agreement

LABELS = np.repeat([0, 1, 2], 20)


def test_agreement_counts_those_in_no_cluster_three_ways():
    same = agreement(LABELS, LABELS)
    assert same["clusters"] == 3
    assert same["assigned"] == 100.0
    assert [same[name] for name in ("ari", "nmi", "ari_alone", "nmi_alone", "ari_in", "nmi_in")] == [
        pytest.approx(1)
    ] * 6
    few = np.where(np.arange(60) % 20 < 5, LABELS, -1)
    found = agreement(LABELS, few)
    assert found["assigned"] == 25.0
    assert found["ari_in"] == pytest.approx(1)
    assert found["ari"] < 0.2
    assert found["ari_alone"] < 0.2
    assert found["nmi_in"] > found["nmi_alone"] > found["nmi"]


def test_no_clusters_at_all_agree_with_nothing():
    found = agreement(LABELS, np.full(60, -1))
    assert (found["clusters"], found["assigned"], found["ari"], found["nmi"]) == (0, 0.0, 0.0, 0.0)


def test_labels_are_in_one_half_each():
    names = [f"pkg:{number}" for number in range(200)]
    assert {half(name) for name in names} == {"texts", "tuned"}
    assert 60 < sum(half(name) == "tuned" for name in names) < 140
