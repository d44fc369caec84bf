"""Documents from web archives: WARC (the main text of each page) and WET (text as it is)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.sources._gather import Gather, first, need
from hornbook.stages.sources._paged import Paged
from hornbook.stages.sources._pages import PACKAGES, Refused, characters, main_text
from hornbook.stages.sources._warcs import Damage, Page, read_warc
from hornbook.store.reading import File
from hornbook.store.reading.layout import shown
from hornbook.store.reading.streams import Broken

SUFFIXES = {".warc", ".wet"}
HTML = {"text/html", "application/xhtml+xml"}
_COLUMNS = {
    "url": pa.string(),
    "date": pa.string(),
    "status": pa.int32(),
    "mime": pa.string(),
    "encoding": pa.string(),
    "offset": pa.int64(),
}


class Warc(Paged):
    """Reads web archives, plain, gzip (a member a record, or one) and Zstandard; a document is a page.

    FastWARC reads the records: 2 to 8 times as fast as warcio, and with it as with warcio a file that ends
    in the middle looks whole; that is checked here. Damage costs the record it is in, where the next begins
    can be found.

    Columns: `url`, `date` (of the record), `status` (of HTTP; null in WET), `mime`, `encoding` (what the
    bytes were read as), `offset` (the byte its record, or the compressed member with it, begins at).
    Documents are numbered as the records of the file. Faults: `status`, `mime`, `no_text`, `html`, `too_long`,
    `too_many_tags`, `too_deep`, `utf8`, `truncated`, `corrupt`, `unreadable`, `empty_file`, `no_records`.

    Raises:
        UserError: a path does not exist or holds no archive, or a package is missing.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(
        help="files, globs, folders (their .warc and .wet, also .gz and .zst) or URLs: one, or a list"
    )
    statuses: list[int] = knob([200], help="HTTP statuses of pages that are read; others are dropped")
    errors: Literal["drop", "replace"] = knob(
        "drop", help="broken UTF-8 in WET: drop the record, or put U+FFFD. In pages it is always U+FFFD"
    )

    def shards(self, inputs: Inputs) -> list[Any]:
        """A share a file, small ones together; with `limit` one share."""
        need("sources.warc", "web", "fastwarc.warc", *PACKAGES[self.extractor])
        return self.shares(self.path, SUFFIXES)

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The pages of one share."""
        return first(self._documents([File(**file) for file in item]), self.limit)

    def _documents(self, files: list[File]) -> Iterator[pa.Table | Dropped]:
        rows = Gather(_COLUMNS)
        for file in files:
            for _ in self._records(file, rows):
                yield from rows.flow()
        yield from rows.flow(end=True)

    def _records(self, file: File, rows: Gather) -> Iterator[None]:
        """Put what a file holds into rows, one record at a time."""
        if file.fault:
            rows.fault(file.name, "unreadable", file.fault)
            return
        seen = False
        try:
            for found in read_warc(file, self.max_bytes):
                seen = True
                place = f"{file.name}:{found.number}"
                if isinstance(found, Damage):
                    rows.fault(place, found.reason, found.detail)
                else:
                    self._record(found, place, rows)
                yield
        except Broken as error:
            rows.fault(file.name, error.reason, error.detail)
            return
        if not seen:
            empty = file.size == 0
            rows.fault(file.name, "empty_file" if empty else "no_records", "no page or text in it")

    def _record(self, page: Page, place: str, rows: Gather) -> None:
        found = self._text(page)
        if isinstance(found, Refused):
            said = f"byte {page.offset:,}, {page.url or 'no URL'}: {found.detail}"
            rows.fault(place, found.reason, said, "" if found.reason == "mime" else shown(page.body[:10_000]))
        else:
            text, encoding = found
            rows.add(place, text, page.url, page.date, page.status, page.mime, encoding, page.offset)

    def _text(self, page: Page) -> tuple[str, str] | Refused:
        if page.short:
            return Refused("truncated", f"{page.short:,} of {page.size:,} bytes are missing")
        if page.kind == "response" and page.status not in self.statuses:
            return Refused("status", "no HTTP head" if page.status is None else f"HTTP status {page.status}")
        html = page.kind != "conversion" and page.mime in HTML
        if not html and page.kind != "conversion" and page.mime != "text/plain":
            return Refused("mime", f"{page.mime or 'no type'} is neither HTML nor text")
        if len(page.body) > self.max_bytes:
            return Refused("too_long", f"more than max_bytes = {self.max_bytes:,}")
        if html:
            return main_text(page.body, page.charset, self.extractor, self.max_tags)
        if page.kind != "conversion":
            text, encoding = characters(page.body, page.charset, html=False)
            return (text, encoding) if text.strip() else Refused("no_text", "nothing but white space")
        return self._plain(page)

    def _plain(self, page: Page) -> tuple[str, str] | Refused:
        """The text of WET, which is UTF-8."""
        try:
            text = page.body.decode("utf-8", "strict" if self.errors == "drop" else "replace")
        except UnicodeDecodeError as error:
            return Refused("utf8", f"byte {error.start + 1:,} of it (0x{page.body[error.start]:02x}) is not UTF-8")
        return (text, "utf-8") if text.strip() else Refused("no_text", "nothing but white space")
