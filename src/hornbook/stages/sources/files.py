"""Documents from files: JSON Lines, JSON, Parquet, CSV, TSV, text, Markdown, folders of code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import model_validator

from hornbook.core.documents import PIECE_BYTES, TEXT
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.store.reading import File, cut, expand, read_files

Format = Literal["auto", "jsonl", "json", "parquet", "csv", "tsv", "text", "code"]


class Files(Source):
    """Reads documents from files, folders, globs and URLs; what cannot be read becomes drops.

    Rows come in the order of `path`, then of file names, then of the file. Faults: `json`, `not_object`,
    `no_text`, `utf8`, `surrogate`, `blank`, `columns`, `csv`, `too_long`, `binary`, `truncated`, `corrupt`,
    `unreadable`, `empty_file`; the evidence names the file, the line or record, and what is wrong.

    Raises:
        UserError: a path does not exist or holds no file.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(
        help="files, globs, folders (with all below) or URLs: one, or a list read in this order"
    )
    format: Format = knob("auto", help="how to read them; auto goes by extension (.gz and .zst are looked through)")
    text: str = knob("text", help="the files' name for the text column")
    id: str = knob("id", help="the files' name for the id column; rows without one get FILE:LINE")
    need: list[str] = knob(
        default_factory=lambda: [TEXT],
        help="a row is a document where it has one of these: [completion] reads samples of exams, that have no `text`",
    )
    columns: list[str] | None = knob(
        None, help="other columns to keep; unset keeps all, [] none. Parquet columns not named are not decoded"
    )
    split: Literal["file", "blank-line", "line", "delimiter"] = knob(
        "file", help="where text files (.txt, .md) are cut into documents; code is always one document a file"
    )
    delimiter: str = knob(
        "<|endoftext|>",
        help="what stands between documents, for split: delimiter",
        source="GPT-2's end-of-text token, as in TinyStories' text files (arXiv:2305.07759)",
    )
    errors: Literal["drop", "replace"] = knob(
        "drop", help="what is no character (broken UTF-8, half a surrogate pair): drop the record, or put U+FFFD"
    )
    max_bytes: int = knob(
        PIECE_BYTES,
        ge=1,
        le=PIECE_BYTES,
        unit="bytes of UTF-8",
        help="longest document; longer ones are dropped",
        source="core.documents.PIECE_BYTES: a piece must hold at least one document",
    )
    limit: int | None = knob(None, ge=1, unit="documents", help="stop after the first so many; unset reads all")

    @model_validator(mode="after")
    def _delimiter_not_empty(self) -> Self:
        if not self.delimiter:
            raise ValueError("delimiter is empty; split: blank-line and split: line need none")
        if not self.need:
            raise ValueError("need: a column at least, [text]")
        return self

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of about 128 MB; with `limit` one share, for the first documents are in the first files."""
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        files = expand(paths, self.format)
        shares = cut(files) if self.limit is None else [files]
        return [[asdict(file) for file in share] for share in shares]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The documents of one share."""
        left = self.limit
        found = read_files(
            [File(**file) for file in item],
            self.text,
            self.need,
            id_column=self.id,
            columns=self.columns,
            split=self.split,
            delimiter=self.delimiter,
            errors=self.errors,
            max_bytes=self.max_bytes,
        )
        for piece in found:
            if left is None or isinstance(piece, Dropped):
                yield piece
                continue
            yield piece.slice(0, left)
            left -= min(left, piece.num_rows)
            if left == 0:
                return
