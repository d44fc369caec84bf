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
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson

from hornbook.core.asking import Raw, Request, TeacherError
from hornbook.core.errors import HornbookError, UserError, nearest
from hornbook.teachers.ends import End, Ends
from hornbook.teachers.exchange import CONNECT_SECONDS, Exchange, shown
from hornbook.teachers.gate import LOOK_SECONDS, Gate
from hornbook.teachers.pace import hint_of
from hornbook.teachers.shaping import name_in_keys, shape
from hornbook.teachers.spec import TeacherSpec, addresses_in
from hornbook.teachers.trouble import FILTERED, Answer, retry_after, trouble

STARTING_SECONDS = 3600.0
"""Longest wait for the first server of a file: that of a cluster's queue is the person's to cut short."""

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
        self._binds = False
        """Whether a reply came to a request with a schema: what is refused later is refused for another reason."""
        self._spec = spec
        self._log = log
        self._key = _key(spec)
        self._file = Path(spec.urls_file) if spec.urls_file else None
        self._ends = Ends(spec.addresses(), spec.concurrency, rpm=spec.rpm, tpm=spec.tpm)
        self._gate = Gate(self._ends, self._well, log, self._file, self._addresses)
        self._open: Exchange | None = None

    async def __aenter__(self) -> Self:
        """Open the connections and look at `/models` once.

        Raises:
            HornbookError: no server answers.
            UserError: the key is refused.
        """
        self._open = Exchange(self._key, self._spec.timeout, self.concurrency)
        try:
            await (self._greet() if self._file is None else self._await_servers(self._file))
        except BaseException:
            await self._open.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.close()
        if self._open is not None:
            await self._open.close()
            self._open = None

    @property
    def _web(self) -> Exchange:
        if self._open is None:
            raise RuntimeError("the teacher is not open: use `async with`")
        return self._open

    async def ask(self, request: Request) -> Raw:
        """Wait for a server that takes the request, send it and wait for the reply.

        Raises:
            TeacherError: no reply, with the class of the failure and whether to try again.
            HornbookError: no request can succeed: the key is refused, the quota spent, the model unknown, or no
                server has worked for long.
        """
        chat, body = shape(request, self._spec.api)
        if "repetition_penalty" in body:  # vLLM's name; llama.cpp knows it by another, and each passes over the other's
            body["repeat_penalty"] = body["repetition_penalty"]
        if self._unbound:
            body.pop("response_format", None)
        data = orjson.dumps({"model": self._spec.model, **body})
        end = await self._gate.enter(_most_tokens(request, data) if self._spec.tpm else 0.0)
        sent = time.monotonic()
        try:
            answer = await self._web.post(end.url + ("/chat/completions" if chat else "/completions"), data)
            self._heard(end, answer, sent)
        except TeacherError as error:
            if error.retry:
                end.broke(time.monotonic())
            raise
        finally:
            self._gate.leave(end)
        if answer.status == 200:
            self._binds |= "response_format" in body
            return Raw(answer.body, time.monotonic() - sent)
        if "response_format" in body and answer.status in UNBOUND and (answer.says(*FORMAT) or not self._binds):
            return await self._in_words(request, answer)
        await self._refused(end, answer)
        raise trouble(answer, shown(end.url), self._key)

    def _heard(self, end: End, answer: Answer, sent: float) -> None:
        """Tell the server's keeper how it does."""
        now = time.monotonic()
        if answer.status == 429:
            end.refused(now, sent, retry_after(answer.headers), hint_of(answer.headers))
        elif answer.status == 503:
            end.overloaded(now, sent, retry_after(answer.headers))
        elif answer.status >= 500:
            end.broke(now)
        else:
            end.replied(now)

    async def _in_words(self, request: Request, answer: Answer) -> Raw:
        """Ask without `response_format`. A server that did not say why it refused may have meant something else:
        only if it takes the request so, it was that."""
        if answer.says(*FORMAT):
            self._cannot_bind(answer)
            return await self.ask(request)
        raw = await self.ask(replace(request, schema=None))
        self._cannot_bind(answer)
        return raw

    def _cannot_bind(self, answer: Answer) -> None:
        """The server takes no `response_format`: from now on it is left out. The key of a request stays the same."""
        if not self._unbound:
            said = self._web.hidden(answer.message())[:200]
            self._log(f"teacher: the server does not bind replies to this schema ({said}); it is asked in words alone")
        self._unbound = True

    async def _refused(self, end: End, answer: Answer) -> None:
        """Raise where every other request would be refused as well.

        Raises:
            HornbookError: says which, and how to mend it.
        """
        where = f"teacher {shown(end.url)}"
        if answer.status == 401 or (answer.status == 403 and not answer.says(*FILTERED)):
            name = self._spec.key_env or "OPENAI_API_KEY"
            sent = "the key was refused" if self._key else "no key was sent"
            raise UserError(
                f"{sent} (HTTP {answer.status}): {self._web.hidden(answer.message())}",
                where=where,
                fix=f"put a valid key into the environment variable {name}"
                if self._spec.key_env
                else f"export {name}=…, and say `key_env: {name}` in the teacher",
            )
        if answer.status == 402 or (answer.status == 429 and answer.says("insufficient_quota")):
            raise HornbookError(
                f"the account's quota is spent (HTTP {answer.status}): {self._web.hidden(answer.message())}",
                where=where,
                fix="raise the quota with the provider and run again: what was paid for is kept",
            )
        if answer.status in (400, 404) and NO_MODEL.search(answer.message()):
            raise await self._no_model(end, answer)
        if answer.status == 404:
            raise UserError(
                f"no OpenAI-compatible API is there (HTTP 404): {self._web.hidden(answer.message())}",
                where=where,
                fix="url: the address up to and with /v1, as http://localhost:8000/v1",
            )

    async def _no_model(self, end: End, answer: Answer) -> UserError:
        known = await self._models(end)
        fix = f"model: one of {', '.join(known[:20])}" if known else "model: a name that the server knows"
        close = nearest(self._spec.model, known)
        return UserError(
            f"the server has no model {self._spec.model!r} (HTTP {answer.status})",
            where=f"teacher {shown(end.url)}",
            fix=f"model: {close}" if close and len(known) > 20 else fix,
        )

    async def _models(self, end: End) -> list[str]:
        """Names of the models a server has, [] where it does not say."""
        try:
            answer = await self._web.get(end.url + "/models", CONNECT_SECONDS)
        except TeacherError:
            return []
        return [str(model["id"]) for model in answer.listed()]

    async def _well(self, end: End) -> bool:
        """Whether a server that broke is up again; that it has a `/models` is not asked for."""
        try:
            answer = await self._web.get(end.url + "/models", CONNECT_SECONDS)
        except TeacherError:
            return False
        return answer.status < 500

    def _addresses(self, file: Path) -> tuple[str, ...]:
        """The servers of the recipe and those that a file names now."""
        return tuple(dict.fromkeys((*self._spec.addresses(), *addresses_in(file, self._log))))

    async def _await_servers(self, file: Path) -> None:
        """Wait until a server that the file names answers."""
        until = time.monotonic() + STARTING_SECONDS
        told = False
        while True:
            if file.exists():
                self._ends.update(self._addresses(file))
            try:
                return await self._greet()
            except UserError:
                raise
            except HornbookError:
                if time.monotonic() > until:
                    raise
            if not told:
                self._log(f"teacher: waiting for a server that {file} names")
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _greet(self) -> None:
        """Look at every server once; at least one must answer."""
        ends = self._ends.all
        asked = [self._web.get(end.url + "/models", 2 * CONNECT_SECONDS) for end in ends]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        silent = []
        for end, answer in zip(ends, answers, strict=True):
            if isinstance(answer, TeacherError):
                silent.append(answer.detail)
                end.open(time.monotonic())
            elif isinstance(answer, BaseException):
                raise answer
            elif answer.status in (401, 403):
                await self._refused(end, answer)
            else:
                end.seen(time.monotonic(), True)
                self._learn(end, answer)
        if len(silent) == len(ends):
            raise HornbookError(
                f"no server answers: {'; '.join(silent) or f'{self._file} names none'}",
                where="teacher " + ", ".join(shown(end.url) for end in ends),
                fix="start the server, or set url to where it listens (up to and with /v1); "
                "without a server: teacher: {use: local}",
            )
        for line in silent:
            self._log(f"teacher: {line}; going on with {len(ends) - len(silent)} of {len(ends)} servers")

    def _learn(self, end: End, answer: Answer) -> None:
        """Take the context from what a server lists; say so where it lists another model only."""
        models = answer.listed()
        mine = [model for model in models if model["id"] == self._spec.model]
        if models and not mine:
            names = ", ".join(str(model["id"]) for model in models[:5])
            self._log(f"teacher: {shown(end.url)} lists {names}, not {self._spec.model}")
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
    safe = not spec.urls_file and all(
        u.startswith("https://") or urlsplit(u).hostname in LOOPBACK for u in spec.addresses()
    )
    return os.environ.get("OPENAI_API_KEY", "").strip() if safe else ""


def _most_tokens(request: Request, data: bytes) -> float:
    """The most that one request may count for, as providers reckon it: four bytes a token, and the whole reply."""
    return len(data) / 4 + int(request.params.get("max_tokens") or 512)
