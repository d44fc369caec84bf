"""Files of code as documents: from folders, archives and rows; licences from headers, files and metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa

from hornbook.core.documents import TEXT
from hornbook.core.stage import Dropped
from hornbook.stages.sources._archives import Member, kind_of, members, unsafe
from hornbook.stages.sources._gather import Gather
from hornbook.stages.sources._licences import is_licence, is_permissive, of_header, of_name, of_text
from hornbook.stages.sources._trees import generated, language, vendored
from hornbook.store.reading import File
from hornbook.store.reading.layout import shown
from hornbook.store.reading.places import hidden
from hornbook.store.reading.streams import Broken, blocks
from hornbook.store.reading.texts import BINARY

COLUMNS = {
    "path": pa.string(),
    "lang": pa.string(),
    "repo": pa.string(),
    "licence": pa.string(),
    "licence_from": pa.string(),
    "size": pa.int64(),
    "sources.permissive": pa.bool_(),
    "sources.vendored": pa.string(),
    "sources.generated": pa.string(),
}
LICENCE_BYTES = 2**18
"""Bytes read of a licence file or of metadata; the longest licence, GPL-3.0, has 35 kB. Our choice."""

_METADATA = {"PKG-INFO", "METADATA", "pyproject.toml", "package.json", "Cargo.toml", "setup.cfg"}
_SAID = re.compile(
    r"^License-Expression:[ ]*(.+)$|^License:[ ]*(.+)$|^Classifier:[ ]*License :: (?:OSI Approved :: )?(.+)$"
    r"|(?:^|[{,])[ \t]*\"?licen[cs]e\"?[ \t]*[=:][ \t]*(?:\{[ ]*text[ ]*=[ ]*)?[\"']?([^\"'\n{}]+)[\"']?",
    re.MULTILINE,
)
_THEIRS = {
    "path": ("path", "max_stars_repo_path", "file_path", "filename"),
    "lang": ("lang", "language", "programming_language"),
    "repo": ("repo", "repo_name", "max_stars_repo_name", "repository_name"),
    "licence": ("licence", "license", "licenses", "max_stars_repo_licenses", "detected_licenses"),
}
"""Our column → what The Stack (v1, v2, dedup), StarCoderData and codeparrot call it (from memory)."""
_BOM = b"\xef\xbb\xbf"

Licences = Mapping[str, tuple[str, str]]
"""Folder in the tree ('' is its top) → (SPDX expression, the file that says so)."""


class Limits(NamedTuple):
    """What is read of a tree."""

    max_bytes: int
    replace: bool
    langs: frozenset[str] | None = None


def is_sign(name: str) -> bool:
    """Whether a path is a licence file's or a package's metadata, not below a licences folder of others."""
    last = name.rpartition("/")[2]
    return is_licence(last) or last in _METADATA


def said_by(name: str, data: bytes) -> str:
    """The licence that a licence file or metadata names, '' for none."""
    text = data[:LICENCE_BYTES].decode("utf-8", "replace")
    if name.rpartition("/")[2] not in _METADATA:
        return of_text(text)
    for match in sorted(_SAID.findall(text[:50_000]), key=lambda groups: next(at for at in range(4) if groups[at])):
        found = of_name(next(filter(None, match)))
        if found:
            return found
    return ""


def gathered(signs: Mapping[str, str]) -> Licences:
    """Licences by folder from what files say: a licence file counts before metadata, then the first by name."""
    found: dict[str, tuple[str, str]] = {}
    ordered = sorted(signs.items(), key=lambda sign: (sign[0].rpartition("/")[2] in _METADATA, sign[0]))
    for name, licence in ordered:
        folder = name.rpartition("/")[0]
        if licence and folder not in found:
            found[folder] = (licence, name)
    return found


def above(licences: Licences, path: str) -> tuple[str | None, str | None]:
    """The licence of the nearest folder above a path, and the file that says so."""
    folder = path.rpartition("/")[0]
    while folder and folder not in licences:
        folder = folder.rpartition("/")[0]
    return licences.get(folder, (None, None))


def put(
    rows: Gather, place: str, path: str, repo: str, data: bytes, size: int, licences: Licences, how: Limits
) -> None:
    """A file of a tree into rows: a document, or a fault."""
    lang = language(path, data)
    if how.langs is not None and lang not in how.langs:
        rows.fault(place, "language", f"{lang or 'no known language'} is not among languages")
        return
    if not data:
        rows.fault(place, "empty_file", "the file is empty")
        return
    if b"\0" in data[:BINARY]:
        rows.fault(place, "binary", f"byte {data.index(0) + 1} is NUL: not text")
        return
    if size > how.max_bytes:
        rows.fault(place, "too_long", f"{size:,} bytes, more than max_bytes = {how.max_bytes:,}", shown(data[:8_000]))
        return
    try:
        text = data.removeprefix(_BOM).decode("utf-8", "replace" if how.replace else "strict")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"byte {error.start + 1:,} (0x{data[error.start]:02x}, line {line}) is not UTF-8"
        rows.fault(place, "utf8", said, shown(data[:8_000]))
        return
    header = of_header(data)
    licence, source = (header, "header") if header else above(licences, path)
    marks = (is_permissive(licence or ""), vendored(path), generated(path, lang, text))
    rows.add(f"{place}:1", text, path, lang, repo, licence, source, size, *marks)


def read_archive(file: File, how: Limits, repo: str = "") -> Iterator[pa.Table | Dropped]:
    """The files of an archive as documents, read twice: licences first, for they may stand last."""
    signs: dict[str, str] = {}
    tops: set[str] = set()
    for member in members(file, LICENCE_BYTES, is_sign):
        if member.reason:
            continue
        tops.add(member.name.partition("/")[0] if "/" in member.name else "")
        if member.data:
            signs[member.name] = said_by(member.name, member.data)
    rows = Gather(COLUMNS)
    known: set[int] = set()
    root = next(iter(tops)) + "/" if len(tops) == 1 and "" not in tops else ""
    own = repo or PurePosixPath(file.name).name[: -len(kind_of(file.name))]
    licences = gathered({name.removeprefix(root): licence for name, licence in signs.items()})
    any_member = False
    for member in members(file, how.max_bytes, _is_seen):
        any_member = True
        _member(rows, file, member, root, own, licences, known, how)
        yield from rows.flow()
    if not any_member:
        rows.fault(file.name, "no_files", "no file in it")
    yield from rows.flow(end=True)


def _is_seen(name: str) -> bool:
    return not hidden(name.split("/"))


def _member(
    rows: Gather, file: File, member: Member, root: str, repo: str, licences: Licences, known: set[int], how: Limits
) -> None:
    place = f"{file.name}/{member.name}" if member.name else file.name
    if member.reason:
        rows.fault(place, member.reason, member.detail)
        return
    wrong = unsafe(member.name)
    if wrong:
        rows.fault(f"{file.name}@{member.at}", "unsafe_path", f"byte {member.at:,}: {member.name!r} is {wrong}")
        return
    if not _is_seen(member.name):
        return
    if (key := hash(member.name)) in known:
        rows.fault(f"{file.name}@{member.at}", "same_path", f"byte {member.at:,}: {member.name!r} came before")
        return
    known.add(key)
    path = member.name.removeprefix(root)
    whole = repo if root or "/" not in path else f"{repo}/{path.partition('/')[0]}"
    put(rows, place, path, whole, member.data, member.size, licences, how)


def read_file(rows: Gather, file: File, path: str, repo: str, licences: Licences, how: Limits) -> None:
    """A file of a folder into rows."""
    data = bytearray()
    try:
        for block in blocks(file):
            data += block
            if len(data) > how.max_bytes or b"\0" in block[:BINARY]:
                break
    except Broken as error:
        rows.fault(file.name, error.reason, error.detail, shown(bytes(data[:8_000])))
        return
    put(rows, file.name, path, repo, bytes(data), max(file.size, len(data)), licences, how)


def folder_signs(files: list[tuple[str, File]]) -> dict[str, str]:
    """What the licence files and metadata among (path in the tree, file) say."""
    found: dict[str, str] = {}
    for path, file in files:
        if not is_sign(path) or file.fault:
            continue
        try:
            found[path] = said_by(path, next(blocks(file), b""))
        except Broken:
            continue
    return found


def as_code(table: pa.Table, how: Limits) -> pa.Table:
    """Rows of The Stack's kind with this module's columns in place of theirs; other languages are left out."""
    have = set(table.column_names)
    theirs = {to: next((name for name in names if name in have), "") for to, names in _THEIRS.items()}
    given = {to: table.column(name).to_pylist() if name else [None] * table.num_rows for to, name in theirs.items()}
    texts = table.column(TEXT).to_pylist()
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    keep = []
    for at, text in enumerate(texts):
        path = str(given["path"][at] or "")
        lang = str(given["lang"][at] or "").lower() or language(path, text[:200].encode())
        keep.append(how.langs is None or lang in how.langs)
        header = of_header(text[:2_000].encode())
        licence = header or _row_licence(given["licence"][at])
        source = "header" if header else theirs["licence"] if licence else None
        repo = given["repo"][at]
        marks = (is_permissive(licence or ""), vendored(path), generated(path, lang, text))
        values = (path, lang, None if repo is None else str(repo), licence, source, len(text.encode()), *marks)
        for column, value in zip(found.values(), values, strict=True):
            column.append(value)
    ours = pa.table({name: pa.array(values, COLUMNS[name]) for name, values in found.items()})
    rest = table.drop_columns([name for name in {*theirs.values(), *COLUMNS} if name in have])
    for name in COLUMNS:
        rest = rest.append_column(name, ours.column(name))
    return rest.filter(pa.array(keep))


def _row_licence(value: Any) -> str | None:
    """A licence column's value as one SPDX expression: lists are licences that all hold."""
    many = value if isinstance(value, list) else [value]
    named = [of_name(str(one)) or str(one) for one in many if one]
    return " AND ".join(dict.fromkeys(named)) or None
