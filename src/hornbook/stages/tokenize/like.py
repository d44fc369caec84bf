"""Texts to the tokens of a vocabulary above, so that students of several data sets speak one language."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.stage import Inputs, Job, Makes
from hornbook.stages.tokenize._encoding import Encoder
from hornbook.stages.tokenize._splits import Splits, flat, hashes


class Like(Job):
    """Encodes documents with the vocabulary of the tokens above, and holds out what was held out there.

    `from: [TOKENS, DOCUMENTS]` says both. Students trained on what comes out can be compared loss by loss, sampled
    alike, and fine-tuned on each other's tokens. A document whose id was held out above is held out here too, and so
    is any other document whose id has a hash as low: no student is trained on what another is examined with.

    Writes what `tokenize.bpe` writes.
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "tokens"
    needs: ClassVar[tuple[Makes, ...]] = ("documents", "tokens")
    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Encode both splits.

        Raises:
            UserError: no document is left to train on.
        """
        from tokenizers import Tokenizer

        from hornbook.nn.tokens import Tokens, write_index

        above = Tokens(inputs.nearest("tokens").folder)
        shutil.copyfile(above.folder / "tokenizer.json", folder / "tokenizer.json")
        encoder = Encoder(Tokenizer.from_file(str(above.folder / "tokenizer.json")))
        rows, done = inputs.rows(), 0
        with Splits(folder, encoder, _limit(above.folder / "val.parquet"), above.vocab, above.end) as out:
            for part, _ in out.write(inputs.documents([ID, TEXT])):
                done += part.num_rows
                tick(min(1.0, done / max(1, rows)), f"{out.train.tokens + out.val.tokens:,} tokens")
            splits = out.facts()
        if not splits["train"]["docs"]:
            raise UserError(
                f"of {rows:,} documents none is left to train on: the others are held out",
                where=str(above.folder),
                fix="more documents (`hornbook look` shows what dropped them)",
            )
        write_index(folder, vocab=above.vocab, end=above.end, end_text=above.end_text, splits=splits)
        return {"vocab": above.vocab, "end": above.end, "trained": False, "encoder": encoder.name} | flat(splits)


def _limit(path: Path) -> int:
    """The hash below which documents are held out: just above those of all that were held out above."""
    import pyarrow.parquet as pq

    highest = -1
    if path.exists():
        with pq.ParquetFile(path) as file:
            for group in file.iter_batches(batch_size=1 << 14, columns=[ID]):
                highest = max(highest, *hashes(group), -1)
    return highest + 1
