"""evaluate.completions: the student goes on with held-out beginnings, several times each, for a judge to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Inputs, Makes, Source
from hornbook.stages.evaluate._writing import How, write

SCHEMA = pa.schema(
    [(name, pa.string()) for name in (ID, TEXT, ORIGIN, PROMPT)]
    + [("completion.number", pa.int32()), ("completion.ended", pa.bool_())]
)
_PAPER = "TinyStories, arXiv:2305.07759"
_AT_ONCE = 16
"""Beginnings an item: a part of its own, however many workers there are."""


class Completions(Source):
    """Documents written by the student above: `text` is what it wrote, `prompt` the beginning it went on from.

    Each completion draws from its own stream of random numbers, made of `seed`, the beginning's id and its number,
    so more completions hold the fewer. Completions are put before a judge by evaluate.judge with
    `rubric: shipped:judges/gpt_eval.en.yaml`: TinyStories' GPT-Eval.

    Columns: id, text, origin (the beginning's id), prompt, `completion.number`, `completion.ended` (whether it
    came to its end by itself).
    """

    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    beginnings: InputPath = knob(
        InputPath("shipped:story_beginnings.jsonl"),
        help="JSONL of {id, text}: beginnings that nobody was trained on. Shipped: story_beginnings.jsonl, 50 in "
        "English, our own",
        source=f"{_PAPER}, section 3: around 50",
    )
    each: int = knob(10, help="completions of each beginning", unit="texts", ge=1, source=f"{_PAPER}, section 3: 10")
    temperature: float = knob(1.0, help="0 is greedy, and then one completion is all", ge=0, source=f"{_PAPER}: 1")
    top_k: int = knob(0, help="draw among so many likeliest tokens; 0: all", unit="tokens", ge=0)
    max_tokens: int = knob(256, help="longest completion", unit="tokens", ge=1)
    batch: int = knob(64, help="texts written at once", unit="texts", ge=1)
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    seed: int = knob(0, help="of the draws")

    def shards(self, inputs: Inputs) -> list[Any]:
        """Some beginnings an item.

        Raises:
            UserError: the file of beginnings cannot be used.
        """
        many = len(_read(self.beginnings))
        return [[at, min(at + _AT_ONCE, many)] for at in range(0, many, _AT_ONCE)]

    def read(self, item: Any, inputs: Inputs) -> Iterator[pa.Table]:
        """The completions of an item's beginnings, beginning by beginning."""
        first, last = item
        some = _read(self.beginnings)[first:last]
        each = self.each if self.temperature > 0 else 1
        asked = [(at, number) for at in range(len(some)) for number in range(each)]
        names = [f"{some[at][0]}-{number}" for at, number in asked]
        how = How(self.temperature, self.top_k, self.max_tokens, self.seed, self.batch, self.device)
        written = write(inputs, [some[at][1] for at, _ in asked], names, how)
        yield pa.table(
            {
                ID: names,
                TEXT: [said.text for said in written],
                ORIGIN: [some[at][0] for at, _ in asked],
                PROMPT: [some[at][1] for at, _ in asked],
                "completion.number": [number for _, number in asked],
                "completion.ended": [said.ended for said in written],
            },
            schema=SCHEMA,
        )


def _read(path: str) -> list[tuple[str, str]]:
    """(id, text) of all beginnings.

    Raises:
        UserError: the file cannot be read, a line has no text, or two have one id.
    """
    fix = '{"id": "b1", "text": "One day a fox"} a line'
    try:
        lines = Path(local_path(path)).read_text(encoding="utf-8").split("\n")
        rows = [(at, json.loads(line)) for at, line in enumerate(lines, 1) if line.strip()]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"cannot read the beginnings: {error}", where=path, fix=fix) from error
    found: dict[str, str] = {}
    for at, row in rows:
        text = row.get(TEXT) if isinstance(row, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            raise UserError("a beginning without text", where=f"{path}:{at}", fix=fix)
        name = str(row.get(ID) or f"beginning-{at}")
        if name in found:
            raise UserError(f"two beginnings are called {name}", where=f"{path}:{at}", fix="ids must differ")
        found[name] = text.rstrip()
    if not found:
        raise UserError("there are no beginnings", where=path, fix=fix)
    return list(found.items())
