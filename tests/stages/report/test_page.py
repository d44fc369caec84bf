"""report.page: what the page says is what the manifests say, and nothing in it can act."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import unicodedata
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.documents import EVIDENCE, REASON
from hornbook.stages.report import _charts as charts
from hornbook.stages.report import _facts as facts
from hornbook.stages.report import _show as show
from hornbook.stages.report import _sketch as sketch
from hornbook.stages.report._gather import Corpus
from hornbook.stages.report.page import Page
from hornbook.store.artifacts import Above, artifact_at
from hornbook.store.manifest import Manifest
from hornbook.store.parts import PartWriter
from tests.contract import Example, recipe_of, run
from tests.corpus import STORIES, rows

EXAMPLE = Example()

ACTING = "</style></title></pre>\"'><script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:alert(3)'>"
ITEM = "The little turtle walked across the wide green field to find the lost golden key of the old king"


def documents():
    """The hostile corpus, each with a prompt, and more: acting markup everywhere, an exam item, twins of an opening."""
    found = [row | {"prompt": f"Write a story. {row['text'][:200]}"} for row in rows()]
    body = " ".join(STORIES[:3])
    found += [
        {"id": ACTING, "text": f"{ACTING} \x1b[31m\x07 {body}", "origin": ACTING, "prompt": ACTING},
        {"id": "dirty", "text": f"{body} {ITEM}.", "origin": "x", "prompt": "y"},
    ]
    found += [
        {"id": f"once-{n}", "text": f"Once upon a time number {n} fell. {body[n:]}", "origin": "o", "prompt": "same"}
        for n in range(12)
    ]
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with drops of several kinds, a scripted teacher, duplicates, an exam and tokens; its steps."""
    folder = tmp_path_factory.mktemp("report")
    example = Example(
        knobs={"samples": 200, "examples": 20},
        rows=documents(),
        above=(
            ("quality.length", {"min_words": 5, "max_words": 2000}),
            ("quality.openings", {}),
            ("dedup.exact", {}),
            ("decontaminate.ngrams", {"against": ["{tmp}/exam.jsonl"]}),
            ("tokenize.bpe", {"vocab": 300}),
        ),
        files={"exam.jsonl": json.dumps({"id": 1, "text": ITEM}) + "\n"},
        teacher={"use": "scripted"},
    )
    return run(recipe_of("report.page", example, folder / "in"), folder)


@pytest.fixture(scope="module")
def html(made):
    return (made[-1].folder / "report.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Every element with its attributes, and the text of each."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


# What is in the page cannot act


def test_nothing_acts_and_nothing_is_fetched(html):
    page = Reader(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "input", "base", "image", "use"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "xlink:href")], tag
        assert attributes.get("href", "#").startswith("#")
    assert len(page.texts["style"]) == 1
    assert "url(" not in page.texts["style"][0]
    assert "@import" not in page.texts["style"][0]
    assert "alert(1)" in html, "the acting text was in the corpus and must be there, as text"


def test_the_policy_names_the_one_style_sheet(html):
    page = Reader(html)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.texts["style"][0].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_no_invisible_character_is_left(html):
    hidden = {c for c in html if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")}
    assert hidden <= set("\n\t\u200c\u200d")
    assert "U+202E" in html
    assert "U+0000" in html


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.integers(1, 400))
def test_visible_text_is_escaped_cut_and_shows_everything(text, limit):
    said = str(show.visible(text, limit))
    page = Reader(f"<div>{said}</div>")
    assert {tag for tag, _ in page.elements} <= {"div", "span"}
    bare = unescape(re.sub(r'<span class="(?:u|cut)">[^<]*</span>', "", said))
    assert all(c in "\n\t\u200c\u200d" or unicodedata.category(c) not in show._HIDDEN for c in bare)
    shown = "\n".join(text[:limit].split("\n")[: show.LINES])
    kept = [c for c in shown if unicodedata.category(c) not in (*show._HIDDEN, "Mn", "Me") and not c.isspace()]
    assert [c for c in bare if c in kept] == kept
    assert (f" {len(text) - len(shown):,} more characters" in said) == (len(text) > len(shown))


def test_a_text_of_empty_lines_takes_little_room():
    said = str(show.visible("a" + "\n \n" * 200 + "b" + "\n" * 30))
    assert said.count("\n") < 8
    assert "30 line ends" in str(show.visible("a" + "\n" * 30 + "b"))
    assert "line ends" not in str(show.visible("a\n\n\nb"))
    assert str(show.visible("l\n" * 400)).count("\n") <= show.LINES


def test_combining_marks_do_not_climb_over_the_lines():
    assert len(str(show.visible("Z" + "\u0351" * 500))) < 10


def test_logins_in_addresses_are_left_out(made, tmp_path):
    recipe = {"name": "x", "teacher": {"use": "openai", "url": "https://name:secret@host:1/v1"}}
    page = write(Above(made[:-1], [made[-3]], recipe), tmp_path)
    assert "secret" not in page
    assert "host:1/v1" in page


@pytest.mark.browser
def test_a_browser_finds_nothing_to_refuse(made, tmp_path):
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><p style='x:y'>"
    )
    assert "Content Security Policy" in console(browser, bad, tmp_path), "the check itself does not work"
    assert console(browser, made[-1].folder / "report.html", tmp_path) == ""


def console(browser, page, folder):
    """What a page makes the browser say on its console."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command = [browser, *flags, f"--user-data-dir={folder / 'profile'}", page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, encoding="utf-8")
    assert "</html>" in done.stdout
    return "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


# What the page says is true


def write(inputs, folder, **knobs):
    """Run the stage alone; the page."""
    folder.mkdir(exist_ok=True)
    said = Page(**knobs).run(inputs, folder, lambda share, words: None)
    assert said["page"] == "report.html"
    return (folder / "report.html").read_text(encoding="utf-8")


def table(html, caption):
    """The rows of the table of that caption, as lists of text."""
    body = re.search(rf"<caption[^>]*>{re.escape(caption)}</caption>(.*?)</table>", html, re.DOTALL).group(1)
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in found]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]


def test_the_funnel_is_that_of_the_manifests(made, html):
    rows_of = table(html, "The funnel")[1:]
    steps = [a for a in made[:-1] if a.makes == "documents"]
    assert [row[0] for row in rows_of] == [a.step for a in steps]
    for row, artifact in zip(rows_of, steps, strict=True):
        manifest = artifact.manifest
        assert row[2:5] == [f"{manifest[name]:,}" for name in ("rows_in", "kept", "dropped")]


def test_every_reason_is_there_with_examples_that_were_really_dropped(made, html):
    found = 0
    for artifact in made[:-1]:
        for reason, many in artifact.manifest["reasons"].items():
            block = re.search(rf'<span class="reason">{reason}</span>(.*?)</details>', html, re.DOTALL).group(1)
            assert block.count("<article>") == min(20, many)
            assert block.count("Evidence") == min(20, many)
            found += 1
    assert found >= 4, "the run should drop for several reasons"


def test_duplicates_exams_and_openings(made, html):
    dedup = next(a for a in made if a.stage == "dedup.exact")
    assert dedup.manifest["dropped"] > 0
    assert f"{dedup.manifest['dropped']} documents of" in html
    assert "the largest group had 3 documents" in html
    assert table(html, "Documents dropped, by exam")[1:] == [["exam", "1"]]
    assert "exam.jsonl" in html
    assert re.search(r"Shared text</span> <bdi>[^<]*little turtle walked across", html)
    assert "<strong>Flagged.</strong> “<bdi>once upon a</bdi>”" in html


def test_the_same_artifacts_give_the_same_page(made, tmp_path):
    above = Above(made[:-1], [made[-3]], {"name": "again"})
    assert write(above, tmp_path / "a") == write(above, tmp_path / "b")


def test_samples_and_their_command(made, tmp_path):
    above = Above(made[:-1], [made[-3]], {"name": "again"})
    many = above.rows()
    page = write(above, tmp_path, samples=200)
    assert page.count('<article class="sample">') == many
    assert "hornbook why <bdi>once-3</bdi>" in page
    assert write(above, tmp_path, samples=0).count("hornbook why") == 0


def test_the_page_stays_small(html, made, tmp_path):
    assert len(html.encode()) < 600_000
    noisy = pa.table(
        {"id": [f"n{n}" for n in range(300)], "text": ["\x00\u202e<" * 40_000] * 300, "origin": ["o"] * 300}
    )
    page = write(Above(*artifacts(tmp_path / "noise", noisy)), tmp_path / "noise", samples=200, examples=20)
    assert len(page.encode()) < 10_000_000


def artifacts(folder, kept, *, dropped=None, stage="sources.files", kind="source"):
    """One finished step with these rows, as the engine leaves it: (above, sources)."""
    with PartWriter(folder / "step", "part-00000") as parts:
        parts.write(kept)
    with PartWriter(folder / "step" / "dropped", "part-00000") as drops:
        if dropped is not None:
            drops.write(dropped)
    gone = 0 if dropped is None else dropped.num_rows
    counts = (
        {} if dropped is None else {e["values"]: e["counts"] for e in dropped.column(REASON).value_counts().to_pylist()}
    )
    Manifest(
        stage=stage, kind=kind, version="1", key="k", output="k", rows_in=kept.num_rows + gone, kept=kept.num_rows,
        dropped=gone, reasons=counts, parts=parts.files, drops=drops.files,
    ).write(folder / "step")  # fmt: skip
    done = artifact_at(folder / "step", "step")
    return [done], [done]


def test_drops_without_id_text_or_origin(tmp_path):
    kept = pa.table({"id": ["a"], "text": ["b"], "origin": ["c"]})
    gone = pa.table({REASON: ["broken", "broken"], EVIDENCE: ["line 1", None]})
    page = write(Above(*artifacts(tmp_path, kept, dropped=gone)), tmp_path)
    assert "line 1" in page


def test_no_document_and_no_recipe(tmp_path):
    kept = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    assert "No document came out." in write(Above(*artifacts(tmp_path, kept)), tmp_path)


def test_jobs_show_their_curve_bits_samples_and_facts(tmp_path):
    import pyarrow.parquet as pq

    above, sources = artifacts(tmp_path, pa.table({"id": ["a"], "text": ["b c d"], "origin": ["c"]}))
    folder = tmp_path / "job"
    folder.mkdir()
    curve = [
        {"step": n, "tokens": n * 10, "train_loss": 5 / n, "val_loss": 6 / n if n % 4 == 0 else None}
        for n in range(1, 9)
    ]
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curve) + "{torn")
    pq.write_table(
        pa.table(
            {"id": ["s"], "prompt": ["He"], "completion": ["said <b>"], "text": ["He said <b>"], "kind": ["free"]}
        ),
        folder / "samples.parquet",
    )
    said = {
        "bits_per_byte": 1.25, "gzip_bits_per_byte": 2.5, "zstd_primed_bits_per_byte": 2.0,
        "course": {"deep": [1, 2, {"er": None}]}, "loss": float("nan"),
    }  # fmt: skip
    Manifest(stage="train.x", kind="job", version="1", key="k2", output="k2", makes="student", facts=said).write(folder)
    page = write(Above([*above, artifact_at(folder, "learn")], sources), tmp_path)
    assert "Learning curve: train loss from 5 to 0.625, val loss from 1.5 to 0.75." in page
    assert "Bits a byte. student: 1.250; zstd primed: 2.000; gzip: 2.500." in page
    assert "1.25 bits a byte; the best compressor, zstd primed, needs 2, so the student is better." in page
    assert "said &lt;b&gt;" in page
    assert ["course.deep", "1, 2, er: –"] in table(page, "Facts of learn (train.x)")


def test_costs_are_summed_over_the_steps_that_ask(tmp_path):
    above, sources = artifacts(tmp_path, pa.table({"id": ["a"], "text": ["b"], "origin": ["c"]}))
    for name, usd, cached in (("one", 1.5, 3), ("two", 0.25, 0)):
        asked = {
            "asked": 10,
            "cached": cached,
            "tokens": 1000,
            "prompt_tokens": 500,
            "usd": usd,
            "tokens_per_second": 50.0,
        }
        folder = tmp_path / name
        folder.mkdir()
        Manifest(
            stage="generate.x", kind="ask", version="1", key=name, output=name, facts=asked,
            seconds=20, rows_in=13, kept=13,
        ).write(folder)  # fmt: skip
        above.append(artifact_at(folder, name))
    page = write(Above(above, sources), tmp_path)
    assert "wrote 2,000 tokens for $1.75 and 3 replies came from the journal." in page
    took = {row[0]: row for row in table(page, "What each step took")[1:]}
    assert took["one"] == ["one", "20\u00a0s", "0.7", "1,000", "50", "$1.50", "3"]
    assert took["all"][-2:] == ["$1.75", "3"]


def test_sentences_follow_the_facts(tmp_path):
    kept = pa.table({"id": ["a", "b"], "text": ["one two", "three four"], "origin": ["o", "o"]})
    above, _ = artifacts(tmp_path / "clean", kept)
    found = Corpus(rows=2)
    assert "no step dropped any" in facts.sentences(above, found, {}, {})[0]
    gone = pa.table({"id": ["c"], REASON: ["torn"], EVIDENCE: ["e"]})
    above, _ = artifacts(tmp_path / "torn", kept, dropped=gone)
    first = facts.sentences(above, found, {}, {})[0]
    assert first == (
        "Of 3 records that came in, 2 are left (67\u00a0%). The step step dropped most: 1, all of them for “torn”."
    )


# Summaries of a stream


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=400), st.integers(1, 50))
def test_lengths_are_numpys(lengths, size):
    found = sketch.Lengths()
    for at in range(0, len(lengths), size):
        found.add(np.array(lengths[at : at + size], np.int64))
    for share in (0.0, 0.25, 0.5, 0.75):
        true = int(np.quantile(lengths, share, method="inverted_cdf"))
        assert found.quantile(share) == (true if true < 65_535 else max(lengths))
    assert sum(many for _, _, many in found.bins()) == len(lengths)
    assert len(found.bins()) <= 30
    assert found.total == sum(lengths)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=600), st.integers(1, 97))
def test_frequent_values_are_never_off_by_more_than_it_says(values, size):
    before, sketch._COUNTED = sketch._COUNTED, 8
    try:
        found = sketch.Frequent()
        for at in range(0, len(values), size):
            found.add(pa.chunked_array([[str(v) for v in values[at : at + size]]]))
    finally:
        sketch._COUNTED = before
    true = {str(v): values.count(v) for v in values}
    got = dict(found.top(100))
    for value, many in true.items():
        assert many - found.missed <= got.get(value, 0) <= many
    assert found.missed <= len(values) * 2 / 8


def test_distinct_values():
    found = sketch.Distinct()
    for at in range(0, 3000, 7):
        found.add(pa.chunked_array([[f"v{n % 1000}" for n in range(at, at + 7)]]))
    assert found.count() == 1000
    found = sketch.Distinct()
    for at in range(0, 60_000, 5000):
        found.add(pa.chunked_array([[f"v{n % 50_000}" for n in range(at, at + 5000)]]))
    assert abs(found.count() / 50_000 - 1) < 0.05


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(40)), st.integers(1, 41), st.integers(0, 45))
def test_a_sample_is_the_same_in_any_order_and_pieces(order, size, many):
    def drawn(order, size):
        found = sketch.Sample(many)
        for at in range(0, len(order), size):
            found.add(
                pa.table({"id": [f"d{n}" for n in order[at : at + size]], "text": ["t"] * len(order[at : at + size])})
            )
        return [row["id"] for row in found.rows()]

    assert drawn(order, size) == drawn(range(40), 40)
    assert len(drawn(order, size)) == min(40, many)


# What it looks like


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours."""

    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return bright / dark


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_drawings_stand_out(theme):
    of = {name: pair[theme] for name, pair in charts.THEME.items()}
    for ground in ("paper", "wash"):
        assert contrast(of["ink"], of[ground]) >= 7
        assert contrast(of["soft"], of[ground]) >= 4.5
        assert contrast(of["link"], of[ground]) >= 4.5
    assert all(contrast(of[name], of["paper"]) >= 3 for name in ("kept", "gone", "good", "pale"))


def test_every_colour_of_a_drawing_has_its_dark_twin(html):
    drawn = set(
        re.findall(
            r'(?:fill|stroke)="(#[0-9a-fA-F]{3,8}|[a-z]+)"', "".join(re.findall("<svg.*?</svg>", html, re.DOTALL))
        )
    )
    assert drawn - {"none", "transparent"} <= {pair[0] for pair in charts.THEME.values()}
    assert len(drawn) > 4


def test_charts_have_words_for_those_who_do_not_see_them(html):
    labels = re.findall(r'<div class="plot" role="img" aria-label="([^"]*)"', html)
    assert len(labels) >= 5
    assert all(len(label) > 20 for label in labels)
    assert html.count("<svg ") == 2 * len(labels) == html.count('<svg aria-hidden="true"')


def test_headings_go_down_one_level_at_a_time(html):
    levels = [int(tag[1]) for tag, _ in Reader(html).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert html.count("<table>") == html.count("<caption")


def test_charts_of_hostile_names_and_numbers():
    odd = [
        "",
        "\x00",
        "<b>" * 50,
        "\u202ea",
        "same",
        "same",
        "ع" * 60,
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ]
    drawn = charts.draw(charts.bars([(name, float(n), "<i>") for n, name in enumerate(odd)], warn=3.0), '"<')
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    charts.draw(charts.stacked([("none", 0, 0)], "rows"), "x")
    charts.draw(charts.histogram([(0, 1, 1)], 0, "words", "documents"), "x")
    charts.draw(charts.lines({"loss": [(1.0, 2.0)]}, "step", "loss"), "x")
