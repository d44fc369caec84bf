"""Tree edit distances by the packages zss and apted, with unit costs, as their README files show.

`python trees_peer.py zss|apted JOB`; JOB is a JSON file with `trees` (label, children), `pairs` and `seconds`, after
which no further pair is begun. Prints one JSON object; `distances` are those of the pairs that were done.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def by_zss():
    """A function of two trees."""
    import zss

    def children(tree):
        return tree[1]

    def cost(tree):
        return 1

    def change(one, other):
        return int(one[0] != other[0])

    return lambda one, other: int(zss.distance(one, other, children, cost, cost, change))


def by_apted():
    """A function of two trees."""
    from apted import APTED, Config

    class Own(Config):
        def children(self, node):
            return node[1]

        def rename(self, node1, node2):
            return int(node1[0] != node2[0])

    return lambda one, other: int(APTED(one, other, Own()).compute_edit_distance())


def main():
    """Measure pair after pair until the time is over."""
    sys.setrecursionlimit(100_000)
    distance = {"zss": by_zss, "apted": by_apted}[sys.argv[1]]()
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    began, found = time.perf_counter(), []
    for one, other in job["pairs"]:
        found.append(distance(job["trees"][one], job["trees"][other]))
        if time.perf_counter() - began > job["seconds"]:
            break
    print(json.dumps({"seconds": time.perf_counter() - began, "distances": found}))


if __name__ == "__main__":
    main()
