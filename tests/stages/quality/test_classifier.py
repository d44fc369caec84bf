from __future__ import annotations

import http.server
import importlib.util
import json
import random
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hornbook.core.errors import HornbookError, UserError
from hornbook.core.keys import random_for
from hornbook.stages.quality.classifier import Classifier
from tests.contract import Example, recipe_of, run
from tests.corpus import HOSTILE
from tests.stages.driving import mark

pytest.importorskip("sklearn", reason="quality.classifier needs hornbook[classify]")
if importlib.util.find_spec("wordllama") is None:
    pytest.skip("the default embedding needs hornbook[classify]", allow_module_level=True)

TEACHES = (
    "learn",
    "example",
    "explain",
    "because",
    "step",
    "lesson",
    "simple",
    "understand",
    "teach",
    "学",
    "课",
    "كتاب",
)
SELLS = ("buy", "sale", "discount", "click", "cart", "price", "order", "cheap", "subscribe", "offer", "买", "卖", "سعر")


def written(number: int) -> tuple[str, float]:
    """A text that teaches to some degree, and that degree from 0 to 5."""
    draw = random_for(5, "text", number)
    degree = draw.uniform(0, 5)
    words = [draw.choice(TEACHES if draw.uniform(0, 5) < degree else SELLS) for _ in range(draw.randint(20, 60))]
    return " ".join(words), degree


def corpus(many: int = 160, every: int = 1, noise: float = 0.0) -> list[dict]:
    rows = []
    for number in range(many):
        text, degree = written(number)
        draw = random_for(6, "teacher", number)
        label, again = (min(5.0, max(0.0, degree + draw.gauss(0, noise))) for _ in range(2))
        asked = number % every == 0
        rows.append(
            {
                "id": f"d{number}",
                "text": text,
                "origin": f"made:{number}",
                "quality.annotation": round(label, 3) if asked else None,
                "quality.annotation_2": round(again, 3) if asked and number % 3 == 0 else None,
                "known": float(degree > 2.5),
            }
        )
    return rows


HOSTILE_ROWS = [{"id": f"h-{name}", "text": text, "origin": "h", "known": 0.0} for name, text in HOSTILE.items()]
EXAMPLE = Example(
    knobs={"method": "linear", "proxy": "known", "seed": 17, "good": 2.5},
    rows=[*corpus(60), *HOSTILE_ROWS],
    golden={"1": "89ffefbbbf22695745d44f8b8aa668f2"},
)


def table_from(rows: list[dict]) -> pa.Table:
    names = ("id", "text", "quality.annotation", "quality.annotation_2", "known")
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def facts_of(rows: list[dict], here: Path, **knobs) -> dict:
    example = Example(knobs={"good": 2.5, "seed": 17, "proxy": "known"} | knobs, rows=rows)
    return run(recipe_of("quality.classifier", example, here / "in"), here)[-1].manifest["facts"]


@pytest.mark.parametrize("method", ["forest", "linear", "ngrams"])
def test_learns_what_a_teacher_says_and_says_how_well(method, tmp_path):
    facts = facts_of(corpus(400, every=2, noise=0.5), tmp_path, method=method)
    held = facts["held_out"]
    assert facts["annotated"] == 200
    assert held["documents"] + facts["fitted_on"] == 200
    assert held["auroc"] > 0.85
    assert facts["proxy"]["auroc"] > 0.85, "what was never annotated is scored as well"
    assert (facts["proxy"]["good"], facts["proxy"]["bad"]) == (
        sum(row["known"] for row in corpus(400)),
        400 - sum(row["known"] for row in corpus(400)),
    )
    assert facts["teacher"]["documents"] == sum(
        1 for row in corpus(400, every=2) if row["quality.annotation_2"] is not None
    )
    assert 0.8 < facts["teacher"]["spearman"] < 0.99
    assert [point["labels"] for point in facts["learning_curve"]["curve"]][-1] == facts["fitted_on"]
    said = [entry["teacher"] for entry in held["calibration"]]
    assert said[-1] > said[0] + 1
    kept = [entry["kept"] for entry in held["thresholds"]]
    assert kept == sorted(kept, reverse=True)
    low, high = held["auroc_interval"]
    assert low <= held["auroc"] <= high
    assert held["at_good"]["min"] == 2.5
    assert held["at_good"]["precision"] > held["good"] / held["documents"], "better than keeping everything"
    assert facts["in_words"][0].startswith(f"AUROC {held['auroc']:.2f}")
    assert len(facts["in_words"]) == 4


@pytest.mark.parametrize("method", ["forest", "linear", "ngrams"])
def test_labels_drawn_by_chance_teach_nothing(method, tmp_path):
    rows = corpus(400)
    draw = random.Random(3)
    labels = [row["quality.annotation"] for row in rows]
    draw.shuffle(labels)
    for row, label in zip(rows, labels, strict=True):
        row["quality.annotation"], row["quality.annotation_2"] = label, None
    facts = facts_of(rows, tmp_path, method=method)
    assert abs(facts["held_out"]["auroc"] - 0.5) < 4 * facts["held_out"]["auroc_standard_error"]
    assert facts["teacher"] == {"documents": 0}
    low, _ = facts["held_out"]["auroc_interval"]
    assert ("no better than chance" in facts["in_words"][0]) == (low <= 0.5)
    assert "cannot be told" in " ".join(facts["in_words"])


@pytest.mark.parametrize("method", ["forest", "linear", "ngrams"])
def test_pieces_and_order_change_nothing(method):
    rows = [*corpus(60), *HOSTILE_ROWS]
    stage = Classifier(method=method, seed=3, trees=20)
    whole = mark(stage, table_from(rows))
    assert all(mark(stage, table_from(rows), size).equals(whole) for size in (7, 40))
    assert np.isfinite(whole["quality.score"].to_numpy()).all()
    order = list(range(len(rows)))[::-1]
    turned = mark(stage, table_from([rows[at] for at in order]), 9)
    assert turned.equals(whole.take(pa.array(order)))


def test_held_out_is_a_matter_of_id_and_seed():
    table = table_from(corpus(200, every=2))
    one, other = (mark(Classifier(seed=seed, held_out=0.3), table)["quality.held_out"].to_pylist() for seed in (1, 2))
    assert one != other
    assert [value is None for value in one] == [number % 2 == 1 for number in range(200)]
    assert 15 <= sum(value is True for value in one) <= 45


def test_the_model_never_saw_what_it_is_measured_on():
    """Other labels on the held-out documents: the same scores."""
    rows = corpus(120)
    stage = Classifier(seed=1)
    marked = mark(stage, table_from(rows))
    for row, held in zip(rows, marked["quality.held_out"].to_pylist(), strict=True):
        if held:
            row["quality.annotation"] = 5.0 - row["quality.annotation"]
    assert mark(stage, table_from(rows))["quality.score"].equals(marked["quality.score"])


@pytest.mark.parametrize("many", [0, 19])
def test_too_few_annotations_are_said(many):
    rows = corpus(40)
    for row in rows[many:]:
        row["quality.annotation"] = None
    with pytest.raises(UserError, match=f"{many} of 40 documents are annotated"):
        mark(Classifier(), table_from(rows))


def test_an_annotation_must_be_a_number():
    table = table_from(corpus(30))
    with pytest.raises(UserError, match="known holds string"):
        mark(Classifier(annotation="known"), table.set_column(4, "known", pa.array(["good"] * 30)))


class Server(http.server.BaseHTTPRequestHandler):
    """Vectors that say how many words of a text teach and how many sell, in the wrong order."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = [
            {"index": at, "embedding": [1.0, *(sum(w in kind for w in text.split()) for kind in (TEACHES, SELLS))]}
            for at, text in enumerate(asked["input"])
        ]
        body = json.dumps({"data": rows[::-1] if asked["model"] == "counts" else rows[:1]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/v1"
        found.shutdown()


def test_a_servers_vectors(server, tmp_path):
    facts = facts_of(corpus(150), tmp_path, method="linear", embedding=f"{server}#counts")
    assert facts["held_out"]["auroc"] > 0.9
    with pytest.raises(HornbookError, match="came back"):
        mark(Classifier(method="linear", embedding=f"{server}#broken"), table_from(corpus(150)))


def test_an_unknown_embedding_is_refused():
    with pytest.raises(ValueError, match="wordllama"):
        Classifier(embedding="word2vec")
