"""Prompts from files: bring your own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hornbook.core.documents import EVIDENCE, ID, MESSAGES, ORIGIN, PROMPT, REASON, SAMPLE, TEXT, with_columns
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.store.reading import File, cut, expand, read_file

Format = Literal["auto", "jsonl", "json", "parquet", "csv", "tsv", "text"]


class Prompts(Source):
    """Reads prompts from files: JSON Lines, JSON, Parquet, CSV, TSV, or text with one prompt a line.

    A row is a prompt when it has text in `prompt` or in `messages` (a chat: a list of {"role", "content"},
    or its JSON). `id` is kept or made (FILE:LINE); all other columns are kept.

    Drops: `no_prompt` for a row with neither, and the faults of files as in `sources.files` (`json`, `utf8`,
    `columns` …); the evidence names file and line.

    Raises:
        UserError: a path does not exist or holds no file.
    """

    path: InputPath | list[InputPath] = knob(
        help="files, globs, folders (with all below) or URLs: one, or a list read in this order"
    )
    format: Format = knob("auto", help="how to read them; auto goes by extension (.gz and .zst are looked through)")
    prompt: str = knob(PROMPT, help="the files' name for the prompt column")
    id: str = knob(ID, help="the files' name for the id column; rows without one get FILE:LINE")

    samples: int = knob(
        1,
        help="several replies to each prompt: a row for each, the column `sample` (from 0) saying which, the id of all "
        "but the first with #1, #2 … after it",
        unit="replies",
        ge=1,
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of about 128 MB."""
        paths = [self.path] if isinstance(self.path, str) else list(self.path)
        return [[asdict(file) for file in share] for share in cut(expand(paths, self.format))]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The prompts of one share, file by file."""
        for file in item:
            found = read_file(File(**file), self.prompt, need=(TEXT, MESSAGES), id_column=self.id, split="line")
            for some in found:
                for table in [_renamed(some)] if isinstance(some, Dropped) else _sorted_out(some):
                    yield table if isinstance(table, Dropped) or self.samples == 1 else _repeated(table, self.samples)


def _renamed(dropped: Dropped) -> Dropped:
    """The reader's `no_text`, in the words of this stage."""
    reason = dropped.table.column(REASON)
    said = pc.if_else(pc.equal(reason, "no_text"), "no_prompt", reason)
    return Dropped(dropped.table.set_column(dropped.table.schema.get_field_index(REASON), REASON, said))


def _sorted_out(table: pa.Table) -> Iterator[pa.Table | Dropped]:
    """Rows with a prompt, under their right names; those with nothing but white space as a drop."""
    names = {TEXT: PROMPT, PROMPT: f"{PROMPT}.input", f"{TEXT}.input": TEXT}
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    have = [_has_text(table.column(name)) for name in (PROMPT, MESSAGES) if name in table.column_names]
    good = have[0] if len(have) == 1 else pc.or_(*have)
    yield table.filter(good)
    blank = table.filter(pc.invert(good))
    if blank.num_rows:
        said = pc.binary_join_element_wise(blank.column(ORIGIN), "the prompt is empty", ": ")
        reason = pa.array(["no_prompt"] * blank.num_rows)
        yield Dropped(blank.append_column(REASON, reason).append_column(EVIDENCE, said))


def _repeated(table: pa.Table, samples: int) -> pa.Table:
    """Every row so many times, one after the other."""
    numbers = np.arange(table.num_rows * samples)
    sample = pa.array(numbers % samples, pa.int64())
    table = table.take(pa.array(numbers // samples))
    marked = pc.binary_join_element_wise(table.column(ID), pc.cast(sample, pa.string()), "#")
    ids = pc.if_else(pc.equal(sample, 0), table.column(ID), marked)
    return with_columns(table, pa.table({ID: ids, SAMPLE: sample}))


def _has_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return pc.is_valid(column)
    return pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False)
