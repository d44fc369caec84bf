"""Trains a student from scratch: what a data set teaches, in minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from hornbook.core.knobs import knob
from hornbook.core.stage import Inputs, Job, Makes


class Student(Job):
    """Trains a small Llama on the token files above, with one dial: `depth`.

    Width, heads and feed-forward size follow from the depth (`hornbook.nn.shape`), the learning rate from
    the width. Documents follow one another, each closed by the end-of-text token, and windows are cut
    wherever they fall. A killed run goes on from its last checkpoint and ends with the same weights.

    Writes `student/` (a Hugging Face Llama folder), `curve.jsonl` (step, tokens, train_loss, val_loss, lr,
    seconds) and `checkpoint.pt`.
    """

    version: ClassVar[str] = "1"
    makes: ClassVar[Makes] = "student"
    needs: ClassVar[tuple[Makes, ...]] = ("tokens",)

    depth: int = knob(
        2,
        ge=1,
        le=64,
        help="layers; everything else follows",
        unit="layers",
        source="nanochat, scripts/base_train.py: --depth",
    )
    epochs: float = knob(
        8.0,
        gt=0.0,
        help="times the training tokens are seen, where `tokens` is not set",
        unit="epochs",
        source="measured here, see the page; beyond about 16 repeats teach nothing (arXiv:2305.16264)",
    )
    tokens: int | None = knob(None, ge=1, help="tokens to train on, in place of epochs", unit="tokens")
    context: int = knob(
        256, ge=2, le=1 << 16, help="longest text in tokens", unit="tokens", source="TinyStories, arXiv:2305.07759"
    )
    batch: int | None = knob(
        None, ge=1, help="windows a step; empty: derived from the tokens trained on", unit="windows"
    )
    lr: float | None = knob(None, gt=0.0, help="highest learning rate; empty: derived from the width")
    optimizer: Literal["adamw", "muon"] = knob(
        "adamw", help="adamw, or muon for the matrices", source="measured here, see the page"
    )
    warmup: float = knob(
        0.05,
        ge=0.0,
        le=1.0,
        help="share of the steps in which the learning rate rises; our own choice",
        unit="share of steps",
    )
    validations: int = knob(20, ge=1, help="held-out losses on the way")
    precision: Literal["auto", "float32", "bfloat16"] = knob(
        "auto", help="auto: bfloat16 autocast where the device is fast at it", source="measured here, see the page"
    )
    device: Literal["auto", "cpu", "cuda"] = knob("auto", help="auto: CUDA where there is one")
    threads: int = knob(0, ge=0, help="CPU threads; 0: chosen by a probe at the start", unit="threads")
    checkpoint_every: float = knob(30.0, ge=0.0, help="time between checkpoints; 0: at every step", unit="seconds")
    seed: int = knob(0, help="of the first weights and of the order of the windows")

    def beside(self) -> bool:
        """With one thread on the processor."""
        from hornbook.nn.machine import one_core

        return one_core(self.threads, self.device)

    def run(self, inputs: Inputs, folder: Path, tick: Callable[[float, str], None]) -> dict[str, Any]:
        from hornbook.nn.course import course_for
        from hornbook.nn.export import save_student
        from hornbook.nn.machine import fast_bf16, pick_device
        from hornbook.nn.shape import shape_for
        from hornbook.nn.tokens import Tokens
        from hornbook.nn.trainer import Trainer

        tokens = Tokens(inputs.nearest("tokens").folder)
        rows, val = tokens.rows(), tokens.split("val").ids
        train = tokens.split("train").ids if rows is None else rows
        device = pick_device(self.device)
        shape = shape_for(self.depth, tokens.vocab, self.context)
        course = course_for(
            shape,
            budget=self.tokens or int(self.epochs * train.size),
            batch=self.batch,
            lr=self.lr,
            optimizer=self.optimizer,
            seed=self.seed,
            warmup=self.warmup,
            validations=self.validations,
            bf16=fast_bf16(device) if self.precision == "auto" else self.precision == "bfloat16",
        )
        trainer = Trainer(
            shape,
            course,
            train=train,
            val=val,
            folder=folder,
            device=device,
            threads=self.threads,
            every=self.checkpoint_every,
            end=tokens.end,
        )
        facts = trainer.run(tick)
        save_student(
            trainer.model,
            folder / "student",
            tokenizer=tokens.folder / "tokenizer.json",
            end=tokens.end,
            end_text=tokens.end_text,
        )
        return facts
