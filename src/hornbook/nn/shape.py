"""One dial: a student's depth, and everything that follows from it. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ASPECT = 64
"""Width per layer: nanochat 00255c1 (scripts/base_train.py, --aspect-ratio). It meets GPT-2 small (12 x 768),
SimpleStories-11M (6 x 384; arXiv:2504.09184) and TinyStories-28M (8 x 512; arXiv:2305.07759); these three from
memory, see `docs/sources.md`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a student.

    Args:
        vocab: tokens in the vocabulary.
        context: the longest text in tokens.
        depth: layers.
        width: size of the residual stream.
        heads: attention heads; `width / heads` is even.
        hidden: size of the feed-forward layer.
        theta: base of the rotary angles (RoFormer, arXiv:2104.09864, and Llama).
        eps: added to the mean square in RMSNorm (Llama 2's code; `LlamaConfig` of `transformers` has 1e-6).
    """

    vocab: int
    context: int
    depth: int
    width: int
    heads: int
    hidden: int
    theta: float = 10000.0
    eps: float = 1e-5

    @property
    def params(self) -> int:
        """Weights, the tied embedding counted once."""
        block = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.vocab * self.width + self.depth * block + self.width

    def flops(self, length: int) -> float:
        """Floating point operations a trained token costs, forward and backward.

        6 a weight (arXiv:2001.08361 section 2.1; the tied head counted, the lookup not) and causal
        attention: 6 x length x width a layer, half of the full 12 (arXiv:2204.02311, appendix B).
        """
        return 6 * self.params + 6 * self.depth * length * self.width

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def shape_for(depth: int, vocab: int, context: int) -> Shape:
    """The student of a depth.

    - width = 64 x depth (`ASPECT`).
    - head width 32 up to width 256 (SimpleStories-5M: 256 wide, 8 heads), 64 up to 1,024 (GPT-2), then
      128 (nanochat, Llama).
    - hidden = 8/3 x width, the size at which SwiGLU has the weights of a 4 x width MLP (arXiv:2002.05202
      section 2), rounded up to a multiple of 32 so that rows fill whole vector registers.
    """
    width = ASPECT * depth
    size = 32 if width <= 256 else 64 if width <= 1024 else 128
    width = -(-width // size) * size
    hidden = -(-8 * width // 96) * 32
    return Shape(vocab=vocab, context=context, depth=depth, width=width, heads=width // size, hidden=hidden)
