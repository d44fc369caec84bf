"""What the sources that ask have in common: knobs, the language of a row, and being asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from hornbook.core.asking import Reply, Request
from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Ask
from hornbook.stages.sources._tongues import script_of

FINAL = ("refusal", "filter", "length", "transport", "rejected")
"""Failures after which nothing more is asked for a row."""
_ECHOED = 2_000
"""Characters of a useless reply that are shown to the teacher again."""


class Asking(Ask):
    """Asks in the row's language, English or Chinese."""

    mark: ClassVar[str] = ""

    temperature: float | None = knob(None, help="sampling temperature; unset: the teacher's own", ge=0, le=5)
    max_tokens: int = knob(1000, help="longest reply", unit="tokens", ge=16)
    tries: int = knob(1, help="how often a reply that cannot be used is asked for again", unit="requests", ge=0, le=10)
    seed: int = knob(0, help="of what is drawn; the recipe's seed where unset")

    def params(self) -> dict[str, Any]:
        """The sampling parameters that are set."""
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        return params if self.temperature is None else params | {"temperature": self.temperature}

    def request(self, model: str, text: str, schema: dict[str, Any]) -> Request:
        """A request of one message."""
        return Request(model, messages=({"role": "user", "content": text},), params=self.params(), schema=schema)

    def repeated(self, last: Request, reply: Reply, said: str) -> Request:
        """The same conversation with the reply and what is wrong with it."""
        wrong = {"role": "assistant", "content": reply.text.strip()[:_ECHOED] or "(no text)"}
        return replace(last, messages=(*last.messages, wrong, {"role": "user", "content": said}))

    def errors(self, *own: str) -> dict[str, Rule]:
        """A reason for each class of `MARK.error`."""
        kinds = [*own, "refusal", "filter", "length", "empty", "transport", "rejected"]
        return {kind: Rule(f"{self.mark}.error", "==", kind, evidence=f"{self.mark}.detail") for kind in kinds}


def language_of(row: Mapping[str, Any]) -> str:
    """Which language a row is asked in: its own, or that of most of its letters; English where there is no wording."""
    said = row.get("language")
    if isinstance(said, str) and said:
        return "zh" if said.casefold().startswith("zh") else "en"
    return "zh" if script_of(str(row.get(TEXT) or "")[:200]) == "CJK" else "en"
