"""The diversity feedback on against off, the same number of replies paid: what share of them begin alike.

(a) A server whose replies to 4 of 12 templates always begin alike; (b) real replies of a model of 135M parameters to
prompts of 12 templates, recorded once, then answered from the recording by the same server. See docs/bench.md.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.harness import Contender, Facts, Failed, Options, Outcome, Role, Score, take_turns
from bench.running import run_measured
from hornbook import __version__
from hornbook.kernels.glance import glance

UNIT = "% of replies with the most frequent opening"
PEERS = ()
TEMPLATES, COLLAPSED = 12, 4
WANT, PER = 600, 3
"""Replies that are wanted, and prompts for each."""
PER_RECORDED = 2
MAX_TOKENS = 16
"""Length of the real teacher's replies: their beginnings alone are held against each other."""
ROUNDS = 5
ASKS = (
    "Tell me a bedtime story about a {adjective} {noun}.",
    "Write a fairy tale about a {adjective} {noun}.",
    "Write the first page of a novel in which a {noun} matters.",
    "Write a poem about a {adjective} {noun}.",
    "Explain to a child what a {noun} is.",
    "Write a letter to a friend about a {adjective} {noun}.",
    "Write a blog post about a {noun}.",
    "Write a page of a diary by someone who has lost a {adjective} {noun}.",
    "Write what two people say to each other about a {adjective} {noun}.",
    "Write a report for the newspaper about a {adjective} {noun}.",
    "Describe a {adjective} {noun} in one paragraph.",
    "Write a riddle whose answer is {noun}.",
)
"""As people ask; nobody chose them for how the teacher answers."""
NOUNS = """
apple ball basket bear bee bell bird boat book bottle box bread bridge brush bus cake candle cap car cat chair clock
cloud coat coin cow crown cup dog door drum duck egg fish flower fork fox frog garden gate glove goat hammer hat hen
horse house kite knife ladder lamp leaf lion map mirror moon mouse nest orange
"""
ADJECTIVES = (
    "big blue brave broken clean cold empty fast green heavy kind little lost loud old quiet red round wet wild"
)
COMMON = 0.05
"""An opening that more than this share of the replies have is a common one (the limit of `quality.openings`)."""
COLUMNS = {
    "top_8": "% same 8 words",
    "common": "% common opening",
    "distinct_2": "distinct-2",
    "stale": "% stale group",
}
T_95 = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's t of a two-sided 95 % interval, by the number of values."""
LONGEST = 900.0
OFF = "{top_opening: 1.0, repeats: 1.0}"
"""Limits that nothing passes: groups keep their weights, the rest is the same."""


@dataclass(frozen=True)
class Pool:
    """Prompts and their replies.

    Args:
        rows: `id`, `prompt` and the columns that name groups.
        replies: prompt → reply.
        stale: ids of prompts whose template always begins alike, where that is known.
        want: replies that are wanted.
    """

    rows: Sequence[Mapping[str, str]]
    replies: Mapping[str, str]
    stale: frozenset[str]
    want: int


def run(options: Options) -> Outcome:
    """A round is a seed: on and off get the same prompts and the same replies to them."""
    rounds = options.rounds or (2 if options.quick else ROUNDS)
    pools: dict[tuple[str, int], Pool] = {}

    def pool(kind: str, seed: int) -> Pool:
        if (kind, seed) not in pools:
            known = TEACHERS.get(kind)
            pools[kind, seed] = scripted(seed) if known is None else recorded(known, seed, options)
        return pools[kind, seed]

    scores = take_turns([_side("scripted", on, pool) for on in (True, False)], rounds, options.tell)
    for kind in () if options.quick else TEACHERS:
        scores += take_turns([_side(kind, on, pool) for on in (True, False)], rounds, options.tell)
    versions = {"hornbook": __version__, "python": sys.version.split()[0]}
    return Outcome(scores, UNIT, False, versions, COLUMNS, _detail(scores))


def _side(kind: str, on: bool, pool: Callable[[str, int], Pool]) -> Contender:
    seeds = count(1)
    role: Role = "shown"
    if kind == "scripted":
        role = "ours" if on else "peer"

    def act(left: float) -> Facts:
        return measured(pool(kind, next(seeds)), on, min(left, LONGEST))

    return Contender(f"{'on' if on else 'off'}, {kind}", role, act)


def scripted(seed: int) -> Pool:
    """Twelve templates with as many prompts each; four of them have one opening, the others one for each reply."""
    draw = random.Random(seed)
    words = [
        f"{a}{b}{c}" for a in ("ba", "de", "ki", "lo", "mu", "sa", "te") for b in ("ra", "ni", "lo") for c in "nstkl"
    ]
    stale = set(draw.sample(range(TEMPLATES), COLLAPSED))
    rows, replies, gone = [], {}, set()
    for number in range(WANT * PER):
        template = draw.randrange(TEMPLATES)
        prompt = f"Write text {number} for template {template}."
        said = " ".join(draw.choice(words) for _ in range(40))
        replies[prompt] = f"Once upon a time there was a {said}." if template in stale else f"{said.capitalize()}."
        rows.append({"id": f"p{number}", "prompt": prompt, "prompts.template": f"t{template:02}"})
        gone |= {f"p{number}"} if template in stale else set()
    return Pool(rows, replies, frozenset(gone), WANT)


RECORD = """\
name: record{suffix}
teacher: {{model: smollm2-135m-instruct, threads: 1, slots: 16, seed: 1}}
steps:
  - {{use: sources.prompts, path: prompts{suffix}.jsonl}}
  - {{use: generate.complete, max_tokens: {tokens}, {sampling}}}
"""


@dataclass(frozen=True)
class Teacher:
    """How the real teacher was asked, once.

    Args:
        suffix: of its files.
        sampling: knobs of generate.complete.
        prompts: how many.
    """

    suffix: str
    sampling: str
    prompts: int


TEACHERS = {
    "135M": Teacher("", "temperature: 0.6, top_p: 0.9, repetition_penalty: 1.15", 708),
    "135M, cold": Teacher("-cold", "temperature: 0.3", 360),
}
"""As the recipe `stories` samples, which is against sameness, and as people do who know nothing of that."""


def asked() -> list[dict[str, str]]:
    """A prompt of each template about each noun."""
    draw, rows = random.Random(0), []
    for noun in NOUNS.split():
        for at, ask in enumerate(ASKS):
            prompt = ask.format(noun=noun, adjective=draw.choice(ADJECTIVES.split()))
            rows.append({"id": f"{noun}-{at:02}", "prompt": prompt, "prompts.template": f"t{at:02}"})
    return rows


def recorded(teacher: Teacher, seed: int, options: Options) -> Pool:
    """The real teacher's replies, asked for once and kept in the cache folder, in the seed's order."""
    place = options.cache / "feedback"
    place.mkdir(parents=True, exist_ok=True)
    name = f"record{teacher.suffix}"
    write(place / f"prompts{teacher.suffix}.jsonl", asked()[: teacher.prompts])
    recipe = RECORD.format(suffix=teacher.suffix, tokens=MAX_TOKENS, sampling=teacher.sampling)
    (place / f"{name}.yaml").write_text(recipe, encoding="utf-8")
    options.tell(f"recording {teacher.prompts} replies of the teacher, where they are not there")
    run_measured(_hornbook("run", f"{name}.yaml"), place, 7200.0, dict(os.environ))
    parts = sorted((place / "runs" / name / "final").glob("part-*.parquet"))
    found = [row for part in parts for row in pq.read_table(part).to_pylist()]
    random.Random(seed).shuffle(found)
    rows = [{name: row[name] for name in ("id", "prompt", "prompts.template")} for row in found]
    return Pool(rows, {row["prompt"]: row["text"] for row in found}, frozenset(), len(rows) // PER_RECORDED)


def write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def measured(pool: Pool, on: bool, limit: float) -> Facts:
    """Run the recipe against the server, and look at the documents it kept."""
    with tempfile.TemporaryDirectory(prefix="feedback-") as folder, answering(pool.replies) as server:
        place = Path(folder)
        write(place / "prompts.jsonl", pool.rows)
        (place / "feedback.yaml").write_text(
            f"name: feedback\nteacher: {{url: '{server}/v1', model: replies, concurrency: 8}}\nsteps:\n"
            "  - {use: sources.prompts, path: prompts.jsonl}\n"
            f"  - {{use: generate.complete, want: {pool.want}, collapse: {'{}' if on else OFF}}}\n",
            encoding="utf-8",
        )
        run_measured(_hornbook("run", "feedback.yaml"), place, limit, dict(os.environ))
        parts = sorted((place / "runs" / "feedback" / "final").glob("part-*.parquet"))
        kept = [row for part in parts for row in pq.read_table(part, columns=["id", "text"]).to_pylist()]
    if len(kept) != pool.want:
        raise Failed(f"{len(kept)} documents instead of {pool.want}")
    stale = 100 * sum(row["id"] in pool.stale for row in kept) / len(kept)
    return alike([row["text"] for row in kept]) | ({"stale": stale} if pool.stale else {})


def alike(texts: Sequence[str]) -> Facts:
    """How much some texts are alike: `value`, `top_8` and `common` in per cent, `distinct_2` a share."""
    read = glance(texts, 3)
    openings = Counter(read.openings)
    eight = Counter(glance(texts, 8).openings)
    pairs, _ = read.runs(2)
    common = sum(many for many in openings.values() if many > COMMON * len(texts))
    return {
        "value": 100 * openings.most_common(1)[0][1] / len(texts),
        "top_8": 100 * eight.most_common(1)[0][1] / len(texts),
        "common": 100 * common / len(texts),
        "distinct_2": float(np.unique(pairs).size / max(1, pairs.size)),
        "opening": openings.most_common(1)[0][0],
    }


def _detail(scores: Sequence[Score]) -> Facts:
    """Means with 95 % intervals (Student's t over seeds): of each side, and of off less on, paired."""
    names = ("value", *COLUMNS)
    detail: Facts = {"templates": TEMPLATES, "stale_templates": COLLAPSED, "want": WANT, "prompts_each": PER}
    for on, off in zip(scores[::2], scores[1::2], strict=True):
        kind = on.name.partition(", ")[2]
        pairs = list(zip(on.turns, off.turns, strict=False))
        detail[kind] = {
            name: {
                "on": interval([a[name] for a, _ in pairs]),
                "off": interval([b[name] for _, b in pairs]),
                "off less on": interval([b[name] - a[name] for a, b in pairs]),
            }
            for name in names
            if pairs and name in pairs[0][0]
        }
    return detail


def interval(values: Sequence[float]) -> list[float]:
    """[mean, low, high]; the mean alone of fewer than two or more than ten values."""
    mean = statistics.fmean(values)
    if len(values) not in T_95:
        return [round(mean, 4)]
    half = T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return [round(mean, 4), round(mean - half, 4), round(mean + half, 4)]


def _hornbook(*args: str) -> list[str]:
    return [sys.executable, "-m", "hornbook", *args]


@contextmanager
def answering(replies: Mapping[str, str]) -> Iterator[str]:
    """The address of a server that answers each prompt with its reply."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = replies[body["messages"][-1]["content"]]
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            usage = {"prompt_tokens": 12, "completion_tokens": len(text.split())}
            said = json.dumps({"id": "x", "model": "replies", "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
