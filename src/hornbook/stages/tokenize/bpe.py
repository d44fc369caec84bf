"""Texts to tokens: trains a byte-level BPE, or takes a given one, and writes memory-mappable token files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.stages.tokenize._encoding import Encoder
from hornbook.stages.tokenize._splits import Splits, flat, hashes, limit_of
from hornbook.stages.tokenize._vocabularies import end_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 1 << 20
"""Characters of text trained on at once; a longer document is given in parts."""

_WORD = 128
"""Bytes of a word at most while training, longer ones are cut: merging costs the square of a word's length
(200,000 times `x` took 20 s), and no token of such length is wanted."""


class Bpe(Job):
    """Trains a byte-level BPE (GPT-2's, arXiv:1508.07909) on the training split and encodes both splits.

    Every text is bytes first, so that no text is unknown and decoding gives back the same bytes. The
    end-of-text token stands after each document and nowhere else: a text in which its name is written
    is encoded as those characters. Which documents are held out is decided by a hash of the document's
    id alone, so that it stays the same when others come and go.

    Writes `tokenizer.json` and the files of `hornbook.nn.tokens`, and `val.parquet` (id, text, bytes,
    tokens of the held-out documents, in the order of the token file).
    """

    version: ClassVar[str] = "2"
    makes: ClassVar[Makes] = "tokens"
    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)

    vocab: int = knob(
        4096,
        ge=257,
        le=1 << 20,
        help="tokens in the vocabulary, 256 bytes and the end of text among them; fewer where merges run out",
        unit="tokens",
        source="SimpleStories, arXiv:2504.09184 (4,096)",
    )
    val_share: float = knob(
        0.1,
        ge=0.0,
        lt=1.0,
        help="share of documents held out, by a hash of their id; at least one unless 0",
        unit="share of documents",
        source="nanoGPT: 0.1 of a small corpus (data/shakespeare_char), 0.0005 of a large one (data/openwebtext)",
    )
    end: str = knob(
        "<|endoftext|>", help="name of the token that ends a document", source="GPT-2 (openai/gpt-2, encoder.json)"
    )
    train_mb: int = knob(
        1024,
        ge=1,
        help="train the BPE on at most so much text, a sample by hash of the id",
        unit="MB",
        source="nanochat 030de3a, scripts/tok_train.py, has 10 billion characters; a tenth of it here, for memory",
    )
    tokenizer: InputPath | None = knob(None, help="use this tokenizer.json and train none")

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.nn.tokens import write_index

        total, share, rows = self._survey(inputs)
        tokenizer = self._given() if self.tokenizer else self._train(inputs, total, share, rows, tick)
        tokenizer.save(str(folder / "tokenizer.json"))
        vocab = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
        end = end_of(tokenizer, self.end, self.tokenizer)
        encoder = Encoder(tokenizer)
        splits = self._encode(inputs, Splits(folder, encoder, share, vocab, end), total, tick)
        write_index(folder, vocab=vocab, end=end, end_text=self.end, splits=splits)
        known = {"vocab": vocab, "end": end, "trained": self.tokenizer is None, "encoder": encoder.name}
        return known | flat(splits)

    def _survey(self, inputs: Inputs) -> tuple[int, int, int]:
        """Bytes of all texts, the hash below which a document is held out, documents.

        Raises:
            UserError: there is no text to learn from.
        """
        import pyarrow.compute as pc

        total = rows = 0
        least = 2**64
        for piece in inputs.documents([ID, TEXT]):
            total += pc.sum(pc.binary_length(piece.column(TEXT).cast(pa.large_string()))).as_py() or 0
            rows += piece.num_rows
            least = min(least, *hashes(piece), 2**64)
        limit = limit_of(self.val_share, least)
        if rows < (2 if limit else 1) or not total:
            raise UserError(
                f"{rows} documents with {total} bytes are too few to train on" + (" and hold one out" if limit else ""),
                fix="more documents (`hornbook look` shows what dropped them), or val_share: 0",
            )
        return total, limit, rows

    def _train(
        self, inputs: Inputs, total: int, limit: int, rows: int, tick: Callable[[float, str], None]
    ) -> Tokenizer:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        cut = pre_tokenizers.Split(Regex(f".{{1,{_WORD}}}"), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, cut])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab,
            min_frequency=2,
            special_tokens=[self.end],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        below = int(min(1.0, self.train_mb * 2**20 / max(1, total)) * 2**64)
        tokenizer.train_from_iterator(self._texts(inputs, limit, below, rows, tick), trainer)
        tokenizer.pre_tokenizer = words
        return tokenizer

    def _texts(
        self, inputs: Inputs, limit: int, below: int, rows: int, tick: Callable[[float, str], None]
    ) -> Iterator[list[str]]:
        """The training texts, in lists of about `_BATCH` bytes, long ones in parts."""
        seen = 0
        for piece in inputs.documents([ID, TEXT]):
            texts = piece.column(TEXT).to_pylist()
            mine = [t for t, h in zip(texts, hashes(piece), strict=True) if h >= limit and _again(h) < below]
            yield from _batches(mine)
            seen += piece.num_rows
            tick(0.5 * seen / rows, "training the tokenizer")

    def _given(self) -> Tokenizer:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.tokenizer))
        except Exception as error:
            raise UserError(
                f"tokenizer: {error}",
                where=str(self.tokenizer),
                fix="the path of a tokenizer.json (Hugging Face tokenizers)",
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def _encode(self, inputs: Inputs, out: Splits, total: int, tick: Callable[[float, str], None]) -> dict[str, Any]:
        with out:
            for _ in out.write(inputs.documents([ID, TEXT])):
                done = out.train.bytes + out.val.bytes
                tick(min(1.0, 0.5 + 0.5 * done / max(total, done)), f"{out.train.tokens + out.val.tokens:,} tokens")
            return out.facts()


def _again(value: int) -> int:
    """An independent hash of a hash, so that the sample to train on is no tail of the held-out rule."""
    from xxhash import xxh3_64_intdigest

    return xxh3_64_intdigest(value.to_bytes(8, "little"), seed=1)


def _batches(texts: list[str]) -> Iterator[list[str]]:
    """Texts in parts of at most `_BATCH` characters, in lists of about as much."""
    parts: list[str] = []
    size = 0
    for text in texts:
        for at in range(0, max(1, len(text)), _BATCH):
            parts.append(text[at : at + _BATCH])
            size += len(parts[-1])
            if size >= _BATCH:
                yield parts
                parts, size = [], 0
    if parts:
        yield parts
