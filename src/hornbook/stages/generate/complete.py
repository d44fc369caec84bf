"""One reply to each prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import pyarrow as pa

from hornbook.core.asking import Reply, Request
from hornbook.core.diversity import Collapse, Pause
from hornbook.core.documents import TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.stages.generate._prompted import ERRORS
from hornbook.stages.generate._refined import Refined

_CLOSERS = "\"'\u201d\u2019\u00bb\u300d\u300f)\\]*_"
_ENDS = ".!?\u2026\u0964\u06d4\u061f"
_END = re.compile(
    rf"(?<![{_ENDS}])(?:(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)|(?=[{_ENDS}]{{2}}))[{_ENDS}]++[{_CLOSERS}]*+(?=\s|$)"
    rf"|[\u3002\uff01\uff1f]++[{_CLOSERS}]*+"
)
_NOT_WANTED = "not_wanted"
_LOOK_BACK = 4_000
"""Characters at the end in which the end of a sentence is looked for. Our choice: no sentence is longer."""


class Complete(Refined):
    """Asks the teacher every prompt and puts the reply into `text`: its one reply, or the best of several, rewritten.

    A row's `messages` (JSON, a list of {"role", "content"}) are sent as they are, else its `prompt` as
    one user's message. Sampling parameters that are unset are the teacher's own, so that one recipe
    fits any teacher.

    Marks: `text`, `generate.finish` (stop, length … as the server said), `generate.prompt_tokens`,
    `generate.tokens`, `generate.characters` (of `text`), `generate.trimmed` (characters of an unfinished
    sentence taken off), `generate.request` (the request's key in the journal), `generate.error` and
    `generate.detail` (why there is no reply of use). How long a reply took is in the journal alone. With
    `best_of` above 1: `generate.best_of` (replies of use among which was chosen), `generate.judged` (list of
    float64: the points of each reply, null where it has none). With `revise`: `generate.revisions`. Then tokens
    are those of all requests of the row, and the other marks are of the reply that `text` is from.

    Drops: one reason for each class of error (`refusal`, `filter`, `parse`, `length`, `empty`,
    `transport`, `rejected`), `truncated` where `drop_truncated` is set, `short` where `min_characters` is.

    Raises:
        UserError: there is neither a column `prompt` nor `messages`.
    """

    trim: Literal["sentence", "none"] = knob(
        "sentence",
        help="where a reply was cut at max_tokens, take off the sentence it broke off in, so that no student "
        "learns to stop in the middle of one; none: for code, verse and lists",
    )
    min_characters: int = knob(
        0,
        help="replies with fewer characters are dropped as `short`",
        unit="characters",
        ge=0,
        threshold=True,
    )
    drop_truncated: bool = knob(False, help="drop replies that were cut at max_tokens, as `truncated`", threshold=True)

    want: int | None = knob(
        None,
        help="how many good replies are wanted; prompts beyond that are not asked, and those of groups whose "
        "replies are too much alike are asked less; unset: one to every prompt",
        unit="replies",
        ge=1,
    )
    watch: list[str] | None = knob(
        None,
        help="columns (or patterns) whose values are groups of prompts; unset: *.template, story.features, "
        "*.opening, *.topic, *.audience, *.format",
    )
    collapse: Collapse = knob(default_factory=Collapse, help="when a group's last 64 replies are too much alike")
    pause_when: Pause | None = knob(
        None,
        help="stop the run, keeping everything, where the replies so far are past one of these: top_opening, "
        "repeats, distinct_2, drift; after: replies before it is looked at",
    )

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """One request a row; None where the row has no prompt or broken messages."""
        params = self.params()
        self._check_wording()
        for messages, sample in zip(self.prompts(piece), self.samples(piece), strict=True):
            asked = not isinstance(messages, str)
            yield Request(model, messages=messages, params=params, sample=sample) if asked else None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The replies' texts and what the server said about them."""
        more: dict[str, pa.Array] = {}
        if self.in_rounds():
            found = [self._found(reply) for reply in replies]
            more = self._marks(found, replies)
            replies = [row.kept or row.samples[-1] for row in found]
        texts = [self._clean(reply) for reply in replies]
        trimmed = [len(reply.text.strip()) - len(text) for reply, text in zip(replies, texts, strict=True)]
        errors, details = self._errors(piece, replies, texts)
        return pa.table(
            {
                TEXT: pa.array(texts, pa.string()),
                "generate.finish": pa.array([r.finish for r in replies], pa.string()),
                "generate.prompt_tokens": pa.array([r.prompt_tokens for r in replies], pa.int64()),
                "generate.tokens": pa.array([r.completion_tokens for r in replies], pa.int64()),
                "generate.characters": pa.array([len(text) for text in texts], pa.int64()),
                "generate.trimmed": pa.array(trimmed, pa.int64()),
                "generate.request": pa.array([r.key for r in replies], pa.string()),
                "generate.error": pa.array(errors, pa.string()),
                "generate.detail": pa.array(details, pa.string()),
            }
            | more
        )

    def _clean(self, reply: Reply) -> str:
        whole = reply.text.strip()
        return _trimmed(whole) if self.trim == "sentence" and reply.finish == "length" else whole

    def drops(self) -> dict[str, Rule]:
        """Errors first, then what the thresholds say."""
        rules = {
            kind: Rule("generate.error", "==", kind, evidence="generate.detail") for kind in (*ERRORS, _NOT_WANTED)
        }
        if self.drop_truncated:
            rules["truncated"] = Rule("generate.finish", "==", "length")
        if self.min_characters:
            rules["short"] = Rule("generate.characters", "<", self.min_characters)
        return rules

    def _errors(
        self, piece: pa.Table, replies: Sequence[Reply], texts: Sequence[str]
    ) -> tuple[list[str | None], list[str | None]]:
        """Why replies are of no use, and the evidence; None for those that are."""
        errors: list[str | None] = [reply.error for reply in replies]
        details: list[str | None] = [reply.detail if reply.error else None for reply in replies]
        for at, (reply, text) in enumerate(zip(replies, texts, strict=True)):
            if reply.error is None and not text:
                errors[at] = "length" if reply.finish == "length" else "empty"
                details[at] = f"no text after {reply.completion_tokens} tokens, finish_reason {reply.finish}"
        if any(reply.error == "rejected" and not reply.key for reply in replies):
            for at, found in enumerate(self.prompts(piece)):
                if isinstance(found, str):
                    details[at] = found
        return errors, details


def _trimmed(text: str) -> str:
    """The text up to the end of its last whole sentence; the whole text where there is none."""
    start = max(0, len(text) - _LOOK_BACK)
    end = max((found.end() for found in _END.finditer(text, start)), default=0)
    return text[:end] if end else text
