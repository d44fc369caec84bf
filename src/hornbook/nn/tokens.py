"""Token files: what `tokenize.bpe` writes and the trainer maps into memory. No torch here.

A folder holds `tokens.json` (the index), `tokenizer.json`, and for each split `SPLIT.bin` (token numbers,
little endian, uint16 where the vocabulary fits, else uint32) and `SPLIT.offsets.bin` (int64, one more
than there are documents: where each begins, and the end). Every document is followed by the
end-of-text token, which belongs to it. Where the training split was packed (`tokenize.pack`), `train.rows.bin`
holds the same documents in rows of one length.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from hornbook.core.errors import HornbookError
from hornbook.nn.disk import whole

INDEX, ROWS = "tokens.json", "train.rows.bin"


def kind_for(vocab: int) -> np.dtype[Any]:
    """The smallest of uint16 and uint32 that holds every token of the vocabulary."""
    return np.dtype("<u2") if vocab <= 1 << 16 else np.dtype("<u4")


class Writer:
    """Appends documents to a split; a context manager."""

    def __init__(self, folder: Path, split: str, vocab: int, end: int) -> None:
        self.kind, self.end = kind_for(vocab), end
        self.tokens = self.docs = self.bytes = 0
        self._ids = (folder / f"{split}.bin").open("wb")
        self._offsets = (folder / f"{split}.offsets.bin").open("wb")
        self._offsets.write(np.int64(0).tobytes())

    def add(self, ids: Sequence[int] | np.ndarray[Any, Any], size: int) -> None:
        """One document: its tokens (without the end) and the bytes of its text."""
        self._ids.write(np.append(np.asarray(ids, dtype=self.kind), self.kind.type(self.end)).tobytes())
        self.tokens += len(ids) + 1
        self.docs += 1
        self.bytes += size
        self._offsets.write(np.int64(self.tokens).tobytes())

    def extend(self, ids: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any], size: int) -> None:
        """Many documents: their tokens, each with its end, as `kind`; tokens of each; bytes of all their texts."""
        self._ids.write(np.ascontiguousarray(ids, self.kind).data)
        self._offsets.write((self.tokens + np.cumsum(sizes, dtype=np.int64)).tobytes())
        self.tokens += len(ids)
        self.docs += len(sizes)
        self.bytes += size

    def facts(self) -> dict[str, Any]:
        """Tokens (ends of text counted), documents, bytes of text, bytes a token (ends not counted)."""
        inside = self.tokens - self.docs
        rate = round(self.bytes / inside, 4) if inside else None
        return {"tokens": self.tokens, "docs": self.docs, "bytes": self.bytes, "bytes_per_token": rate}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ids.close()
        self._offsets.close()


def write_index(
    folder: Path, *, vocab: int, end: int, end_text: str, splits: dict[str, Any], rows: dict[str, int] | None = None
) -> None:
    """Write `tokens.json`, last of all. `rows`: `count` and `width` of `train.rows.bin`, where there is one."""
    index: dict[str, Any] = {"format": 1, "vocab": vocab, "dtype": kind_for(vocab).name, "end": end}
    index |= {"end_text": end_text} | ({"rows": rows} if rows else {})
    with whole(folder / INDEX) as path:
        path.write_text(json.dumps(index | {"splits": splits}, indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Split:
    """A mapped split.

    Args:
        ids: token numbers of all documents, one after the other.
        offsets: (documents + 1,) where each begins.
    """

    ids: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]

    def document(self, at: int) -> np.ndarray[Any, Any]:
        """The tokens of one document, without the end of text."""
        return np.asarray(self.ids[self.offsets[at] : self.offsets[at + 1] - 1])

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Tokens:
    """A folder of tokens, opened.

    Raises:
        HornbookError: the index is missing or the files have not the size it says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
        except (OSError, ValueError) as error:
            raise HornbookError(
                f"no readable {INDEX}: {error}", where=str(folder), fix="run the tokenize step again"
            ) from error
        self.vocab, self.end, self.end_text = int(index["vocab"]), int(index["end"]), str(index["end_text"])
        self.splits: dict[str, Any] = index["splits"]
        self._rows: dict[str, int] | None = index.get("rows")

    def split(self, name: str) -> Split:
        """Map `train` or `val` into memory."""
        facts = self.splits[name]
        ids = _map(self.folder / f"{name}.bin", kind_for(self.vocab), facts["tokens"])
        return Split(ids, _map(self.folder / f"{name}.offsets.bin", np.dtype("<i8"), facts["docs"] + 1))

    def rows(self) -> np.ndarray[Any, Any] | None:
        """The packed training split, (rows, width), mapped; None where it was not packed."""
        if self._rows is None:
            return None
        count, width = self._rows["count"], self._rows["width"]
        return _map(self.folder / ROWS, kind_for(self.vocab), count * width).reshape(count, width)


def _map(path: Path, kind: np.dtype[Any], length: int) -> np.ndarray[Any, Any]:
    size = path.stat().st_size if path.exists() else -1
    if size != length * kind.itemsize:
        raise HornbookError(
            f"{path.name} has {size} bytes, its index says {length * kind.itemsize}",
            where=str(path),
            fix="delete the step's folder and run it again",
        )
    return np.memmap(path, dtype=kind, mode="r") if length else np.zeros(0, kind)
