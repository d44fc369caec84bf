"""quality.annotate: a teacher scores a sample of the documents by a rubric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import ID, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob, local_path
from hornbook.core.stage import Ask
from hornbook.stages.quality._scores import expectation, score_in

_EDU = "FineWeb-Edu, arXiv:2406.17557"
_SLOT = "{document}"
_TOP = 20
"""Tokens whose probabilities are asked for at each place: the most that OpenAI's API gives."""
_REASONS = 100
"""Fewest tokens that reasons take; FineWeb-Edu allows 100 words."""


class Annotate(Ask):
    """Asks a teacher for the score of a sample of the documents; all others pass with null.

    Which documents are asked, and which of them a second time, depends on their `id` and `seed` alone. The
    second request puts the rubric after the document: a teacher asked the very same thing at temperature 0
    says the very same, and would look reliable.

    Marks, null where a document was not asked: `quality.annotation` (float64, the score; where the server
    gives log probabilities their mean over the score's tokens), `quality.annotation_2` (the same of the
    second time), `quality.annotation_said` (float64, the number in the reply's words),
    `quality.annotation_mass` (float64, probability on all score tokens together), `quality.annotation_reply`
    (string), `quality.annotation_error` (string, why there is no score), `quality.annotation_request`
    (string, key in the journal).

    Drops nothing.
    """

    reads: ClassVar[tuple[str, ...] | None] = (ID, TEXT)
    chooses: ClassVar[tuple[str, ...]] = (ID,)
    varied: ClassVar[bool] = False

    rubric: InputPath = knob(
        InputPath("shipped:rubric_prose.txt"),
        help="file with what the teacher is told; {document} stands where the document goes. Shipped: "
        "rubric_prose.txt, rubric_python.txt",
        source=f"rubric_prose after {_EDU}; rubric_python after phi-1, arXiv:2306.11644, section 2.1",
    )
    lowest: int = knob(0, help="lowest score of the scale", ge=0, le=99)
    highest: int = knob(5, help="highest score of the scale", ge=1, le=100, source=_EDU)
    share: float = knob(0.05, help="share of the documents that is scored", unit="share of documents", gt=0.0, le=1.0)
    second: float = knob(
        0.1, help="share of the scored documents that is scored a second time", unit="share", ge=0.0, le=1.0
    )
    seed: int = knob(0, help="which documents are scored")
    characters: int = knob(2000, help="so much of a document's beginning is shown", unit="characters", ge=50)
    reasons: bool = knob(False, help="the teacher says why before it says the score; slower", source=f"{_EDU}: yes")
    bind: bool = knob(True, help="have the server bind the reply to JSON with the score; for small teachers")
    logprobs: bool = knob(True, help="ask for log probabilities; off where the server refuses them")
    temperature: float | None = knob(0.0, help="sampling temperature; null: the teacher's own", ge=0, le=5)
    max_tokens: int = knob(24, help="longest reply; with reasons some 400", unit="tokens", ge=1)

    @model_validator(mode="after")
    def _can_be(self) -> Annotate:
        if self.lowest >= self.highest:
            raise ValueError(f"highest ({self.highest}) must be above lowest ({self.lowest})")
        if self.reasons and self.max_tokens < _REASONS:
            raise ValueError(f"reasons do not fit in max_tokens: {self.max_tokens}; set it to 400")
        return self

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """One request for each document of the sample; None for others and for those without text.

        Raises:
            UserError: the rubric cannot be read, or has no place for the document.
        """
        for drawn, text in zip(self.chosen(piece), piece.column(TEXT).to_pylist(), strict=True):
            if not drawn or not text or not text.strip():
                yield None
            else:
                yield Request(model, messages=self._messages(text), params=self._params(), schema=self._schema())

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """Which documents are in the sample."""
        return [self._drawn(key, "asked") < self.share for key in piece.column(ID).to_pylist()]

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The second request, with the rubric after the document, where the row is drawn for one."""
        if len(asked) > 1 or self._drawn(row[ID], "second") >= self.second or self._read(replies[0])[0] is None:
            return None
        return replace(asked[0], messages=self._messages(row[TEXT], turned=True), sample=1)

    def ahead(self) -> Sequence[Ahead]:
        """The second request, for those that are drawn."""
        return [Ahead("second", likely=self.second, tokens=self.max_tokens)] if self.second else []

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The scores."""
        rows = [self._row(reply) for reply in replies]
        kinds = {"": pa.float64(), "_2": pa.float64(), "_said": pa.float64(), "_mass": pa.float64()}
        kinds |= {"_reply": pa.string(), "_error": pa.string(), "_request": pa.string()}
        return pa.table(
            {
                f"quality.annotation{name}": pa.array([row.get(name) for row in rows], kind)
                for name, kind in kinds.items()
            }
        )

    def _row(self, reply: Reply) -> dict[str, Any]:
        """A document's marks, by the ends of their names; none where it was not asked."""
        if not reply.key:
            return {}
        first, *more = (*reply.before, reply)
        score, said, mass, error = self._read(first)
        second = self._read(more[0])[0] if more else None
        return {
            "": score,
            "_2": second,
            "_said": said,
            "_mass": mass,
            "_reply": first.text,
            "_error": error,
            "_request": first.key,
        }

    def _read(self, reply: Reply) -> tuple[float | None, float | None, float | None, str | None]:
        """(score, the number said, probability on score tokens, why there is none)."""
        if reply.error is not None:
            return None, None, None, f"{reply.error}: {reply.detail}"
        said = score_in(reply.text, self.lowest, self.highest)
        if said is None:
            return None, None, None, f"no score from {self.lowest} to {self.highest} in the reply"
        mean = expectation(reply.logprobs, self.lowest, self.highest)
        return (said[0], said[0], None, None) if mean is None else (mean[0], said[0], mean[1], None)

    def _messages(self, text: str, *, turned: bool = False) -> tuple[dict[str, str], ...]:
        before, after = self._rubric
        shown = f"<document>\n{text[: self.characters]}\n</document>"
        words = [shown, after, before] if turned else [before, shown, after]
        asks = f"Score it from {self.lowest} to {self.highest}."
        if self.reasons:
            asks += " First say why, in at most 100 words. Then say the score."
        form = '{"reasons": "…", "score": N}' if self.reasons else '{"score": N}'
        asks += f" Reply with JSON alone: {form}" if self.bind else " End with the line: Score: N"
        told = "\n".join(part.strip("\n") for part in words if part.strip())
        return ({"role": "user", "content": f"{told}\n\n{asks}"},)

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"max_tokens": self.max_tokens}
        if self.temperature is not None:
            params["temperature"] = self.temperature
        if self.logprobs:
            params |= {"logprobs": True, "top_logprobs": _TOP}
        return params

    def _schema(self) -> dict[str, Any] | None:
        if not self.bind:
            return None
        score = {"type": "integer", "enum": list(range(self.lowest, self.highest + 1))}
        fields = {"reasons": {"type": "string"}, "score": score} if self.reasons else {"score": score}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    def _drawn(self, key: str, what: str) -> float:
        """A number from 0 to 1 of a document's id, the seed and a purpose."""
        from xxhash import xxh3_64_intdigest

        return float(xxh3_64_intdigest(f"{what}\0{key}".encode(), seed=self.seed % 2**64)) / 2.0**64

    @cached_property
    def _rubric(self) -> tuple[str, str]:
        """The rubric before and after the document."""
        path = Path(local_path(self.rubric))
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the rubric: {error}", where=str(path), fix="rubric: a text file") from error
        if text.count(_SLOT) != 1:
            raise UserError(
                f"the rubric has {_SLOT} {text.count(_SLOT)} times", where=str(path), fix=f"write {_SLOT} once in it"
            )
        before, _, after = text.partition(_SLOT)
        return before, after
