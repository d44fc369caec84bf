"""evaluate.judge: a teacher scores documents by a rubric, more than once, and is held against itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Ask
from hornbook.kernels.intervals import bucket
from hornbook.stages.evaluate._counting import counted, told
from hornbook.stages.evaluate._rubrics import Criterion, Rubric, fenced, possible, read_rubric
from hornbook.teachers.json_text import objects_in

_ECHOED = 1_000
"""Characters of a reply of no use that the judge is shown again; our choice."""
_MENDED = (None, "empty")
_AGAIN = 0.02
"""How often a reply is of no use, where nothing was measured; our guess of a judge that is bound."""
_HOPELESS = ("rejected", "transport")


@dataclass(frozen=True, slots=True)
class _Slot:
    """One thing that is asked: which reading, and which criteria in which order."""

    reading: int
    criteria: tuple[Criterion, ...]


@dataclass(slots=True)
class _State:
    """Where a row stands: what each slot gave so far, why it gave nothing, and what the last reply lacks."""

    found: list[dict[str, float]]
    faults: list[str]
    lacks: tuple[str, ...] = ()
    over: bool = False


class Judge(Ask):
    """Asks the teacher to score each document by a rubric, `judges` times, each time worded otherwise.

    The prompt is shown with the text where there is one. A reply that is no JSON, or off the scale, is asked for
    again in the same conversation. What the readings say is averaged; how far they agree stands in the manifest
    beside every mean. Several steps with a `label` and a teacher each are several judges: evaluate.agreement
    compares them.

    Marks: `judge.LABEL.CRITERION` (float64, mean of the readings; of choices the number of the choice, the first
    is 1; null where all failed), `judge.LABEL.CRITERION_readings` (list of float64, null where one failed),
    `judge.LABEL_error` (string, why a reading failed), `judge.LABEL_cluster` (int16, a hash of the prompt, for
    the intervals), `judge.LABEL_request` (string, the first request's key in the journal).

    Drops nothing.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT, PROMPT)
    varied: ClassVar[bool] = False

    rubric: InputPath = knob(
        InputPath("shipped:judges/textbook.en.yaml"),
        help="YAML file with what the judge is told and its criteria. Shipped, each as NAME.en.yaml and NAME.zh.yaml "
        "in shipped:judges/: textbook (1 to 5), gpt_eval (1 to 10 and age group), instruction (0 to 10)",
        source="the scale of textbook after FineWeb-Edu, arXiv:2406.17557; gpt_eval after arXiv:2305.07759",
    )
    label: str = knob("", help="names this judge in its marks; empty: the rubric's name")
    judges: int = knob(
        2, help="readings of each document by the same teacher, each worded otherwise", unit="readings", ge=1, le=10
    )
    each: bool = knob(False, help="one request for each criterion in place of one for all")
    reasons: bool = knob(
        False, help="the judge writes what it thinks before it scores; slower", source="TinyStories and MT-Bench: yes"
    )
    tries: int = knob(2, help="how often a reply of no use is asked for again", unit="requests", ge=0, le=20)
    bind: bool = knob(True, help="have the server bind the reply to the JSON; for small teachers")
    characters: int = knob(
        6000, help="so much of the beginning of prompt and text is shown, of each", unit="characters", ge=50
    )
    temperature: float | None = knob(0.0, help="sampling temperature; null: the teacher's own", ge=0, le=5)
    max_tokens: int = knob(120, help="longest reply; with reasons some 400", unit="tokens", ge=1)

    @model_validator(mode="after")
    def _can_be(self) -> Judge:
        possible(self.label, self.reasons, self.max_tokens)
        assert self._rubric.criteria  # a rubric that cannot be used is told before anything is paid
        return self

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first reading's request for each row; None for rows without text, or without a prompt that is needed.

        Raises:
            UserError: the rubric cannot be used.
        """
        for text, prompt in zip(*_texts(piece), strict=True):
            fits = self._fits(text, prompt)
            yield self._request(model, text, prompt, self._slots[0]) if fits else None

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next reading (or criterion), or the same again where the reply was of no use."""
        state = self._state(replies)
        if state.lacks:
            slot = self._slots[len(state.found)]
            fault = self._rubric.say("again", names=", ".join(state.lacks), form=self._form(slot))
            wrong = {"role": "assistant", "content": replies[-1].text.strip()[:_ECHOED] or "-"}
            return replace(asked[-1], messages=(*asked[-1].messages, wrong, {"role": "user", "content": fault}))
        if state.over or len(state.found) == len(self._slots):
            return None
        return self._request(asked[0].model, row.get(TEXT) or "", row.get(PROMPT) or "", self._slots[len(state.found)])

    def ahead(self) -> Sequence[Ahead]:
        """The other readings, and the same again where a reply is of no use."""
        asked = len(self._slots)
        follow = [Ahead("reading", tokens=self.max_tokens)] * (asked - 1)
        return [*follow, *[Ahead("again", _AGAIN, replies=1, tokens=self.max_tokens)] * (asked * self.tries)]

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The scores."""
        texts, prompts = _texts(piece)
        ids = piece.column(ID).to_pylist()
        rows = [[*reply.before, reply] for reply in replies]
        states = [self._state(row) if row[-1].key else None for row in rows]
        label = self._label
        marks: dict[str, pa.Array] = {}
        for criterion in self._rubric.criteria:
            readings = [None if state is None else self._readings(state, criterion) for state in states]
            means = [_mean(some or []) for some in readings]
            marks[f"judge.{label}.{criterion.name}"] = pa.array(means, pa.float64())
            marks[f"judge.{label}.{criterion.name}_readings"] = pa.array(readings, pa.list_(pa.float64()))
        errors = [
            self._unasked(text, prompt) if state is None else _why(state)
            for state, text, prompt in zip(states, texts, prompts, strict=True)
        ]
        clusters = [
            None if state is None else bucket(prompt or str(name))
            for state, prompt, name in zip(states, prompts, ids, strict=True)
        ]
        marks[f"judge.{label}_error"] = pa.array(errors, pa.string())
        marks[f"judge.{label}_cluster"] = pa.array(clusters, pa.int16())
        marks[f"judge.{label}_request"] = pa.array([row[0].key or None for row in rows], pa.string())
        return pa.table(marks)

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Counts for each criterion."""
        label = f"judge.{self._label}"
        clusters = marks.column(f"{label}_cluster").to_pylist()
        return {
            one.name: counted(
                one,
                marks.column(f"{label}.{one.name}").to_pylist(),
                marks.column(f"{label}.{one.name}_readings").to_pylist(),
                clusters,
                self.judges,
            )
            for one in self._rubric.criteria
        }

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """For each criterion its mean with a 95 % interval, what was said how often, and agreement."""
        criteria = {one.name: told(one, sums[one.name]) for one in self._rubric.criteria if one.name in sums}
        return {"judge": self._label, "rubric": self._rubric.name, "judged": criteria}

    @cached_property
    def _rubric(self) -> Rubric:
        found = read_rubric(self.rubric)
        if not found.criteria:
            raise UserError("the rubric has no criteria", where=self.rubric, fix="criteria: [{name: …, asks: …}]")
        return found

    @cached_property
    def _label(self) -> str:
        return self.label or self._rubric.name

    @cached_property
    def _slots(self) -> tuple[_Slot, ...]:
        """All that is asked of a row, in order."""
        found: list[_Slot] = []
        for reading in range(self.judges):
            criteria = list(self._rubric.criteria)
            if reading & 1:
                criteria.reverse()
            turn = (reading >> 2) % len(criteria)
            criteria = criteria[turn:] + criteria[:turn]
            groups = [(one,) for one in criteria] if self.each else [tuple(criteria)]
            found += [_Slot(reading, group) for group in groups]
        return tuple(found)

    def _fits(self, text: str, prompt: str) -> bool:
        needed = self._rubric.needs_prompt or bool(self._rubric.marker)
        return bool(text.strip()) and (bool(prompt.strip()) or not needed)

    def _unasked(self, text: str, prompt: str) -> str:
        return "no text to judge" if not text.strip() else "the rubric needs a prompt, and the row has none"

    def _request(self, model: str, text: str, prompt: str, slot: _Slot) -> Request:
        """One request: readings differ in what stands first, the order of the criteria, and the ends of the scales."""
        rubric = self._rubric
        asks = rubric.listed(slot.criteria, down=bool(slot.reading & 2))
        if self.reasons:
            asks += "\n" + rubric.say("reasons")
        asks += "\n" + rubric.say("reply", form=self._form(slot))
        told = f"{rubric.whole(self._shown(text, prompt), turned=bool(slot.reading & 1))}\n\n{asks}"
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            params["temperature"] = self.temperature
        schema = self._schema(slot) if self.bind else None
        return Request(model, ({"role": "user", "content": told},), params=params, schema=schema, sample=slot.reading)

    def _shown(self, text: str, prompt: str) -> str:
        """Prompt and text as the judge sees them."""
        rubric, most = self._rubric, self.characters
        if rubric.marker:
            return fenced("text", f"{prompt[-most:]}{rubric.marker}{text[:most]}")
        shown = f"{rubric.say('text')}\n{fenced('text', text[:most])}"
        if prompt.strip():
            shown = f"{rubric.say('prompt')}\n{fenced('prompt', prompt[:most])}\n\n{shown}"
        return shown

    def _form(self, slot: _Slot) -> str:
        fields = ['"reasons": "…"'] if self.reasons else []
        fields += [
            f'"{one.name}": "{"|".join(one.choices)}"' if one.choices else f'"{one.name}": N' for one in slot.criteria
        ]
        return "{" + ", ".join(fields) + "}"

    def _schema(self, slot: _Slot) -> dict[str, Any]:
        fields: dict[str, Any] = {"reasons": {"type": "string"}} if self.reasons else {}
        fields |= {one.name: one.bound() for one in slot.criteria}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    def _state(self, replies: Sequence[Reply]) -> _State:
        """Read a row's replies so far, in order."""
        state, tried = _State([], []), 0
        for reply in replies:
            slot = self._slots[len(state.found)]
            values, fault = self._read(reply, slot)
            state.lacks = ()
            if fault and reply.error in _MENDED and tried < self.tries:
                tried += 1
                state.lacks = tuple(one.name for one in slot.criteria if one.name not in values)
                continue
            state.found.append(values)
            state.faults.append(fault)
            tried = 0
            if reply.error in _HOPELESS:
                state.over = True
                break
        return state

    def _read(self, reply: Reply, slot: _Slot) -> tuple[dict[str, float], str]:
        """(scores by criterion, what is wrong with the reply)."""
        if reply.error is not None and reply.error not in _MENDED:
            return {}, f"{reply.error}: {reply.detail}"
        best: dict[str, float] = {}
        for value in objects_in(reply.text):
            scores = {one.name: one.read(value.get(one.name)) for one in slot.criteria}
            known = {name: score for name, score in scores.items() if score is not None}
            best = known if len(known) > len(best) else best
            if len(best) == len(slot.criteria):
                return best, ""
        missing = ", ".join(one.name for one in slot.criteria if one.name not in best)
        cut = ", it was cut at max_tokens" if reply.finish == "length" else ""
        return best, f"no score on its scale for {missing}{cut}"

    def _readings(self, state: _State, criterion: Criterion) -> list[float | None]:
        """What each reading says of one criterion."""
        found: list[float | None] = [None] * self.judges
        for slot, values in zip(self._slots, state.found, strict=False):
            if criterion.name in values:
                found[slot.reading] = values[criterion.name]
        return found


def _texts(piece: pa.Table) -> tuple[list[str], list[str]]:
    """Texts and prompts of a piece, '' where there is none."""
    prompts = piece.column(PROMPT).to_pylist() if PROMPT in piece.column_names else [None] * piece.num_rows
    return [text or "" for text in piece.column(TEXT).to_pylist()], [str(prompt or "") for prompt in prompts]


def _mean(readings: Sequence[float | None]) -> float | None:
    known = [value for value in readings if value is not None]
    return sum(known) / len(known) if known else None


def _why(state: _State) -> str | None:
    """Why a reading gave less than it should, the first such fault."""
    return next((fault for fault in state.faults if fault), None)
