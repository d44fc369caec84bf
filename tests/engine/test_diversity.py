"""Diversity while it runs: what is said of the replies is true, what collapses is asked less, a run can pause."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.asking import Reply, Request
from hornbook.core.diversity import Collapse, Pause
from hornbook.engine.diversity import ALL_FIRST, FLOOR, MOST_GROUPS, THEN_EVERY, Diversity, Watching, groups_of
from hornbook.engine.wanting import WINDOW, Row, Taken, Wanted, spread
from tests.commands import begin, hornbook, last_json, write_jsonl
from tests.faulty_server import counts_of, faulty_server, reply_to

NAMES = ("Lily", "Tom", "Mia", "Ben", "Sara", "Max", "Anna", "Sam")


def story(draw: random.Random, opening: str = "") -> str:
    words = [draw.choice(NAMES), *(f"w{draw.randrange(3_000)}" for _ in range(60))]
    return f"{opening or ' '.join(words[:3])} {' '.join(words)}."


# -- what is said is true


def test_facts_against_exact_counts() -> None:
    draw = random.Random(1)
    many = [(("x.topic=" + draw.choice("abc"),), story(draw, "Once upon a time" if n % 4 else "")) for n in range(500)]
    many += [many[at] for at in range(100)]
    draw.shuffle(many)
    diversity = Diversity(Watching())
    for groups, text in many:
        diversity.look(groups, text)
    facts = diversity.facts()
    texts = [text for _, text in many]
    words = [text.lower().rstrip(".").split() for text in texts]
    openings = Counter(" ".join(found[:3]) for found in words)
    assert facts["replies"] == 600
    assert facts["novelty"] == pytest.approx(len(set(texts)) / 600, abs=1e-4)
    assert facts["openings"][0] == {
        "opening": "once upon a",
        "count": openings["once upon a"],
        "error": 0,
        "share": round(openings["once upon a"] / 600, 4),
    }
    for n in (1, 2, 3):
        grams = [tuple(found[at : at + n]) for found in words for at in range(len(found) - n + 1)]
        assert facts["distinct"][str(n)] == pytest.approx(len(set(grams)) / len(grams), rel=0.04)
    lengths = sorted(len(found) for found in words)
    assert facts["words"]["p50"] == pytest.approx(lengths[299], rel=0.011)
    topics = Counter(groups[0] for groups, _ in many)
    assert facts["coverage"]["x.topic"]["values"] == 3
    assert {name: group["replies"] for name, group in facts["groups"].items()} == dict(topics)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=60), max_size=80))
def test_any_text_is_heard(texts: list[str]) -> None:
    diversity = Diversity(Watching(pause=Pause(drift=1.0, distinct_2=1e-9, repeats=1.0, top_opening=1.0, after=1)))
    for text in texts:
        diversity.look(("x.topic=a",), text)
    facts = diversity.facts()
    assert facts["replies"] == len(texts)
    assert diversity.stop is None
    assert 0 <= facts["novelty"] <= 1
    assert all(0 <= share <= 1 for share in facts["distinct"].values())
    assert isinstance(diversity.note(), str)


def test_lone_surrogates_are_heard_too() -> None:
    """A server's JSON may hold them."""
    diversity = Diversity(Watching())
    diversity.look((), "broken \ud800 reply")
    assert diversity.facts()["replies"] == 1


def test_the_order_of_replies_decides_and_nothing_else() -> None:
    draw = random.Random(2)
    many = [((f"a.topic={draw.randrange(9)}",), story(draw, draw.choice(["", "One day"]))) for _ in range(300)]
    facts = []
    for _ in range(2):
        diversity = Diversity(Watching())
        for groups, text in many:
            diversity.look(groups, text)
        facts.append(diversity.facts())
    assert facts[0] == facts[1]


def test_many_groups_take_no_more_room() -> None:
    diversity = Diversity(Watching())
    for n in range(3 * MOST_GROUPS):
        diversity.look((f"x.topic={n}",), "a short text of a few words")
    facts = diversity.facts()
    assert len(diversity.groups) == MOST_GROUPS
    assert facts["coverage"]["x.topic"]["values"] == 3 * MOST_GROUPS


def test_columns_that_name_groups() -> None:
    columns = ["id", "prompt", "story.opening", "story.features", "my.topic", "topic", "x.template", "openings"]
    assert Watching().among(columns) == ("story.opening", "story.features", "my.topic", "x.template")
    assert Watching(columns=("topic",)).among(columns) == ("topic",)
    assert Watching(columns=()).among(columns) == ()
    found = groups_of({"s.features": ["a,b", "", None], "t": [["x", "x"], [], 3]}, 3)
    assert found == [("s.features=a", "s.features=b", "t=x"), ("s.features=",), ("t=3",)]
    assert groups_of({}, 2) == [(), ()]


def test_a_group_that_collapses_weighs_less_and_recovers() -> None:
    draw = random.Random(3)
    diversity = Diversity(Watching(want=1, collapse=Collapse(top_opening=0.3)))
    for _ in range(400):
        diversity.look(("t.template=dull",), story(draw, "Once upon a time"))
        diversity.look(("t.template=good",), story(draw))
    assert diversity.weight(("t.template=good",)) == 1.0
    assert diversity.weight(("t.template=dull",)) == FLOOR
    assert diversity.weight(("t.template=good", "t.template=dull")) == FLOOR
    assert diversity.weight(("t.template=unheard",)) == 1.0
    for _ in range(600):
        diversity.look(("t.template=dull",), story(draw))
    assert diversity.weight(("t.template=dull",)) == 1.0


def test_the_more_alike_a_group_is_the_less_it_weighs() -> None:
    """Of groups that are all over the limit too; and chance alone, among few replies, weighs little."""
    draw, diversity = random.Random(15), Diversity(Watching(want=1))
    shares = {"0.2": 0.2, "0.5": 0.5, "0.7": 0.7, "1.0": 1.0}
    for _ in range(64):
        for name, share in shares.items():
            diversity.look((f"t.topic={name}",), story(draw, "Once upon a time" if draw.random() < share else ""))
    weights = [diversity.weight((f"t.topic={name}",)) for name in shares]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 1.0
    assert weights[1] > 2 * weights[2] > 2 * weights[3] == 2 * FLOOR
    few = Diversity(Watching(want=1))
    for n in range(32):
        few.look((f"t.topic={n % 4}",), story(draw, "Once upon a time" if n % 4 == 0 or n < 4 else ""))
    assert few.weight(("t.topic=0",)) < 0.25, "eight of eight are enough"
    assert few.weight(("t.topic=1",)) == 1.0, "one of eight is not"


def test_a_group_that_repeats_itself_weighs_less() -> None:
    draw, diversity = random.Random(4), Diversity(Watching())
    few = [story(draw) for _ in range(5)]
    for _ in range(200):
        diversity.look(("t.topic=dull",), draw.choice(few))
        diversity.look(("t.topic=good",), story(draw))
    assert diversity.weight(("t.topic=dull",)) == FLOOR
    assert diversity.weight(("t.topic=good",)) == 1.0


@pytest.mark.parametrize(
    ("pause", "named"),
    [
        (Pause(top_opening=0.5, after=50), "top_opening"),
        (Pause(repeats=0.3, after=50), "repeats"),
        (Pause(distinct_2=0.9, after=50), "distinct_2"),
        (Pause(drift=0.6, after=50), "drift"),
    ],
)
def test_what_pauses_a_run(pause: Pause, named: str) -> None:
    draw = random.Random(5)
    good, bad = Diversity(Watching(pause=pause)), Diversity(Watching(pause=pause))
    fault = "Once upon a time the same tale was told again, word for word and breath for breath."
    for n in range(400):
        good.look((), " ".join(f"g{draw.randrange(10**6)}" for _ in range(60)))
        bad.look((), story(draw) if n < 40 else fault)
        if bad.stop is not None and bad.heard < 40:
            break
    assert good.stop is None
    assert bad.stop is not None
    assert bad.stop.exit_code == 1
    assert bad.stop.where == f"pause_when.{named}"
    assert bad.heard >= 50


# -- fewer replies than prompts


class Desk:
    """Rows, a journal, and a teacher that answers by a rule; what is asked is answered some requests later."""

    def __init__(
        self, templates: list[str], want: int, *, journal: dict[int, str] | None = None, seed: int = 0
    ) -> None:
        self.templates = templates
        self.requests = [Request("m", prompt=f"prompt {n}") for n in range(len(templates))]
        self.journal = {self.requests[n].key(): Reply("", text=text) for n, text in (journal or {}).items()}
        self.numbers = {request.key(): n for n, request in enumerate(self.requests)}
        self.diversity = Diversity(Watching(want=want))
        self.read = self.ahead = 0
        self.asked: list[int] = []
        self.wanted = Wanted(self.rows, len(templates), self.diversity, self.look, known=bool(journal), seed=seed)

    def rows(self, every: int) -> Iterator[Row]:
        for n, template in enumerate(self.templates):
            self.read = n
            yield Row(n, (f"t.template={template}",), self.requests[n], {})

    def look(self, keys) -> dict[str, Reply]:
        return {key: self.journal[key] for key in keys if key in self.journal}

    def run(self, answer, slots: int = 8) -> None:
        """Ask all passes; `answer(number)` is a reply's text, or None for a failure."""
        for rows in self.wanted.passes():
            flying: list[Request] = []
            for _, request in rows:
                self.ahead = max(self.ahead, self.read - self.numbers[request.key()])
                flying.append(request)
                if len(flying) > slots:
                    self.hear(flying.pop(0), answer)
            while flying:
                self.hear(flying.pop(0), answer)

    def hear(self, request: Request, answer) -> None:
        number = self.numbers[request.key()]
        self.asked.append(number)
        text = answer(number)
        reply = Reply(request.key(), text=text or "", error=None if text is not None else "refusal")
        self.journal[request.key()] = reply
        if text is not None:
            self.wanted.seen(request, reply)


def fresh(draw: random.Random):
    return lambda number: story(draw)


def test_as_many_replies_as_wanted_from_all_over_the_prompts() -> None:
    desk = Desk(["a"] * 10_000, 300)
    desk.run(fresh(random.Random(6)))
    assert len(desk.asked) == len(set(desk.asked)) == 300
    assert desk.wanted.taken.mask(0, 10_000).sum() == 300
    tenths = Counter(number // 1_000 for number in desk.asked)
    assert min(tenths.values()) >= 20
    assert desk.ahead <= 2 * WINDOW, "rows are read no further ahead than the window"


@pytest.mark.parametrize("want", [1, 7, 500, 999, 1_000, 5_000])
def test_failures_are_made_up_for_while_there_are_prompts(want: int) -> None:
    draw = random.Random(7)
    desk = Desk(["a"] * 1_000, want)
    desk.run(lambda number: None if number % 3 == 0 else story(draw))
    good = [number for number in desk.asked if number % 3]
    assert len(set(desk.asked)) == len(desk.asked)
    assert len(good) == desk.wanted.good == min(want, 666)


def shares(want: int, rows: int = 6_000, answer=None) -> tuple[Counter[str], Desk]:
    draw = random.Random(8)
    templates = [draw.choice(["dull", "good", "better"]) for _ in range(rows)]
    desk = Desk(templates, want)

    def tell(number: int) -> str:
        return story(draw, "Once upon a time" if templates[number] == "dull" else "")

    desk.run(answer or tell)
    return Counter(templates[number] for number in desk.asked), desk


def test_what_collapses_is_asked_less_but_not_starved() -> None:
    found, desk = shares(1_500)
    assert found.total() == 1_500
    assert found["dull"] < 0.16 * 1_500
    assert found["dull"] > 0.02 * 1_500
    assert found["good"] + found["better"] > 0.84 * 1_500
    without = Counter(desk.templates)
    assert without["dull"] / 6_000 == pytest.approx(1 / 3, abs=0.03)


def test_where_nothing_collapses_shares_stay() -> None:
    found, _ = shares(1_500, answer=fresh(random.Random(9)))
    assert all(count / 1_500 == pytest.approx(1 / 3, abs=0.05) for count in found.values())


def test_the_same_replies_in_the_same_order_ask_the_same() -> None:
    assert shares(700)[1].asked == shares(700)[1].asked
    assert Desk(["a"] * 50, 10, seed=1).wanted is not None


def test_the_journal_is_taken_first_in_the_order_of_the_rows() -> None:
    draw = random.Random(10)
    known = {number: story(draw) for number in range(400, 480)}
    desk = Desk(["a"] * 1_000, 200, journal=known)
    desk.run(fresh(draw))
    assert len(desk.asked) == 120
    assert not set(desk.asked) & known.keys()
    assert desk.wanted.taken.mask(400, 80).all()
    assert desk.diversity.facts()["replies"] == 200
    enough = Desk(["a"] * 1_000, 50, journal=known)
    enough.run(fresh(draw))
    assert enough.asked == []
    assert enough.wanted.taken.mask(0, 1_000).nonzero()[0].tolist() == list(range(400, 450))


def test_equal_prompts_are_asked_once() -> None:
    desk = Desk(["a"] * 100, 90)
    desk.requests = [Request("m", prompt=f"prompt {n // 2}") for n in range(100)]
    desk.numbers = {request.key(): n for n, request in enumerate(desk.requests)}
    desk.run(fresh(random.Random(11)))
    assert len(desk.asked) == len(set(desk.asked)) == 50


@given(st.sets(st.integers(0, 99)), st.integers(0, 99), st.integers(0, 99))
def test_bits_of_rows(rows: set[int], first: int, many: int) -> None:
    taken = Taken(100)
    for row in rows:
        taken.add(row)
    many = min(many, 100 - first)
    assert taken.mask(first, many).tolist() == [at in rows for at in range(first, first + many)]
    assert all((at in taken) == (at in rows) for at in range(100))


def test_bits_are_kept(tmp_path: Path) -> None:
    taken = Taken(30)
    taken.add(17)
    taken.save(tmp_path / "taken.npy")
    again = Taken.load(tmp_path / "taken.npy")
    assert again is not None
    assert again.mask(0, 30).tolist() == taken.mask(0, 30).tolist()
    assert Taken.load(tmp_path / "none.npy") is None
    replies = spread([Reply("a"), Reply("b")], [False, True, True, False])
    assert [reply.error or reply.key for reply in replies] == ["not_wanted", "a", "b", "not_wanted"]


# -- what it costs


def heard(watching: Watching, many: int, groups: tuple[str, ...] = ()) -> tuple[Diversity, float]:
    """Replies of 180 words, asked for and heard; and the processor time of one, microseconds."""
    draw = random.Random(13)
    replies = [Reply("", " ".join(f"w{draw.randrange(3_000)}" for _ in range(180))) for _ in range(2_000)]
    requests = [Request("m") for _ in range(many)]
    diversity = Diversity(watching)
    diversity.look((), "so that tables are made before the clock runs")
    began = time.process_time()
    for n, request in enumerate(requests):
        diversity.asked(request, groups)
        diversity.seen(request, replies[n % 2_000])
    diversity.settle()
    return diversity, (time.process_time() - began) / many * 1e6


def test_watching_costs_a_reply_less_than_15_microseconds() -> None:
    """Where nothing hangs on it; the best of three turns of 20,000 replies."""
    assert min(heard(Watching(), 20_000)[1] for _ in range(3)) < 15


def test_many_replies_are_sampled_where_nothing_hangs_on_it_and_all_are_counted() -> None:
    facts = heard(Watching(), 9_000, ("a.topic=x",))[0].facts()
    assert (facts["replies"], facts["groups"]["a.topic=x"]["replies"]) == (9_001, 9_000)
    assert facts["looked_at"] == ALL_FIRST + 9_001 // THEN_EVERY - ALL_FIRST // THEN_EVERY
    for steered in (Watching(want=9_500), Watching(pause=Pause(top_opening=0.9))):
        facts = heard(steered, 2_000)[0].facts()
        assert facts["looked_at"] == facts["replies"] == 2_001


def test_a_sample_tells_the_shares_of_all() -> None:
    draw, diversity = random.Random(14), Diversity(Watching())
    for _ in range(12_000):
        diversity.look((), story(draw, "Once upon a time" if draw.random() < 0.4 else ""))
    facts = diversity.facts()
    assert facts["openings"][0]["share"] == pytest.approx(0.4, abs=0.05)


def test_a_run_loads_no_compiler(here: Path) -> None:
    """Numba takes half a second and 90 MB: the process that asks does without."""
    code = (
        "import sys; from hornbook.cli.main import main; sys.argv = ['hornbook', 'run', 'recipe.yaml', *sys.argv[1:]]"
    )
    code += "\ntry: main()\nfinally: print('loaded', 'numba' in sys.modules)"
    for change in ([], ["--set", "generate.want=100", "--set", "name=other"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *change], cwd=here, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "loaded False" in done.stdout


# -- real runs

RECIPE = """\
name: watched
seed: 1
teacher: {teacher}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 100
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """600 prompts of three templates; the scripted teacher says one thing to template `dull`."""
    draw = random.Random(12)
    rows = []
    for n in range(600):
        template = draw.choice(["dull", "good", "better"])
        prompt = f"{n} " + " ".join(f"w{draw.randrange(9_999)}" for _ in range(40)) + f" by {template}"
        rows.append({"id": f"p{n}", "prompt": prompt, "my.template": template})
    write_jsonl(tmp_path / "prompts.jsonl", rows)
    write_jsonl(tmp_path / "replies.jsonl", [{"match": "by dull", "text": "Once upon a time there was a dull reply."}])
    teacher = "{use: scripted, rule: echo, replies: replies.jsonl, concurrency: 8}"
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("{teacher}", teacher), encoding="utf-8")
    return tmp_path


def documents(folder: Path, name: str = "watched") -> list[dict[str, object]]:
    return [
        row
        for part in sorted((folder / "runs" / name / "final").glob("part-*.parquet"))
        for row in pq.read_table(part).to_pylist()
    ]


def test_a_run_says_what_its_replies_are_like(here: Path) -> None:
    found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))["steps"][1]
    facts = found["facts"]["diversity"]
    dull = Counter(row["my.template"] for row in documents(here))["dull"]
    assert facts["replies"] == 600
    assert facts["openings"][0]["opening"] == "once upon a"
    assert facts["openings"][0]["count"] == dull
    assert facts["novelty"] == pytest.approx(1 - (dull - 1) / 600, abs=1e-4)
    assert facts["groups"]["my.template=dull"]["weight"] == FLOOR
    assert facts["groups"]["my.template=good"]["weight"] == 1.0


def test_wanted_replies_and_no_more(here: Path) -> None:
    change = ["--set", "generate.want=200"]
    found = last_json(hornbook("run", "recipe.yaml", *change, "--json", cwd=here))["steps"][1]
    assert (found["kept"], found["reasons"]) == (200, {"not_wanted": 400})
    assert found["facts"]["asked"] == 200
    shares = Counter(row["my.template"] for row in documents(here))
    assert 5 < shares["dull"] < 50, "a third of the prompts, far less of the replies"
    more = last_json(hornbook("run", "recipe.yaml", "--set", "generate.want=250", "--json", cwd=here))["steps"][1]
    assert (more["kept"], more["facts"]["asked"], more["facts"]["cached"]) == (250, 50, 200)
    assert more["facts"]["diversity"]["replies"] == 250
    every = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))["steps"][1]
    assert (every["kept"], every["facts"]["asked"], every["facts"]["diversity"]["replies"]) == (600, 350, 600)


def test_a_pause_keeps_everything_and_can_be_lifted(here: Path) -> None:
    pause = ["--set", "generate.pause_when={top_opening: 0.2, after: 100}"]
    done = hornbook("run", "recipe.yaml", *pause, cwd=here)
    assert done.returncode == 1
    assert "paused: top_opening = 0." in done.stderr
    assert "pause_when.top_opening" in done.stderr
    assert "Traceback" not in done.stderr
    again = hornbook("run", "recipe.yaml", *pause, cwd=here)
    assert again.returncode == 1
    lifted = last_json(hornbook("run", "recipe.yaml", "--json", cwd=here))["steps"][1]
    facts = lifted["facts"]
    assert 100 <= facts["cached"] < 300
    assert facts["asked"] + facts["cached"] == 600
    assert facts["diversity"]["replies"] == 600


def test_a_limit_of_the_wrong_name_is_a_users_mistake(here: Path) -> None:
    done = hornbook("run", "recipe.yaml", "--set", "generate.pause_when={opening: 0.2}", cwd=here)
    assert done.returncode == 2
    assert "opening" in done.stderr


def test_killed_and_resumed_it_knows_all_replies(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "prompts.jsonl", [{"id": f"p{n}", "prompt": f"Write {n}.", "a.topic": "x"} for n in range(200)]
    )
    with faulty_server(latency=0.05) as url:
        teacher = f'{{url: "{url}/v1", model: test, concurrency: 8}}'
        recipe = RECIPE.replace("{teacher}", teacher) + "    want: 150\n"
        (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
        for _ in range(2):
            child = begin("run", "recipe.yaml", cwd=tmp_path)
            time.sleep(2.5)
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        found = last_json(hornbook("run", "recipe.yaml", "--json", cwd=tmp_path))["steps"][1]
        asked = counts_of(url)["asked"]
    rows = documents(tmp_path)
    assert found["kept"] == len(rows) == 150
    assert found["reasons"] == {"not_wanted": 50}
    assert sum(asked.values()) <= 150 + 2 * 8
    facts = found["facts"]["diversity"]
    assert facts["replies"] == 150
    top = Counter(" ".join(reply_to(str(row["prompt"])).lower().split()[:3]) for row in rows).most_common(1)[0]
    assert facts["openings"][0]["count"] == top[1]
