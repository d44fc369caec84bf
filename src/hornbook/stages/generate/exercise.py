"""Exercises in Python: a docstring with examples, a body, tests, each from a request of its own or in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, PROMPT, SAMPLE, TEXT
from hornbook.core.knobs import knob
from hornbook.core.rules import Rule
from hornbook.kernels.code_text import code_of
from hornbook.kernels.doctests import examples_of
from hornbook.kernels.signatures import signature_in
from hornbook.stages.generate._exercises import STOP, STOPS, Made, Task, asked, begun, files, replay
from hornbook.stages.generate._prompted import ERRORS, Prompted

_SIGNATURE, _NAME, _TOPIC = "code.signature", "entry_point", "code.topic"
_COLUMNS = (ID, TEXT, PROMPT, SAMPLE, _SIGNATURE, _NAME, _TOPIC, "prompts.language", "language")
_OWN = ("no_docstring", "no_code", "no_function")
_APART = 1_000
"""Between the samples of one row: each may be asked for so many times again."""


class Exercise(Prompted):
    """Writes an exercise for each signature: a docstring with examples, then the body, then tests.

    `way: steps` asks for each in a request of its own, with what is there already. `way: whole` asks for the complete
    function at once (the row's `prompt`, of prompts.exercise, where it has one) and then for tests. What was of no use
    is asked for again. Tests are asked for from signature and docstring alone: who does not see the body does not copy
    its faults. phi-1's exercises (arXiv:2306.11644, section 2.3) are docstrings to be completed, told apart by the
    function's name; that they come in steps and with tests is our own.

    Reads `code.signature` (else the signature in `text`) and `entry_point`, perhaps `prompt`, `code.topic`, `language`.

    Marks: `text` (the program: imports and functions, without calls at its top), `tests` (asserts, '' for none),
    `entry_point`, `prompt` (the first request's, where the row had none), `exercise.examples` (int64, in
    the docstrings), `exercise.asserts` (int64), `exercise.stopped` (why there are no tests), `generate.tries`
    (requests), `generate.prompt_tokens` and `generate.tokens` (of all), `generate.finish`, `generate.request` (of the
    last), `generate.characters`, `generate.error`, `generate.detail`.

    Drops: `no_docstring`, `no_code` (nothing that parses), `no_function` (another name), the classes of error of
    generate.complete, `few_examples` and `few_tests`.
    """

    version: ClassVar[str] = "1"
    reads: ClassVar[tuple[str, ...] | None] = _COLUMNS

    way: Literal["steps", "whole"] = knob(
        "whole", help="steps: docstring, body and tests in a request each; whole: the function in one, then tests"
    )
    form: Literal["chat", "completion"] = knob(
        "chat", help="completion: finished functions and the beginning of this one are sent as text to be completed, "
        "which suits base models and very small ones; a row's prompt is then not sent",
    )  # fmt: skip
    shots: int = knob(2, help="finished functions shown where form is completion", ge=0, le=2)
    tests: int = knob(5, help="asserts asked for, and kept at most; 0: none", unit="asserts", ge=0, le=50)
    examples: int = knob(
        4, help="different examples kept of a docstring that is asked for alone", unit="examples", ge=0, le=50
    )
    again_at_most: int = knob(
        1, help="how often a step that is of no use is asked for again", unit="requests", ge=0, le=20
    )
    language: Literal["en", "zh"] = knob("en", help="of requests, where a row has no `prompts.language` or `language`")
    min_examples: int = knob(0, help="fewer examples: dropped as `few_examples`", unit="examples", ge=0, threshold=True)
    min_tests: int = knob(0, help="fewer asserts: dropped as `few_tests`", unit="asserts", ge=0, threshold=True)

    def rests_on(self) -> Sequence[Path]:
        """The shipped words of the requests."""
        return files()

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first step of each row; None where it names no function."""
        for row in _rows(piece):
            task = self._task(row)
            yield None if task is None else self._request(model, row, task, Made(), 0)

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next step, or the last one again."""
        task = self._task(row)
        if task is None:
            return None
        made = self._replay(task, replies)
        if made.error or made.at >= len(self._steps()):
            return None
        return self._request(asked[0].model, row, task, made, made.tries)

    def ahead(self) -> Sequence[Ahead]:
        """The other steps, then those that are asked for again."""
        steps = [Ahead(step, 0.9, shown=300) for step in self._steps()[1:]]
        return steps + [Ahead("again", 0.1, shown=300)] * (self.again_at_most * (len(steps) + 1))

    def outcome(self, reply: Reply) -> str | None:
        """The first reply's code; None where the row came to none."""
        first = (*reply.before, reply)[0]
        if first.error is not None:
            return None
        return first.text if self.way == "steps" or self.form == "completion" else code_of(first.text) or None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The programs, their tests, and what became of each row."""
        rows = [self._marks(row, reply) for row, reply in zip(_rows(piece), replies, strict=True)]
        numbers = ("exercise.examples", "exercise.asserts", "generate.tries", "generate.prompt_tokens",
                   "generate.tokens", "generate.characters")  # fmt: skip
        names = (TEXT, "tests", _NAME, PROMPT, "exercise.examples", "exercise.asserts", "exercise.stopped",
                 "generate.tries", "generate.prompt_tokens", "generate.tokens", "generate.finish", "generate.request",
                 "generate.characters", "generate.error", "generate.detail")  # fmt: skip
        kinds = {name: pa.int64() if name in numbers else pa.string() for name in names}
        return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})

    def drops(self) -> dict[str, Rule]:
        """Errors first, then what there is too little of."""
        rules = {kind: Rule("generate.error", "==", kind, evidence="generate.detail") for kind in (*_OWN, *ERRORS)}
        rules["few_examples"] = Rule("exercise.examples", "<", self.min_examples)
        rules["few_tests"] = Rule("exercise.asserts", "<", self.min_tests, evidence="exercise.stopped")
        return rules

    def _steps(self) -> tuple[str, ...]:
        docstring = ("docstring",) if self.form == "chat" else ("summary", "examples")
        steps = (*docstring, "body") if self.way == "steps" else ("whole",)
        return (*steps, "tests") if self.tests else steps

    def _task(self, row: Mapping[str, Any]) -> Task | None:
        found = signature_in(_text(row, _SIGNATURE)) or signature_in(_text(row, TEXT))
        name = _text(row, _NAME).strip() or (found.name if found else "")
        whole = self.way == "whole" and self.form == "chat" and _text(row, PROMPT).strip()
        if not name.isidentifier() or not (whole or (found and found.name == name)):
            return None
        said = (_text(row, "prompts.language") or _text(row, "language") or self.language).casefold()
        topic = " ".join(_text(row, _TOPIC)[:400].replace("\x00", " ").split())[:200]
        return Task(name, found.line if found else "", topic, "zh" if said.startswith("zh") else "en")

    def _request(self, model: str, row: Mapping[str, Any], task: Task, made: Made, tries: int) -> Request:
        step, params = self._steps()[made.at], self.params()
        number = (row.get(SAMPLE) or 0) * _APART + tries
        if self.form == "completion":
            said = begun(step, task, made, self.shots)
            stop = STOPS.get(step, STOP)
            return Request(model, prompt=said, params={"stop": stop} | params, sample=number)
        given = _text(row, PROMPT) if step == "whole" else ""
        said = given if given.strip() else asked(step, task, made, self.tests)
        messages = ({"role": "user", "content": said},)
        system = ({"role": "system", "content": self.system},) if self.system else ()
        return Request(model, messages=(*system, *messages), params=params, sample=number)

    def _replay(self, task: Task, replies: Sequence[Reply]) -> Made:
        begins = self.form == "completion"
        return replay(replies, self._steps(), task, self.again_at_most, (self.examples, self.tests), begins)

    def _marks(self, row: Mapping[str, Any], last: Reply) -> dict[str, Any]:
        replies = [reply for reply in (*last.before, last) if reply.key]
        task = self._task(row)
        if task is None:
            made = Made(error="rejected", detail="it names no function: entry_point, and code.signature or a prompt")
        else:
            made = self._replay(task, (*last.before, last))
        first = ""
        if task is not None:
            request = self._request("", row, task, Made(), 0)
            first = request.prompt or request.messages[-1]["content"]
        error = made.error or ("" if made.text else "empty")
        text = "" if error else made.text
        tests = "" if error else made.tests
        return {
            TEXT: text,
            "tests": tests,
            _NAME: task.name if task else row.get(_NAME),
            PROMPT: row.get(PROMPT) or first or None,
            "exercise.examples": len(examples_of(text)),
            "exercise.asserts": sum(line.startswith("assert ") for line in tests.splitlines()),
            "exercise.stopped": made.stopped or None,
            "generate.tries": len(replies),
            "generate.prompt_tokens": sum(reply.prompt_tokens for reply in replies),
            "generate.tokens": sum(reply.completion_tokens for reply in replies),
            "generate.finish": last.finish,
            "generate.request": last.key,
            "generate.characters": len(text),
            "generate.error": error or None,
            "generate.detail": (made.detail or "no program was written") if error else None,
        }


def _rows(piece: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = piece.select([name for name in _COLUMNS if name in piece.column_names]).to_pylist()
    return rows


def _text(row: Mapping[str, Any], name: str) -> str:
    """A column's text; '' where it is something else, or not there."""
    found = row.get(name)
    return found if isinstance(found, str) else ""
