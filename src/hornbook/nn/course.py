"""The course that follows from a student's shape and its budget. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hornbook.core.errors import UserError
from hornbook.nn.shape import Shape

Name = Literal["adamw", "muon"]

LR, LR_WIDTH = 3e-3, 128
"""AdamW's learning rate at width 128: the best of 0.001, 0.0015, 0.002, 0.003, 0.006 on 43,000 tokens of
stories (`docs/stages/train.student.md`). It falls as 1/width (muP, arXiv:2203.03466, table 3), which gives
5e-4 at width 768, where GPT-3 took 6e-4 (arXiv:2005.14165, table 2.1)."""

BATCH, BATCH_TOKENS = 512, 350_000
"""Tokens a step when 350,000 are trained on: the best of 512, 1,024, 2,048 on the same stories. It grows as
the square root of the budget (exponents found: 0.38, arXiv:2505.13738, to 0.47, arXiv:2410.21676), which gives
474,000 at 300 billion tokens, where GPT-3 took 500,000."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a student is taught; with the shape, the tokens and the thread count, it fixes the weights.

    Args:
        length: tokens a window predicts.
        batch: windows a step.
        steps: optimizer steps.
        lr: highest learning rate.
        optimizer: `adamw` or `muon`.
        seed: of the first weights and of the order of windows.
        warmup: steps of rising learning rate.
        validations: how often the held-out loss is taken on the way.
        bf16: bfloat16 autocast (weights, gradients and optimizer stay float32).
    """

    length: int
    batch: int
    steps: int
    lr: float
    optimizer: Name
    seed: int
    warmup: int
    validations: int
    bf16: bool


def course_for(
    shape: Shape,
    *,
    budget: int,
    batch: int | None,
    lr: float | None,
    optimizer: Name,
    seed: int,
    warmup: float,
    validations: int,
    bf16: bool,
) -> Course:
    """The course of a shape on a budget of tokens; `batch` and `lr` are derived where they are None.

    Args:
        warmup: share of the steps.

    Raises:
        UserError: the budget is less than one window.
    """
    if budget < shape.context:
        raise UserError(
            f"{budget:,} tokens to train on are less than one window of {shape.context:,}",
            fix=f"context: {max(2, budget // 2)}, or more epochs, tokens or documents",
        )
    wanted = BATCH * (budget / BATCH_TOKENS) ** 0.5 / shape.context
    rows = min(batch or max(1, round(wanted)), budget // shape.context)
    steps = budget // (rows * shape.context)
    return Course(
        length=shape.context,
        batch=rows,
        steps=steps,
        lr=lr or LR * LR_WIDTH / shape.width,
        optimizer=optimizer,
        seed=seed,
        warmup=round(warmup * steps),
        validations=validations,
        bf16=bf16,
    )
