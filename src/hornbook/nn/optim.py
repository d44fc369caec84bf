"""Optimizers and the schedule of the learning rate."""

from __future__ import annotations

from typing import Any

import torch

from hornbook.core.errors import UserError
from hornbook.nn.course import Name
from hornbook.nn.model import Student

BETAS = (0.9, 0.95)
"""AdamW's, from GPT-3 (arXiv:2005.14165, appendix B) and Llama (arXiv:2302.13971, section 2.3)."""

DECAY = 0.1
"""Weight decay of matrices: the same two papers. Norms and nothing else go without."""


class Optimizer:
    """One or two torch optimizers behind one face.

    `adamw` for everything, or `muon` (Keller Jordan 2024; torch.optim.Muon) for the matrices inside the
    blocks and AdamW for the embedding and the norms. Muon's step is scaled to AdamW's size (arXiv:2502.16982
    section 2.2), so both take the same learning rate.

    Raises:
        UserError: `muon`, and torch is older than 2.9.
    """

    def __init__(self, model: Student, name: Name, lr: float, decay: float = DECAY) -> None:
        self.lr = lr
        inside = [w for n, w in model.named_parameters() if w.ndim == 2 and n.startswith("blocks.")]
        embeds = [w for n, w in model.named_parameters() if w.ndim == 2 and not n.startswith("blocks.")]
        norms = [w for w in model.parameters() if w.ndim < 2]
        self.parts: list[torch.optim.Optimizer] = []
        if name == "muon":
            if not hasattr(torch.optim, "Muon"):
                raise UserError(f"optimizer: muon needs torch 2.9, this is {torch.__version__}", fix="optimizer: adamw")
            muon = torch.optim.Muon(inside, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            self.parts.append(muon)
            inside = []
        groups = [{"params": inside + embeds, "weight_decay": decay}, {"params": norms, "weight_decay": 0.0}]
        self.parts.append(torch.optim.AdamW(groups, lr=lr, betas=BETAS, fused=True))

    def step(self, share: float) -> None:
        """Move the weights at `share` of the full learning rate and forget the gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.lr * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """For the checkpoint."""
        return [part.state_dict() for part in self.parts]

    def load(self, state: list[dict[str, Any]]) -> None:
        """From the checkpoint."""
        for part, saved in zip(self.parts, state, strict=True):
            part.load_state_dict(saved)


def schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the full learning rate at a step: linear up over `warmup`, then linear down to zero.

    Down to zero consistently beats down to a tenth at compute-optimal sizes (arXiv:2502.15938, abstract).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (steps - step) / max(1, steps - warmup)
