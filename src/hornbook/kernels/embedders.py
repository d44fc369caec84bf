"""Which vectors a document becomes: those of a package, of a library's model, or of a server."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from hornbook.core.errors import HornbookError, UserError

Embed = Callable[[Any], NDArray[np.float32]]
"""A column of text → unit vectors, float32 (rows, dimensions)."""

NAMES = "wordllama, model2vec:NAME, sentence-transformers:NAME, or http://HOST:PORT/v1#MODEL"
BATCH = 64
SHOWN = 8000
"""Characters of a document that a server is sent; more than the 512 tokens most models read."""
TIMEOUT = 300.0


def possible(name: str) -> str:
    """The name, where it can be an embedding's.

    Raises:
        ValueError: it cannot; says which can.
    """
    kind, _, model = name.partition(":")
    if name != "wordllama" and not (kind in ("model2vec", "sentence-transformers", "http", "https") and model):
        raise ValueError(NAMES)
    return name


@lru_cache(maxsize=2)
def embedder(name: str) -> Embed:
    """What makes vectors.

    Args:
        name: `wordllama`; `model2vec:NAME` or `sentence-transformers:NAME`, a folder or a name on the hub;
            `http://HOST:PORT/v1#MODEL`, any server with OpenAI's /embeddings.

    Raises:
        UserError: a library is not there.
    """
    if name == "wordllama":
        from hornbook.kernels.embedding import wordllama

        return wordllama().embed
    kind, _, model = name.partition(":")
    if kind in ("http", "https"):
        url, _, served = name.partition("#")
        return lambda column: unit(np.concatenate([_asked(url, served, some) for some in _batches(column)]))
    try:
        if kind == "model2vec":
            from model2vec import StaticModel

            encode = StaticModel.from_pretrained(model).encode
        else:
            from sentence_transformers import SentenceTransformer

            encode = SentenceTransformer(model).encode
    except ImportError as error:
        raise UserError(f"embedding: {name} needs {kind}: {error}", fix=f"pip install {kind}") from error
    return lambda column: unit(np.asarray(encode(_said(column)), np.float32))


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _said(column: Any) -> list[str]:
    return [text or "" for text in column.to_pylist()]


def _batches(column: Any) -> list[list[str]]:
    said = [text[:SHOWN] or " " for text in _said(column)]
    return [said[at : at + BATCH] for at in range(0, len(said), BATCH)]


def _asked(url: str, model: str, texts: list[str]) -> NDArray[np.float32]:
    """Vectors of a batch from a server."""
    body = orjson.dumps({"model": model, "input": texts})
    request = urllib.request.Request(
        f"{url.rstrip('/')}/embeddings", body, {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
            rows = orjson.loads(reply.read())["data"]
        rows = sorted(rows, key=lambda row: row.get("index", 0))
        found = np.asarray([row["embedding"] for row in rows], np.float32)
    except (OSError, urllib.error.URLError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise HornbookError(f"no embeddings from the server: {error}", where=url) from error
    if found.shape[:1] != (len(texts),) or found.ndim != 2:
        raise HornbookError(f"{len(texts)} texts were sent, {found.shape} came back", where=url)
    return found
