"""A local server that speaks what huggingface_hub asks of the hub for datasets: real HTTP, real ranges.

with serving({"owner/name": {"data/train-00000.parquet": b"…"}}) as hub:
    hub.url       # for HF_ENDPOINT
    hub.asked     # [("GET", path, Range header)]
    hub.commit("owner/name")   # the commit of `main`
"""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Datasets by name, each the files of its commits."""

    daemon_threads = True

    def __init__(self, datasets: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, str]] = []
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        for name, files in datasets.items():
            self.push(name, files)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def push(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Make a commit of the files, and `branch` mean it."""
        whole = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits.setdefault(name, {})[whole] = files
        self.branches.setdefault(name, {})[branch] = whole
        return whole

    def commit(self, name: str, revision: str = "main") -> str | None:
        """The commit that a revision means."""
        found = self.branches.get(name, {}).get(revision, revision)
        return found if found in self.commits.get(name, {}) else None


@contextmanager
def serving(datasets: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """A hub on a port of its own."""
    hub = Hub(datasets)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes = b"") -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("Range") or ""))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            self._api("/".join(parts[2:4]), parts[4:], body)
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self._json(404, {"error": "no such page"})

    def _api(self, name: str, rest: list[str], body: bytes) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        commit = self.server.commit(name, revision)
        if commit is None:
            known = name in self.server.commits
            self._json(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound" if known else "RepoNotFound"})
            return
        files = self.server.commits[name][commit]
        if not rest or rest[0] == "revision":
            self._json(200, {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in sorted(files)]})
        elif rest[0] == "tree":
            folder = "/".join(rest[2:])
            found = _tree(files, folder, "recursive=true" in self.path.lower())
            missing = folder and not found
            code = {"X-Error-Code": "EntryNotFound"}
            self._json(404, {"error": "no"}, code) if missing else self._json(200, found)
        elif rest[0] == "paths-info":
            text = body.decode()
            asked = json.loads(text)["paths"] if text.startswith("{") else urllib.parse.parse_qs(text).get("paths", [])
            found = [_entry(path, files[path]) for path in asked if path in files]
            found += [_folder(path) for path in asked if any(file.startswith(f"{path}/") for file in files)]
            self._json(200, found)
        else:
            self._json(404, {"error": "no"})

    def _file(self, name: str, revision: str, path: str) -> None:
        commit = self.server.commit(name, revision)
        data = None if commit is None else self.server.commits[name][commit].get(path)
        if data is None:
            self._json(404, {"error": "no"}, {"X-Error-Code": "EntryNotFound"})
            return
        whole, code, headers = len(data), 200, {"X-Repo-Commit": commit or "", "ETag": f'"{_blob(data)}"'}
        asked = self.headers.get("Range") or ""
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or whole - 1), whole - 1)
            data, code = data[start : stop + 1], 206
            headers["Content-Range"] = f"bytes {start}-{stop}/{whole}"
        self._send(code, data, headers | {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"})

    def _json(self, code: int, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(code, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}


def _folder(path: str) -> dict[str, object]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


def _tree(files: dict[str, bytes], folder: str, deep: bool) -> list[dict[str, object]]:
    front = f"{folder}/" if folder else ""
    below = {path: data for path, data in sorted(files.items()) if path.startswith(front)}
    folders = {front + part for path in below for part in _parents(path.removeprefix(front), deep)}
    some = {path: data for path, data in below.items() if deep or "/" not in path.removeprefix(front)}
    return [_folder(path) for path in sorted(folders)] + [_entry(path, data) for path, data in some.items()]


def _parents(path: str, deep: bool) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts) if deep else min(1, len(parts)))]
