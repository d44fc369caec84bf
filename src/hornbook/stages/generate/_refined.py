"""Replies that are chosen among several and rewritten: the knobs, and a row's requests one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import MESSAGES, PROMPT, SAMPLE
from hornbook.core.knobs import InputPath, knob
from hornbook.stages.generate._best import PAIR, SCORE, Course, Found, Judge, Want, choosing
from hornbook.stages.generate._prompted import Prompted
from hornbook.stages.generate._revising import CRITIQUE, revising
from hornbook.stages.generate._wording import SHIPPED, SLOTS, Wording

_LANGUAGE = "prompts.language"
_APART = 100_000
"""Between the sample numbers of one row, where rows are samples of one prompt themselves (at most so many)."""
_TASK, _TEXT = 8_000, 24_000
"""Characters of the task and of a text that a judge is shown. Our choice: some 2,000 and 6,000 tokens."""
_TAG = re.compile(r"</(task|text)", re.IGNORECASE)
_SCHEMAS = {"score": SCORE, "pair": PAIR, "critique": CRITIQUE}


class Refined(Prompted):
    """Asks for several replies to a prompt, keeps the best, has it criticised and rewritten: whatever is set."""

    reads: ClassVar[tuple[str, ...] | None] = (PROMPT, MESSAGES, SAMPLE, _LANGUAGE)

    best_of: int = knob(
        1,
        help="so many replies are asked for each prompt, one after the other, and the best is kept",
        unit="replies",
        ge=1,
        le=64,
    )
    judge: Judge = knob(
        "score",
        help="how the best of several is found: score, the teacher gives each a number from 1 to 10; pairwise, it says "
        "which of two is better, in both orders, and the winner stays; longest, nobody is asked",
        source="MT-Bench, arXiv:2306.05685, sections 3.1 and 3.4: both ways, and orders swapped",
    )
    revise: int = knob(
        0,
        help="so often the teacher criticises its text and writes it again; ends where it finds it fine",
        unit="rounds",
        ge=0,
        le=16,
        source="Self-Refine, arXiv:2303.17651: up to 4",
    )
    rubric: InputPath | None = knob(
        None,
        help="file that says what a good text is like; * in its name stands for the language; unset: rubric.*.txt of "
        "`wording`",
    )
    wording: InputPath | None = knob(
        None,
        help="folder with what the teacher is told: score, pair, critique, rewrite, rubric, each NAME.LANGUAGE.txt; "
        "unset: shipped:complete (en, zh)",
    )
    judge_tokens: int = knob(24, help="longest reply of a judge; more for one that thinks first", unit="tokens", ge=1)
    critique_tokens: int = knob(300, help="longest critique", unit="tokens", ge=1)
    judge_temperature: float | None = knob(
        0.0, help="sampling temperature of judges and critics; null: the teacher's own", ge=0, le=5
    )

    @model_validator(mode="after")
    def _can_be(self) -> Refined:
        if self.best_of > 1 and self.temperature == 0:
            raise ValueError(f"best_of = {self.best_of} with temperature = 0 asks for the same reply every time")
        if self.in_rounds() and self.wording is None:
            object.__setattr__(self, "wording", SHIPPED)
        return self

    def in_rounds(self) -> bool:
        """Whether anything more than a prompt's one reply is asked for."""
        return self.best_of > 1 or self.revise > 0

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next sample, judgement, critique or rewriting; None where the row is done."""
        want = self._followed(replies)[1]
        return None if want is None else self._request(want, row, asked[0])

    def outcome(self, reply: Reply) -> str | None:
        """The text that is kept."""
        return self._found(reply).text or None

    def ahead(self) -> Sequence[Ahead]:
        """Samples, what a judge is asked about them, and rounds of critique and rewriting."""
        found = [Ahead("sample") for _ in range(self.best_of - 1)]
        judging = {"score": ("score", self.best_of, 1), "pairwise": ("pair", 2 * (self.best_of - 1), 2)}
        kind, many, texts = judging.get(self.judge, ("", 0, 0))
        if self.best_of > 1 and kind:
            found += [Ahead(kind, 1.0, 1, texts, self._own(kind), 0, self.judge_tokens)] * many
        for _ in range(self.revise):
            found.append(Ahead("critique", 1.0, 1, 1, self._own("critique"), 0, self.critique_tokens))
            found.append(Ahead("rewrite", 1.0, 1, 1, self._own("rewrite"), self.critique_tokens))
        return found

    def _clean(self, reply: Reply) -> str:
        """A reply's text as it would be kept."""
        return reply.text.strip()

    def _found(self, reply: Reply) -> Found:
        """What the replies of a row came to."""
        return self._followed((*reply.before, reply))[0]

    def _followed(self, replies: Sequence[Reply]) -> tuple[Found, Want | None]:
        """(what some replies came to, what is wanted after them)."""
        found = Found(self._clean)
        course = self._course(found)
        try:
            want = next(course)
            for reply in replies:
                want = course.send(reply)
        except StopIteration:
            return found, None
        return found, want

    def _course(self, found: Found) -> Course:
        yield from choosing(found, self.best_of, self.judge)
        yield from revising(found, self.revise)

    def _request(self, want: Want, row: Mapping[str, Any], first: Request) -> Request:
        if want.kind == "sample":
            apart = 1 if row.get(SAMPLE) is None else _APART
            return replace(first, sample=first.sample + apart * want.number)
        language = row.get(_LANGUAGE)
        said: tuple[Mapping[str, str], ...] = ()
        if want.kind in ("critique", "rewrite"):
            said = (*first.messages, {"role": "assistant", "content": want.texts[0]})
        values = {"task": _shown(_task(first), _TASK), "faults": want.faults}
        names = ("text",) if want.kind == "score" else ("first", "second")
        values |= {name: _shown(text, _TEXT) for name, text in zip(names, want.texts, strict=False)}
        told = self._wording.say(want.kind, language, values)
        messages = (*said, {"role": "user", "content": told})
        if want.kind == "rewrite":
            return replace(first, messages=messages)
        params: dict[str, Any] = {"max_tokens": self.critique_tokens if want.kind == "critique" else self.judge_tokens}
        if self.judge_temperature is not None:
            params["temperature"] = self.judge_temperature
        return Request(first.model, messages=messages, params=params, schema=_SCHEMAS[want.kind])

    def _own(self, kind: str) -> str:
        """A kind's own words, in English."""
        return self._wording.say(kind, None, dict.fromkeys(SLOTS[kind], ""))

    @cached_property
    def _wording(self) -> Wording:
        return Wording(str(self.wording or SHIPPED), str(self.rubric or ""))

    def _check_wording(self) -> None:
        """Raise UserError where the words of what will be asked cannot be had, before anything is asked."""
        self.ahead()

    def _marks(self, found: Sequence[Found], replies: Sequence[Reply]) -> dict[str, pa.Array]:
        """The columns that one reply to each prompt does not have."""
        every = [(*reply.before, reply) for reply in replies]
        marks = {
            "generate.prompt_tokens": pa.array([sum(r.prompt_tokens for r in all_) for all_ in every], pa.int64()),
            "generate.tokens": pa.array([sum(r.completion_tokens for r in all_) for all_ in every], pa.int64()),
        }
        if self.best_of > 1:
            points = [row.points if row.samples[0].key else None for row in found]
            marks["generate.best_of"] = pa.array([len(row.good()) for row in found], pa.int64())
            marks["generate.judged"] = pa.array(points, pa.list_(pa.float64()))
        if self.revise:
            marks["generate.revisions"] = pa.array([row.revisions for row in found], pa.int64())
        return marks


def _shown(text: str, most: int) -> str:
    """The beginning of a text, as a judge is shown it: it cannot end the tag that it stands in."""
    return _TAG.sub(r"< /\1", text[:most])


def _task(request: Request) -> str:
    """What was asked, as a judge is shown it: one message as it is, several with their roles."""
    if len(request.messages) == 1:
        return request.messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in request.messages)
