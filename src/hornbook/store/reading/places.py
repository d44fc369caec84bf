"""Which files a path, glob, folder or URL means, in a stable order, each with its documents' name."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from hornbook.core.errors import UserError
from hornbook.core.knobs import local_path

Kind = Literal["jsonl", "json", "parquet", "csv", "tsv", "text", "code"]

CODECS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".md": "text",
    ".markdown": "text",
}
SKIPPED = {"node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class File:
    """One file, or a share of one, as any worker can read it. All fields are JSON values.

    Args:
        path: absolute local path, or URL.
        name: path below the folder or glob given, or the file's own name; what ids and origins begin with.
        size: bytes on disk; -1 unknown.
        kind: how it is read.
        codec: gzip, zstd or ''.
        fault: why it could not even be looked at; then reading gives one drop.
        start, stop: the share: bytes (JSON Lines) or row groups (Parquet); stop -1 is the end.
        before: lines or rows before the share, so that ids are the same however the file is shared out.
    """

    path: str
    name: str
    size: int
    kind: Kind = "code"
    codec: str = ""
    fault: str = ""
    start: int = 0
    stop: int = -1
    before: int = 0

    @property
    def remote(self) -> bool:
        """Whether it is read through fsspec."""
        return "://" in self.path


def expand(paths: str | Sequence[str], kind: Kind | Literal["auto"] = "auto") -> list[File]:
    """The files meant by paths, globs, folders (with all below) and URLs.

    The order is that of `paths`, and by name within each. A file meant twice is read once. Hidden files and
    folders, `node_modules` and `__pycache__` are left out of folders. A folder written by Hornbook means its
    `part-*.parquet`, without what it dropped. Names that would be equal get as much of the path in front as
    tells them apart.

    Args:
        paths: one or several.
        kind: how to read them; auto goes by the file's extension, anything unknown being code.

    Raises:
        UserError: a path does not exist, a glob or folder holds no file, a URL cannot be listed.
    """
    found: dict[str, File] = {}
    for path in [paths] if isinstance(paths, str) else paths:
        files = _files(local_path(path))
        if not files:
            raise UserError(f"no files in {path}", where=path, fix="check the path; hidden files are not read")
        for file in sorted(files, key=lambda file: file.name):
            found.setdefault(file.path, _typed(file, kind))
    return _told_apart(list(found.values()))


def _typed(file: File, kind: Kind | Literal["auto"]) -> File:
    suffixes = [suffix.lower() for suffix in PurePosixPath(file.name).suffixes[-2:]]
    codec = CODECS.get(suffixes[-1], "") if suffixes else ""
    if codec:
        suffixes.pop()
    if kind == "auto":
        kind = KINDS.get(suffixes[-1], "code") if suffixes else "code"
    return replace(file, kind=kind, codec="" if kind == "parquet" else codec)


def _files(given: str) -> list[File]:
    if "://" in given:
        from hornbook.store.reading.remote import list_url

        return list_url(given)
    try:
        path = Path(given).expanduser().absolute()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError, RuntimeError):
        if glob.has_magic(given):
            return _matching(Path(given).expanduser().absolute())
        raise missing(given, str(Path(given).absolute())) from None
    except OSError as error:
        return [_faulty(path, path.name, error)]
    if stat.S_ISDIR(mode):
        return list(_below(path, path))
    if stat.S_ISREG(mode):
        return [_look(path, path.parent)]
    raise UserError(
        f"{given} is neither a file nor a folder",
        where=str(path),
        fix="write the stream to a file; it is read twice",
    )


def missing(given: str, where: str) -> UserError:
    """The error for a path that does not exist."""
    return UserError(f"{given} does not exist", where=where, fix="check the path and the folder you are in")


def _matching(pattern: Path) -> list[File]:
    """Files of a glob; a folder that matches stands for all below it."""
    fixed = next(at for at, part in enumerate(pattern.parts) if glob.has_magic(part))
    root, rest = Path(*pattern.parts[:fixed]), str(Path(*pattern.parts[fixed:]))
    matches = [match for match in root.glob(rest) if not hidden(match.relative_to(root).parts)]
    return [file for match in matches for file in _below(match, root)]


def _below(path: Path, root: Path) -> Iterator[File]:
    """The file itself, or all files in a folder and below."""
    if not path.is_dir():
        yield _look(path, root)
        return
    trouble: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=trouble.append):
        folders[:] = [name for name in folders if not hidden([name])]
        parts = [name for name in names if name.startswith("part-") and name.endswith(".parquet")]
        if parts and "manifest.json" in names:
            folders.clear()
        else:
            parts = [name for name in names if not name.startswith(".")]
        for name in parts:
            yield _look(Path(folder, name), root)
    for error in trouble:
        where = Path(os.fsdecode(error.filename))
        yield _faulty(where, where.relative_to(root.parent).as_posix(), error)


def hidden(parts: Sequence[str]) -> bool:
    """Whether a path goes through a folder, or is a file, that is left out."""
    return any(part.startswith(".") or part in SKIPPED for part in parts)


def _look(path: Path, root: Path) -> File:
    name = path.relative_to(root).as_posix()
    try:
        info = path.stat()
    except OSError as error:
        return _faulty(path, name, error)
    fault = "" if stat.S_ISREG(info.st_mode) else "not a regular file"
    return File(str(path), shown_name(name), info.st_size, fault=fault)


def _faulty(path: Path, name: str, error: OSError) -> File:
    return File(str(path), shown_name(name), 0, fault=error.strerror or str(error))


def shown_name(name: str) -> str:
    """A file name as valid Unicode: the system allows any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _told_apart(files: list[File]) -> list[File]:
    """Put as many folders in front of equal names as make them differ."""
    names = [file.name for file in files]
    parents = [_parents(file) for file in files]
    while True:
        times = Counter(names)
        short = [at for at, name in enumerate(names) if times[name] > 1 and parents[at]]
        if not short:
            return [replace(file, name=name) for file, name in zip(files, names, strict=True)]
        for at in short:
            names[at] = f"{parents[at].pop()}/{names[at]}"


def _parents(file: File) -> list[str]:
    whole = shown_name(re.sub(r"^\w+://", "", file.path))
    return [part for part in whole.removesuffix(file.name).split("/") if part]
