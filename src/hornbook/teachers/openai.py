"""Any OpenAI-compatible server: vLLM, SGLang, TGI, llama-server, Ollama, the providers.

One aiohttp session with kept-alive connections; replies are handed on as the bytes that came. What
went wrong is sorted here into three: try again (busy, broken, late), this request never (rejected,
too long, filtered), and the whole run stops (no key, no quota, no such model).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import HornbookError, UserError, nearest
from hornbook.teachers.shaping import name_in_keys, shape
from hornbook.teachers.spec import TeacherSpec
from hornbook.teachers.trouble import FILTERED, Answer, trouble

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; the same as openai-python is 5 s, doubled for far servers."""
LARGEST_REPLY = 64 * 2**20
"""Bytes; a longer body is no reply to one request (a 100,000-token reply with 20 logprobs is 40 MB)."""
REST_SECONDS = 5.0
"""How long a server that broke off is asked only when no other is left."""
NO_MODEL = re.compile(r"\bmodel\b.{0,200}(not found|(does not|doesn't|not) exist)|model_not_found", re.I)
"""OpenAI, vLLM: The model `x` does not exist; Ollama: model "x" not found."""
UNBOUND = (400, 404, 422, 501)
FORMAT = (
    "response_format",
    "response format",
    "json_schema",
    "json schema",
    "structured output",
    "guided_json",
    "grammar",
)
"""How servers say that they cannot bind a reply to a schema: OpenAI's older models and DeepSeek (400), vLLM (400),
servers that check their fields (422)."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class _End:
    """One server."""

    url: str
    outstanding: int = 0
    resting_until: float = 0.0


class OpenAI:
    """A teacher behind one or several OpenAI-compatible servers of the same model.

    Args:
        spec: the servers, model, time limits and name of the key's environment variable.
        log: told what is odd but no error, a line at a time.

    Raises:
        UserError: `key_env` names a variable that is not set.
    """

    def __init__(self, spec: TeacherSpec, log: Callable[[str], None]) -> None:
        self.name = name_in_keys(spec.model, spec.api)
        self.concurrency = spec.concurrency
        self.context = 0
        self._unbound = False
        self._spec = spec
        self._log = log
        self._key = _key(spec)
        self._ends = [_End(url) for url in spec.addresses()]
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connections and look at `/models` once.

        Raises:
            HornbookError: no server answers.
            UserError: the key is refused.
        """
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.concurrency, limit_per_host=0),
            timeout=aiohttp.ClientTimeout(total=self._spec.timeout, sock_connect=CONNECT_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            await self._greet()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, request: Request) -> Raw:
        """Send one request and wait for the reply.

        Raises:
            TeacherError: no reply, with the class of the failure and whether to try again.
            HornbookError: no request can succeed: the key is refused, the quota spent, the model unknown.
        """
        chat, body = shape(request, self._spec.api)
        if "repetition_penalty" in body:  # vLLM's name; llama.cpp knows it by another, and each passes over the other's
            body["repeat_penalty"] = body["repetition_penalty"]
        if self._unbound:
            body.pop("response_format", None)
        path = "/chat/completions" if chat else "/completions"
        now = time.monotonic()
        end = min(self._ends, key=lambda e: (e.resting_until > now, e.outstanding))
        end.outstanding += 1
        try:
            answer = await self._send("POST", end.url + path, orjson.dumps({"model": self._spec.model, **body}))
        except TeacherError as error:
            if error.retry:
                end.resting_until = time.monotonic() + REST_SECONDS
            raise
        finally:
            end.outstanding -= 1
        if answer.status == 200:
            return Raw(answer.body, time.monotonic() - now)
        if "response_format" in body and answer.status in UNBOUND and answer.says(*FORMAT):
            self._cannot_bind(answer)
            return await self.ask(request)
        await self._refused(end, answer)
        raise trouble(answer, _shown(end.url), self._key)

    def _cannot_bind(self, answer: Answer) -> None:
        """The server takes no `response_format`: from now on it is left out. The key of a request stays the same."""
        if not self._unbound:
            said = _hidden(answer.message(), self._key)[:200]
            self._log(f"teacher: the server does not bind replies to this schema ({said}); it is asked in words alone")
        self._unbound = True

    async def _send(self, method: str, url: str, body: bytes | None, timeout: float | None = None) -> Answer:
        """One HTTP exchange, its body whole.

        Raises:
            TeacherError: there is no whole answer; try again.
        """
        if self._session is None:
            raise RuntimeError("the teacher is not open: use `async with`")
        limit = aiohttp.ClientTimeout(total=timeout or self._spec.timeout, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json"} if body is not None else None,
                allow_redirects=False,
                timeout=limit,
            ) as response:
                return Answer(response.status, response.headers, await _whole(response))
        except TimeoutError as error:
            what = "no connection" if isinstance(error, aiohttp.ConnectionTimeoutError) else "no reply"
            seconds = CONNECT_SECONDS if what == "no connection" else limit.total
            raise TeacherError(f"{_shown(url)}: {what} within {seconds:g} s", paid=what == "no reply") from error
        except (aiohttp.ClientError, OSError) as error:
            said = _hidden(str(error) or type(error).__name__, self._key)
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            raise TeacherError(f"{_shown(url)}: {said}", paid=sent) from error

    async def _refused(self, end: _End, answer: Answer) -> None:
        """Raise where every other request would be refused as well.

        Raises:
            HornbookError: says which, and how to mend it.
        """
        where = f"teacher {_shown(end.url)}"
        if answer.status == 401 or (answer.status == 403 and not answer.says(*FILTERED)):
            name = self._spec.key_env or "OPENAI_API_KEY"
            sent = "the key was refused" if self._key else "no key was sent"
            raise UserError(
                f"{sent} (HTTP {answer.status}): {_hidden(answer.message(), self._key)}",
                where=where,
                fix=f"put a valid key into the environment variable {name}"
                if self._spec.key_env
                else f"export {name}=…, and say `key_env: {name}` in the teacher",
            )
        if answer.status == 402 or (answer.status == 429 and answer.says("insufficient_quota")):
            raise HornbookError(
                f"the account's quota is spent (HTTP {answer.status}): {_hidden(answer.message(), self._key)}",
                where=where,
                fix="raise the quota with the provider and run again: what was paid for is kept",
            )
        if answer.status in (400, 404) and NO_MODEL.search(answer.message()):
            raise await self._no_model(end, answer)
        if answer.status == 404:
            raise UserError(
                f"no OpenAI-compatible API is there (HTTP 404): {_hidden(answer.message(), self._key)}",
                where=where,
                fix="url: the address up to and with /v1, as http://localhost:8000/v1",
            )

    async def _no_model(self, end: _End, answer: Answer) -> UserError:
        known = await self._models(end)
        fix = f"model: one of {', '.join(known[:20])}" if known else "model: a name that the server knows"
        close = nearest(self._spec.model, known)
        return UserError(
            f"the server has no model {self._spec.model!r} (HTTP {answer.status})",
            where=f"teacher {_shown(end.url)}",
            fix=f"model: {close}" if close and len(known) > 20 else fix,
        )

    async def _models(self, end: _End) -> list[str]:
        """Names of the models a server has, [] where it does not say."""
        try:
            answer = await self._send("GET", end.url + "/models", None, timeout=CONNECT_SECONDS)
        except TeacherError:
            return []
        return [str(model["id"]) for model in answer.listed()]

    async def _greet(self) -> None:
        """Look at every server once; at least one must answer."""
        asked = [self._send("GET", end.url + "/models", None, timeout=2 * CONNECT_SECONDS) for end in self._ends]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        silent = []
        for end, answer in zip(self._ends, answers, strict=True):
            if isinstance(answer, TeacherError):
                silent.append(answer.detail)
                end.resting_until = time.monotonic() + REST_SECONDS
            elif isinstance(answer, BaseException):
                raise answer
            elif answer.status in (401, 403):
                await self._refused(end, answer)
            else:
                self._learn(end, answer)
        if len(silent) == len(self._ends):
            raise HornbookError(
                f"no server answers: {'; '.join(silent)}",
                where="teacher " + ", ".join(_shown(end.url) for end in self._ends),
                fix="start the server, or set url to where it listens (up to and with /v1); "
                "without a server: teacher: {use: local}",
            )
        for line in silent:
            self._log(f"teacher: {line}; going on with {len(self._ends) - len(silent)} of {len(self._ends)} servers")

    def _learn(self, end: _End, answer: Answer) -> None:
        """Take the context from what a server lists; say so where it lists another model only."""
        models = answer.listed()
        mine = [model for model in models if model["id"] == self._spec.model]
        if models and not mine:
            names = ", ".join(str(model["id"]) for model in models[:5])
            self._log(f"teacher: {_shown(end.url)} lists {names}, not {self._spec.model}")
        for model in mine:
            length = model.get("max_model_len")
            if isinstance(length, int) and length > 0:
                self.context = min(self.context or length, length)


def _key(spec: TeacherSpec) -> str:
    """The API key, '' for none."""
    if spec.key_env:
        key = os.environ.get(spec.key_env, "").strip()
        if not key:
            raise UserError(
                f"the environment variable {spec.key_env} is not set",
                where="teacher.key_env",
                fix=f"export {spec.key_env}=… (the key itself is never written anywhere)",
            )
        return key
    safe = all(u.startswith("https://") or urlsplit(u).hostname in LOOPBACK for u in spec.addresses())
    return os.environ.get("OPENAI_API_KEY", "").strip() if safe else ""


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_REPLY:
            response.close()
            raise TeacherError(f"the reply is over {LARGEST_REPLY:,} bytes", kind="rejected", retry=False)
    return b"".join(parts)


def _shown(url: str) -> str:
    """A URL without what may be secret: user, password, query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _hidden(text: str, key: str) -> str:
    return text.replace(key, "…") if key else text
