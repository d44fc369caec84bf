"""What a step's identity is, by construction: code version, every knob, the content it reads, its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.core.keys import digest, key_of
from hornbook.core.knobs import InputPath, is_threshold
from hornbook.core.stage import Stage
from hornbook.store.reading import fingerprint

CONTRACT = 1
"""Raised when the engine itself would make other bytes from the same stage."""


@dataclass(frozen=True, slots=True)
class StepKeys:
    """The two identities of a step: of its documents, and of the marks alone (no threshold in it)."""

    step: str
    marks: str


def keys_of(
    use: str,
    stage: Stage,
    inputs: Sequence[str],
    *,
    model: str = "",
    params: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> StepKeys:
    """The keys of a step.

    Args:
        use: the stage's path.
        stage: with its knobs.
        inputs: the outputs (manifest.output) of the steps it reads from, in order.
        model: for a stage that asks, the teacher's name.
        params: for a stage that asks, the sampling parameters the teacher's spec adds.
        recipe: for a stage that reads the recipe, the resolved recipe.
        cache: a file that remembers the digests of input files that have not changed.
    """
    basis: dict[str, Any] = {
        "contract": CONTRACT,
        "use": use,
        "version": stage.version,
        "inputs": list(inputs),
        "reads": [fingerprint([path], cache=cache) for path in input_paths(stage)],
        "model": model,
        "params": dict(params or {}),
        "recipe": dict(recipe or {}),
    }
    own = [[path.name, digest(path.read_bytes())] for path in stage.rests_on()]
    if own:
        basis["own"] = own
    marks = key_of(basis | {"knobs": scorer(stage).model_dump(mode="json")})
    step = key_of(basis | {"knobs": stage.model_dump(mode="json"), "marks": marks})
    return StepKeys(step, marks)


def scorer(stage: Stage) -> Stage:
    """The stage with every threshold at its default: what computes marks, so no threshold reaches them."""
    fields = type(stage).model_fields
    reset = {
        name: field.get_default(call_default_factory=True) for name, field in fields.items() if is_threshold(field)
    }
    return stage.model_copy(update=reset)


def input_paths(stage: Stage) -> list[str]:
    """Every path among the knobs whose content the stage reads, in order."""
    return list(_paths([getattr(stage, name) for name in type(stage).model_fields]))


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, InputPath):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _paths(inner)


def output_of(kind: str, key: str, folder: Path, parts: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """What later steps put into their keys.

    Sources, marks and filters give the same bytes for the same key, so it is the key. A teacher's
    replies and a training run may come out otherwise another time, so what came out counts.
    """
    if kind == "ask":
        return key_of([key, [digest((folder / part["file"]).read_bytes()) for part in parts]])
    if kind == "job":
        return key_of([key, facts])
    return key
