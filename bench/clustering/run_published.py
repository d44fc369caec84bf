"""text-clustering's recipe: UMAP to two dimensions, cosine, else as umap-learn has it; DBSCAN, eps 0.08, 50 samples.

`python run_published.py VECTORS.npy LABELS.npy`. Its sample is 100,000 documents, more than any set has, so none
is left to be assigned by a nearest neighbour. Every core is used, as they do: no random_state, n_jobs=16.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.cluster import DBSCAN
from umap import UMAP


def main(vectors: str, labels: str) -> None:
    """Cluster the vectors of one file."""
    places = UMAP(n_components=2, metric="cosine").fit_transform(np.load(vectors))
    np.save(labels, DBSCAN(eps=0.08, min_samples=50, n_jobs=16).fit(places).labels_)


if __name__ == "__main__":
    main(*sys.argv[1:])
