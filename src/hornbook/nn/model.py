"""The student: a decoder-only transformer that is a Llama in every number it gives.

Pre-norm RMSNorm (arXiv:1910.07467), rotary positions in the half-split form (arXiv:2104.09864), SwiGLU
(arXiv:2002.05202), tied embeddings (arXiv:1608.05859), no biases: the semantics of `LlamaForCausalLM`
in `transformers`, so that an exported student gives the same logits there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.nn.shape import Shape


@dataclass(slots=True)
class Cache:
    """Keys and values of the positions already seen, for sampling.

    Args:
        keys, values: one a layer, (rows, heads, room, head width).
        bias: (rows, 1, room), 0 where a position may be looked at and -inf where it is padding.
        length: positions filled.
    """

    keys: list[Tensor]
    values: list[Tensor]
    bias: Tensor
    length: int = 0


class _Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.size = shape.heads, shape.width // shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None, cache: Cache | None, layer: int
    ) -> Tensor:
        rows, length, width = x.shape
        qkv = self.qkv(x).view(rows, length, 3, self.heads, self.size)
        qk, v = qkv.split((2, 1), dim=2)
        q, k = _rotate(qk, cos, sin).to(qkv.dtype).unbind(2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.squeeze(2).transpose(1, 2)
        if cache is not None:
            k, v = _remember(cache, layer, k, v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True) if bias is None else _attend(q, k, v, bias)
        mixed: Tensor = self.out(y.transpose(1, 2).reshape(rows, length, width))
        return mixed


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate (rows, length, n, heads, size) by cos and sin of (rows or 1, length, 1, 1, size)."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def _remember(cache: Cache, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    end = cache.length + k.shape[2]
    cache.keys[layer][:, :, cache.length : end] = k
    cache.values[layer][:, :, cache.length : end] = v
    return cache.keys[layer][:, :, :end], cache.values[layer][:, :, :end]


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Explicit attention: on CPUs in bfloat16 faster than the fused kernel (measured, see `docs`).

    The mask is added inside the matrix product (`baddbmm`), not filled in afterwards.
    """
    rows, heads, length, size = q.shape
    seen = k.shape[2]
    flat = (rows * heads, -1, size)
    bias = bias.to(q.dtype).unsqueeze(1).expand(rows, heads, length, seen).reshape(rows * heads, length, seen)
    scores = torch.baddbmm(bias, q.reshape(flat), k.reshape(flat).transpose(1, 2), alpha=1 / math.sqrt(size))
    return torch.bmm(scores.softmax(-1), v.reshape(flat)).view(rows, heads, length, size)


class _Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(shape.width, eps=shape.eps)
        self.attention = _Attention(shape)
        self.norm2 = nn.RMSNorm(shape.width, eps=shape.eps)
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None, cache: Cache | None, layer: int
    ) -> Tensor:
        x = x + self.attention(self.norm1(x), cos, sin, bias, cache, layer)
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        lifted: Tensor = self.down(F.silu(gate) * up)
        return x + lifted


class Student(nn.Module):
    """A student of a given `Shape`, its weights drawn from `seed`.

    Weights are normal with deviation 0.02, those that write to the residual stream divided by
    sqrt(2 x depth) (GPT-2, section 2.3; simple_stories_train/models/llama.py).
    """

    cos: Tensor
    sin: Tensor
    causal: Tensor

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.width, eps=shape.eps)
        size = shape.width // shape.heads
        speed = shape.theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
        angle = torch.outer(torch.arange(shape.context, dtype=torch.float32), speed).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        causal = torch.full((shape.context, shape.context), -torch.inf).triu(1)
        self.register_buffer("causal", causal, persistent=False)
        self._draw(seed)

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        source = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.ndim < 2:
                weight.fill_(1.0)
                continue
            last = name.endswith(("attention.out.weight", "down.weight"))
            weight.normal_(0.0, 0.02 / math.sqrt(2 * self.shape.depth) if last else 0.02, generator=source)

    def forward(self, ids: Tensor, explicit: bool = False) -> Tensor:
        """Logits (rows, length, vocab) of tokens (rows, length).

        Args:
            ids: int64, length at most `shape.context`.
            explicit: matrix products and a softmax in place of torch's fused attention.
        """
        length = ids.shape[1]
        cos, sin = self.cos[None, :length, None, None], self.sin[None, :length, None, None]
        bias = self.causal[None, :length, :length] if explicit else None
        return self._run(ids, cos, sin, bias, None)

    def _run(self, ids: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None, cache: Cache | None) -> Tensor:
        x = self.embed(ids)
        for layer, block in enumerate(self.blocks):
            x = block(x, cos, sin, bias, cache, layer)
        return F.linear(self.norm(x), self.embed.weight)

    def cache(self, padding: Tensor, room: int) -> Cache:
        """An empty cache for `room` positions of rows whose first `padding` (rows,) positions are filler."""
        shape, weight = self.shape, self.embed.weight
        size = (len(padding), shape.heads, room, shape.width // shape.heads)
        filler = torch.arange(room, device=weight.device)[None] < padding[:, None]
        bias = torch.zeros(len(padding), 1, room, device=weight.device).masked_fill_(filler[:, None], -torch.inf)
        keys = [weight.new_zeros(size) for _ in range(shape.depth)]
        return Cache(keys, [torch.zeros_like(k) for k in keys], bias)

    def continued(self, ids: Tensor, padding: Tensor, cache: Cache) -> Tensor:
        """Logits (rows, new, vocab) of `new` further tokens (rows, new), which the cache then remembers.

        Position 0 of a row is its first token that is not padding. Logits of padding mean nothing.
        """
        first, new = cache.length, ids.shape[1]
        place = torch.arange(first, first + new, device=ids.device)
        position = (place[None] - padding[:, None]).clamp(min=0)
        cos, sin = self.cos[position][:, :, None, None], self.sin[position][:, :, None, None]
        later = torch.arange(first + new, device=ids.device)[None] > place[:, None]
        bias = cache.bias[:, :, : first + new] + torch.zeros_like(later, dtype=cos.dtype).masked_fill_(
            later, -torch.inf
        )
        bias = torch.where((place[None] < padding[:, None])[:, :, None], 0.0, bias)
        logits = self._run(ids, cos, sin, bias, cache)
        cache.length += new
        return logits
