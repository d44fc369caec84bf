"""Loss as compression: bits a byte of held-out text costs the student, next to gzip, zstd and xz."""

from __future__ import annotations

import gzip
import json
import lzma
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes

if TYPE_CHECKING:
    import numpy as np

    from hornbook.nn.tokens import Split, Tokens

_DEFLATE_WINDOW = 32 * 1024
_ZSTD_SHORTEST = 8
_CHARACTER = 4
"""Bytes of the longest character: so many tokens more, and none is cut where it counts."""


class Bits(Job):
    """Bits per byte of the held-out documents: nats / (ln 2 x bytes of text).

    Only tokens of text are scored, not the end of text (nanochat, loss_eval.py), each document on its own
    after an end-of-text token, in float32. Bytes can be compared between tokenizers; losses per token
    cannot. The compressors see the same documents as one stream, which favours them: the student forgets
    one document before the next.

    Writes `bits.json` (the facts) and `bits.parquet` (id, bytes, tokens, nats, bits_per_byte).
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "exam"
    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    limit_mb: float = knob(
        16.0, gt=0.0, help="score the first so many megabytes of held-out text, at least one document", unit="MB"
    )
    prime_mb: float = knob(
        8.0,
        ge=0.0,
        help="primed compressors read the last so many megabytes of training text first; 0: none",
        unit="MB",
        source="zstd -19's own window is 8 MB",
    )
    resamples: int = knob(
        1000, ge=1, help="bootstrap resamples over documents for the interval", source="Efron 1979; 95 % percentiles"
    )
    batch: int = knob(16, ge=1, help="windows scored at once", unit="windows")
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    threads: int = knob(1, ge=1, help="CPU threads: one is never caught by a busy neighbour", unit="threads")
    seed: int = knob(0, help="of the bootstrap")

    def beside(self) -> bool:
        """With one thread on the processor."""
        from hornbook.nn.machine import one_core

        return one_core(self.threads, self.device)

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        import numpy as np
        import pyarrow.parquet as pq

        from hornbook.nn.export import same_vocabulary
        from hornbook.nn.tokens import Tokens

        tokens = Tokens(inputs.nearest("tokens").folder)
        same_vocabulary(inputs.nearest("student").folder / "student", tokens)
        held = self._held(tokens.folder / "val.parquet")
        split = tokens.split("val")
        documents = [split.document(n) for n in range(held.num_rows)]
        nats = self._nats(inputs.nearest("student").folder / "student", documents, tokens.end, tick)
        sizes = held.column("bytes").to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(sizes > 0, nats / (math.log(2) * sizes), np.nan)
        table = held.drop_columns([TEXT]).append_column("nats", pa.array(nats))
        table = table.append_column("bits_per_byte", pa.array(each, from_pandas=True))
        pq.write_table(table, folder / "bits.parquet", compression="zstd")
        facts = self._facts(nats, sizes, held) | self._anchors(held, tokens)
        (folder / "bits.json").write_text(json.dumps(facts, indent=1) + "\n")
        return facts

    def _held(self, path: Path) -> pa.Table:
        """The held-out documents that are scored.

        Raises:
            UserError: none was held out, or they have no text.
        """
        import pyarrow.parquet as pq

        pieces: list[pa.RecordBatch] = []
        size, limit = 0, self.limit_mb * 2**20
        with pq.ParquetFile(path) as file:
            for group in file.iter_batches(batch_size=1024):
                ends = size + group.column("bytes").to_numpy().cumsum()
                pieces.append(group.slice(0, max(1 if not pieces else 0, int((ends <= limit).sum()))))
                size = int(ends[-1]) if len(ends) else size
                if size > limit:
                    break
            table = pa.Table.from_batches(pieces, file.schema_arrow)
        if not sum(table.column("bytes").to_pylist()):
            raise UserError(
                "no held-out text to measure bits per byte on", where=str(path), fix="val_share above 0 in tokenize.bpe"
            )
        return table

    def _nats(
        self, folder: Path, documents: list[np.ndarray[Any, Any]], end: int, tick: Callable[[float, str], None]
    ) -> np.ndarray[Any, Any]:
        from hornbook.nn.export import load_student
        from hornbook.nn.machine import kept_threads, pick_device
        from hornbook.nn.scoring import nats

        with kept_threads(self.threads):
            model = load_student(folder).to(pick_device(self.device))
            return nats(
                model, documents, end, batch=self.batch, tick=lambda share: tick(0.8 * share, "scoring held-out text")
            )

    def _facts(self, nats: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any], held: pa.Table) -> dict[str, Any]:
        import numpy as np

        count = int(sum(held.column("tokens").to_pylist()))
        bits = nats / math.log(2)
        draws = np.random.default_rng(self.seed)
        means = np.empty(self.resamples)
        for n in range(self.resamples):
            rows = draws.integers(0, len(bits), len(bits))
            means[n] = bits[rows].sum() / max(1, sizes[rows].sum())
        low, high = np.quantile(means, [0.025, 0.975])
        return {
            "bits_per_byte": float(bits.sum() / sizes.sum()),
            "low": float(low),
            "high": float(high),
            "loss": float(nats.sum() / max(1, count)),
            "documents": held.num_rows,
            "tokens": count,
            "bytes": int(sizes.sum()),
        }

    def _anchors(self, held: pa.Table, tokens: Tokens) -> dict[str, Any]:
        """Bits per byte of the compressors: `gzip`, `zstd`, `xz`, and the same primed with training text."""
        text = "".join(held.column(TEXT).to_pylist()).encode()
        sizes = _plain(text)
        prime = _tail(tokens.split("train"), tokens.folder / "tokenizer.json", int(self.prime_mb * 2**20))
        if prime:
            sizes |= {f"{name}_primed": size for name, size in _primed(text, prime).items()}
        rates = {f"{name}_bits_per_byte": 8 * size / len(text) for name, size in sizes.items()}
        return rates | {"primed_with_bytes": len(prime)}


def _tail(split: Split, path: Path, size: int) -> bytes:
    """The last `size` bytes of the training text, decoded from its tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    parts: list[bytes] = []
    left = size
    for n in range(len(split) - 1, -1, -1):
        if left <= 0:
            break
        ids = split.document(n)[-left - _CHARACTER :].tolist()
        parts.append(tokenizer.decode(ids, skip_special_tokens=False).encode()[-left:])
        left -= len(parts[-1])
    return b"".join(reversed(parts))


def _plain(text: bytes) -> dict[str, int]:
    """Bytes of one stream each: gzip -9, zstd -19, xz -9e, headers counted."""
    import zstandard

    return {
        "gzip": len(gzip.compress(text, 9, mtime=0)),
        "zstd": len(zstandard.ZstdCompressor(level=19).compress(text)),
        "xz": len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)),
    }


def _primed(text: bytes, before: bytes) -> dict[str, int]:
    """The same by compressors that have read `before`: what it costs them to go on.

    gzip: deflate with the last 32 KiB of `before` as its dictionary. zstd: `before` as raw dictionary.
    xz: the two as one stream less `before` alone, with a window that holds both.
    """
    import zstandard

    strategy = zlib.Z_DEFAULT_STRATEGY
    deflate = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy, before[-_DEFLATE_WINDOW:])
    known = before.rjust(_ZSTD_SHORTEST)
    window = min(27, max(10, (len(text) + len(known)).bit_length()))
    level = zstandard.ZstdCompressionParameters.from_level(19, window_log=window)
    raw = zstandard.ZstdCompressionDict(known, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return {
        "gzip": len(deflate.compress(text)) + len(deflate.flush()),
        "zstd": len(zstandard.ZstdCompressor(dict_data=raw, compression_params=level).compress(text)),
        "xz": _xz(before + text) - _xz(before),
    }


def _xz(text: bytes) -> int:
    window = min(1 << 30, max(1 << 16, 1 << len(text).bit_length()))
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}]
    return len(lzma.compress(text, filters=chain))
