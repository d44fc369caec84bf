"""Personal data planted into real texts, beside what only looks like it: recall and precision of `quality.pii`.

`python -m tests.stages.quality.planted FILE.parquet` measures it on the first 2,000 texts of a file with `text`.
"""

from __future__ import annotations

import random
import string
import sys
from collections.abc import Callable
from typing import get_args

import pyarrow as pa

from hornbook.stages.quality._personal import Kind, counts

_LETTERS = string.ascii_letters + string.digits
Maker = Callable[[random.Random], str]


def _some(r: random.Random, letters: str, size: int) -> str:
    return "".join(r.choice(letters) for _ in range(size))


def _number(r: random.Random, digits: int) -> str:
    return str(r.randint(1, 9)) + _some(r, string.digits, digits - 1)


def _octets(r: random.Random) -> str:
    return ".".join(str(r.randint(1, 254)) for _ in range(4))


def _groups(r: random.Random, many: int) -> str:
    return ":".join(f"{r.randrange(1, 65536):x}" for _ in range(many))


FOUND: dict[Kind, tuple[Maker, ...]] = {
    "mail": (
        lambda r: f"{_some(r, string.ascii_lowercase, 6)}@example.com",
        lambda r: f"{_some(r, string.ascii_lowercase, 4)}.{_some(r, string.ascii_lowercase, 7)}@mail.example.co.uk",
        lambda r: f"{_some(r, _LETTERS, 8)}+{_number(r, 2)}@ex-{_number(r, 3)}.org",
    ),
    "ip": (
        _octets,
        lambda r: _groups(r, 8),
        lambda r: f"2001:db8::{_groups(r, 3)}",
        lambda r: f"fe80::{_groups(r, 2)}",
        lambda r: f"2001:db8:{_groups(r, 1)}::1",
    ),
    "phone": (
        lambda r: f"+49 {_number(r, 3)} {_number(r, 7)}",
        lambda r: f"+1-{r.randint(200, 999)}-{_number(r, 3)}-{_number(r, 4)}",
        lambda r: f"({r.randint(200, 999)}) {_number(r, 3)}-{_number(r, 4)}",
        lambda r: f"{r.randint(200, 999)}-{_number(r, 3)}-{_number(r, 4)}",
        lambda r: f"13{_number(r, 9)}",
        lambda r: f"+33 {r.randint(1, 9)} " + " ".join(_number(r, 2) for _ in range(4)),
        lambda r: f"0{_number(r, 3)} {_number(r, 7)}",
    ),
    "key": (
        lambda r: "AKIA" + _some(r, string.ascii_uppercase + string.digits, 16),
        lambda r: "ghp_" + _some(r, _LETTERS, 36),
        lambda r: "github_pat_" + _some(r, _LETTERS, 22) + "_" + _some(r, _LETTERS, 59),
        lambda r: f"xoxb-{_number(r, 12)}-{_number(r, 12)}-{_some(r, _LETTERS, 24)}",
        lambda r: "AIza" + _some(r, _LETTERS, 35),
        lambda r: "sk-proj-" + _some(r, _LETTERS, 48),
        lambda r: "sk_live_" + _some(r, _LETTERS, 24),
        lambda r: "hf_" + _some(r, string.ascii_letters, 34),
        lambda r: "npm_" + _some(r, _LETTERS, 36),
        lambda r: f"eyJ{_some(r, _LETTERS, 33)}.eyJ{_some(r, _LETTERS, 60)}.{_some(r, _LETTERS, 43)}",
        lambda r: _block(r, "RSA PRIVATE KEY"),
    ),
}
"""By kind, what is to be found; national telephone numbers among them, which no pattern knows."""


def _block(r: random.Random, name: str) -> str:
    lines = "\n".join(_some(r, _LETTERS + "+/", 64) for _ in range(6))
    return f"-----BEGIN {name}-----\n{lines}==\n-----END {name}-----"


HARD: tuple[Maker, ...] = (
    lambda r: f"v{r.randint(0, 9)}.{r.randint(0, 30)}.{r.randint(0, 99)}",
    lambda r: f"{r.randint(1, 9)}.{r.randint(0, 30)}.{r.randint(0, 9)}.{r.randint(0, 20)}",
    lambda r: f"ISBN 978-{r.randint(0, 9)}-{_number(r, 4)}-{_number(r, 4)}-{r.randint(0, 9)}",
    lambda r: f"{r.randint(1990, 2030)}-{r.randint(10, 12)}-{r.randint(10, 28)}",
    lambda r: f"{r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}",
    lambda r: _some(r, "0123456789abcdef", 40),
    lambda r: ":".join(_some(r, "0123456789abcdef", 2) for _ in range(6)),
    lambda r: f"{_some(r, '0123456789abcdef', 8)}-{_some(r, '0123456789abcdef', 4)}-4{_some(r, '0123456789abcdef', 3)}",
    lambda r: f"{r.random():.12f}",
    lambda r: f"@{_some(r, string.ascii_lowercase, 7)}.setter",
    lambda r: f"{_some(r, string.ascii_lowercase, 5)}@localhost",
    lambda r: "std::" + _some(r, string.ascii_lowercase, 5) + "::" + _some(r, string.ascii_lowercase, 4),
    lambda r: "task-" + _some(r, string.ascii_lowercase, 25),
    lambda r: f"DOI 10.{_number(r, 4)}/{_number(r, 7)}",
    lambda r: f"{_number(r, 4)} {_number(r, 4)} {_number(r, 4)} {_number(r, 4)}",
    lambda r: _block(r, "CERTIFICATE"),
)
"""What no kind is to be found in: versions, ISBNs, dates, times, hashes, MAC addresses, UUIDs, numbers, code."""


def measured(texts: list[str], seed: int = 0) -> dict[Kind, tuple[float, float]]:
    """By kind, recall and precision: one planted thing a text, between two words.

    Precision counts what is found in texts with a planted hard negative or another kind's thing, and no more than
    what the text held before.
    """
    r = random.Random(seed)
    found: dict[Kind, tuple[float, float]] = {}
    makers = [(kind, make) for kind in get_args(Kind) for make in FOUND[kind]] + [("", make) for make in HARD]
    planted = [makers[at % len(makers)] for at in range(len(texts))]
    with_it = []
    for text, (_, make) in zip(texts, planted, strict=True):
        gaps = [at for at, letter in enumerate(text) if letter in " \n"]
        at = r.choice(gaps) if gaps else len(text)
        with_it.append(f"{text[:at]} {make(r)} {text[at:]}")
    for kind in get_args(Kind):
        before = counts(pa.chunked_array([texts]), kind).to_pylist()
        after = counts(pa.chunked_array([with_it]), kind).to_pylist()
        more = [max(0, b - a) for a, b in zip(before, after, strict=True)]
        right = sum(min(1, n) for n, (own, _) in zip(more, planted, strict=True) if own == kind)
        found[kind] = right / sum(own == kind for own, _ in planted), right / max(1, sum(more))
    return found


if __name__ == "__main__":
    import pyarrow.parquet as pq

    column = pq.read_table(sys.argv[1], columns=["text"]).column("text").slice(0, 2000)
    for kind, (recall, precision) in measured([text[:5000] for text in column.to_pylist()]).items():
        print(f"{kind}: recall {recall:.3f}, precision {precision:.3f}")
