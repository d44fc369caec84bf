"""The training loop: from a seed, token files and a course to weights, resumable at any moment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.core.errors import HornbookError
from hornbook.nn.course import Course
from hornbook.nn.disk import whole
from hornbook.nn.loader import Rows, Windows
from hornbook.nn.machine import cores, kept_memory, kept_threads, probe_threads
from hornbook.nn.model import Student
from hornbook.nn.optim import DECAY, Optimizer, schedule
from hornbook.nn.shape import Shape

CHECKPOINT, CURVE = "checkpoint.pt", "curve.jsonl"
CLIP = 1.0
"""Largest norm of the gradient (GPT-3, arXiv:2005.14165, appendix B)."""
ROWS = 100
"""Rows of the learning curve, about."""
VAL_TOKENS = 16_384
"""Tokens of held-out text looked at for a row of the curve; the exam afterwards looks at all."""
_NO_TARGET = -100
PATIENCE, SLOW = 8, 3.0
"""So many steps in a row, so many times slower than the probe promised, mean a neighbour has come."""


@dataclass(slots=True)
class _State:
    """What a checkpoint holds besides weights and optimizer."""

    step: int = 0
    seconds: float = 0.0
    threads: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """What a fine-tuning goes on from.

    Args:
        name: of the weights, a digest: a checkpoint that went on from others is refused.
        model: the student, of the course's shape.
        decay: weight decay of matrices from now on.
    """

    name: str
    model: Student
    decay: float


class Trainer:
    """Trains one student in one folder.

    Args:
        shape, course: what and how.
        train: the training stream, or packed rows (rows, length + 1); val: the held-out stream, empty for none.
        folder: holds `checkpoint.pt` and `curve.jsonl`; an earlier checkpoint is continued.
        device: where.
        threads: on the CPU; 0 to choose by a probe.
        every: seconds between checkpoints; 0 for one at every step.
        end: the token that fills packed rows: an end after an end is no target.
        start: where to go on from; None: weights drawn from the course's seed.

    Raises:
        UserError: fewer tokens than one window.
        HornbookError: the checkpoint is of another course.
    """

    def __init__(
        self,
        shape: Shape,
        course: Course,
        *,
        train: np.ndarray[Any, Any],
        val: np.ndarray[Any, Any],
        folder: Path,
        device: torch.device,
        threads: int = 0,
        every: float = 30.0,
        end: int | None = None,
        start: Start | None = None,
    ) -> None:
        self.course, self.folder, self.device, self.val = course, folder, device, val
        serve = Windows if train.ndim == 1 else Rows
        self.windows = serve(train, course.length, course.batch, course.seed)
        self.end = end if train.ndim == 2 else None
        self.threads, self.every = threads, every
        self.explicit = device.type == "cpu" and course.bf16
        self.start = {"start": start.name, "decay": start.decay} if start else {}
        self.model = (start.model if start else Student(shape, course.seed)).to(device)
        self.optimizer = Optimizer(self.model, course.optimizer, course.lr, start.decay if start else DECAY)
        self.state = _State()
        self._slow, self._promised = 0, float("inf")
        self._load()

    def run(self, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Train to the end of the course; the facts of it.

        Raises:
            HornbookError: the loss stopped being a number.
        """
        course, state = self.course, self.state
        memory = kept_memory() if self.device.type == "cpu" else nullcontext()
        with memory, kept_threads():
            self._choose_threads()
            saved = time.monotonic()
            while state.step < course.steps:
                start = time.monotonic()
                self._step()
                self._watch(time.monotonic() - start)
                self._row()
                state.seconds += time.monotonic() - start
                if state.step == course.steps or time.monotonic() - saved >= self.every:
                    self._save()
                    saved = time.monotonic()
                tick(state.step / course.steps, self._words())
        return self._facts()

    def _step(self) -> None:
        share = schedule(self.state.step, self.course.steps, self.course.warmup)
        loss = self._loss(self.windows.at(self.state.step))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step(share)
        self.state.losses.append(float(loss.detach()))
        if not np.isfinite(self.state.losses[-1]):
            raise HornbookError(
                f"the loss at step {self.state.step} is {self.state.losses[-1]}",
                where=str(self.folder),
                fix=f"lr: {self.course.lr / 3:.2g} instead of {self.course.lr:.2g}",
            )
        self.state.step += 1

    def _loss(self, tokens: np.ndarray[Any, Any]) -> Tensor:
        """Mean loss in nats of (rows, length + 1) tokens."""
        ids = torch.from_numpy(tokens).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.course.bf16):
            logits = self.model(ids[:, :-1], explicit=self.explicit)
        wanted = ids[:, 1:]
        if self.end is not None:
            wanted = wanted.masked_fill((wanted == self.end) & (ids[:, :-1] == self.end), _NO_TARGET)
        return F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=_NO_TARGET)

    @torch.no_grad()
    def _val_loss(self) -> float | None:
        """Mean loss of the first `VAL_TOKENS` held-out tokens, in windows side by side."""
        length = min(self.course.length, len(self.val) - 1)
        if length < 1:
            return None
        count = max(1, min(VAL_TOKENS, len(self.val) - 1) // length)
        total = 0.0
        for first in range(0, count, self.course.batch):
            starts = np.arange(first, min(first + self.course.batch, count)) * length
            tokens = self.val[starts[:, None] + np.arange(length + 1)].astype(np.int64)
            total += float(self._loss(tokens)) * len(starts)
        return total / count

    def _choose_threads(self) -> None:
        state = self.state
        if self.device.type != "cpu" or state.step == self.course.steps:
            return
        if self.threads or state.threads:
            count = self.threads or state.threads[-1]
            torch.set_num_threads(count)
        else:
            count, self._promised = probe_threads(self._rehearse, cores())
        if not state.threads or state.threads[-1] != count:
            state.threads.append(count)

    def _rehearse(self) -> None:
        """A step that teaches nothing, for the probe."""
        self._loss(self.windows.at(0)).backward()  # type: ignore[no-untyped-call]
        self.model.zero_grad(set_to_none=True)

    def _watch(self, seconds: float) -> None:
        """Fall back to one thread when a neighbour has taken a core (only where the probe chose)."""
        self._slow = self._slow + 1 if seconds > SLOW * self._promised else 0
        if self._slow >= PATIENCE and self.state.threads[-1] > 1:
            torch.set_num_threads(1)
            self.state.threads.append(1)
            self._promised = float("inf")

    def _row(self) -> None:
        """Add a row to the curve where one is due."""
        state, course = self.state, self.course
        last = state.step == course.steps
        val = last or state.step % max(1, course.steps // max(1, course.validations)) == 0
        if not val and state.step % max(1, course.steps // ROWS):
            return
        row = {
            "step": state.step,
            "tokens": state.step * course.batch * course.length,
            "train_loss": float(np.mean(state.losses)),
            "val_loss": self._val_loss() if val else None,
            "lr": course.lr * schedule(state.step - 1, course.steps, course.warmup),
            "seconds": round(state.seconds, 3),
        }
        state.rows.append(row)
        state.losses.clear()

    def _words(self) -> str:
        state, course = self.state, self.course
        rate = state.step * course.batch * course.length / max(state.seconds, 1e-9)
        shown = next((r for r in reversed(state.rows)), None)
        loss = f", loss {shown['train_loss']:.3f}" if shown else ""
        return f"step {state.step:,} of {course.steps:,}{loss}, {rate:,.0f} tokens/s"

    def _facts(self) -> dict[str, Any]:
        state, course, shape = self.state, self.course, self.model.shape
        tokens = state.step * course.batch * course.length
        vals = [r for r in state.rows if r["val_loss"] is not None]
        best = min(vals, key=lambda r: r["val_loss"], default=None)
        return {
            "params": shape.params,
            "shape": shape.as_dict(),
            "course": asdict(course),
            "tokens_seen": tokens,
            "epochs": round(state.step * course.batch / self.windows.count, 3),
            "train_loss": state.rows[-1]["train_loss"],
            "val_loss": state.rows[-1]["val_loss"],
            "best_val_loss": best and best["val_loss"],
            "best_val_step": best and best["step"],
            "seconds": round(state.seconds, 3),
            "tokens_per_second": round(tokens / max(state.seconds, 1e-9), 1),
            "gflops": round(tokens * shape.flops(course.length) / max(state.seconds, 1e-9) / 1e9, 1),
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "threads": state.threads,
            "torch": torch.__version__,
        }

    def _identity(self) -> dict[str, Any]:
        return {"shape": self.model.shape.as_dict(), "course": asdict(self.course)} | self.start

    def _save(self) -> None:
        content = {
            "identity": self._identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state(),
            "state": asdict(self.state),
        }
        with whole(self.folder / CHECKPOINT) as path:
            torch.save(content, path)
        with whole(self.folder / CURVE) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in self.state.rows))

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        content = torch.load(path, map_location=self.device, weights_only=True)
        if content["identity"] != self._identity():
            raise HornbookError(
                "the checkpoint is of another student or course", where=str(path), fix="delete the folder and run again"
            )
        self.model.load_state_dict(content["model"])
        self.optimizer.load(content["optimizer"])
        self.state = _State(**content["state"])
