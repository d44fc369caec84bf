"""decontaminate.verdict: a teacher decides where the ladder's ratio alone leaves doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from hornbook.core.asking import Reply, Request
from hornbook.core.documents import TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.rules import Rule
from hornbook.core.stage import Ask

_ITEM, _RATIO, _SPANS = "decontaminate.item", "decontaminate.ratio", "decontaminate.spans"
_SLOTS = ("{item}", "{document}")
_SAID = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


class Verdict(Ask):
    """Shows a teacher the item and the part of the document that looks like it, and asks whether it is the item.

    It stands below `decontaminate.ladder` with `action: report` and decides for both: from `above` on a document leaves
    unasked, under `doubt` it stays unasked, and between the two the teacher is asked.

    Marks, null where nobody was asked: `decontaminate.verdict` (string: `yes`, `no` or `unclear`),
    `decontaminate.verdict_reply` (string, the reply or why there is none), `decontaminate.verdict_request`
    (string, key in the journal).
    """

    reads: ClassVar[tuple[str, ...] | None] = (TEXT, _ITEM, _RATIO, _SPANS)
    chooses: ClassVar[tuple[str, ...]] = (_RATIO,)
    varied: ClassVar[bool] = False

    against: list[InputPath] = knob(help="the ladder's `against`: where the items' texts are read", unit="paths")
    doubt: float = knob(0.2, help="smallest ratio that is asked about", unit="share of the item", ge=0, le=1)
    above: float = knob(0.9, help="smallest ratio that drops without asking", unit="share of the item", ge=0, le=1)
    drop_unclear: bool = knob(
        True, help="whether a document leaves whose reply says neither yes nor no, or that got none", threshold=True
    )
    prompt: InputPath = knob(
        InputPath("shipped:verdict.txt"), help="file with the question; {item} and {document} stand once each in it"
    )
    around: int = knob(500, help="so much of the document is shown on both sides of the match", unit="characters", ge=0)
    characters: int = knob(3000, help="so much of either text is shown at most", unit="characters", ge=200)
    temperature: float | None = knob(0.0, help="sampling temperature; null: the teacher's own", ge=0, le=5)
    max_tokens: int = knob(8, help="longest reply; more for a teacher that thinks first", unit="tokens", ge=1)

    @model_validator(mode="after")
    def _can_be(self) -> Verdict:
        if self.doubt >= self.above:
            raise ValueError(f"above ({self.above}) must be more than doubt ({self.doubt})")
        return self

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """The documents whose ratio leaves doubt."""
        ratio = piece.column(_RATIO)
        doubtful = pc.and_(pc.greater_equal(ratio, self.doubt), pc.less(ratio, self.above))
        found: list[bool] = pc.fill_null(doubtful, False).to_pylist()
        return found

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """One request for each doubtful document.

        Raises:
            UserError: the prompt or an item cannot be read.
        """
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            params["temperature"] = self.temperature
        columns = (piece.column(name).to_pylist() for name in (TEXT, _ITEM, _SPANS))
        for doubtful, text, item, spans in zip(self.chosen(piece), *columns, strict=True):
            if not doubtful:
                yield None
                continue
            shown = {"{item}": self._item(item), "{document}": self._part(text or "", spans or "")}
            words = "".join(shown.get(part, part) for part in self._question)
            yield Request(model, messages=({"role": "user", "content": words},), params=params)

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """What the teacher said."""
        asked = self.chosen(piece)
        verdicts = [said(reply) if mine else None for mine, reply in zip(asked, replies, strict=True)]
        words = [
            None if not mine else reply.text if reply.error is None else f"{reply.error}: {reply.detail}"
            for mine, reply in zip(asked, replies, strict=True)
        ]
        keys = [reply.key if mine else None for mine, reply in zip(asked, replies, strict=True)]
        columns = {"": verdicts, "_reply": words, "_request": keys}
        return pa.table(
            {f"decontaminate.verdict{name}": pa.array(values, pa.string()) for name, values in columns.items()}
        )

    def drops(self) -> dict[str, Rule]:
        mark, proof = "decontaminate.verdict", "decontaminate.evidence"
        rules = {
            "contaminated": Rule(_RATIO, ">=", self.above, evidence=proof),
            "contaminated_by_verdict": Rule(mark, "==", "yes", evidence=proof),
        }
        if self.drop_unclear:
            rules["verdict_unclear"] = Rule(mark, "==", "unclear", evidence="decontaminate.verdict_reply")
        return rules

    def _item(self, key: str) -> str:
        try:
            return self._items[key][: self.characters]
        except KeyError:
            raise UserError(
                f"decontaminate.verdict: no item {key!r} in `against`",
                fix="give it the very `against` that decontaminate.ladder has",
            ) from None

    def _part(self, text: str, spans: str) -> str:
        """The document from before the first place that matches to after the last one."""
        places = [int(place) for span in spans.split() for place in span.split("-")]
        first = max(0, min(places, default=0) - self.around)
        last = max(places, default=len(text)) + self.around
        return text[first : min(last, first + self.characters)]

    @cached_property
    def _items(self) -> dict[str, str]:
        """Each item's texts, by its key."""
        from hornbook.stages.decontaminate._pairs import read_items

        return {item.key: "\n".join(dict.fromkeys([*item.parts, *item.choices])) for item in read_items(self.against)}

    @cached_property
    def _question(self) -> list[str]:
        """The prompt, cut at its slots."""
        path = Path(local_path(self.prompt))
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the prompt: {error}", where=str(path), fix="prompt: a text file") from error
        if any(text.count(slot) != 1 for slot in _SLOTS):
            raise UserError(
                "the prompt needs {item} and {document}, once each", where=str(path), fix="write them in it"
            )
        return re.split("(" + "|".join(map(re.escape, _SLOTS)) + ")", text)


def said(reply: Reply) -> str:
    """`yes`, `no`, or `unclear`: the one of both words that the reply has; of one that thinks, after `</think>`."""
    if reply.error is not None:
        return "unclear"
    found = {word.lower() for word in _SAID.findall(reply.text.rpartition("</think>")[2])}
    return found.pop() if len(found) == 1 else "unclear"
