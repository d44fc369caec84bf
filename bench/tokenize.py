"""Texts to GPT-2's tokens, end to end: Parquet files in, files of uint16 out.

Everyone reads the same Parquet files and is measured as a whole process, from its start to its end. The tokens that are
written are compared, number by number, with those of tiktoken. See docs/bench.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench import corpus, peers
from bench.harness import Contender, Facts, Failed, Options, Outcome, take_turns
from bench.running import run_measured
from hornbook import __version__

UNIT = "MB/s"
PEERS = ("tokie", "tiktoken", "tokenizers", "datatrove")
ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "bench" / "curation"
QUICK_SECONDS = 55.0
LONGEST = 900.0
"""Seconds that one turn may take."""
WORKERS = os.cpu_count() or 1
COLUMNS = {"wall": "wall s", "cpu": "CPU s", "mb_cpu_s": "MB/CPU-s", "peak_mb": "peak MB", "mtokens": "M tokens"}
END = "<|endoftext|>"


@dataclass(frozen=True)
class Input:
    """What everyone reads, and what they wrote.

    Args:
        folder: the documents as a finished step: Parquet parts.
        files: its parts, in order.
        size: bytes of text.
        scratch: where the vocabulary lies, as `gpt2.json` and `gpt2.tiktoken`, and where results go.
        digests: of what each wrote, by name.
    """

    folder: Path
    files: list[str]
    size: int
    scratch: Path
    digests: dict[str, str] = field(default_factory=dict)


def run(options: Options) -> Outcome:
    """Take turns; `--quick` on the small corpus, `--full` on the large one."""
    until = time.monotonic() + QUICK_SECONDS if options.quick else None
    size = corpus.size_of(options.quick, options.full)
    try:
        raw = [str(path) for path in corpus.pieces(options.cache, "code", size)]
    except corpus.Absent as error:
        raise SystemExit(f"error: {error}") from error
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="tokenize-") as folder:
        given = prepared(raw, Path(folder))
        options.tell(f"{given.size / 1e6:,.0f} MB of text, {WORKERS} cores")
        scores = take_turns(contenders(given, options.cache), options.rounds or 3, options.tell, until)
    reference = given.digests.get("tiktoken")
    detail: Facts = {
        "bytes": given.size,
        "corpus": corpus.facts(options.cache, size),
        "same_tokens_as_tiktoken": {name: digest == reference for name, digest in given.digests.items() if reference},
        **{s.name: {name: s.median(name) for name in ("value", *COLUMNS)} for s in scores},
    }
    return Outcome(scores, UNIT, True, versions(), COLUMNS, detail)


def prepared(raw: list[str], folder: Path) -> Input:
    """The corpus as a finished step, so that its Parquet files are what everyone reads, and the vocabulary."""
    from hornbook.stages.tokenize._vocabularies import _letters, load

    documents = folder / "documents"
    read = [sys.executable, "-m", "hornbook", "step", "sources.files", f"path={json.dumps(raw)}"]
    subprocess.run([*read, "--out", str(documents)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = sorted(str(path) for path in documents.glob("part-*.parquet"))
    size = sum(
        pc.sum(pc.binary_length(group.column(0))).as_py()
        for f in files
        for group in pq.ParquetFile(f).iter_batches(columns=["text"])
    )
    tokenizer = load(None, None)
    tokenizer.save(str(folder / "gpt2.json"))
    letters = {letter: byte for byte, letter in _letters().items()}
    known = sorted((number, word) for word, number in tokenizer.get_vocab().items() if word != END)
    ranks = (base64.b64encode(bytes(letters[c] for c in word)) + b" %d\n" % number for number, word in known)
    (folder / "gpt2.tiktoken").write_bytes(b"".join(ranks))
    return Input(documents, files, size, folder)


def contenders(given: Input, cache: Path) -> list[Contender]:
    """Ours, the limit and the peers."""
    ours = [sys.executable, "-m", "hornbook", "step", "tokenize.pretrained", str(given.folder), "val_share=0", "--json"]
    limit = [sys.executable, str(SCRIPTS / "tokenize_limit.py"), "OUT", str(WORKERS), *given.files]
    found = [
        Contender("hornbook", "ours", _act("hornbook", [*ours, "--out", "OUT"], given, None)),
        Contender("read and write alone", "limit", _act("", limit, given, None)),
    ]
    for peer in PEERS:
        python = peers.python_of(peer, cache)
        vocabulary = str(given.scratch / ("gpt2.tiktoken" if peer == "tiktoken" else "gpt2.json"))
        rest = [str(given.folder)] if peer == "datatrove" else given.files
        command = [str(python), str(SCRIPTS / f"tokenize_{peer}.py"), "OUT", str(WORKERS), vocabulary, *rest]
        missing = None if python else f"not installed: python -m bench tokenize --install (bench/peers/{peer}.txt)"
        found.append(Contender(peer, "peer", _act(peer, command, given, peer), missing))
    return found


def _act(name: str, command: list[str], given: Input, peer: str | None) -> Callable[[float], Facts]:
    return lambda left: measured(name, command, given, peer, min(left, LONGEST))


def measured(name: str, command: list[str], given: Input, peer: str | None, limit: float) -> Facts:
    """Run a command as a whole process; `OUT` in it stands for a folder that is not there yet.

    Raises:
        Failed: it did not end in time, failed, or wrote no tokens.
    """
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        place = Path(folder)
        result = place / "result"
        whole = [str(result) if word == "OUT" else word for word in command]
        environment = peers.environment(place) if peer else dict(os.environ)
        used, _ = run_measured(whole, place, limit, environment)
        written = 0
        if name:
            written, given.digests[name] = digest(result)
            if not written:
                raise Failed("wrote no tokens")
    megabytes = given.size / 1e6
    return used | {
        "value": megabytes / used["wall"],
        "mb_cpu_s": megabytes / used["cpu"],
        "mtokens": written / 2e6,
    }


def digest(folder: Path) -> tuple[int, str]:
    """Bytes of all token files below a folder, and a hash of them in the order of their names."""
    hashed, size = hashlib.sha256(), 0
    for path in sorted([*folder.rglob("*.ds"), *folder.rglob("*.bin")]):
        if path.name.endswith(".offsets.bin"):
            continue
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                hashed.update(block)
                size += len(block)
    return size, hashed.hexdigest()


def versions() -> dict[str, str]:
    """Of ours, of what ours is made with, and of the peers."""
    own = {"hornbook": __version__, "python": platform.python_version()}
    own |= {name: version(name) for name in ("pyarrow", "fastokens")}
    return own | {peer: peers.version_of(peer) for peer in PEERS}
