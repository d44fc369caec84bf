"""evaluate.selfcheck: does a teacher say the same again? What it made up, it makes up otherwise the next time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count, islice
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import field_validator, model_validator

from hornbook.core.asking import Ahead, Reply, Request
from hornbook.core.documents import MESSAGES, PROMPT, SAMPLE, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import InputPath, knob
from hornbook.core.rules import Rule
from hornbook.core.stage import Ask
from hornbook.kernels.embedders import NAMES, possible
from hornbook.stages.evaluate._comparing import groups, sums, tables
from hornbook.stages.evaluate._reasked import Question, has_prompt, messages_of

_PAPER = "SelfCheckGPT, arXiv:2303.08896"
_MOST = 1000
"""Requests a row."""
_SCORES = ("prompt", "similarity", "ngram", "ngram_max")
"""Columns of scores, the one that orders groups first."""
_SENTENCES = pa.list_(pa.struct([("text", pa.string()), *((name, pa.float64()) for name in _SCORES)]))
Scorer = Literal["ngram", "similarity", "prompt"]


class Selfcheck(Ask):
    """Asks the teacher a row's prompt again, several times, and scores how far the row's text agrees with the replies.

    Scores are of doubt: the higher, the less the samples bear a sentence out.

    Marks, null where a row has no text or no sample: `selfcheck.ngram` and `selfcheck.ngram_max` (float64, mean of
    -log p over the words of the text, and mean over its sentences of the greatest), `selfcheck.similarity` (float64, 0
    to 1, mean over sentences of 1 - the mean over samples of the cosine with the nearest sentence), `selfcheck.prompt`
    (float64, 0 to 1, mean of what the teacher said of each sentence and sample: 0 supported, 1 not, 0.5 neither),
    `selfcheck.sentences` (list<struct<text, prompt, similarity, ngram, ngram_max>>), `selfcheck.samples`
    (list<string>), `selfcheck.by` (list<string>, the row's values of the columns `by`), `selfcheck.error` (string, why
    there is no score, or how many samples failed).

    Drops: `doubtful` where one of `max_prompt`, `max_similarity`, `max_ngram` is set and passed.

    Raises:
        UserError: `samples` names a column that is not there; `wording` cannot be used.
    """

    version: ClassVar[str] = "1"
    chooses: ClassVar[tuple[str, ...]] = (TEXT, PROMPT, MESSAGES)

    k: int = knob(
        20,
        help="samples of each prompt; each is paid for like the text itself. 4 to 8 cost less and tell less",
        unit="samples",
        ge=1,
        le=500,
        source=f"{_PAPER}: 20",
    )
    scorers: list[Scorer] = knob(
        default_factory=lambda: ["similarity", "ngram"],
        help="ngram and similarity cost samples alone; prompt asks k more requests for every sentence: a text of 10 "
        "sentences costs 20 + 200 requests at k = 20",
    )
    samples: str = knob("", help="column with samples that exist (list of texts); then none are asked for")
    temperature: float | None = knob(
        1.0,
        help="sampling temperature of samples; null: the teacher's own",
        ge=0,
        le=5,
        source=f"{_PAPER}: 1",
    )
    max_tokens: int | None = knob(None, help="longest sample; unset: the teacher's own", unit="tokens", ge=1)
    system: str = knob(
        "", help="system message put before every prompt that has none of its own, as when it was written"
    )
    n: int = knob(
        1,
        help="words of an n-gram",
        unit="words",
        ge=1,
        le=10,
        source=f"{_PAPER}; its repository's table has the unigram alone",
    )
    embedding: str = knob("wordllama", help=f"similarity: what makes vectors of sentences: {NAMES}")
    sentences: int = knob(
        20, help="prompt: so many sentences of a text are asked about, the first", unit="sentences", ge=1
    )
    wording: InputPath = knob(
        InputPath("shipped:selfcheck"),
        help="prompt: folder with the question, supported.LANGUAGE.txt with {text} and {sentence} in it; en, zh",
    )
    reply_tokens: int = knob(8, help="prompt: longest reply; more for one that thinks first", unit="tokens", ge=1)
    characters: int = knob(
        20_000, help="so much of the text, and of each sample, is looked at", unit="characters", ge=100
    )
    by: list[str] = knob(
        default_factory=lambda: ["prompts.topic", "prompts.split", "source"],
        help="columns whose groups are compared in the manifest, worst first; those that are not there are left out",
    )
    least: int = knob(
        5, help="groups of fewer documents are put together in the manifest; our choice", unit="documents", ge=1
    )
    max_prompt: float | None = knob(None, help="drop above this doubt", ge=0, le=1, threshold=True)
    max_similarity: float | None = knob(None, help="drop above this doubt", ge=0, le=1, threshold=True)
    max_ngram: float | None = knob(None, help="drop above this doubt", unit="nats a word", ge=0, threshold=True)

    _name = field_validator("embedding")(possible)

    @model_validator(mode="after")
    def _can_be(self) -> Selfcheck:
        if not self.scorers:
            raise ValueError("scorers: at least one of ngram, similarity, prompt")
        if "prompt" in self.scorers and self.k * (1 + self.sentences) > _MOST:
            many, most = self.k * (1 + self.sentences), max(1, _MOST // self.k - 1)
            raise ValueError(
                f"k = {self.k} and sentences = {self.sentences} are {many:,} requests a row, at most {_MOST:,}: "
                f"sentences: {most}"
            )
        return self

    def chosen(self, piece: pa.Table) -> Sequence[bool]:
        """The rows that need a request: they have a text and a prompt, or samples that the teacher is to judge."""
        if self.samples and "prompt" not in self.scorers:
            return [False] * piece.num_rows
        texts = _column(piece, TEXT)
        if self.samples:
            return [_is_text(text) for text in texts]
        return [_is_text(text) and has_prompt(*pair) for text, *pair in zip(texts, *self._prompts(piece), strict=True)]

    def ask(self, piece: pa.Table, model: str) -> Iterator[Request | None]:
        """The first sample of each row, or the first question about it where it has samples."""
        self._check(piece)
        chosen = self.chosen(piece)
        rows = piece.to_pylist() if any(chosen) else []
        for row, wanted in zip(rows or [{}] * piece.num_rows, chosen, strict=True):
            yield self._next(row, model, []) if wanted else None

    def again(self, row: Mapping[str, Any], asked: Sequence[Request], replies: Sequence[Reply]) -> Request | None:
        """The next sample, then the next question about a sentence and a sample."""
        return self._next(row, asked[0].model, replies)

    def in_rounds(self) -> bool:
        return True

    def ahead(self) -> Sequence[Ahead]:
        """Samples, then questions: of a text with half as many sentences as are asked about at most."""
        found = [] if self.samples else [Ahead("sample") for _ in range(self.k - 1)]
        if "prompt" in self.scorers:
            words = self._question.say("en", "", "")
            many = self.k * self.sentences - bool(self.samples)
            likely = 0.5 if self.sentences > 1 else 1.0
            found += [Ahead("question", likely, 0, 1, words, 40, self.reply_tokens)] * many
        return found

    def outcome(self, reply: Reply) -> str | None:
        """The first sample: that is what is watched for sameness."""
        first = (*reply.before, reply)[0]
        return first.text if first.error is None and not self.samples else None

    def take(self, piece: pa.Table, replies: Sequence[Reply]) -> pa.Table:
        """The scores."""
        from hornbook.stages.evaluate import _selfchecking as checking
        from hornbook.stages.evaluate._supporting import cut

        self._check(piece)
        every = [[*reply.before, reply] if reply.key else [] for reply in replies]
        rows = piece.to_pylist()
        samples = [self._samples(row, some) for row, some in zip(rows, every, strict=True)]
        own = [cut(row.get(TEXT), self.characters) if some else [] for row, some in zip(rows, samples, strict=True)]
        others = [[cut(text, self.characters) for text in some] for some in samples]
        near = checking.similarity(own, others, self.embedding) if "similarity" in self.scorers else None
        found = []
        for at, (row, mine, theirs) in enumerate(zip(rows, own, others, strict=True)):
            scores: dict[str, Any] = {}
            whole: dict[str, float] = {}
            if mine and "ngram" in self.scorers:
                scores["ngram"], scores["ngram_max"], mean, most = checking.ngram(mine, theirs, self.n)
                whole |= {"ngram": mean, "ngram_max": most}
            if mine and near is not None:
                scores["similarity"] = near[at]
                whole["similarity"] = float(near[at].mean())
            if mine and "prompt" in self.scorers:
                said = self._verdicts(row, every[at])
                scores["prompt"] = [*said, *[None] * (len(mine) - len(said))]
                whole["prompt"] = sum(said) / len(said)
            found.append((whole, _sentences(mine, scores) if mine else None))
        columns = {
            f"selfcheck.{name}": pa.array([whole.get(name) for whole, _ in found], pa.float64()) for name in _SCORES
        }
        columns["selfcheck.sentences"] = pa.array([sentences for _, sentences in found], _SENTENCES)
        columns["selfcheck.samples"] = pa.array([some or None for some in samples], pa.list_(pa.string()))
        columns["selfcheck.by"] = groups(piece, self.by)
        errors = [self._why(row, some, mine) for row, some, mine in zip(rows, every, own, strict=True)]
        columns["selfcheck.error"] = pa.array(errors, pa.string())
        return pa.table(columns)

    def drops(self) -> dict[str, Rule]:
        limits = {"prompt": self.max_prompt, "similarity": self.max_similarity, "ngram": self.max_ngram}
        set_ = {name: limit for name, limit in limits.items() if limit is not None}
        return {f"doubtful_{name}": Rule(f"selfcheck.{name}", ">", limit) for name, limit in set_.items()}

    def measure(self, marks: pa.Table) -> dict[str, Any]:
        """Sums of the scores, of all documents and of each group."""
        scores = {name: marks.column(f"selfcheck.{name}").to_pylist() for name in _SCORES}
        return {"documents": marks.num_rows, "groups": sums(self.by, marks.column("selfcheck.by").to_pylist(), scores)}

    def facts(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Mean scores with intervals, of all documents and of each group, worst first."""
        order = [name for name in _SCORES if name in ("ngram_max", *self.scorers)]
        return {"documents": sums.get("documents", 0)} | {"doubt": tables(sums.get("groups", {}), self.least, order)}

    def _next(self, row: Mapping[str, Any], model: str, replies: Sequence[Reply]) -> Request | None:
        """What to ask when so much came back."""
        done = len(replies)
        if not self.samples and done < self.k:
            params = {"temperature": self.temperature, "max_tokens": self.max_tokens}
            own = row.get(SAMPLE)
            numbers = (n for n in count() if n != (own if isinstance(own, int) else 0))
            return Request(
                model,
                messages=messages_of(row.get(MESSAGES), row.get(PROMPT), self.system),
                params={name: value for name, value in params.items() if value is not None},
                sample=next(islice(numbers, done, None)),
            )
        if "prompt" not in self.scorers:
            return None
        pairs = self._pairs(row, replies)
        at = done - (0 if self.samples else self.k)
        if at >= len(pairs):
            return None
        words = self._question.say(self._question.language(row), *pairs[at])
        params = {"temperature": 0.0, "max_tokens": self.reply_tokens}
        return Request(model, messages=({"role": "user", "content": words},), params=params)

    def _samples(self, row: Mapping[str, Any], replies: Sequence[Reply]) -> list[str]:
        """A row's samples that are of use."""
        if self.samples:
            return [text for text in (row.get(self.samples) or ())[: self.k] if _is_text(text)]
        return [reply.text.strip() for reply in replies[: self.k] if reply.error is None and reply.text.strip()]

    def _asked(self, row: Mapping[str, Any]) -> list[str]:
        """The sentences that are asked about."""
        from hornbook.stages.evaluate._supporting import cut

        return list(cut(row.get(TEXT), self.characters)[: self.sentences])

    def _pairs(self, row: Mapping[str, Any], replies: Sequence[Reply]) -> list[tuple[str, str]]:
        """Each different pair of a sample and a sentence, in order, one question each."""
        samples = [text[: self.characters] for text in self._samples(row, replies)]
        return list(dict.fromkeys((sample, sentence) for sentence in self._asked(row) for sample in samples))

    def _verdicts(self, row: Mapping[str, Any], replies: Sequence[Reply]) -> list[float]:
        """Of each sentence that was asked about the mean of what was said."""
        from hornbook.stages.evaluate._selfchecking import verdict

        said = dict(zip(self._pairs(row, replies), replies[0 if self.samples else self.k :], strict=False))
        samples = [text[: self.characters] for text in self._samples(row, replies)]
        return [
            sum(verdict(said.get((sample, sentence))) for sample in samples) / len(samples)
            for sentence in self._asked(row)
        ]

    def _why(self, row: Mapping[str, Any], replies: Sequence[Reply], own: Sequence[str]) -> str | None:
        """Why a row has no score, or fewer samples than were asked for."""
        failed = [] if self.samples else [r for r in replies[: self.k] if r.error is not None or not r.text.strip()]
        if failed:
            return f"{len(failed)} of {self.k} samples failed: {failed[0].error or 'empty'}: {failed[0].detail}"[:300]
        if own:
            return None
        if not _is_text(row.get(TEXT)):
            return "no text"
        if not self.samples and not has_prompt(row.get(MESSAGES), row.get(PROMPT)):
            return "no prompt"
        return "no samples" if not self._samples(row, replies) else "no sentence"

    def _check(self, piece: pa.Table) -> None:
        """
        Raises:
            UserError: the column with samples is not there or holds no lists of texts.
        """
        if not self.samples:
            return
        fix = "samples: a column of lists of texts, such as selfcheck.samples of another step"
        if self.samples not in piece.column_names:
            raise UserError(f"evaluate.selfcheck: no column {self.samples!r}", where="samples", fix=fix)
        kind = piece.schema.field(self.samples).type
        inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None
        if inner is None or not (
            pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_null(inner)
        ):
            raise UserError(f"evaluate.selfcheck: {self.samples!r} holds {kind}", where="samples", fix=fix)

    def _prompts(self, piece: pa.Table) -> tuple[list[Any], list[Any]]:
        return _column(piece, MESSAGES), _column(piece, PROMPT)

    @cached_property
    def _question(self) -> Question:
        return Question(self.wording)


def _column(piece: pa.Table, name: str) -> list[Any]:
    return piece.column(name).to_pylist() if name in piece.column_names else [None] * piece.num_rows


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _sentences(own: Sequence[str], scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row's sentences with their scores."""
    return [
        {"text": text} | {name: None if values[at] is None else float(values[at]) for name, values in scores.items()}
        for at, text in enumerate(own)
    ]
