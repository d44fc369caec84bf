"""Text, Markdown and code: a document a file, or a file cut at blank lines, lines or a delimiter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from hornbook.core.documents import PIECE_BYTES, PIECE_ROWS, TEXT
from hornbook.store.reading.layout import Batch, Fault, Found, How, shown, too_long
from hornbook.store.reading.places import CODECS, File
from hornbook.store.reading.streams import HEAD, Broken, Long, blocks, records

BINARY = 8_000
"""Bytes looked at for a NUL, which makes a file binary (git: buffer_is_binary in xdiff-interface.c)."""

LANGS = {
    "ada adb ads": "ada", "asm s": "assembly", "awk": "awk", "bat cmd": "batch", "c h": "c",
    "clj cljs": "clojure", "cc cpp cxx hh hpp hxx": "c++", "cs": "c#", "cu cuh": "cuda", "css": "css",
    "d": "d", "dart": "dart", "el": "emacs lisp", "ex exs": "elixir", "elm": "elm", "erl hrl": "erlang",
    "f f77 f90 f95 for": "fortran", "fs fsx": "f#", "glsl frag vert": "glsl", "go": "go",
    "graphql": "graphql", "groovy gradle": "groovy", "hs": "haskell", "htm html xhtml": "html",
    "ini cfg": "ini", "java": "java", "js mjs cjs jsx": "javascript", "json": "json", "jl": "julia",
    "kt kts": "kotlin", "tex sty": "latex", "lean": "lean", "lisp lsp cl": "lisp", "lua": "lua",
    "m mm": "objective-c", "mk make": "make", "md markdown": "markdown", "ml mli": "ocaml", "nim": "nim",
    "nix": "nix", "pas pp": "pascal", "pl pm": "perl", "php": "php", "ps1": "powershell", "pro": "prolog",
    "proto": "protobuf", "py pyi pyw": "python", "pyx pxd": "cython", "r": "r", "rkt": "racket",
    "rb": "ruby", "rs": "rust", "rst": "restructuredtext", "scala sc": "scala", "scm ss": "scheme",
    "sh bash zsh": "shell", "sol": "solidity", "sql": "sql", "svelte": "svelte", "swift": "swift",
    "tcl": "tcl", "tf": "terraform", "toml": "toml", "ts tsx mts": "typescript", "txt text": "text",
    "v sv vh": "verilog", "vhd vhdl": "vhdl", "vue": "vue", "wat": "webassembly", "xml xsd xsl": "xml",
    "yaml yml": "yaml", "zig": "zig",
}  # fmt: skip
"""Extensions → language, the commonest reading of each (after GitHub Linguist's languages.yml)."""

_BY_SUFFIX = {f".{suffix}": lang for suffixes, lang in LANGS.items() for suffix in suffixes.split()}
_BY_NAME = {"Makefile": "make", "Dockerfile": "dockerfile", "CMakeLists.txt": "cmake"}
_BOM = b"\xef\xbb\xbf"


def lang_of(name: str) -> str:
    """A file's language by its name, '' where it says nothing."""
    path = PurePosixPath(name)
    if path.suffix.lower() in CODECS:
        path = path.with_suffix("")
    return _BY_NAME.get(path.name) or _BY_SUFFIX.get(path.suffix.lower(), "")


def is_whole(file: File, how: How) -> bool:
    """Whether the file is one document."""
    return file.kind == "code" or (file.kind == "text" and how.split == "file")


def read_whole(file: File, how: How) -> str | Fault:
    """The text of a file that is one document; a Fault of number 1 (or 0) if it is none.

    Raises:
        Broken: the file cannot be read to its end.
    """
    if not file.codec and file.size > how.max_bytes:
        return too_long(1, file.size, how, shown(next(blocks(file))))
    parts, size = list[bytes](), 0
    for block in blocks(file):
        if not size and file.kind == "code" and b"\0" in block[:BINARY]:
            return Fault(1, "binary", f"byte {block.index(0) + 1} is NUL: not text")
        parts.append(block)
        size += len(block)
        if size > how.max_bytes:
            return Fault(1, "too_long", f"more than max_bytes = {how.max_bytes:,}", shown(parts[0]))
    return _decoded(b"".join(parts).removeprefix(_BOM), 1, how)


def table_of(texts: Sequence[str], names: Sequence[str], how: How) -> pa.Table:
    """Texts and the names of their files as columns: the text, `path`, `lang`."""
    column = how.text_column if not how.need or TEXT in how.need else how.source(how.need[0])
    langs = {name: lang_of(name) for name in set(names)}
    return pa.table(
        {
            column: pa.array(texts, pa.string()),
            "path": pa.array(names, pa.string()),
            "lang": pa.array([langs[name] for name in names], pa.string()),
        }
    )


def read_text(file: File, how: How) -> Iterator[Found]:
    """The documents a text file is cut into, numbered by line (line, blank-line) or from 1 (delimiter)."""
    number, texts, numbers, faults, size = 0, list[str](), list[int](), list[Fault](), 0
    try:
        for number, record in _cut(file, how):
            text = _text(record, number, how)
            if isinstance(text, Fault):
                faults.append(text)
            else:
                texts.append(text)
                numbers.append(number)
                size += len(text)
            if len(texts) + len(faults) >= PIECE_ROWS or size > PIECE_BYTES // 8:
                yield _found(texts, numbers, faults, file, how)
                texts, numbers, faults, size = [], [], [], 0
    except Broken as error:
        yield _found(texts, numbers, faults, file, how)
        error.number = number + 1
        raise
    yield _found(texts, numbers, faults, file, how)


def _cut(file: File, how: How) -> Iterator[tuple[int, bytes | Long]]:
    """Records with their numbers."""
    source = blocks(file)
    if how.split == "delimiter":
        cut = records(source, how.delimiter.encode(), PIECE_BYTES)
        yield from enumerate((record for group in cut for record in group), 1)
    elif how.split == "line":
        yield from enumerate((line for group in records(source, b"\n", PIECE_BYTES) for line in group), 1)
    else:
        yield from _paragraphs(line for group in records(source, b"\n", PIECE_BYTES) for line in group)


def _paragraphs(lines: Iterator[bytes | Long]) -> Iterator[tuple[int, bytes | Long]]:
    """Lines between blank ones, numbered by the first."""
    start, size, parts = 1, 0, list[bytes]()
    for number, line in enumerate(lines, 1):
        if isinstance(line, Long) or line.strip():
            if not size:
                start = number
            size += (line.size if isinstance(line, Long) else len(line)) + 1
            if size - 1 <= PIECE_BYTES and not isinstance(line, Long):
                parts.append(line)
            elif len(parts) != 1 or len(parts[0]) > HEAD:
                parts = [(b"\n".join(parts) if parts else getattr(line, "head", b""))[:HEAD]]
        elif size:
            yield start, _paragraph(parts, size - 1)
            size, parts = 0, []
    if size:
        yield start, _paragraph(parts, size - 1)


def _paragraph(parts: list[bytes], size: int) -> bytes | Long:
    return b"\n".join(parts) if size <= PIECE_BYTES else Long(b"\n".join(parts)[:HEAD], size)


def _text(record: bytes | Long, number: int, how: How) -> str | Fault:
    if isinstance(record, Long):
        return too_long(number, record.size, how, shown(record.head))
    if number == 1:
        record = record.removeprefix(_BOM)
    if not record.strip():
        return Fault(number, "blank", "blank")
    text = _decoded(record, number, how)
    if isinstance(text, Fault):
        return text
    return text.removesuffix("\r") if how.split == "line" else text.strip("\r\n")


def _decoded(data: bytes, number: int, how: How) -> str | Fault:
    try:
        return data.decode("utf-8", "strict" if how.errors == "drop" else "replace")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"byte {error.start + 1:,} (0x{data[error.start]:02x}, line {line} of it) is not UTF-8"
        return Fault(number, "utf8", said, shown(data))


def _found(texts: list[str], numbers: list[int], faults: list[Fault], file: File, how: How) -> Found:
    if not texts:
        return Found(faults=faults)
    return Found(Batch(table_of(texts, [file.name] * len(texts), how), np.array(numbers, np.int64)), faults)
