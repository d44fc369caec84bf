"""HTTP/1.1 on asyncio's transports: as little as a test server needs, and a hand on every byte that leaves.

Handlers get a `Call` and write what they like to its connection: half a body, a lie, a reset. Several
thousand requests/s on one core.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}

Handler = Callable[["Call"], Awaitable[None]]


class Call:
    """One request, whole, and the means to answer it.

    Args:
        wire: the connection it came on.
        method, target: of the request line.
        headers: names in lower case.
    """

    __slots__ = ("body", "headers", "method", "path", "query", "wire")

    def __init__(self, wire: Wire, method: str, target: str, headers: dict[str, str]) -> None:
        parts = urlsplit(target)
        self.wire = wire
        self.method = method
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))
        self.headers = headers
        self.body = b""

    async def send(self, body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bool:
        """Answer; whether all of it went out to a client that was still there."""
        return await self.write(head(status, len(body), kind, headers) + body)

    async def say(self, value: Any, status: int = 200, **headers: str) -> bool:
        """Answer with JSON."""
        return await self.send(json.dumps(value).encode(), status, **headers)

    async def write(self, data: bytes) -> bool:
        """Write bytes as they are; whether they all went out."""
        return await self.wire.write(data)

    def reset(self) -> None:
        """Break the connection off so that the client sees a reset, not an end."""
        self.wire.reset()

    def hang_up(self) -> None:
        """End the connection after what was written."""
        self.wire.transport.close()

    async def gone(self) -> None:
        """Wait until the client has hung up."""
        await self.wire.lost.wait()


class Wire(asyncio.Protocol):
    """One connection: requests are answered one after the other, as they came."""

    def __init__(self, handler: Handler, wires: set[Wire]) -> None:
        self.handler = handler
        self.wires = wires
        self.lost = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.bytes = bytearray()
        self.call: Call | None = None
        self.left: int | None = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.wires.add(self)
        transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self.wires.discard(self)
        self.lost.set()
        self.drained.set()

    def pause_writing(self) -> None:
        self.drained.clear()

    def resume_writing(self) -> None:
        self.drained.set()

    def data_received(self, data: bytes) -> None:
        self.bytes += data
        if self.task is None:
            self.next()

    def next(self) -> None:
        """Begin the next request as soon as it is whole."""
        if self.call is None:
            end = self.bytes.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.bytes[:end].decode("latin-1").split("\r\n")
            del self.bytes[: end + 4]
            method, target, _ = lines[0].split(" ", 2)
            pairs = (line.split(":", 1) for line in lines[1:])
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            self.call = Call(self, method, target, headers)
            if headers.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        call = self.call
        body = self._chunked() if "chunked" in call.headers.get("transfer-encoding", "") else self._sized(call)
        if body is None:
            return
        call.body = body
        self.call = None
        self.task = asyncio.get_running_loop().create_task(self._serve(call))

    def _sized(self, call: Call) -> bytes | None:
        size = int(call.headers.get("content-length", "0"))
        if len(self.bytes) < size:
            return None
        body = bytes(self.bytes[:size])
        del self.bytes[:size]
        return body

    def _chunked(self) -> bytes | None:
        """The chunks put together, None while the last has not come."""
        at, found = 0, []
        while True:
            end = self.bytes.find(b"\r\n", at)
            if end < 0:
                return None
            size = int(self.bytes[at:end].split(b";")[0], 16)
            if len(self.bytes) < end + 2 + size + 2:
                return None
            found.append(bytes(self.bytes[end + 2 : end + 2 + size]))
            at = end + 2 + size + 2
            if size == 0:
                del self.bytes[:at]
                return b"".join(found)

    async def _serve(self, call: Call) -> None:
        try:
            await self.handler(call)
        except BaseException:
            self.reset()
            raise
        self.task = None
        if not self.transport.is_closing():
            self.next()

    async def write(self, data: bytes) -> bool:
        if self.transport.is_closing():
            return False
        self.transport.write(data)
        await self.drained.wait()
        return not self.lost.is_set()

    def reset(self) -> None:
        if not self.transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


def head(status: int, length: int, kind: str, headers: dict[str, str] | None = None) -> bytes:
    """Status line and headers."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in (headers or {}).items())
    reason = REASONS.get(status, "Other")
    return f"HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}\r\n".encode()


async def listen(handler: Handler, port: int = 0) -> int:
    """Serve on 127.0.0.1 until the process ends; the port."""
    wires: set[Wire] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(handler, wires), "127.0.0.1", port, backlog=4096)
    return int(server.sockets[0].getsockname()[1])
