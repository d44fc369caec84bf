"""Shaping a request into the HTTP body that its server takes."""

from __future__ import annotations

from typing import Any, Literal

from hornbook.core.asking import Request

Api = Literal["auto", "chat", "completion"]


def shape(request: Request, api: Api = "auto") -> tuple[bool, dict[str, Any]]:
    """(whether it is a chat call, the JSON body without the model's name).

    With `auto`, requests with messages are chat calls and those with a prompt are completions. `chat`
    sends a bare prompt as one user message; `completion` joins the contents of messages with blank
    lines, for base models that know no chat. A `seed` is raised by the request's sample index, or all
    samples of one prompt would be the same.
    """
    body = request.body()
    if request.sample and isinstance(body.get("seed"), int):
        body["seed"] += request.sample
    chat = bool(request.messages)
    if api == "chat" and not chat:
        body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
    elif api == "completion" and chat:
        body["prompt"] = "\n\n".join(m.get("content", "") for m in body.pop("messages"))
    return (chat if api == "auto" else api == "chat"), body


def name_in_keys(model: str, api: Api) -> str:
    """The model's name in request keys: two ways of asking one model are two models."""
    return model if api == "auto" else f"{model}:{api}"
