"""The manifest: written last, so its existence means that a step is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.store.files import read_json, write_json

MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """What a step did. kept + dropped = rows_in, always.

    Args:
        stage: the stage's path (`quality.repetition`).
        kind: source, each, across, ask, job, or marks.
        version: the stage's code version.
        key: what the step's identity is: code version, knobs, content read, inputs.
        output: what later steps put into their keys: the key, and for work that another execution
            may do differently (a teacher's replies, training) what came out this time.
        knobs: every knob, resolved.
        inputs: outputs of the steps above.
        rows_in, kept, dropped: documents; for a job, what it read.
        reasons: drop reason → documents.
        facts: what a job found out, what a step measured.
        parts, drops: files with their rows, in order.
        seconds: wall time of the try that ended it.
        hornbook: version that wrote it.
    """

    model_config = ConfigDict(extra="ignore")

    stage: str
    kind: str
    version: str
    key: str
    output: str
    makes: str = "documents"
    knobs: dict[str, Any] = Field(default_factory=dict)
    inputs: list[str] = Field(default_factory=list)
    rows_in: int = 0
    kept: int = 0
    dropped: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)
    parts: list[dict[str, Any]] = Field(default_factory=list)
    drops: list[dict[str, Any]] = Field(default_factory=list)
    seconds: float = 0.0
    hornbook: str = ""

    def write(self, folder: Path) -> None:
        """Write it into a step's folder, durably, as the last thing."""
        write_json(folder / MANIFEST, self.model_dump())

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder, or None where the step is not done (or the file is another program's)."""
        found = read_json(folder / MANIFEST)
        try:
            return None if found is None else cls.model_validate(found)
        except ValidationError:
            return None
