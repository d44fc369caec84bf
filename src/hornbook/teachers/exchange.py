"""HTTP exchanges with servers: kept-alive connections, whole answers, and what may be shown of them."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from hornbook.core.asking import TeacherError
from hornbook.teachers.trouble import Answer

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; the same as openai-python is 5 s, doubled for far servers."""
LARGEST_REPLY = 64 * 2**20
"""Bytes; a longer body is no reply to one request (a 100,000-token reply with 20 logprobs is 40 MB)."""


class Exchange:
    """Connections to servers; open inside an event loop, close at the end.

    Args:
        key: sent with every request where it is not empty, and taken out of whatever is quoted.
        timeout: seconds for one exchange.
        connections: at once.
    """

    def __init__(self, key: str, timeout: float, connections: int) -> None:
        self.key = key
        self._timeout = timeout
        self._deadlines = Deadlines(timeout)
        self._urls: dict[str, URL] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, url: str, body: bytes) -> Answer:
        """Send JSON and wait for the whole answer.

        Raises:
            TeacherError: there is no whole answer; try again.
        """
        try:
            with self._deadlines:
                return await self._send("POST", url, body)
        except TimeoutError as error:
            raise self._late(url, error, self._timeout) from error

    async def get(self, url: str, timeout: float) -> Answer:
        """Ask for a page, with a time limit of its own.

        Raises:
            TeacherError: there is no whole answer; try again.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._send("GET", url, None)
        except TimeoutError as error:
            raise self._late(url, error, timeout) from error

    async def _send(self, method: str, url: str, body: bytes | None) -> Answer:
        at = self._urls.get(url)
        if at is None:
            at = self._urls[url] = URL(url)
        data = None if body is None else aiohttp.BytesPayload(body, content_type="application/json")
        try:
            async with self._session.request(method, at, data=data, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await _whole(response))
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)  # it may be answered, and billed, all the same
            said = self.hidden(str(error) or type(error).__name__)
            raise TeacherError(f"{shown(url)}: {said}", paid=sent) from error

    def _late(self, url: str, error: TimeoutError, limit: float) -> TeacherError:
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        what, seconds = ("no connection", CONNECT_SECONDS) if connecting else ("no reply", limit)
        return TeacherError(f"{shown(url)}: {what} within {seconds:g} s", paid=not connecting)

    def hidden(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self.key, "…") if self.key else text

    async def close(self) -> None:
        """Close the connections."""
        self._deadlines.close()
        await self._session.close()


class Deadlines:
    """One time limit for everything inside `with deadlines:`, in any number of tasks.

    As the limit is the same for all, who began first is late first: one timer looks at the oldest, where a
    timer for each exchange would cost a tenth of the client's time (measured).

    Args:
        seconds: the limit; it is kept to within a hundredth of itself.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._due[task] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._due.pop(task, None)
        if task in self._late:
            self._late.discard(task)
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self) -> None:
        """Cancel who is late, and come back when the next may be."""
        now = self._loop.time()
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > now:
                break
            del self._due[task]
            self._late.add(task)
            task.cancel()
        first = next(iter(self._due.values()), now + self._seconds)
        self._timer = self._loop.call_later(max(first - now, self._seconds / 100), self._look)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()


def shown(url: str) -> str:
    """A URL without what may be secret: user, password, query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= LARGEST_REPLY and "Content-Encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_REPLY:
            response.close()
            raise TeacherError(f"the reply is over {LARGEST_REPLY:,} bytes", kind="rejected", retry=False, paid=True)
    return b"".join(parts)
