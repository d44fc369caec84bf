"""Students as folders in the layout of Hugging Face's Llama, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hornbook.core.errors import UserError
from hornbook.core.keys import digest
from hornbook.nn.disk import whole
from hornbook.nn.model import Student
from hornbook.nn.shape import Shape
from hornbook.nn.tokens import Tokens

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


def save_student(model: Student, folder: Path, *, tokenizer: Path, end: int, end_text: str) -> None:
    """Write a folder that `transformers.AutoModelForCausalLM.from_pretrained` loads.

    Holds config.json, generation_config.json, tokenizer_config.json, tokenizer.json and, last,
    model.safetensors in float32. Begin and end of text are the one end-of-text token.

    Args:
        tokenizer: a tokenizer.json of the `tokenizers` library.
        end: number of the end-of-text token; end_text: how it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = model.shape
    ends = {"bos_token_id": end, "eos_token_id": end}
    _json(folder / CONFIG, _config(shape) | ends)
    _json(folder / "generation_config.json", ends | {"_from_model_config": True})
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": end_text,
            "eos_token": end_text,
            "model_max_length": shape.context,
            "clean_up_tokenization_spaces": False,
        },
    )
    with whole(folder / TOKENIZER) as path:
        shutil.copyfile(tokenizer, path)
    with whole(folder / WEIGHTS) as path:
        save_file(_to_llama(model), path, metadata={"format": "pt"})


def load_student(folder: Path) -> Student:
    """A student that `save_student` wrote, in float32 on the CPU.

    Raises:
        UserError: the folder holds no Llama of our shape (tied embeddings, as many key as query heads).
    """
    config = json.loads((folder / CONFIG).read_text())
    depth, width, heads = config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"]
    tied = config.get("tie_word_embeddings") and config.get("num_key_value_heads", heads) == heads
    if config.get("model_type") != "llama" or not tied:
        raise UserError(f"{folder.name} is not a student of ours", where=str(folder / CONFIG))
    shape = Shape(
        vocab=config["vocab_size"],
        context=config["max_position_embeddings"],
        depth=depth,
        width=width,
        heads=heads,
        hidden=config["intermediate_size"],
        theta=config.get("rope_theta") or config["rope_parameters"]["rope_theta"],
        eps=config["rms_norm_eps"],
    )
    model = Student(shape)
    model.load_state_dict(_from_llama(load_file(folder / WEIGHTS), shape))
    return model.eval()


def weights_of(folder: Path) -> str:
    """A digest of a student's weights."""
    return digest((folder / WEIGHTS).read_bytes())


def same_vocabulary(student: Path, tokens: Tokens) -> None:
    """See that a student's folder and token files have one vocabulary.

    Raises:
        UserError: they have not.
    """
    theirs = student / TOKENIZER
    if not theirs.exists() or theirs.read_bytes() == (tokens.folder / TOKENIZER).read_bytes():
        return
    raise UserError(
        "the student above speaks another vocabulary than the tokens above",
        where=f"{theirs} and {tokens.folder / TOKENIZER}",
        fix="make the tokens with `use: tokenize.like` and `from: [TOKENS, DOCUMENTS]`, TOKENS being the student's",
    )


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.width // shape.heads,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "use_cache": True,
        "torch_dtype": "float32",
    }


def _pairs(depth: int) -> dict[str, tuple[str, ...]]:
    """Our weight → the Llama weights that are stacked in it."""
    pairs: dict[str, tuple[str, ...]] = {
        "embed.weight": ("model.embed_tokens.weight",),
        "norm.weight": ("model.norm.weight",),
    }
    for n in range(depth):
        ours, llama = f"blocks.{n}", f"model.layers.{n}"
        pairs |= {
            f"{ours}.norm1.weight": (f"{llama}.input_layernorm.weight",),
            f"{ours}.attention.qkv.weight": tuple(f"{llama}.self_attn.{x}_proj.weight" for x in "qkv"),
            f"{ours}.attention.out.weight": (f"{llama}.self_attn.o_proj.weight",),
            f"{ours}.norm2.weight": (f"{llama}.post_attention_layernorm.weight",),
            f"{ours}.gate_up.weight": tuple(f"{llama}.mlp.{x}_proj.weight" for x in ("gate", "up")),
            f"{ours}.down.weight": (f"{llama}.mlp.down_proj.weight",),
        }
    return pairs


def _to_llama(model: Student) -> dict[str, Tensor]:
    ours = model.state_dict()
    weights: dict[str, Tensor] = {}
    for name, parts in _pairs(model.shape.depth).items():
        pieces = ours[name].float().cpu().chunk(len(parts))
        weights |= {part: piece.contiguous() for part, piece in zip(parts, pieces, strict=True)}
    return weights


def _from_llama(weights: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    return {name: torch.cat([weights[p] for p in parts]).float() for name, parts in _pairs(shape.depth).items()}


def _json(path: Path, content: dict[str, Any]) -> None:
    with whole(path) as fresh:
        fresh.write_text(json.dumps(content, indent=2) + "\n")
