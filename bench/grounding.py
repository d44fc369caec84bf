"""Does evaluate.grounding tell what a passage says from what was made up? On statements made from BoolQ."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

from bench.checking.areas import baselines, table
from bench.checking.statements import KINDS, Absent, boolq, good, neighbours, passages, statements
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from bench.selfcheck import facts_of
from hornbook import __version__
from hornbook.core.keys import random_for
from hornbook.stages.evaluate.grounding import Grounding

PEERS: tuple[str, ...] = ()
UNIT = "AUROC"
MANY, MANY_QUICK = 300, 60
"""Passages, and BoolQ's questions three times as many."""
COLUMNS = (
    {"low": "95 % from", "high": "to"}
    | {kind: kind for kind in (*KINDS[1:], "other passage", "no")}
    | {"statements": "statements"}
)
SCORES = {
    "score": {},
    "words, numbers, names": {"embedding": "none"},
    "words alone": {"embedding": "none", "missing": 1.0},
}


def run(options: Options) -> Outcome:
    """Each score on each set, with the baselines.

    Raises:
        SystemExit: BoolQ is not here.
    """
    many = MANY_QUICK if options.quick else MANY
    try:
        sets = {"reworded": _sentences(many, reword=True), "word for word": _sentences(many, reword=False)}
        sets["questions"] = _questions(3 * many)
    except Absent as error:
        raise SystemExit(f"error: {error}") from error
    contenders, detail = [], dict[str, Any]()
    for name, (texts, shown, kinds, about) in sets.items():
        scores = {score: _doubt(texts, shown, knobs) for score, knobs in SCORES.items()} | baselines(texts)
        detail[name] = {"table": {}, "unsupported": _caught(scores["score"], kinds)}
        for score, values in scores.items():
            role = "peer" if score in ("length", "random") else "shown"
            role = "ours" if (name, score) == ("reworded", "score") else role
            act = _act(values, kinds, about, detail[name]["table"], score)
            contenders.append(Contender(f"{name}: {score}", role, act))  # type: ignore[arg-type]
    done = take_turns(contenders, 1, options.tell)
    versions = {"hornbook": __version__, "python": platform.python_version(), "wordllama": version("wordllama")}
    return Outcome(done, UNIT, True, versions, COLUMNS, detail)


def _sentences(many: int, *, reword: bool) -> tuple[list[str], list[str], Any, Any]:
    """(statements, the passage of each, kinds, numbers of the passages)."""
    texts = passages()
    able = [at for at, text in enumerate(texts) if len(good(text)) >= 4]
    made = statements(random_for(17, "grounding").sample(able, many), each=1, reword=reword)
    about = np.array([s.about for s in made])
    return [s.text for s in made], [texts[at] for at in about], np.array([s.kind for s in made]), about


def _questions(many: int) -> tuple[list[str], list[str], Any, Any]:
    """BoolQ's questions, people's own words for what a passage says: with their passage where the answer is yes (true)
    and where it is no, and once more with the passage that is nearest to theirs."""
    texts = passages()
    number = {text: at for at, text in enumerate(texts)}
    rows = random_for(17, "questions").sample(boolq(), many)
    homes = [number[passage] for passage, _, _ in rows]
    asked = [question for _, question, _ in rows]
    near = [texts[at] for at in neighbours(homes, texts)]
    kinds = ["true" if yes else "no" for _, _, yes in rows]
    every = np.array([*kinds, *["other passage"] * many])
    return asked * 2, [*(passage for passage, _, _ in rows), *near], every, np.array(homes * 2)


def _doubt(texts: list[str], shown: list[str], knobs: dict[str, Any]) -> Any:
    marks = Grounding(reference="shown", **knobs).each(pa.table({"text": texts, "shown": shown}))
    return 1.0 - marks.column("grounding.score").to_numpy()


def _caught(doubt: Any, kinds: Any) -> dict[str, float]:
    """Of each kind the share that does not count as supported with the knobs as they are."""
    limit = 1.0 - Grounding().sentence
    return {kind: round(float((doubt[kinds == kind] > limit).mean()), 3) for kind in dict.fromkeys(kinds.tolist())}


def _act(values: Any, kinds: Any, about: Any, into: dict[str, Any], name: str) -> Callable[[float], Facts]:
    def act(left: float) -> Facts:
        into[name] = table(values, kinds, about)
        return facts_of(into[name], kinds.size)

    return act
