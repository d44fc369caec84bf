"""Documents from code: folders and archives of repositories, source distributions, rows like The Stack's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Dropped, Inputs
from hornbook.stages.sources._archives import kind_of
from hornbook.stages.sources._code import (
    COLUMNS,
    as_code,
    folder_signs,
    gathered,
    is_sign,
    read_archive,
    read_file,
)
from hornbook.stages.sources._gather import Gather, first, suffix
from hornbook.stages.sources._repositories import Repositories
from hornbook.store.reading import File, cut, expand, read_files

ROWS = {".parquet", ".jsonl", ".ndjson"}


class Code(Repositories):
    """Reads repositories; a document is a file, with its language, licence and size, as The Stack has it.

    A folder is one repository if a licence or package file lies in it, else each folder in it is one; an
    archive (.tar, .tar.gz, .tgz, .tar.bz2, .tar.zst, .zip, .whl) is one. Nothing is unpacked to disk or run.
    Parquet and JSON Lines are rows with the code in `text_column`.

    Columns: `path` (in the repository), `lang`, `repo`, `licence` (SPDX; of the file's own header, else of the
    nearest folder above with a licence file or package metadata, null where none is known), `licence_from`,
    `size` (bytes). Marks: `sources.permissive`, `sources.vendored` and `sources.generated` (what says so, null
    where nothing does). Faults: `language`, `binary`, `utf8`, `too_long`, `unsafe_path`, `same_path`, `bomb`,
    `encrypted`, `truncated`, `corrupt`, `unreadable`, `empty_file`, `no_files`, those of `sources.files`.

    Raises:
        UserError: a path does not exist or holds no file.
    """

    version: ClassVar[str] = "1"

    path: InputPath | list[InputPath] = knob(help="folders, archives, Parquet or JSON Lines files, globs, URLs")
    format: Literal["auto", "tree", "rows"] = knob(
        "auto", help="rows: a document a row; tree: a document a file; auto: rows where all is .parquet or .jsonl"
    )
    text_column: str = knob("content", help="of rows, the column with the code", source="The Stack")

    def shards(self, inputs: Inputs) -> list[Any]:
        """Shares of about 128 MB of files or rows; an archive each. With `limit` one share."""
        paths = [str(self.path)] if isinstance(self.path, str) else [str(path) for path in self.path]
        names = {file.path: file for file in expand(paths, "code")}
        items: list[Any] = []
        for path in paths:
            mine = [names.pop(file.path) for file in expand(path) if file.path in names]
            items += self._items(path, mine)
        return items if self.limit is None else [[one for item in items for one in item]]

    def _items(self, path: str, files: list[File]) -> list[Any]:
        """Shares of one path; each is a list of {archive}, {rows} or {tree}."""
        archives = [file for file in files if kind_of(file.name)]
        rest = [file for file in files if not kind_of(file.name)]
        rows = self.format == "rows" or (self.format == "auto" and all(suffix(file.name) in ROWS for file in rest))
        items: list[Any] = [[{"archive": asdict(file)}] for file in archives]
        if rows:
            typed = expand([file.path for file in rest]) if rest else []
            kinds = {file.path: asdict(file) | {"name": old.name} for file, old in zip(typed, rest, strict=True)}
            shares = cut([File(**kinds[file.path]) for file in rest])
            return items + [[{"rows": [asdict(file) for file in share]}] for share in shares]
        return items + self._tree(path, rest)

    def _tree(self, path: str, files: list[File]) -> list[Any]:
        top, within = _split(path, files)
        trees: dict[str, list[tuple[str, File]]] = {}
        whole = any("/" not in within[file.path] and is_sign(within[file.path]) for file in files)
        own: dict[str, tuple[str, str]] = {}
        for file in files:
            name = within[file.path]
            head, _, tail = name.partition("/")
            own[file.path] = (top, name) if whole or not tail else (head, tail)
            trees.setdefault(own[file.path][0], []).append((own[file.path][1], file))
        licences = {repo: gathered(folder_signs(tree)) for repo, tree in trees.items()}
        items = []
        for share in cut(files):
            some = [[asdict(file), *own[file.path]] for file in share]
            repos = dict.fromkeys(own[file.path][0] for file in share)
            items.append([{"tree": some, "licences": {repo: licences[repo] for repo in repos}}])
        return items

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table | Dropped]:
        """The files of one share."""
        flow = (found for part in item for found in self._read(part))
        return first(flow, self.limit)

    def _read(self, part: Any) -> Iterator[pa.Table | Dropped]:
        how = self.limits()
        if "archive" in part:
            yield from read_archive(File(**part["archive"]), how)
        elif "rows" in part:
            files = [File(**file) for file in part["rows"]]
            found = read_files(files, self.text_column, max_bytes=self.max_bytes, errors=self.errors)
            yield from (one if isinstance(one, Dropped) else as_code(one, how) for one in found)
        else:
            rows = Gather(COLUMNS)
            for file, repo, path in part["tree"]:
                read_file(rows, File(**file), path, repo, part["licences"][repo], how)
                yield from rows.flow()
            yield from rows.flow(end=True)


def _split(path: str, files: list[File]) -> tuple[str, dict[str, str]]:
    """The name of what a path is, and each file's path below it."""
    below = {file.path: file.name for file in expand(path, "code")} if files else {}
    if "://" in path:
        return PurePosixPath(path).name, below
    given = Path(local_path(path)).expanduser().absolute()
    top = given.name if given.is_dir() else given.parent.name
    return top, below
