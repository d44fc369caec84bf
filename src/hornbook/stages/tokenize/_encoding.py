"""Texts to token numbers: the fast library where it says what the reference says, else the reference."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from hornbook.core.errors import HornbookError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LONG = 1 << 20
"""Characters: a longer text is encoded in parts where that changes no token."""

_BATCH, _SMALL_BATCH = 1 << 23, 1 << 20
"""Characters encoded at once, by the fast library and by the reference, which takes some 200 bytes a token."""

_CHECKED = 1 << 11
"""Characters of a text that is encoded by both at most."""

_CUT = re.compile(r"[^\W\d_](?=[ \n])")
"""A letter before a space or a line's end: in the patterns of `_SPLITS` no word goes over it."""

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = (CL100K, O200K)

_PROBES = (
    "", " ", "a", "The quick brown fox's 1234567 jumps; it'll I'VE we'd\r\n\r\n  def f(x):\n\treturn x ** 2  \n",
    "a  b   c\n\n\n   d\t\t e \u00a0 f\u3000g\u2028h\x1cи\x85j", "你好，世界。这是一个测试 １２３",
    "สวัสดีครับ ភាសាខ្មែរ ကမ္ဘာ",
    "مرحبا بالعالم ١٢٣ שלום", "नमस्ते e\u0301 é \u1e9b\u0323 ﬁ ſ 'ſ ǅ", "👩‍👩‍👧‍👦🇩🇪 🏳️‍🌈\ufe0f\u200d",
    "\x00\x01\x7f\ufffd\U0010ffff\ue000", "x" * 300, "ab" * 200, " " * 70 + "a", "\n" * 40, "1" * 50, "..." * 20,
    "http://a.b/c?d=e&f#g  /* c */ <!-- -->", "naïve coöperate Straße İstanbul ǆ ª º ² ½ Ⅷ 〇",
)  # fmt: skip


class Encoder:
    """Encodes texts as plain text: the name of a special token in a text is encoded as its characters.

    The fast library is `fastokens`. It is used where it loads the tokenizer and gives the reference's tokens for
    texts of all kinds, and for one document of every batch it is checked against the reference again.

    Args:
        tokenizer: the reference (Hugging Face `tokenizers`); changed so that it neither pads nor cuts nor reads
            special tokens.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        self.reference = tokenizer
        given = orjson.loads(tokenizer.to_str())
        self._cut = _may_cut(given)
        self._fast = _fast(given, tokenizer)

    @property
    def name(self) -> str:
        """The library that encodes, and its version."""
        from importlib.metadata import version

        library = "fastokens" if self._fast else "tokenizers"
        return f"{library} {version(library)}"

    def encode(self, texts: list[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Token numbers of all texts, uint32, and where each begins, int64 (texts + 1,).

        Raises:
            HornbookError: the fast library and the reference differ on a text.
        """
        ids: list[np.ndarray[Any, Any]] = []
        counts = np.zeros(len(texts) + 1, np.int64)
        for parts, owners in self._batches(texts):
            some, sizes = self._flat(parts)
            ids.append(some)
            np.add.at(counts, np.asarray(owners) + 1, sizes)
        offsets = np.cumsum(counts)
        whole = ids[0] if len(ids) == 1 else np.concatenate([np.zeros(0, np.uint32), *ids])
        self._check(texts, whole, offsets)
        return whole, offsets

    def _flat(self, parts: list[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        if (fast := self._fast) is not None:
            ids, offsets = fast.encode_batch_flat(parts, add_special_tokens=False, split_special_tokens=True)
            return np.frombuffer(ids, "<u4"), np.diff(np.frombuffer(offsets, "<u8").astype(np.int64))
        found = self.reference.encode_batch_fast(parts, add_special_tokens=False)
        arrays = [np.asarray(one.ids, np.uint32) for one in found]
        return np.concatenate(arrays), np.array([len(one) for one in arrays], np.int64)

    def _check(self, texts: list[str], ids: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> None:
        """Encode one short text by the reference too."""
        if self._fast is None or not texts:
            return
        first = len(ids) % len(texts)
        for at in range(first, min(first + 8, len(texts))):
            if len(texts[at]) <= _CHECKED:
                known = self.reference.encode(texts[at], add_special_tokens=False).ids
                if known != ids[offsets[at] : offsets[at + 1]].tolist():
                    raise HornbookError(
                        f"{self.name} and tokenizers give different tokens",
                        where=repr(texts[at][:80]),
                        fix="pip uninstall fastokens: tokenizers is then used, which is slower",
                    )
                return

    def _batches(self, texts: list[str]) -> Iterator[tuple[list[str], list[int]]]:
        """Parts of texts, and the number of the text that each is of, in lists of about as many characters."""
        most = _BATCH if self._fast is not None else _SMALL_BATCH
        parts: list[str] = []
        owners: list[int] = []
        size = 0
        for owner, text in enumerate(texts):
            for part in self._parts(text):
                parts.append(part)
                owners.append(owner)
                size += len(part)
                if size >= most:
                    yield parts, owners
                    parts, owners, size = [], [], 0
        if parts:
            yield parts, owners

    def _parts(self, text: str) -> Iterator[str]:
        at = 0
        while self._cut and len(text) - at > _LONG and (found := _CUT.search(text, at + _LONG)):
            yield text[at : found.end()]
            at = found.end()
        yield text[at:] if at else text


def _may_cut(given: dict[str, Any]) -> bool:
    """Whether a long text may be cut after a letter: no word, and no added token, goes over such a place."""
    if given.get("normalizer") or not all(token.get("special") for token in given.get("added_tokens") or ()):
        return False
    splitter = given.get("pre_tokenizer") or {}
    if splitter.get("type") == "ByteLevel":
        return bool(splitter.get("use_regex", True)) and not splitter.get("add_prefix_space", True)
    steps = splitter.get("pretokenizers") or [{}]
    known = steps[0].get("type") == "Split" and steps[0].get("pattern", {}).get("Regex") in _SPLITS
    return known and all(s["type"] == "ByteLevel" and not s.get("add_prefix_space", True) for s in steps[1:])


def _fast(given: dict[str, Any], reference: Tokenizer) -> Any:
    """The fast library's form of a tokenizer, None where there is none that says the same."""
    os.environ.setdefault("FASTOKENS_BPE_THREADS", "1")  # ours are enough; its own share a cache without an end
    try:
        import fastokens

        names = {token["content"]: None for token in given.get("added_tokens") or ()}
        if isinstance(vocab := given["model"]["vocab"], dict):  # it wants no holes in it, and those have their own list
            given["model"]["vocab"] = {word: number for word, number in vocab.items() if word not in names}
        fast = fastokens.Tokenizer.from_json_str(orjson.dumps(given).decode())
        probes = [*_PROBES, *(f"a{name} b{name}{name}" for name in list(names)[:64])]
        for probe in probes:
            flat, _ = fast.encode_batch_flat([probe], add_special_tokens=False, split_special_tokens=True)
            if np.frombuffer(flat, "<u4").tolist() != reference.encode(probe, add_special_tokens=False).ids:
                return None
    except Exception:  # not installed, or a part of the tokenizer that it does not know
        return None
    return fast
