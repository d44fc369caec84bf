"""Limits of the filter sets by language: Gopher's for English, FineWeb-2's for others."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from hornbook.core.knobs import local_path

ENGLISH: dict[str, Any] = {
    "stop_words": ["the", "be", "to", "of", "and", "that", "have", "with"],
    "min_word_length": 3.0,
    "max_word_length": 10.0,
    "min_letters": 0.8,
    "lines": 0.30,
    "paragraphs": 0.30,
    "line_chars": 0.20,
    "paragraph_chars": 0.20,
    **{"top_2gram": 0.20, "top_3gram": 0.18, "top_4gram": 0.16},
    **{
        "dup_5gram": 0.15,
        "dup_6gram": 0.14,
        "dup_7gram": 0.13,
        "dup_8gram": 0.12,
        "dup_9gram": 0.11,
        "dup_10gram": 0.10,
    },
    **{"min_ended": 0.12, "max_newlines": 0.3, "max_duplicate": 0.01, "max_short": 0.67},
}
"""Gopher, arXiv:2112.11446, section A.1.1 and table A1; the last row FineWeb, arXiv:2406.17557, as datatrove has it."""

TABLE = "shipped:fineweb2_languages.jsonl"


@lru_cache(maxsize=64)
def limits(language: str) -> dict[str, Any]:
    """Stop words and limits of a language, by the names used in `ENGLISH`; None where the source has no rule.

    Args:
        language: `eng`, or a language of `recipes/data/fineweb2_languages.jsonl` (huggingface/fineweb-2 d0defb2,
            `configs/`, Apache-2.0) by its whole name (`cmn_Hani`) or its first three letters.

    Raises:
        ValueError: there is no such language, with those there are.
    """
    if language in ("eng", "eng_Latn"):
        return ENGLISH
    rows = [json.loads(line) for line in Path(local_path(TABLE)).read_text(encoding="utf-8").splitlines()]
    found = [row for row in rows if language in (row["language"], row["language"][:3])]
    if not found:
        raise ValueError(f"no limits for {language!r}; there are eng, {', '.join(row['language'] for row in rows)}")
    row = found[0]
    return {
        "stop_words": row["stopwords"],
        "min_word_length": row["min_avg_word_length"],
        "max_word_length": row["max_avg_word_length"],
        "min_letters": row["max_non_alpha_words_ratio"],
        "lines": row["dup_line_frac"],
        **dict.fromkeys(("paragraphs", "line_chars", "paragraph_chars", "max_short")),
        **{f"top_{n}gram": limit for n, limit in row["top_n_grams"]},
        **{f"dup_{n}gram": limit for n, limit in row["dup_n_grams"]},
        "min_ended": row["line_punct_thr"],
        "max_newlines": row["new_line_ratio"],
        "max_duplicate": 0.1,
    }


def known(language: str) -> str:
    """The language, where there are limits for it (for a pydantic validator)."""
    limits(language)
    return language
