"""Holds our n-gram scores against those of the authors' code (potsawee/selfcheckgpt, MIT), on the same texts.

    python3 -m venv E && E/bin/pip install spacy nltk numpy
    git clone https://github.com/potsawee/selfcheckgpt C
    python -m bench.checking.original --code C --python E/bin/python

Their words are spaCy's; the English model it asks for is no package of the index, so a blank English pipeline with its
rule for sentences stands in for it. Where texts are plain words both see the same, and scores must be equal.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from bench.checking.record import topics
from bench.checking.statements import good, passages, statements
from hornbook.core.keys import random_for
from hornbook.kernels.sentences import said
from hornbook.stages.evaluate._selfchecking import ngram

SIZES = (1, 2, 3)
THEIRS = """
import importlib.util, json, sys
import spacy
blank = spacy.blank("en")
blank.add_pipe("sentencizer")
spacy.load = lambda name: blank
spec = importlib.util.spec_from_file_location("theirs", sys.argv[1])
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)
found = []
for row in json.load(sys.stdin):
    scores = []
    for n in (1, 2, 3):
        model = theirs.UnigramModel() if n == 1 else theirs.NgramModel(n)
        for text in (row["text"], *row["samples"]):
            model.add(text)
        model.train(k=0)
        made = model.evaluate([row["text"]])["sent_level"]
        scores.append([float(made["avg_neg_logprob"][0]), float(made["max_neg_logprob"][0])])
    found.append(scores)
print(json.dumps(found))
"""


def plain() -> list[dict[str, Any]]:
    """Texts of lower-case words alone, one sentence each: what both tokenizers see alike."""
    rows = []
    for at, passage in enumerate(passages()[:60]):
        lines = [" ".join(re.findall(r"\b[a-z]{4,}\b", s)) for s in good(passage)]
        lines = [" ".join(word for word in line.split() if word != "cannot") for line in lines if line.count(" ") > 4]
        if len(lines) > 1:
            draw = random_for(17, at)
            rows.append({"text": lines[0], "samples": [" ".join(draw.sample(s.split(), s.count(" "))) for s in lines]})
    return rows


def real() -> list[dict[str, Any]]:
    """Statements about passages, and for samples two sentences of the passage at a time."""
    texts = passages()
    rows = []
    for at, one in enumerate(statements(list(topics()))):
        own, draw = said(texts[one.about]), random_for(17, at)
        rows.append({"text": one.text, "samples": [" ".join(draw.sample(own, min(2, len(own)))) for _ in range(4)]})
    return rows


def ours(rows: list[dict[str, Any]]) -> Any:
    """float64 (rows, sizes, 2): mean and greatest."""
    every = [[ngram([row["text"]], [said(text) for text in row["samples"]], n)[:2] for n in SIZES] for row in rows]
    return np.array(every)[..., 0]


def main() -> None:
    """Print how far apart the two are."""
    from scipy.stats import spearmanr

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, required=True, help="a clone of their repository")
    parser.add_argument("--python", required=True, help="a Python with spacy, nltk and numpy")
    given = parser.parse_args()
    for name, rows in (("plain words", plain()), ("text as it is", real())):
        command = [given.python, "-W", "ignore", "-c", THEIRS, str(given.code / "selfcheckgpt" / "modeling_ngram.py")]
        done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True)
        theirs, mine = np.array(json.loads(done.stdout)), ours(rows)
        for at, n in enumerate(SIZES):
            apart = [float(np.abs(mine[:, at, k] - theirs[:, at, k]).max()) for k in (0, 1)]
            ranks = [float(spearmanr(mine[:, at, k], theirs[:, at, k])[0]) for k in (0, 1)]
            print(
                f"{name}, {len(rows)} texts, n = {n}: most apart {apart[0]:.3g} (mean) {apart[1]:.3g} (greatest); "
                f"Spearman {ranks[0]:.3f} {ranks[1]:.3f}"
            )


if __name__ == "__main__":
    main()
