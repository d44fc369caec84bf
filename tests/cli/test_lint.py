"""`hornbook lint`: one planted fault for each check is found, and a recipe without faults has no finding."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hornbook.engine.linting.lists import lint_lists
from hornbook.engine.linting.prompts import MEMORY, PromptChecks
from hornbook.engine.recipe import check_data
from hornbook.stages.quality.annotate import Annotate
from tests.commands import hornbook, write_jsonl

RECIPE = """\
name: linted
seed: 1
teacher: {use: scripted, rule: story}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    max_tokens: 100
"""

WORDS = tuple(f"{first}{last}" for first in ("ri", "lam", "sto", "bre", "clo") for last in ("ver", "per", "ne"))


def prompt(draw: random.Random, words: int = 30) -> str:
    return "Tell of " + " ".join(draw.choice(WORDS) + str(draw.randrange(99)) for _ in range(words)) + "."


def good(many: int = 60) -> list[dict[str, Any]]:
    draw = random.Random(3)
    return [{"id": f"p{n}", "prompt": prompt(draw)} for n in range(many)]


def linted(folder: Path, rows: list[dict[str, Any]], *args: str, recipe: str = RECIPE) -> dict[str, Any]:
    write_jsonl(folder / "prompts.jsonl", rows)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    done = hornbook("lint", "recipe.yaml", "--json", *args, cwd=folder)
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == sum(one["level"] == "error" for one in found["findings"])
    assert done.returncode == (1 if found["errors"] else 0), done.stderr
    return found


def only(found: dict[str, Any], check: str) -> dict[str, Any]:
    """The one finding there is."""
    assert [one["check"] for one in found["findings"]] == [check], found["findings"]
    return dict(found["findings"][0])


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    found = linted(tmp_path, good())
    assert found["findings"] == []
    assert (found["prompts"], found["steps"]) == (60, ["generate"])
    shown = hornbook("lint", "recipe.yaml", cwd=tmp_path)
    assert shown.returncode == 0
    assert "nothing found" in shown.stdout


def test_the_shipped_recipe_is_clean(tmp_path: Path) -> None:
    done = hornbook("lint", "stories", "--set", "prompts.count=3000", "--json", cwd=tmp_path)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["findings"] == []
    assert done.returncode == 0
    assert found["prompts"] == 3_000
    assert not (tmp_path / "runs" / "journal").exists(), "no teacher is asked"
    run = hornbook("plan", "stories", "--set", "prompts.count=3000", "--json", cwd=tmp_path)
    assert [step["state"] for step in json.loads(run.stdout)["steps"][:2]] == ["cached", "cached"]


@pytest.mark.parametrize(
    "fault",
    [
        "Write about {{topic}} for children.",
        "Write about {topic} for children.",
        "{topic}: a story",
        "Write about ${topic} now.",
        "Write about None.",
        "Topic: nan\nWrite about it.",
        "A story about undefined, please.",
        "{% if x %} Write. {% endif %}",
    ],
)
def test_variables_that_nobody_filled(tmp_path: Path, fault: str) -> None:
    found = linted(tmp_path, [*good(), {"id": "bad", "prompt": fault}])
    finding = only(found, "unfilled")
    assert (finding["level"], finding["count"]) == ("error", 1)
    assert finding["examples"][0].startswith("bad “")


@pytest.mark.parametrize(
    "fine",
    [
        r"Solve \frac{a}{b} where x_{i} and y^{n} are given.",
        'Answer as JSON, {"name": "…", "age": 3}.',
        "None of the children would talk about it. They ate nan bread with undefinedness.",
        "def f(x): return {k: v for k, v in x}",
        "Explain why nobody is nobody.",
    ],
)
def test_what_only_looks_like_a_variable(tmp_path: Path, fine: str) -> None:
    levels = {one["level"] for one in linted(tmp_path, [*good(), {"id": "p", "prompt": fine}])["findings"]}
    assert "error" not in levels


def test_empty_prompts(tmp_path: Path) -> None:
    rows = [*good(), {"id": "bad", "messages": [{"role": "user", "content": " \n "}]}]
    finding = only(linted(tmp_path, rows), "empty")
    assert (finding["level"], finding["count"], finding["examples"]) == ("error", 1, ["bad"])


def test_documents_outside_of_a_sample_are_no_empty_prompts(tmp_path: Path) -> None:
    """`quality.annotate` asks about a share of the documents; of those that it draws, an empty one is a fault."""
    recipe = (
        "name: linted\nseed: 1\nteacher: {use: scripted, rule: story}\nsteps:\n"
        "  - {use: sources.files, path: [docs.jsonl]}\n  - {use: quality.annotate, share: 0.3}\n"
    )
    draw = random.Random(5)
    rows = [{"id": f"d{n}", "text": f"{prompt(draw)} x = None\nprint(f'${{x}}')"} for n in range(80)]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = linted(tmp_path, good(), recipe=recipe)
    assert not {"empty", "unfilled"} & {one["check"] for one in found["findings"]}, "a document may say None"
    assert 10 < found["prompts"] < 40
    done = hornbook("run", "recipe.yaml", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout.splitlines()[-1])["steps"][-1]["facts"]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    first = next(one for one in events if (one["event"], one["step"]) == ("progress", "quality"))
    assert facts["asked"] == first["total"] == found["prompts"]
    assert "diversity" not in facts, "scores are meant to be alike"
    chosen = Annotate(share=0.3, seed=1).chosen(pa.Table.from_pylist(rows))
    rows[chosen.index(True)]["text"] = " "
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    empty = next(one for one in linted(tmp_path, good(), recipe=recipe)["findings"] if one["check"] == "empty")
    assert (empty["count"], empty["of"]) == (1, found["prompts"])


def test_equal_prompts(tmp_path: Path) -> None:
    rows = good()
    finding = only(linted(tmp_path, [*rows, {"id": "again", "prompt": rows[7]["prompt"]}]), "duplicates")
    assert (finding["level"], finding["count"], finding["of"], finding["examples"]) == ("error", 1, 61, ["again"])


def test_few_equal_prompts_are_a_warning(tmp_path: Path) -> None:
    rows = good(200)
    found = linted(tmp_path, [*rows, {"id": "again", "prompt": rows[7]["prompt"]}])
    assert only(found, "duplicates")["level"] == "warning"


def test_near_identical_prompts(tmp_path: Path) -> None:
    draw, rows = random.Random(4), good()
    base = prompt(draw, 200)
    rows += [{"id": f"near{n}", "prompt": base.replace("river", "rivers", 1) + f" {n}"} for n in range(2)]
    rows += [{"id": "case", "prompt": rows[3]["prompt"].upper()}]
    finding = only(linted(tmp_path, rows), "duplicates")
    assert (finding["level"], finding["count"]) == ("warning", 2)
    assert {example.split()[0] for example in finding["examples"]} == {"near1", "case"}


def test_a_long_instruction_said_every_time_makes_nothing_near(tmp_path: Path) -> None:
    draw = random.Random(5)
    always = prompt(draw, 300)
    rows = [{"id": f"p{n}", "prompt": f"{prompt(draw, 8)} {always}"} for n in range(80)]
    assert linted(tmp_path, rows)["findings"] == []


def test_prompts_that_begin_alike(tmp_path: Path) -> None:
    draw = random.Random(6)
    start = prompt(draw, 20)
    rows = good(60) + [{"id": f"b{n}", "prompt": f"{start} {prompt(draw)}"} for n in range(40)]
    finding = only(linted(tmp_path, rows), "beginnings")
    assert (finding["level"], finding["count"], finding["of"]) == ("warning", 40, 100)


def test_prompts_longer_than_the_context(tmp_path: Path) -> None:
    draw = random.Random(7)
    rows = [*good(), {"id": "long", "prompt": prompt(draw, 3_000)}, {"id": "tight", "prompt": prompt(draw, 360)}]
    found = linted(tmp_path, rows, "--context", "1100", "--set", "generate.max_tokens=400")
    assert {(one["check"], one["examples"][0].split()[0], one["count"]) for one in found["findings"]} == {
        ("length", "long", 1),
        ("length", "tight", 1),
    }
    assert linted(tmp_path, rows)["findings"] == []
    assert "context is unknown" in linted(tmp_path, rows)["says"][0]


def test_a_system_message_counts_for_the_length_alone(tmp_path: Path) -> None:
    rows = good()
    system = ["--set", f"generate.system={'always the same thing ' * 200}"]
    found = linted(tmp_path, rows, *system, "--context", "600")
    assert {one["check"] for one in found["findings"]} == {"length"}
    assert linted(tmp_path, rows, *system)["findings"] == []


def test_the_embedded_teachers_own_tokenizer(tmp_path: Path, smollm: Path) -> None:
    """A text of rare letters has more tokens than words or bytes tell."""
    rows = [*good(), {"id": "odd", "prompt": "ꙮ🝆𒈙" * 130}]
    recipe = RECIPE.replace("{use: scripted, rule: story}", "{model: smollm2-135m-instruct, context: 1024}")
    finding = only(linted(tmp_path, rows, recipe=recipe), "length")
    assert finding["examples"][0].startswith("odd")
    guessed = linted(tmp_path, rows, "--context", "1024")
    assert guessed["findings"] == []


def test_benchmark_items_in_prompts(tmp_path: Path) -> None:
    item = "Which of these animals lays its eggs in the warm sand of a beach and then swims away"
    write_jsonl(tmp_path / "exam.jsonl", [{"id": "q1", "text": item}])
    rows = [*good(), {"id": "leak", "prompt": f"Tell a tale. {item}. Then stop."}]
    assert linted(tmp_path, rows)["findings"] == []
    finding = only(linted(tmp_path, rows, "--against", "exam.jsonl"), "leaks")
    assert (finding["level"], finding["count"]) == ("error", 1)
    assert finding["examples"][0].startswith("leak holds")
    assert "exam:q1" in finding["examples"][0]
    own = RECIPE + "  - use: decontaminate.ngrams\n    against: [exam.jsonl]\n"
    assert only(linted(tmp_path, rows, recipe=own), "leaks")["count"] == 1


def test_an_exam_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts.jsonl", good(3))
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    done = hornbook("lint", "recipe.yaml", "--against", "none.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "none.jsonl" in done.stderr


def test_a_recipe_that_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x\nsteps: [sources.words]\n", encoding="utf-8")
    done = hornbook("lint", "recipe.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "asks no teacher" in done.stderr


def test_prompts_made_of_replies_cannot_be_seen_before(tmp_path: Path) -> None:
    found = linted(tmp_path, good(), recipe=RECIPE + "  - {use: generate.complete, name: again}\n")
    assert (found["steps"], found["unseen"]) == (["generate-complete"], ["again"])


def test_the_table_says_what_where_and_how_to_mend_it(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts.jsonl", [*good(), {"id": "bad\x1b[31m", "prompt": "Write about {topic}\x1b[31m."}])
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    done = hornbook("lint", "recipe.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "variables that nobody filled" in done.stdout
    assert "fix: fill the variable" in done.stdout
    assert "1 of 61" in done.stdout


# -- lists


STAGE = """\
from __future__ import annotations
import pyarrow as pa
from hornbook.core.knobs import knob
from hornbook.core.stage import Each

class Topics(Each):
    \"\"\"Keeps topics.\"\"\"

    keep_topics: list[str] = knob(default_factory=list, help="kept")
    remove_topics: list[str] = knob(default_factory=list, help="removed")
    blogposts: list[str] = knob(default_factory=list, help="as blog posts")
    nested: dict[str, list[str]] = knob(default_factory=dict, help="by audience")

    def each(self, piece: pa.Table) -> pa.Table:
        return piece.select([])
"""


def in_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: tuple[str, ...] = (), **knobs: Any):
    """Findings in the lists of one step of a user's own."""
    name = f"lintstage{abs(hash(tmp_path)) % 10**9}"
    (tmp_path / f"{name}.py").write_text(STAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    steps = [{"use": "sources.words"}, {"use": name, **knobs}]
    return [
        (one.level, one.what, one.examples)
        for one in lint_lists(check_data({"name": "x", "steps": steps}, "test"), values)
    ]


def test_an_item_twice(monkeypatch, tmp_path) -> None:
    found = in_lists(monkeypatch, tmp_path, keep_topics=["Gardening", "Cooking", "Gardening", "cooking"])
    assert found == [
        ("error", "keep_topics has the same item twice", ("Gardening",)),
        ("warning", "keep_topics has items that differ in case or white space alone", ("cooking",)),
    ]


def test_an_item_kept_and_removed(monkeypatch, tmp_path) -> None:
    found = in_lists(monkeypatch, tmp_path, keep_topics=["Gardening", "Cooking"], remove_topics=["Cooking", "Poker"])
    what = "keep_topics and remove_topics, which contradict each other, share items"
    assert found == [("error", what, ("Cooking",))]


def test_an_item_in_two_lists(monkeypatch, tmp_path) -> None:
    found = in_lists(monkeypatch, tmp_path, keep_topics=["Gardening", "Cooking"], blogposts=["Cooking"])
    assert found == [("warning", "keep_topics and blogposts share items", ("Cooking",))]


@pytest.mark.parametrize(
    "item",
    ["Gambling and PokerTravel", "Gambling and Poker Travel", "Gambling and Poker  travel"],
)
def test_the_missing_comma(monkeypatch, tmp_path, item: str) -> None:
    """Cosmopedia's: two topics in one item; both are known from the clusters' labels."""
    found = in_lists(
        monkeypatch, tmp_path, ("Gambling and Poker", "Travel", "History"), remove_topics=["Politics", item]
    )
    assert [(level, what) for level, what, _ in found] == [
        ("error", "remove_topics has items that are two items written together")
    ]


def test_a_missing_comma_where_one_half_is_known(monkeypatch, tmp_path) -> None:
    found = in_lists(monkeypatch, tmp_path, keep_topics=["Travel", "Card GamesTravel"])
    assert found[0][0] == "warning"
    assert found[0][2] == ("Card GamesTravel holds Travel",)
    found = in_lists(monkeypatch, tmp_path, nested={"children": ["Card Games", "Card Games Poker night"]})
    assert found[0][0] == "warning"
    assert found[0][2] == ("Card Games Poker night holds Card Games",)


def test_lists_that_are_right(monkeypatch, tmp_path) -> None:
    found = in_lists(
        monkeypatch,
        tmp_path,
        ("Medicine", "Law", "Cooking"),
        keep_topics=[
            "Cooking",
            "Cooking and Baking",
            "Medicine in the Bronze Age",
            "JavaScript",
            "Law of the sea",
        ],
        remove_topics=["Poker", "Politics"],
        nested={"a": ["x", "y"], "b": ["z"]},
    )
    assert found == []


# -- scale


def test_memory_is_bounded() -> None:
    checks = PromptChecks("s", 10**7, 0, 100)
    assert checks._earlier.capacity == MEMORY
    draw = random.Random(8)
    rows = [prompt(draw, 12) for _ in range(3_000)]
    for _ in range(3):
        checks.piece(list(rows), [0] * len(rows), [True] * len(rows))
    assert checks._hashes.count == checks.tokens.count == 9_000
    found = {one.check: one for one in checks.findings(lambda rows: [str(row) for row in rows], lambda rows: {})}
    assert found["duplicates"].count == 6_000
    assert found["duplicates"].examples == ("3000", "3001", "3002")


def test_every_finding_says_its_file_and_line(tmp_path: Path) -> None:
    recipe = """\
name: linted
teacher: {use: scripted, rule: story}
steps:
  - use: sources.prompts
    path: prompts.jsonl
  - use: generate.complete
    system: |
      Be kind.
      You are {persona}.
    max_tokens: 100
    watch:
      - "my.topic"
      - "*.template"
      - "my.topic"
"""
    rows = good()
    rows[4]["prompt"] += " It is about {{topic}}."
    rows.append({"id": "again", "prompt": rows[7]["prompt"]})
    rows.append({"id": "blank", "messages": [{"role": "user", "content": " "}]})
    rows.append({"id": "long", "prompt": prompt(random.Random(9), 4_000)})
    found = linted(tmp_path, rows, "--context", "2048", recipe=recipe)["findings"]
    assert {one["check"]: one["where"] for one in found} == {
        "unfilled": "prompts.jsonl:5",
        "duplicates": "prompts.jsonl:61",
        "empty": "prompts.jsonl:62",
        "length": "prompts.jsonl:63",
        "system": "recipe.yaml:9",
        "lists": "recipe.yaml:14",
    }
    shown = hornbook("lint", "recipe.yaml", "--context", "2048", cwd=tmp_path).stdout
    assert "where: prompts.jsonl:5" in shown


def test_a_list_on_one_line_and_one_in_a_template(tmp_path: Path) -> None:
    recipe = RECIPE + '    watch: ["a.topic", "b.topic", "a.topic"]\n'
    assert only(linted(tmp_path, good(), recipe=recipe), "lists")["where"] == "recipe.yaml:9"
