"""HTTP to a provider: whole answers, uploads from disk, downloads line by line, and what can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from hornbook.core.asking import TeacherError
from hornbook.core.errors import HornbookError, UserError
from hornbook.teachers.trouble import FILTERED, Answer, trouble

if TYPE_CHECKING:
    import aiohttp

TRIES = 6
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
CONNECT_SECONDS = 10.0
SLOWEST = 100_000
"""Bytes per second an upload must reach on average, before it is given up as hung. Our choice."""
PAGE = 100
"""Batches of a list asked for at once: OpenAI takes 1 to 100."""
LONGEST_LINE = 64 * 2**20
"""Bytes; as `teachers.openai.LARGEST_REPLY`: a longer line is no reply."""


class Busy(TeacherError):
    """The provider takes no more now; nothing was submitted."""


class Wire:
    """HTTP to one provider; use as an async context manager.

    Args:
        url: the API's address up to and with /v1.
        headers: sent with every call.
        key: the API key, taken out of every message.
        timeout: longest wait for an answer, in seconds; uploads get a second more for every 100 kB.
    """

    def __init__(self, url: str, headers: Mapping[str, str], key: str, timeout: float) -> None:
        self.url = url
        self._headers, self._key, self._timeout = dict(headers), key, timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(headers=self._headers, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> Any:
        """The JSON that a GET gives; tried again while that can help.

        Raises:
            TeacherError: it cannot, or did not.
        """
        return await self._patiently(path)

    async def listing(self, path: str, cursor: str) -> AsyncIterator[list[Any]]:
        """The pages of a list.

        Args:
            path: the list's, under the API's address.
            cursor: what the provider calls the id after which a page begins.
        """
        after = ""
        while True:
            page = await self.get(f"{path}?limit={PAGE}" + (f"&{cursor}={after}" if after else ""))
            found = page.get("data") or []
            yield found
            if not page.get("has_more") or not found:
                return
            after = str(found[-1]["id"])

    async def post(self, path: str, *, data: Any = None, size: int = 0, kind: str = "application/json") -> Any:
        """The JSON that a POST gives, sent once.

        Args:
            path: under the API's address.
            data: bytes, an open file or a form.
            size: how many bytes that is, for the time it may take.
            kind: content type; '' where `data` knows its own.

        Raises:
            TeacherError: see `BatchApi.create`.
        """
        answer = await self._exchange("POST", path, data, self._timeout + size / SLOWEST, kind)
        return self._json(answer, path)

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a file at the provider, without their ends; over-long ones come cut.

        Raises:
            TeacherError: it broke off or is not there.
        """
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._timeout)
        try:
            async with self._opened().get(self.url + path, timeout=limit, allow_redirects=True) as response:
                if response.status != 200:
                    self._json(Answer(response.status, response.headers, await response.read()), path)
                left = b""
                async for part in response.content.iter_any():
                    *whole, left = (left + part).split(b"\n")
                    for line in whole:
                        yield line
                    left = left[:LONGEST_LINE]
                if left:
                    yield left
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TeacherError(self._said(path, error)) from error

    async def _patiently(self, path: str) -> Any:
        for attempt in range(1, TRIES + 1):
            try:
                return self._json(await self._exchange("GET", path, None, self._timeout, ""), path)
            except TeacherError as error:
                if not error.retry or attempt == TRIES:
                    raise
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
        raise AssertionError

    async def _exchange(self, method: str, path: str, data: Any, timeout: float, kind: str) -> Answer:
        """One HTTP exchange, its body whole.

        Raises:
            TeacherError: there is no whole answer.
        """
        import aiohttp

        limit = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        headers = {"Content-Type": kind} if kind else None
        try:
            async with self._opened().request(
                method, self.url + path, data=data, headers=headers, timeout=limit, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TeacherError(self._said(path, error)) from error

    def _json(self, answer: Answer, path: str) -> Any:
        """The value of a good answer.

        Raises:
            TeacherError: the answer is not good.
            HornbookError: no other call can be either.
        """
        if 200 <= answer.status < 300:
            value = answer.json()
            if isinstance(value, dict):
                return value
            raise TeacherError(f"{self.shown(path)}: the answer is no JSON object")
        said = answer.message().replace(self._key, "…") if self._key else answer.message()
        if answer.status == 401 or (answer.status == 403 and not answer.says(*FILTERED)):
            raise UserError(
                f"the key was refused (HTTP {answer.status}): {said}",
                where=f"teacher {self.shown('')}",
                fix="put a valid key into the environment variable that teacher.key_env names",
            )
        if answer.status == 402 or (answer.status == 429 and answer.says("insufficient_quota", "billing")):
            raise HornbookError(
                f"the account's quota is spent (HTTP {answer.status}): {said}",
                where=f"teacher {self.shown('')}",
                fix="raise the quota with the provider and run again: what was paid for is kept",
            )
        fault = trouble(answer, self.shown(path), self._key)
        if answer.status in (425, 429):
            raise Busy(fault.detail, retry_after=fault.retry_after)
        raise fault

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the wire is not open: use `async with`")
        return self._session

    def _said(self, path: str, error: BaseException) -> str:
        text = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
        return f"{self.shown(path)}: {text.replace(self._key, '…') if self._key else text}"

    def shown(self, path: str) -> str:
        """An address without what may be secret."""
        parts = urlsplit(self.url + path)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
