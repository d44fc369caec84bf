"""Documents from the source archives of Python packages, at pinned versions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import field_validator

from hornbook.core.keys import key_of
from hornbook.core.knobs import knob
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.sources._code import read_archive
from hornbook.stages.sources._gather import first
from hornbook.stages.sources._index import Archive, Pin, cached, fetch, find, pinned, settings
from hornbook.stages.sources._repositories import Repositories
from hornbook.store.reading import File
from hornbook.teachers.weights import default_cache

_AT_ONCE = 8
"""Index pages asked for at once. Our choice: few enough for any index."""


class Pypi(Repositories):
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
        path = fetch(archive, _folder(self.index), settings(self.index))
        file = File(str(path), archive.file, path.stat().st_size)
        yield from read_archive(file, self.limits(), f"{archive.name}-{archive.version}")


def _folder(index: str | None) -> Path:
    folder = default_cache() / "pypi"
    return folder if index is None else folder / f"index-{key_of(index)[:16]}"
