"""What earlier runs measured: rates, yields and tokens, read from the manifests in the runs folder."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hornbook.engine.workspace import Workspace
from hornbook.store.files import read_json
from hornbook.store.manifest import MANIFEST

NEWEST = 500
"""How many manifests are read, newest first."""


@dataclass(frozen=True, slots=True)
class Experience:
    """Manifests of finished steps, newest first.

    Args:
        manifests: as JSON.
    """

    manifests: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, workspace: Workspace) -> Experience:
        """All that the runs folder holds, up to the newest 500."""
        paths = list((workspace.root / "artifacts").glob(f"*/{MANIFEST}"))
        paths.sort(key=lambda path: -path.stat().st_mtime)
        read = (read_json(path) for path in paths[:NEWEST])
        return cls(tuple(m for m in read if isinstance(m, dict) and m.get("kind") != "marks"))

    def rows_out(self, use: str, knobs: Mapping[str, Any]) -> int | None:
        """Documents that a source with the same knobs gave."""
        return next((int(m["kept"]) for m in self._same(use, knobs)), None)

    def share_kept(self, use: str, knobs: Mapping[str, Any]) -> float | None:
        """Median share of documents kept, with the same knobs if there is such a step, else with any."""
        return _median(
            m["kept"] / m["rows_in"] for m in self._nearest(use, knobs) if m.get("rows_in") and m["kind"] != "job"
        )

    def rows_a_second(self, use: str) -> float | None:
        """Median of documents a second."""
        return _median(m["rows_in"] / m["seconds"] for m in self._of(use) if m.get("seconds") and m.get("rows_in"))

    def seconds(self, use: str, knobs: Mapping[str, Any]) -> float | None:
        """Median seconds of a step with the same knobs, else with any."""
        return _median(m["seconds"] for m in self._nearest(use, knobs) if m.get("seconds"))

    def tokens_a_reply(self, use: str, model: str) -> float | None:
        """Mean tokens of a reply by the model to the stage's requests, one to a row."""
        return _ratio(self._asked(use, model), "tokens")

    def tokens_a_prompt(self, use: str, model: str) -> float | None:
        """Mean tokens of the stage's prompts, one to a row, as the model counts them."""
        return _ratio(self._asked(use, model), "prompt_tokens")

    def tokens_a_second(self, use: str, model: str, rounds: Mapping[str, int] | None = None) -> float | None:
        """Median rate at which the model wrote replies to the stage's requests, asked online."""
        online = (f for f in self._asked(use, model, rounds) if not f.get("batch"))
        return _median(f["tokens_per_second"] for f in online if f.get("tokens_per_second"))

    def a_row(self, use: str, model: str, rounds: Mapping[str, int]) -> dict[str, float] | None:
        """Mean requests, prompt_tokens and tokens of a row that was asked for as often as may be now.

        Args:
            rounds: what may follow a row's first request, by what it is for.
        """
        whole = [f for f in self._asked(use, model, rounds) if not f.get("cached")]
        asked = [int(f["answered"]) + int(f.get("failed", 0)) for f in whole]
        rows = sum(asked) - sum(int(f.get("followed", 0)) for f in whole)
        if rows <= 0:
            return None
        sums = {name: sum(int(f.get(name, 0)) for f in whole) for name in ("prompt_tokens", "tokens")}
        return {"requests": sum(asked) / rows} | {name: found / rows for name, found in sums.items()}

    def _of(self, use: str) -> list[Mapping[str, Any]]:
        return [m for m in self.manifests if m.get("stage") == use]

    def _same(self, use: str, knobs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [m for m in self._of(use) if m.get("knobs") == knobs]

    def _nearest(self, use: str, knobs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return self._same(use, knobs) or self._of(use)

    def _asked(self, use: str, model: str, rounds: Mapping[str, int] | None = None) -> list[Mapping[str, Any]]:
        """Facts of steps that asked the model, in the same rounds."""
        facts = [m.get("facts") or {} for m in self._of(use)]
        return [f for f in facts if f.get("answered") and f.get("model") == model and f.get("rounds") == rounds]


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def _ratio(facts: list[Mapping[str, Any]], name: str) -> float | None:
    answered = sum(int(f["answered"]) for f in facts)
    return sum(int(f.get(name, 0)) for f in facts) / answered if answered else None
