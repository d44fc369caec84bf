"""HTTP exchanges with servers: kept-alive connections, whole answers, and what may be shown of them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import aiohttp

from hornbook.core.asking import TeacherError
from hornbook.teachers.trouble import Answer

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; the same as openai-python is 5 s, doubled for far servers."""
LARGEST_REPLY = 64 * 2**20
"""Bytes; a longer body is no reply to one request (a 100,000-token reply with 20 logprobs is 40 MB)."""
JSON: Final = {"Content-Type": "application/json"}


class Exchange:
    """Connections to servers; open inside an event loop, close at the end.

    Args:
        key: sent with every request where it is not empty, and taken out of whatever is quoted.
        timeout: seconds for one exchange.
        connections: at once.
    """

    def __init__(self, key: str, timeout: float, connections: int) -> None:
        self.key = key
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, limit_per_host=0),
            timeout=self._timeout,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def send(self, method: str, url: str, body: bytes | None, timeout: float | None = None) -> Answer:
        """One HTTP exchange, its body whole.

        Raises:
            TeacherError: there is no whole answer; try again.
        """
        limit = self._timeout
        if timeout is not None:
            limit = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers=JSON if body is not None else None,
                allow_redirects=False,
                timeout=limit,
            ) as response:
                return Answer(response.status, response.headers, await _whole(response))
        except TimeoutError as error:
            what = "no connection" if isinstance(error, aiohttp.ConnectionTimeoutError) else "no reply"
            seconds = CONNECT_SECONDS if what == "no connection" else limit.total
            raise TeacherError(f"{shown(url)}: {what} within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TeacherError(f"{shown(url)}: {self.hidden(str(error) or type(error).__name__)}") from error

    def hidden(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self.key, "…") if self.key else text

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


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
            raise TeacherError(f"the reply is over {LARGEST_REPLY:,} bytes", kind="rejected", retry=False)
    return b"".join(parts)
