"""Files behind URLs, through fsspec: s3://, gs://, hf://, https://, memory:// and whatever has a package."""

from __future__ import annotations

import glob
from pathlib import PurePosixPath
from typing import Any

from hornbook.core.errors import UserError
from hornbook.store.reading.places import File, hidden, missing, shown_name

_IDENTITY = ("ETag", "etag", "md5Hash", "content_md5", "blob_id", "crc32c")


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec filesystem of a URL, and the path in it.

    Raises:
        UserError: the protocol is unknown, or the package it needs is missing.
    """
    import fsspec

    try:
        found = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        fix = "install the package named, or copy the file here"
        fix = "pip install 'hornbook[hub]'" if url.startswith("hf://") else fix
        raise UserError(f"cannot read {url}: {error}", where=url, fix=fix) from error
    return found[0], str(found[1])


def list_url(url: str) -> list[File]:
    """The files of a URL: itself, those that match a glob, or all below a folder (not over HTTP).

    Raises:
        UserError: it does not exist or cannot be listed.
    """
    system, path = filesystem(url)
    web = url.startswith(("http://", "https://"))
    try:
        if not web and glob.has_magic(path):
            fixed = next(at for at, part in enumerate(path.split("/")) if glob.has_magic(part))
            root, found = "/".join(path.split("/")[:fixed]), system.glob(path, detail=True)
        elif not web and system.isdir(path):
            root, found = path, system.find(path, detail=True)
        else:
            root, found = path.rpartition("/")[0], {path: system.info(path)}
    except FileNotFoundError:
        raise missing(url, url) from None
    except Exception as error:
        fix = "check the URL, the network and your rights"
        raise UserError(f"cannot list {url}: {error}", where=url, fix=fix) from error
    files = [_file(system, match, root, info) for match, info in found.items() if info.get("type") != "directory"]
    return [file for file in files if not hidden(PurePosixPath(file.name).parts)]


def _file(system: Any, path: str, root: str, info: dict[str, Any]) -> File:
    name = shown_name(path.removeprefix(root).lstrip("/").split("?")[0])
    size = info.get("size")
    return File(str(system.unstrip_protocol(path)), name, -1 if size is None else int(size))


def identity(file: File) -> str:
    """What the store says a file's content is (an ETag, a checksum), or ''."""
    system, path = filesystem(file.path)
    info = system.info(path)
    return next((f"{key}:{info[key]}" for key in _IDENTITY if info.get(key)), "")
