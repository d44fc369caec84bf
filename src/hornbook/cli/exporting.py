"""Writing a journal out: every record once, as JSON lines or as a Parquet table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from hornbook.store.journal import Journal

FORMS = (".jsonl", ".jsonl.zst", ".parquet")
"""What a file's name may end with."""
ROWS = 2000
"""Records in a row group: with replies of 10 kB, 20 MB of memory."""


def form_of(out: Path | None) -> str:
    """The form of a file, `.jsonl` for standard output.

    Raises:
        UserError: its name says none that there is.
    """
    from hornbook.core.errors import UserError

    found = ".jsonl" if out is None else next((form for form in FORMS if out.name.endswith(form)), None)
    if found is None:
        raise UserError(f"cannot write {out}", where="--out", fix=f"a name that ends with {', '.join(FORMS)}")
    return found


def write(journal: Journal, out: Path | None) -> int:
    """Write all records to a file, whole or not at all, or as JSON lines to standard output; gives their number.

    Raises:
        UserError: the file's name says no form that there is.
    """
    form = form_of(out)
    if out is None:
        stream = sys.stdout.buffer
        return sum(1 for line in _lines(journal) if stream.write(line))
    from hornbook.store.files import whole

    with whole(out) as draft:
        return _write_table(journal, draft) if form == ".parquet" else _write_lines(journal, draft, form)


def _write_lines(journal: Journal, path: Path, form: str) -> int:
    import zstandard

    many = 0
    with path.open("wb") as file, ExitStack() as stack:
        out: Any = file
        if form == ".jsonl.zst":
            out = stack.enter_context(zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False))
        for many, line in enumerate(_lines(journal), 1):  # noqa: B007
            out.write(line)
    return many


def _write_table(journal: Journal, path: Path) -> int:
    import pyarrow.parquet as pq

    many = 0
    schema = _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        records = _rows(journal)
        while rows := list(islice(records, ROWS)):
            writer.write_table(_table(rows, schema))
            many += len(rows)
    return many


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        {"key": text, "at": pa.timestamp("us", "UTC"), "class": text, "detail": text, "seconds": pa.float64(),
         "request": text, "reply": text}
    )  # fmt: skip


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    plain = [
        row
        | {"at": round(row["at"] * 1e6)}
        | {name: None if row[name] is None else row[name].decode("utf-8", "replace") for name in ("request", "reply")}
        for row in rows
    ]
    return pa.Table.from_pylist(plain, schema)


def _rows(journal: Journal) -> Iterator[dict[str, Any]]:
    """All records; request and reply as the bytes that were sent and that came."""
    for entry, request in journal.records():
        raw = entry.raw
        yield {
            "key": entry.key,
            "at": entry.at,
            "class": entry.error or entry.verdict,
            "detail": entry.detail,
            "seconds": None if raw is None else raw.seconds,
            "request": request,
            "reply": None if raw is None else raw.body,
        }


def _lines(journal: Journal) -> Iterator[bytes]:
    """JSON lines of all records: request and reply as JSON, a reply that is none as text."""
    import orjson

    for row in _rows(journal):
        request, reply = row["request"], row["reply"]
        line = row | {"request": None if request is None else orjson.Fragment(request)}
        if reply is None:
            del line["seconds"], line["reply"]
        else:
            line["reply"] = _value(reply)
        yield orjson.dumps(line) + b"\n"


def _value(body: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
