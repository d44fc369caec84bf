"""llama.cpp in process: one copy of a model with its slots, through xllamacpp.

Requests are streamed inside, so that one can be left at any token, and handed out whole, as the body
that a server would have sent.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import xllamacpp

from hornbook.core.asking import ErrorClass, TeacherError
from hornbook.core.errors import HornbookError

PROBE_PROMPT = "Once upon a time, there was a little"


class Left(TeacherError):
    """A reply that was left before its end, because `stop` said so."""


class Copy:
    """One copy of a model: weights, a cache of `slots` × `context` tokens, a loop that writes all at once.

    Args:
        path: the .gguf file.
        threads: for both prompts and replies.
        slots: replies written side by side.
        context: tokens of prompt and reply together, for each slot.

    Raises:
        HornbookError: llama.cpp cannot load it.
    """

    def __init__(self, path: Path, threads: int, slots: int, context: int) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = slots
        params.n_ctx = slots * context
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_threads_http = 1
        params.cache_ram_mib = 0
        params.n_ctx_checkpoints = 0
        params.fit_params = False
        params.verbosity = -1
        params.ui = False
        # The library always listens on a free port of this machine; without the key nobody else can ask.
        params.api_keys = [secrets.token_hex(16)]
        self.outstanding = 0
        try:
            self._server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise HornbookError(
                f"llama.cpp cannot load {path.name} with {slots} slots of {context} tokens: {error}",
                where=str(path),
                fix="see that the file is whole and memory suffices: fewer slots, a smaller context, copies: 1",
            ) from error

    def ask(
        self, chat: bool, body: dict[str, Any], stop: Callable[[], bool], heard: Callable[[], None], bound: bool = False
    ) -> bytes:
        """Write one reply; blocks.

        Args:
            chat: whether the body has messages, to be put into the model's own chat template.
            body: as OpenAI has it, and what llama.cpp has besides (`grammar`, `ignore_eos` …).
            stop: asked at every token; true leaves the reply.
            heard: called at every token.
            bound: whether the body's grammar makes JSON, so that any other reply is an error.

        Returns:
            The JSON of OpenAI's chat or completion reply.

        Raises:
            TeacherError: refused by llama.cpp.
            Left: stopped.
        """
        chunks: list[dict[str, Any]] = []

        def take(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            heard()
            return stop()

        call = self._server.handle_chat_completions if chat else self._server.handle_completions
        sent = {**body, "stream": True, "stream_options": {"include_usage": True}}
        try:
            call(sent, take)
        except (ValueError, TypeError, RuntimeError) as error:
            raise TeacherError(f"llama.cpp: {error}", kind="rejected", retry=False) from error
        reply = _joined(chunks, chat)
        if bound:
            _check_bound(reply["choices"][0])
        return orjson.dumps(reply)

    def probe(self, seconds: float, slots: int) -> int:
        """How many tokens all slots together write in a time; blocks."""
        counted = [0]
        until = time.monotonic() + seconds

        def heard() -> None:
            if time.monotonic() < until:
                counted[0] += 1

        def write(number: int) -> None:
            body = {"prompt": PROBE_PROMPT, "max_tokens": 4096, "ignore_eos": True, "seed": number}
            self.ask(False, body, lambda: time.monotonic() >= until, heard)

        workers = [threading.Thread(target=_quietly, args=(write, number)) for number in range(slots)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return counted[0]

    def close(self) -> None:
        """Free the weights and the cache. No request may be under way."""
        del self._server


def _quietly(write: Callable[[int], None], number: int) -> None:
    """A probe is left before its end on purpose."""
    try:
        write(number)
    except Left:
        return


def _joined(chunks: list[dict[str, Any]], chat: bool) -> dict[str, Any]:
    """The chunks of a stream as one reply.

    Raises:
        TeacherError: the stream holds an error.
        Left: it has no end.
    """
    text: list[str] = []
    places: list[Any] = []
    finish = None
    body: dict[str, Any] = {"object": "chat.completion" if chat else "text_completion"}
    for chunk in chunks:
        if error := chunk.get("error"):
            raise _error(error)
        body |= {name: chunk[name] for name in ("id", "created", "usage", "timings") if name in chunk}
        for choice in chunk.get("choices") or []:
            said = (choice.get("delta") or {}).get("content") if chat else choice.get("text")
            text.append(said or "")
            places += (choice.get("logprobs") or {}).get("content") or []
            finish = choice.get("finish_reason") or finish
    if finish is None:
        raise Left("the reply was left before its end")
    choice = {"index": 0, "finish_reason": finish, "logprobs": {"content": places} if places else None}
    whole = "".join(text)
    choice |= {"message": {"role": "assistant", "content": whole}} if chat else {"text": whole}
    return {**body, "choices": [choice]}


def _error(error: dict[str, Any]) -> TeacherError:
    long = error.get("type") == "exceed_context_size_error"
    broken = int(error.get("code") or 500) >= 500
    kind: ErrorClass = "length" if long else "transport" if broken else "rejected"
    return TeacherError(f"llama.cpp: {error.get('message', error)}", kind=kind, retry=broken)


def bound_by(schema: dict[str, Any]) -> dict[str, Any]:
    """The body's field that binds a reply to a JSON schema, written without white space between tokens.

    Small models left free in their white space write newlines until the reply is cut. What the runtime
    cannot enforce (`uniqueItems`, `not`) it leaves out: the stage that asked checks what it reads.

    Raises:
        TeacherError: llama.cpp cannot make a grammar of the schema.
    """
    compact = {**schema, "x-guidance": {"whitespace_flexible": False, "lenient": True}}
    try:
        return {"grammar": xllamacpp.json_schema_to_grammar(compact)}
    except (ValueError, RuntimeError, TypeError) as error:
        raise TeacherError(f"llama.cpp: schema: {error}", kind="rejected", retry=False) from error


def _check_bound(choice: dict[str, Any]) -> None:
    """llama.cpp writes freely where it could make nothing of a grammar, and does not say so.

    Raises:
        TeacherError: the text is no JSON.
    """
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        cut_there = error.msg.startswith("Unterminated") or len(rest) < 7
        if choice["finish_reason"] != "stop" and cut_there:
            return
        raise TeacherError(
            f"llama.cpp could not bind the reply to the schema: {error}", kind="rejected", retry=False
        ) from error


def machine() -> tuple[int, bool]:
    """(memory in bytes, whether there is a processor other than the CPU that llama.cpp would use)."""
    devices = xllamacpp.get_device_info()
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    kinds = (xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_ACCEL, cpu)
    memory = max((d["memory_total"] for d in devices if d["type"] == cpu), default=0)
    return memory, any(d["type"] not in kinds for d in devices)
