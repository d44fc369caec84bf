"""Documents from the elements of a list column: one for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hornbook.core.documents import EVIDENCE, ID, ORIGIN, PIECE_BYTES, PIECE_ROWS, REASON, TEXT
from hornbook.core.errors import UserError, nearest
from hornbook.core.knobs import knob
from hornbook.core.stage import Dropped, Inputs, Makes, Source

PLAIN = ("topic", "context", "source", "language", "entry_point")
"""Fields of a struct that are columns under their own names: what seeds carry."""
TEXTS = ("text", "title")
"""Which field of a struct is the text, where the recipe does not say."""
PARENT, AT, OF = "spread.parent", "spread.at", "spread.of"


class Spread(Source):
    """Makes a document of each element of a list column: units of an outline, children of a topic, chapters.

    A string becomes `text`. A struct's field `text` (or `title`) becomes `text`, its fields `topic`, `context`,
    `source`, `language`, `entry_point` columns of these names, any other field a column `PREFIX` + its name.

    Rows: `id` (the parent's, `/`, and the number from 1), `text`, `origin` (the parent's), the columns kept of the
    parent, the fields, `spread.parent` (the parent's id), `spread.at` (int32, from 1), `spread.of` (int32, how many
    elements there were). Rows come in the order of the parents, then of the list.

    Drops: `no_items` (a parent whose list is empty or missing), `blank` (an element without text; it keeps its number).

    Raises:
        UserError: there is no such column, it is no list, its structs have no text, or a column to keep is not there.
    """

    version: ClassVar[str] = "1"
    needs: ClassVar[tuple[Makes, ...]] = ("documents",)

    column: str = knob(help="the list column to spread, such as outline.units: strings or structs")
    field: str | None = knob(None, help="which field of a struct becomes `text`; unset: `text`, else `title`")
    prefix: str | None = knob(
        None,
        help="what stands before the names of a struct's other fields; unset: the column without its last s, and _ "
        "(outline.units → outline.unit_)",
    )
    keep: list[str] | None = knob(
        None, help="the parent's columns to keep; unset: all that are no lists, structs, and not its text; [] none"
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """The row groups of what stands above."""
        from hornbook.store.parts import group_sizes, schema_of

        paths = inputs.parts()
        names = list(dict.fromkeys(name for path in paths for name in schema_of(path).names))
        for name in (self.column, *(self.keep or ())) if paths else ():
            if name not in names:
                like = nearest(name, names)
                raise UserError(
                    f"sources.spread: there is no column `{name}`",
                    where=f"the step above; it has {', '.join(names)}",
                    fix=f"did you mean {like}?" if like else "name a column that is there",
                )
        sizes = [group_sizes(path) for path in paths]
        return [[part, group] for part, groups in enumerate(sizes) for group in range(len(groups))]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The elements of one row group's lists."""
        from hornbook.store.parts import pieces

        part, group = item
        wanted = None if self.keep is None else [ID, ORIGIN, self.column, *self.keep]
        for piece in pieces(inputs.parts()[part], wanted, only=group):
            yield from self._spread(piece)

    def _spread(self, piece: pa.Table) -> Iterator[pa.Table | Dropped]:
        lists = self._lists(piece)
        kept = piece.select(self._kept(piece.schema))
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        parents = np.repeat(np.arange(piece.num_rows), sizes)
        at = np.arange(parents.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        fields = self._fields(lists.flatten())
        for first, last in _cuts(kept, parents):
            own = slice(first, last)
            yield from _documents(
                kept, {name: v.slice(first, last - first) for name, v in fields.items()}, parents[own], at[own], sizes
            )
        if (empty := np.flatnonzero(sizes == 0)).size:
            yield Dropped(_without(piece.take(pa.array(empty)), self.column))

    def _lists(self, piece: pa.Table) -> pa.ListArray | pa.LargeListArray:
        """The list column, in one chunk."""
        if self.column not in piece.column_names:
            return pa.array([None] * piece.num_rows, pa.list_(pa.string()))
        column = piece.column(self.column)
        kind = column.type
        if pa.types.is_null(kind):
            return pa.array([None] * piece.num_rows, pa.list_(pa.string()))
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise UserError(
                f"sources.spread: the column `{self.column}` is {kind}, not a list",
                where="the step above",
                fix="name a column of lists of strings or structs",
            )
        if pa.types.is_fixed_size_list(kind):
            column = column.cast(pa.list_(kind.value_type))
        found: pa.ListArray = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found

    def _kept(self, schema: pa.Schema) -> list[str]:
        """The parent's columns that its children have too, `id` and `origin` with them."""
        names = [field.name for field in schema if field.name != TEXT and not _nested(field.type)]
        if self.keep is not None:
            names = [name for name in self.keep if name in schema.names]
        return list(dict.fromkeys([ID, *(n for n in (ORIGIN,) if n in schema.names), *names]))

    def _fields(self, values: pa.Array) -> dict[str, pa.Array]:
        """Columns of all elements, `text` among them."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not pa.types.is_struct(values.type):
            if _nested(values.type):
                raise UserError(
                    f"sources.spread: `{self.column}` holds {values.type}, neither text nor structs",
                    fix="spread the outer list where it is made",
                )
            return {TEXT: values.cast(pa.string())}
        names = [field.name for field in values.type]
        text = self.field if self.field is not None else next((name for name in TEXTS if name in names), None)
        if text not in names:
            raise UserError(
                f"sources.spread: no field `{text or 'text'}` in the structs of `{self.column}`",
                where=f"they have {', '.join(names)}",
                fix=f"field: {nearest(text or 'text', names) or names[0]}",
            )
        before = self.prefix if self.prefix is not None else f"{self.column.removesuffix('s')}_"
        given = dict(zip(names, values.flatten(), strict=True))
        found = {TEXT: given.pop(text).cast(pa.string())}
        return found | {name if name in PLAIN else before + name: inner for name, inner in given.items()}


def _documents(
    kept: pa.Table, fields: dict[str, pa.Array], parents: NDArray[np.int64], at: NDArray[np.int64], sizes: NDArray[Any]
) -> Iterator[pa.Table | Dropped]:
    """Some elements as documents, and those without text as a drop."""
    table = kept.take(pa.array(parents))
    parent = table.column(ID).cast(pa.string())
    number = pa.array(at + 1, pa.int32())
    found: dict[str, Any] = {
        ID: pc.binary_join_element_wise(parent, number.cast(pa.string()), "/"),
        TEXT: fields[TEXT],
        ORIGIN: table.column(ORIGIN) if ORIGIN in kept.column_names else parent,
    }
    found |= {
        f"spread.{name}" if name == TEXT else name: table.column(name)
        for name in kept.column_names
        if name not in (ID, ORIGIN)
    }
    for name, values in fields.items():
        over = name in PLAIN and name in found and found[name].type == values.type
        found[name] = pc.coalesce(pa.chunked_array([values]), found[name]) if over else values
    found |= {PARENT: parent, AT: number, OF: pa.array(sizes[parents], pa.int32())}
    made = pa.table(found)
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(made.column(TEXT)), ""), True)
    if not pc.any(blank).as_py():
        yield made
        return
    yield made.filter(pc.invert(blank))
    gone = made.filter(blank)
    said = pc.binary_join_element_wise("element", gone.column(AT).cast(pa.string()), "of", gone.column(PARENT), " ")
    yield Dropped(_dropped(gone, "blank", said))


def _without(rows: pa.Table, column: str) -> pa.Table:
    """Parents without elements, as a drop."""
    lists = rows.column(column) if column in rows.column_names else pa.nulls(rows.num_rows)
    missing = lists.is_null()
    return _dropped(rows, "no_items", pc.if_else(missing, f"{column} is missing", f"{column} is empty"))


def _dropped(rows: pa.Table, reason: str, said: Any) -> pa.Table:
    rows = rows.drop_columns([name for name in (REASON, EVIDENCE) if name in rows.column_names])
    return rows.append_column(REASON, pa.array([reason] * rows.num_rows)).append_column(EVIDENCE, said)


def _nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _cuts(kept: pa.Table, parents: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of elements whose documents fill a piece at most: what is kept of a parent is there for each."""
    bytes_of = np.full(kept.num_rows, 8 * max(1, kept.num_columns), np.int64)
    for column in kept.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            bytes_of += pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(bytes_of[parents])
    first = 0
    while first < parents.size:
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + PIECE_BYTES, side="right"))
        last = min(max(last, first + 1), first + PIECE_ROWS)
        yield first, last
        first = last
