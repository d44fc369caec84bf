"""Source distributions from the package indexes that pip is configured for: found, fetched, checked; never run.

`pip download` would build a package's metadata, which runs its code; so the index is asked here, over the simple
API (PEP 503 and PEP 691: links with SHA-256), and pip's settings are read as pip reads them.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import html.parser
import json
import os
import re
import ssl
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.core.errors import HornbookError, UserError, nearest

PYPI = "https://pypi.org/simple"
SECONDS = 60.0
TRIES = 4
_BLOCK = 2**20
_PAGE = 64 * 2**20
_ENDS = (".tar.gz", ".tgz", ".zip", ".tar.bz2")
_PIN = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*==\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"(?:\s+--hash=sha256:([0-9a-fA-F]{64}))?"
)


@dataclass(frozen=True, slots=True)
class Pin:
    """A package at one version, and the SHA-256 its source distribution must have ('' for any)."""

    name: str
    version: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """A source distribution: where it lies, and what it must be. All fields are JSON values."""

    name: str
    version: str
    file: str
    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What pip is told: indexes in order, folders or pages of links, certificates."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    cert: str


def pinned(said: str) -> Pin | None:
    """`NAME==VERSION`, with `--hash=sha256:HEX` behind it or not; None for anything else."""
    match = _PIN.fullmatch(said.strip())
    return Pin(match[1], match[2], (match[3] or "").lower()) if match else None


def settings(index: str | None = None) -> Settings:
    """pip's settings: its files from system to user, then its environment variables.

    Args:
        index: an index, or a folder of archives, in place of those.
    """
    said: dict[str, str] = {}
    for path in _files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in ("global", "download"):
            if parser.has_section(section):
                said |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name in ("index-url", "extra-index-url", "find-links", "no-index", "cert"):
        value = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
        said |= {name: value} if value else {}
    if index is not None:
        local = _local(index)
        flat = local is not None and local.is_dir() and any(path.name.endswith(_ENDS) for path in local.iterdir())
        return Settings(() if flat else (index,), (index,) if flat else (), said.get("cert", ""))
    none = said.get("no-index", "").lower() in ("1", "true", "yes", "on")
    indexes = [] if none else [said.get("index-url", PYPI), *said.get("extra-index-url", "").split()]
    return Settings(tuple(indexes), tuple(said.get("find-links", "").split()), said.get("cert", ""))


def _files() -> list[Path]:
    """Where pip's settings lie (pip's configuration page), the last counts most."""
    given = os.environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        places = [Path(os.environ.get("PROGRAMDATA", "C:/ProgramData"), "pip/pip.ini")]
        places += [home / "pip/pip.ini", Path(os.environ.get("APPDATA", home), "pip/pip.ini")]
    else:
        places = [Path(folder, "pip/pip.conf") for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")]
        places += [Path("/etc/pip.conf"), home / ".pip/pip.conf"]
        if sys.platform == "darwin":
            places.append(home / "Library/Application Support/pip/pip.conf")
        places.append(Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf"))
    places.append(Path(sys.prefix, "pip.ini" if sys.platform == "win32" else "pip.conf"))
    return [*places, Path(given)] if given else places


def find(pin: Pin, how: Settings) -> Archive:
    """The source distribution of a version, from the first index that has it.

    Raises:
        UserError: no index has it.
        HornbookError: an index cannot be reached.
    """
    name = normal(pin.name)
    seen: set[str] = set()
    for page in [*how.links, *(f"{index.rstrip('/')}/{name}/" for index in how.indexes)]:
        for file, url, sha256 in _links(page, how):
            version = _version(file, name)
            if version is None:
                continue
            seen.add(version)
            if same(version, pin.version) and pin.sha256 in ("", sha256):
                return Archive(name, version, file, url, pin.sha256 or sha256)
            if same(version, pin.version) and not sha256:
                return Archive(name, version, file, url, pin.sha256)
    close = nearest(pin.version, seen)
    raise UserError(
        f"no source archive of {pin.name}=={pin.version}" + (" with that SHA-256" if pin.version in seen else ""),
        where=", ".join(urllib.parse.urlsplit(index).netloc or index for index in how.indexes) or "pip: no-index",
        fix=f"there is {close}" if close else "check the name and version; some packages publish wheels alone",
    )


def fetch(archive: Archive, folder: Path, how: Settings) -> Path:
    """The archive in `folder`, fetched if it is not there, its checksum compared; a local one stays where it is.

    Raises:
        HornbookError: it cannot be fetched, or is not what the index says.
    """
    from filelock import FileLock

    local = _local(archive.url)
    if local is not None:
        if archive.sha256 not in ("", _digest(local)):
            said = f"{archive.file} is not what it should be: its SHA-256 is {_digest(local)}, not {archive.sha256}"
            raise HornbookError(said, where=str(local), fix="bring the right file")
        return local
    path = folder / archive.name / archive.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file() and archive.sha256 in ("", _digest(path)):
            return path
        fault: Exception | None = None
        for _ in range(TRIES):
            try:
                _download(archive, path, how)
                return path
            except urllib.error.HTTPError as error:
                fault = error
                error.close()
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, _Wrong) as error:
                fault = error
    raise HornbookError(
        f"cannot fetch {archive.file}: {fault}",
        where=_plain(archive.url),
        fix="check the network and run again; what was fetched is kept",
    )


def normal(name: str) -> str:
    """A package's name as indexes know it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def same(one: str, two: str) -> bool:
    """Whether two spellings are one version, as far as ordinary versions go (1.0 is 1.0.0, v1 is 1)."""
    return _spelled(one) == _spelled(two)


def _spelled(version: str) -> str:
    plain = re.sub(r"[-_]", ".", version.lower().removeprefix("v"))
    release = re.match(r"\d+(?:\.\d+)*", plain)
    if release is None:
        return plain
    parts = [str(int(part)) for part in release[0].split(".")]
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return ".".join(parts) + re.sub(r"[.]", "", plain[release.end() :])


class _Wrong(Exception):
    pass


def _download(archive: Archive, path: Path, how: Settings) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    hasher = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file, _open(archive.url, how) as answer:
            while block := answer.read(_BLOCK):
                hasher.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if archive.sha256 not in ("", hasher.hexdigest()):
            raise _Wrong(f"its SHA-256 is {hasher.hexdigest()}, not {archive.sha256}")
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(file: str, name: str) -> str | None:
    """The version in a source archive's name, None if it is of another package or a wheel."""
    end = next((end for end in _ENDS if file.lower().endswith(end)), None)
    if end is None:
        return None
    stem = file[: -len(end)]
    for at in (match.start() for match in re.finditer("-", stem)):
        if normal(stem[:at]) == name and stem[at + 1 : at + 2].isdigit():
            return stem[at + 1 :]
    return None


def _links(page: str, how: Settings) -> Iterator[tuple[str, str, str]]:
    """(file, URL, SHA-256 or '') of what a page or folder lists; nothing where there is no such page."""
    local = _local(page)
    if local is not None:
        if local.is_dir() and not (local / "index.html").is_file():
            yield from ((path.name, path.as_uri(), "") for path in sorted(local.iterdir()) if path.is_file())
            return
        page = f"{local.as_uri().rstrip('/')}/index.html" if local.is_dir() else local.as_uri()
        if not (local / "index.html").is_file() and not local.is_file():
            return
    try:
        with _open(page, how, "application/vnd.pypi.simple.v1+json, text/html;q=0.5") as answer:
            base, kind, raw = answer.url or page, answer.headers.get("Content-Type") or "", answer.read(_PAGE)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (403, 404, 410):
            return
        raise _unreachable(page, error) from error
    except OSError as error:
        raise _unreachable(page, error) from error
    yield from _of_json(raw, base) if "json" in kind else _of_html(raw, base)


def _local(page: str) -> Path | None:
    if page.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(page).path))
    return Path(page).expanduser() if "://" not in page else None


def _of_json(raw: bytes, base: str) -> Iterator[tuple[str, str, str]]:
    try:
        files = json.loads(raw)["files"]
    except (ValueError, KeyError, TypeError):
        return
    for file in files:
        url = urllib.parse.urljoin(base, str(file.get("url", "")))
        yield str(file.get("filename", "")), url, str((file.get("hashes") or {}).get("sha256", ""))


def _of_html(raw: bytes, base: str) -> Iterator[tuple[str, str, str]]:
    parser = _Anchors()
    parser.feed(raw.decode("utf-8", "replace"))
    for href in parser.found:
        url, mark = urllib.parse.urldefrag(urllib.parse.urljoin(base, href))
        file = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
        yield file, url, mark.removeprefix("sha256=") if mark.startswith("sha256=") else ""


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _open(url: str, how: Settings, accept: str = "*/*") -> Any:
    """Open a URL."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise OSError(f"{parts.scheme}: is no address for packages")
    headers = {"User-Agent": "hornbook", "Accept": accept, "Accept-Encoding": "identity"}
    if pair := _pair(url, how):
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    request = urllib.request.Request(_plain(url), headers=headers)
    context = ssl.create_default_context(cafile=how.cert or None) if parts.scheme == "https" else None
    return urllib.request.urlopen(request, timeout=SECONDS, context=context)


def _pair(url: str, how: Settings) -> str:
    """NAME:PASSWORD that pip's settings hold for the host of a URL, '' for none."""
    parts = urllib.parse.urlsplit(url)
    for one in map(urllib.parse.urlsplit, (*how.indexes, *how.links)):
        if one.username is not None and (one.scheme, one.hostname, one.port) == (
            parts.scheme,
            parts.hostname,
            parts.port,
        ):
            return f"{urllib.parse.unquote(one.username)}:{urllib.parse.unquote(one.password or '')}"
    return ""


def _plain(url: str) -> str:
    """A URL without name and password."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _unreachable(page: str, error: Exception) -> HornbookError:
    return HornbookError(
        f"cannot ask the package index: {error}",
        where=_plain(page),
        fix="check the network and pip's settings (pip config list)",
    )


def cached(pin: Pin, folder: Path) -> Archive | None:
    """The archive of a pin that was fetched before, so that nobody needs to be asked."""
    name = normal(pin.name)
    for path in sorted((folder / name).glob("*")) if (folder / name).is_dir() else []:
        version = _version(path.name, name)
        if version is not None and same(version, pin.version):
            sha256 = _digest(path)
            if pin.sha256 in ("", sha256):
                return Archive(name, version, path.name, path.as_uri(), sha256)
    return None
