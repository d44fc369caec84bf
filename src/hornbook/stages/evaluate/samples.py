"""What the student writes: continuations of held-out beginnings and texts of its own, with plain counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa

from hornbook.core.documents import ID, ORIGIN, PROMPT, TEXT
from hornbook.core.errors import UserError
from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes

if TYPE_CHECKING:
    import numpy as np

    from hornbook.nn.tokens import Tokens

_COPY = 8
"""Tokens in a row that count as copied where the training text has them too."""
_CHUNK = 1 << 20


_SCHEMA = pa.schema(
    [(name, pa.string()) for name in (ID, TEXT, ORIGIN, PROMPT, "completion", "kind")]
    + [("temperature", pa.float64()), ("ended", pa.bool_())]
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One sample to be written: what it continues (`ids`, empty for a free one) and how."""

    name: str
    origin: str
    kind: str
    temperature: float
    ids: list[int]


class Samples(Job):
    """Texts by the student, seeded: each sample draws from its own stream of random numbers.

    A continuation gets the first half (by tokens) of a held-out document; a free sample gets nothing. Beside
    each temperature's samples stand counts that need no judge:

    - `distinct_1`, `distinct_2`, `distinct_3`: different word n-grams / all of them (arXiv:1510.03055).
    - `repeated`: share of word 4-grams that stood earlier in the same text (arXiv:1908.04319, seq-rep-4).
    - `copied`: share of 8-grams of tokens that the training text has. The same share of the true second
      halves (`true_copied`) is the measure to compare it with.
    - `ended`: share of samples that ended by themselves.

    Writes `samples.parquet` (id, text, origin, prompt, completion, kind, temperature, ended) and
    `samples.json`.
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "exam"
    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    prompts: int = knob(16, ge=0, help="held-out documents continued, at each temperature", unit="documents")
    free: int = knob(16, ge=0, help="texts from nothing, at each temperature (one at 0)", unit="texts")
    temperatures: tuple[float, ...] = knob(
        (0.0, 0.8, 1.0), help="0 is greedy", source="TinyStories, arXiv:2305.07759, grades at 1; llama2.c runs 0.8"
    )
    top_k: int = knob(0, ge=0, help="draw among so many likeliest tokens; 0: all", unit="tokens")
    max_tokens: int = knob(160, ge=1, help="longest continuation", unit="tokens")
    batch: int = knob(64, ge=1, help="texts written at once", unit="texts")
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    threads: int = knob(1, ge=1, help="CPU threads: one is never caught by a busy neighbour", unit="threads")
    seed: int = knob(0, help="of the draws")

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        import pyarrow.parquet as pq
        from tokenizers import Tokenizer

        from hornbook.nn.tokens import Tokens

        if any(t < 0 for t in self.temperatures):
            raise UserError(f"temperatures: {min(self.temperatures)} is below 0", fix="temperatures: [0, 0.8]")
        tokens = Tokens(inputs.nearest("tokens").folder)
        tokenizer = Tokenizer.from_file(str(tokens.folder / "tokenizer.json"))
        asked, truths = self._asked(tokens)
        written = self._write(inputs.nearest("student").folder / "student", asked, tokens.end, tick)

        def text(ids: Sequence[int]) -> str:
            return str(tokenizer.decode(list(ids), skip_special_tokens=False))

        rows = [_row(ask, text(ask.ids), text(ids), ended) for ask, (ids, ended) in zip(asked, written, strict=True)]
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), folder / "samples.parquet", compression="zstd")
        train = tokens.split("train").ids
        copied = _copied(train, [ids for ids, _ in written] + truths)
        facts = self._facts(rows, copied[: len(rows)])
        facts["true_copied"] = _mean(copied[len(rows) :])
        (folder / "samples.json").write_text(json.dumps(facts, indent=1) + "\n")
        return facts

    def _asked(self, tokens: Tokens) -> tuple[list[_Asked], list[list[int]]]:
        """The samples to be written, and the true second halves of the documents continued."""
        import pyarrow.parquet as pq

        held, split = pq.read_table(tokens.folder / "val.parquet", columns=[ID]), tokens.split("val")
        beginnings: list[tuple[str, list[int]]] = []
        truths: list[list[int]] = []
        for at, key in enumerate(held.column(ID).to_pylist()):
            document = split.document(at).tolist()
            if len(beginnings) == self.prompts:
                break
            if len(document) < 2:
                continue
            beginnings.append((key, document[: len(document) // 2]))
            truths.append(document[len(document) // 2 :][: self.max_tokens])
        asked = []
        for heat in self.temperatures:
            asked += [_Asked(f"continued-{key}-{heat:g}", key, "continued", heat, ids) for key, ids in beginnings]
            count = min(self.free, 1) if heat == 0 else self.free
            asked += [_Asked(f"free-{n}-{heat:g}", "", "free", heat, []) for n in range(count)]
        return asked, truths

    def _write(
        self, folder: Path, asked: list[_Asked], end: int, tick: Callable[[float, str], None]
    ) -> list[tuple[list[int], bool]]:
        from hornbook.nn.export import load_student
        from hornbook.nn.machine import kept_threads, pick_device
        from hornbook.nn.sampler import Sampling, sample

        written: list[tuple[list[int], bool]] = []
        with kept_threads(self.threads):
            model = load_student(folder).to(pick_device(self.device))
            for heat in self.temperatures:
                mine = [a for a in asked if a.temperature == heat]
                how = Sampling(heat, self.top_k, self.max_tokens, end, self.seed)
                for one in sample(model, [[end, *a.ids] for a in mine], [a.name for a in mine], how, self.batch):
                    written.append(one)
                    tick(0.9 * len(written) / len(asked), f"{len(written)} of {len(asked)} samples")
        return written

    def _facts(self, rows: list[dict[str, Any]], copied: list[float | None]) -> dict[str, Any]:
        facts: dict[str, Any] = {"samples": len(rows)}
        for heat in self.temperatures:
            mine = [(r, c) for r, c in zip(rows, copied, strict=True) if r["temperature"] == heat]
            words = [r["completion"].split() for r, _ in mine]
            facts[f"at_{heat:g}"] = {
                **{f"distinct_{n}": _distinct(words, n) for n in (1, 2, 3)},
                "repeated": _mean([_repeated(w, 4) for w in words]),
                "copied": _mean([c for _, c in mine]),
                "ended": _mean([float(r["ended"]) for r, _ in mine]),
                "words": _mean([float(len(w)) for w in words]),
            }
        return facts


def _row(ask: _Asked, prompt: str, completion: str, ended: bool) -> dict[str, Any]:
    return {
        ID: ask.name,
        TEXT: prompt + completion,
        ORIGIN: ask.origin,
        PROMPT: prompt,
        "completion": completion,
        "kind": ask.kind,
        "temperature": ask.temperature,
        "ended": ended,
    }


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def _distinct(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams / all n-grams over all texts; None where there is none."""
    grams = [gram for words in texts for gram in _grams(words, n)]
    return len(set(grams)) / len(grams) if grams else None


def _repeated(words: Sequence[str], n: int) -> float | None:
    """1 - different n-grams / all n-grams of one text."""
    grams = _grams(words, n)
    return 1 - len(set(grams)) / len(grams) if grams else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _copied(train: np.ndarray[Any, Any], texts: Sequence[Sequence[int]]) -> list[float | None]:
    """For each text, the share of its `_COPY`-grams that the training stream has; None where it has none.

    The stream is read in chunks; only the hashes of the texts' own n-grams are held.
    """
    import numpy as np

    hashes = [_hashes(np.asarray(ids, dtype=np.uint64)) for ids in texts]
    wanted = np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)
    found = np.zeros(len(wanted), dtype=bool)
    for at in range(0, max(0, len(train) - _COPY + 1), _CHUNK):
        seen = _hashes(np.asarray(train[at : at + _CHUNK + _COPY - 1], dtype=np.uint64))
        found |= np.isin(wanted, seen)
    known = wanted[found]
    return [float(np.isin(h, known).mean()) if len(h) else None for h in hashes]


def _hashes(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A 64-bit polynomial hash of every `_COPY` tokens in a row (base: 2^64 / golden ratio, odd)."""
    import numpy as np

    count = max(0, len(ids) - _COPY + 1)
    value = np.zeros(count, dtype=np.uint64)
    for n in range(_COPY):
        value = (value ^ (ids[n : n + count] + np.uint64(1))) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return value
