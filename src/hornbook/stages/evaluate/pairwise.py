"""evaluate.pairwise: a teacher says which of two texts is better, asked in both orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.stage import Ask
from hornbook.kernels import agreement
from hornbook.kernels.intervals import bucket, share
from hornbook.stages.evaluate._counting import rounded
from hornbook.stages.evaluate._rubrics import Rubric, fenced, possible, read_rubric
from hornbook.teachers.json_text import objects_in

_OTHER, _A, _B = "pair.text", "pair.a", "pair.b"
_VERDICTS = ("a", "b", "tie")
_SAID = {"1": ("a", "b"), "2": ("b", "a"), "tie": ("tie", "tie")}
"""What a judge says → the verdict where a stands first, and where b does."""
_ECHOED = 1_000
_AGAIN = 0.02
"""How often a reply is of no use, where nothing was measured; our guess of a judge that is bound."""
_MENDED = (None, "empty")


class _Verdict(NamedTuple):
    """A row's two verdicts, None where there is none, and why."""

    first: str | None
    second: str | None
    fault: str

    def winner(self) -> str | None:
        """The one that wins in both orders; a tie where the two differ."""
        if self.first is None or self.second is None:
            return None
        return self.first if self.first == self.second else "tie"


class Pairwise(Ask):
    """Asks the teacher twice which of `text` (a) and `pair.text` (b) is better: a standing first, then b.

    A text wins where it wins both times; where the verdicts differ it is a tie (MT-Bench, arXiv:2306.05685, section
    3.4). Rows are made by evaluate.pairs, or are one's own with the columns `text`, `pair.text` and, where there is
    one, `prompt`; `pair.a` and `pair.b` name the two sides.

    Marks: `pairwise.winner` (a, b or tie; null where a verdict is missing), `pairwise.first` and `pairwise.second`
    (the verdict where a stood first, and where b did), `pairwise.consistent` (bool), `pairwise.sides` (the two
    names), `pairwise.error`, `pairwise.cluster` (int16, a hash of the prompt), `pairwise.request`. With a `label`
    they are `pairwise.LABEL.winner` and so on.

    Drops nothing.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT, PROMPT, _OTHER, _A, _B)
    varied: ClassVar[bool] = False

    rubric: InputPath = knob(
        InputPath("shipped:judges/pairwise.en.yaml"),
        help="YAML file with what the judge is told; shipped: pairwise.en.yaml and pairwise.zh.yaml in shipped:judges/",
        source="after MT-Bench, arXiv:2306.05685",
    )
    label: str = knob("", help="names this judge in its marks, where there are several")
    reasons: bool = knob(
        False, help="the judge writes what it thinks before its verdict; slower", source="MT-Bench: yes"
    )
    tries: int = knob(2, help="how often a reply of no use is asked for again", unit="requests", ge=0, le=20)
    bind: bool = knob(True, help="have the server bind the reply to the JSON; for small teachers")
    characters: int = knob(
        4000, help="so much of the beginning of the prompt and of each text is shown", unit="characters", ge=50
    )
    temperature: float | None = knob(0.0, help="sampling temperature; null: the teacher's own", ge=0, le=5)
    max_tokens: int = knob(40, help="longest reply; with reasons some 400", unit="tokens", ge=1)

    @model_validator(mode="after")
    def _can_be(self) -> Pairwise:
        possible(self.label, self.reasons, self.max_tokens)
        assert self._rubric.tells  # a rubric that cannot be used is told before anything is paid
        return self

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The request with a first; None where one of the two has no text.

        Raises:
            UserError: there is no column `pair.text`, or the rubric cannot be used.
        """
        if _OTHER not in piece.column_names:
            fix = "put evaluate.pairs with `from: [one, other]` above it"
            raise UserError(f"evaluate.pairwise needs the column {_OTHER}", where="the step above", fix=fix)
        for row in piece.to_pylist():
            whole = (row[TEXT] or "").strip() and (row[_OTHER] or "").strip()
            yield self._request(model, row, turned=False) if whole else None

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The request with b first; or the same again, where the reply was of no use."""
        orders, mend = self._orders(replies)
        if mend:
            fault = self._rubric.say("again", names='"better"', form=self._form())
            wrong = {"role": "assistant", "content": replies[-1].text.strip()[:_ECHOED] or "-"}
            return replace(asked[-1], messages=(*asked[-1].messages, wrong, {"role": "user", "content": fault}))
        if len(orders) == 2 or replies[-1].error in ("rejected", "transport"):
            return None
        return self._request(asked[0].model, row, turned=True)

    def ahead(self) -> Sequence[Ahead]:
        """The other order, and the same again where a reply is of no use."""
        again = Ahead("again", _AGAIN, replies=1, tokens=self.max_tokens)
        return [Ahead("swapped", tokens=self.max_tokens), *[again] * (2 * self.tries)]

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The verdicts."""
        rows, found = piece.to_pylist(), [self._verdict(reply) for reply in replies]
        winners = [one.winner() for one in found]
        same = [None if w is None else one.first == one.second for w, one in zip(winners, found, strict=True)]
        asked = [bool(reply.key) for reply in replies]
        clusters = [
            bucket(row.get(PROMPT) or str(row[ID])) if on else None for row, on in zip(rows, asked, strict=True)
        ]
        firsts = [(reply.before or (reply,))[0].key or None for reply in replies]
        marks = {
            "winner": pa.array(winners, pa.string()),
            "first": pa.array([one.first for one in found], pa.string()),
            "second": pa.array([one.second for one in found], pa.string()),
            "consistent": pa.array(same, pa.bool_()),
            "sides": pa.array([f"{row.get(_A) or 'a'} / {row.get(_B) or 'b'}" for row in rows], pa.string()),
            "error": pa.array([one.fault or None for one in found], pa.string()),
            "cluster": pa.array(clusters, pa.int16()),
            "request": pa.array(firsts, pa.string()),
        }
        return pa.table({f"{self._prefix}.{name}": column for name, column in marks.items()})

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """For each two sides: rows asked, verdict against verdict, and wins by cluster."""
        columns = (
            marks.column(f"{self._prefix}.{name}").to_pylist() for name in ("sides", "first", "second", "cluster")
        )
        found: dict[str, Any] = {}
        for sides, first, second, cluster in zip(*columns, strict=True):
            if cluster is None:
                continue
            sums = found.setdefault(sides, {"asked": 0, "table": [0] * 9, "groups": {}})
            sums["asked"] += 1
            if first is None or second is None:
                continue
            sums["table"][3 * _VERDICTS.index(first) + _VERDICTS.index(second)] += 1
            group = sums["groups"].setdefault(str(cluster), [0, 0.0])
            group[0] += 1
            group[1] += {"a": 1.0, "b": 0.0}.get(first if first == second else "tie", 0.5)
        return found

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """For each two sides the share of a's wins with its interval, and what the order of the two did."""
        return {"judge": self.label, "pairs": {sides: _told(one) for sides, one in sorted(sums.items())}}

    @property
    def _prefix(self) -> str:
        return f"pairwise.{self.label}" if self.label else "pairwise"

    @cached_property
    def _rubric(self) -> Rubric:
        return read_rubric(self.rubric)

    def _request(self, model: str, row: Mapping[str, Any], *, turned: bool) -> Request:
        rubric, most = self._rubric, self.characters
        texts = [str(row[name])[:most] for name in ((_OTHER, TEXT) if turned else (TEXT, _OTHER))]
        shown = [
            f"{rubric.say(name)}\n{fenced('text', text)}" for name, text in zip(("first", "second"), texts, strict=True)
        ]
        prompt = str(row.get(PROMPT) or "")[:most]
        if prompt.strip():
            shown.insert(0, f"{rubric.say('prompt')}\n{fenced('prompt', prompt)}")
        asks = [rubric.say("better"), rubric.say("reply", form=self._form())]
        asks = [rubric.say("reasons"), *asks] if self.reasons else asks
        told = "\n\n".join([rubric.whole("\n\n".join(shown)), "\n".join(asks)])
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            params["temperature"] = self.temperature
        schema = self._schema() if self.bind else None
        return Request(model, ({"role": "user", "content": told},), params=params, schema=schema, sample=int(turned))

    def _form(self) -> str:
        return '{"reasons": "…", "better": "1|2|tie"}' if self.reasons else '{"better": "1|2|tie"}'

    def _schema(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"reasons": {"type": "string"}} if self.reasons else {}
        fields["better"] = {"type": "string", "enum": list(_SAID)}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    def _orders(self, replies: Sequence[Reply]) -> tuple[list[tuple[str | None, str]], bool]:
        """For each order so far what was said and what was wrong; whether the last reply is to be mended."""
        found: list[tuple[str | None, str]] = []
        tried, mend = 0, False
        for reply in replies:
            said, fault = _read(reply)
            mend = bool(fault) and reply.error in _MENDED and tried < self.tries
            tried = tried + 1 if mend else 0
            if not mend:
                found.append((said, fault))
        return found, mend

    def _verdict(self, reply: Reply) -> _Verdict:
        if not reply.key:
            return _Verdict(None, None, "one of the two has no text")
        orders, _ = self._orders((*reply.before, reply))
        said = [None if word is None else _SAID[word][at] for at, (word, _) in enumerate(orders)]
        fault = next((why for _, why in orders if why), "" if len(orders) == 2 else "not asked in both orders")
        first, second = [*said, None, None][:2]
        return _Verdict(first, second, fault)


def _read(reply: Reply) -> tuple[str | None, str]:
    """(1, 2 or tie, ''), or (None, why not)."""
    if reply.error is not None and reply.error not in _MENDED:
        return None, f"{reply.error}: {reply.detail}"
    for value in objects_in(reply.text):
        said = str(value.get("better", "")).strip().casefold()
        if said in _SAID:
            return said, ""
    return None, "no verdict (1, 2 or tie) in the reply" + (", cut at max_tokens" if reply.finish == "length" else "")


def _told(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of two sides. In the table rows are the verdicts with a first, columns those with b first."""
    table = np.array(sums["table"], dtype=np.float64).reshape(3, 3)
    rate, interval = share(sums["groups"])
    total = float(table.sum())
    first_place, second_place = float(table[0, 1]), float(table[1, 0])
    placed = float(table[0].sum() + table[:, 1].sum())
    decided = float(table[:2].sum() + table[:, :2].sum())
    return {
        "a_rate": rounded(rate),
        "interval": None if interval is None else [rounded(interval[0]), rounded(interval[1])],
        "pairs": int(total),
        "failed": int(sums["asked"]) - int(total),
        "a": int(table[0, 0]),
        "b": int(table[1, 1]),
        "ties": int(total - table[0, 0] - table[1, 1]),
        "consistent": rounded(float(np.trace(table)) / total) if total else None,
        "kappa": rounded(agreement.cohen(table)),
        "position_bias": rounded((first_place + second_place) / total) if total else None,
        "first_place": rounded(placed / decided) if decided else None,
    }
