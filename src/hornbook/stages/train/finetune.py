"""Goes on training a student on other tokens: exercises after textbooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from hornbook.core.knobs import knob
from hornbook.core.stage import Artifact, Inputs, Job, Makes

_PHI = "phi-1, arXiv:2306.11644, section 2.3"


class Finetune(Job):
    """Goes on from the weights of the student above on the token files above, with a course of its own.

    `from: [STUDENT, TOKENS]` says both. Shape, context and vocabulary are the student's. The course follows from the
    one the student had: phi-1 was fine-tuned at a tenth of its learning rate, in batches a quarter as large. The
    optimizer begins anew. A killed run goes on from its last checkpoint and ends with the same weights.

    Writes what `train.student` writes.
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "student"
    needs: ClassVar[tuple[Makes, ...]] = ("student", "tokens")

    epochs: float = knob(
        17.0,
        gt=0.0,
        help="times the training tokens are seen, where `tokens` is not set",
        unit="epochs",
        source=f"{_PHI}: 6,000 steps of 256 x 2,048 tokens on less than 180 million",
    )
    tokens: int | None = knob(None, ge=1, help="tokens to train on, in place of epochs", unit="tokens")
    lr: float | None = knob(
        None,
        gt=0.0,
        help="highest learning rate; empty: a tenth of the one the student above was trained with",
        source=f"{_PHI}: 1e-4 after 1e-3",
    )
    batch: int | None = knob(
        None,
        ge=1,
        help="windows a step; empty: a quarter of those the student above was trained with, at least one",
        unit="windows",
        source=f"{_PHI}: 256 after 1,024",
    )
    warmup: float = knob(
        0.0083,
        ge=0.0,
        le=1.0,
        help="share of the steps in which the learning rate rises",
        unit="share of steps",
        source=f"{_PHI}: 50 of 6,000 steps",
    )
    decay: float = knob(0.01, ge=0.0, help="weight decay of matrices", source=_PHI)
    optimizer: Literal["adamw", "muon"] = knob("adamw", help="adamw, or muon for the matrices", source=_PHI)
    validations: int = knob(20, ge=1, help="held-out losses on the way")
    precision: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", help="auto: bfloat16 autocast where the device is fast at it", source="as in train.student"
    )
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    threads: int = knob(0, ge=0, help="CPU threads; 0: chosen by a probe at the start", unit="threads")
    checkpoint_every: float = knob(30.0, ge=0.0, help="time between checkpoints; 0: at every step", unit="seconds")
    seed: int = knob(0, help="of the order of the windows")

    def beside(self) -> bool:
        """With one thread on the processor."""
        from hornbook.nn.machine import one_core

        return one_core(self.threads, self.device)

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        """Train on.

        Raises:
            UserError: the tokens have another vocabulary than the student, or are fewer than one window.
        """
        from hornbook.nn.course import course_for
        from hornbook.nn.export import load_student, same_vocabulary, save_student, weights_of
        from hornbook.nn.machine import fast_bf16, pick_device
        from hornbook.nn.tokens import Tokens
        from hornbook.nn.trainer import Start, Trainer

        before, tokens = inputs.nearest("student"), Tokens(inputs.nearest("tokens").folder)
        same_vocabulary(before.folder / "student", tokens)
        rows, device = tokens.rows(), pick_device(self.device)
        train = tokens.split("train").ids if rows is None else rows
        model, old = load_student(before.folder / "student").train(), _course(before)
        course = course_for(
            model.shape,
            budget=self.tokens or int(self.epochs * train.size),
            batch=self.batch or max(1, round(old["batch"] / 4)),
            lr=self.lr or old["lr"] / 10,
            optimizer=self.optimizer,
            seed=self.seed,
            warmup=self.warmup,
            validations=self.validations,
            bf16=fast_bf16(device) if self.precision == "auto" else self.precision == "bfloat16",
        )
        trainer = Trainer(
            model.shape,
            course,
            train=train,
            val=tokens.split("val").ids,
            folder=folder,
            device=device,
            threads=self.threads,
            every=self.checkpoint_every,
            end=tokens.end,
            start=Start(weights_of(before.folder / "student"), model, self.decay),
        )
        facts = trainer.run(tick)
        save_student(
            trainer.model,
            folder / "student",
            tokenizer=tokens.folder / "tokenizer.json",
            end=tokens.end,
            end_text=tokens.end_text,
        )
        return facts | {"decay": self.decay, "student": before.step, "tokens_seen_before": _seen(before)}


def _course(before: Artifact) -> Mapping[str, Any]:
    """The course of the student above, as its facts tell it."""
    course: Mapping[str, Any] = before.manifest["facts"]["course"]
    return course


def _seen(before: Artifact) -> int:
    """Tokens that the student above was trained on, and the one before it."""
    facts = before.manifest["facts"]
    return int(facts["tokens_seen"]) + int(facts.get("tokens_seen_before", 0))
