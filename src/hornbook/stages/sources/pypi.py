"""Documents from the source archives of Python packages, at pinned versions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.documents import PIECE_BYTES
from hornbook.core.keys import key_of
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Dropped, Inputs, Source
from hornbook.stages.sources._code import Limits, read_archive
from hornbook.stages.sources._gather import first
from hornbook.stages.sources._index import Archive, Pin, cached, fetch, find, pinned, settings
from hornbook.store.reading import File
from hornbook.teachers.weights import default_cache

_AT_ONCE = 8
"""Index pages asked for at once. Our choice: few enough for any index."""


class Pypi(Source):
    """Reads source distributions as `sources.code` does; nothing is installed or run.

    They come from the indexes that pip is configured for (its files and PIP_ variables), are compared with the
    SHA-256 that the index (or `--hash`) says, and are kept in the user's cache; what is there is not asked for
    again. The repository is `NAME-VERSION`; columns, marks and faults are those of `sources.code`.

    Raises:
        UserError: an index has no source archive of a package at that version.
        HornbookError: an index cannot be reached, or gives something else than it says.
    """

    version: ClassVar[str] = "1"

    packages: list[str] = knob(
        help="NAME==VERSION, or NAME==VERSION --hash=sha256:HEX, as in requirements.txt; read in this order"
    )
    index: str | None = knob(
        None, help="a package index (simple API) or a folder of archives, in place of those pip is configured for"
    )
    languages: list[str] | None = knob(
        None, help="languages kept, as in `lang` (python, c++); others are dropped; unset keeps all"
    )
    licences: Literal["any", "permissive"] = knob(
        "any", help="permissive: drop what is not known to be under a permissive licence, as The Stack does"
    )
    vendored: Literal["drop", "mark"] = knob("drop", help="copies of others' code (vendor/, third_party/, jquery.js)")
    generated: Literal["drop", "mark"] = knob("drop", help="what a program wrote (lock files, _pb2.py, @generated)")
    errors: Literal["drop", "replace"] = knob("drop", help="bytes that are not UTF-8: drop the file, or put U+FFFD")
    max_bytes: int = knob(
        2**20,
        ge=1,
        le=PIECE_BYTES,
        unit="bytes of UTF-8",
        help="longest file; longer ones are dropped",
        source="The Stack, arXiv:2211.15533, section 3.1: files above 1 MB are left out (from memory)",
    )
    limit: int | None = knob(None, ge=1, unit="documents", help="stop after the first so many; unset reads all")

    @field_validator("packages")
    @classmethod
    def _pinned(cls, packages: list[str]) -> list[str]:
        for said in packages:
            if pinned(said) is None:
                raise ValueError(f"{said!r} is not NAME==VERSION: without a version, another day gives another corpus")
        return packages

    def shards(self, inputs: Inputs) -> list[Any]:
        """A share a package. The indexes are asked here, so that a wrong name is said before anything is fetched."""
        pins = list(dict.fromkeys(pin for said in self.packages if (pin := pinned(said))))
        how, folder = settings(self.index), _folder(self.index)

        def one(pin: Pin) -> dict[str, Any]:
            return asdict(cached(pin, folder) or find(pin, how))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(one, pins))
        return [[archive] for archive in found] if self.limit is None else [found]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The files of one package."""
        return first((found for archive in item for found in self._read(Archive(**archive))), self.limit)

    def _read(self, archive: Archive) -> Iterator[pa.Table | Dropped]:
        langs = None if self.languages is None else frozenset(lang.lower() for lang in self.languages)
        path = fetch(archive, _folder(self.index), settings(self.index))
        file = File(str(path), archive.file, path.stat().st_size)
        how = Limits(self.max_bytes, self.errors == "replace", langs)
        yield from read_archive(file, how, f"{archive.name}-{archive.version}")

    def drops(self) -> dict[str, Rule]:
        rules = {}
        if self.vendored == "drop":
            rules["vendored"] = Rule("sources.vendored", "is set")
        if self.generated == "drop":
            rules["generated"] = Rule("sources.generated", "is set")
        if self.licences == "permissive":
            rules["licence"] = Rule("sources.permissive", "==", False, evidence="licence")
        return rules


def _folder(index: str | None) -> Path:
    folder = default_cache() / "pypi"
    return folder if index is None else folder / f"index-{key_of(index)[:16]}"
