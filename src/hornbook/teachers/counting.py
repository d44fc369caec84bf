"""Counting tokens with a local model's own tokenizer, without writing any."""

from __future__ import annotations

import secrets
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import xllamacpp

from hornbook.core.errors import HornbookError

CONTEXT = 128
"""Tokens that are made room for; nothing is written, and texts of any length can be counted."""


def count_tokens(path: Path, prompts: Sequence[str]) -> list[int]:
    """Tokens of prompts as one user's message each, in the model's chat form where it has one.

    Args:
        path: the .gguf file.
        prompts: texts of any length.

    Raises:
        HornbookError: llama.cpp cannot load the model.
    """
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel, params.n_ctx = 1, CONTEXT
    params.cpuparams.n_threads = params.n_threads_http = 1
    params.fit_params = params.ui = False
    params.verbosity = -1
    # The library always listens on a free port of this machine; without the key nobody else can ask.
    key = secrets.token_hex(16)
    params.api_keys = [key]
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise HornbookError(
            f"llama.cpp cannot load {path.name}: {error}", where=str(path), fix="see that the file is whole"
        ) from error
    try:
        return [_count(server.listening_address, key, prompt) for prompt in prompts]
    finally:
        del server


def _count(address: str, key: str, prompt: str) -> int:
    chat = {"messages": [{"role": "user", "content": prompt}]}
    shaped = _post(address, key, "/apply-template", chat).get("prompt", prompt)
    found = _post(address, key, "/tokenize", {"content": shaped, "add_special": True, "parse_special": True})
    return len(found["tokens"])


def _post(address: str, key: str, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address + path, orjson.dumps(body), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return orjson.loads(reply.read())
