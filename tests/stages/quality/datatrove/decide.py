"""Writes the decisions of datatrove 0.10.1 that the tests compare with; run in an environment that has it.

`PEER/bin/python tests/stages/quality/datatrove/decide.py [CORPORA]` writes `made.jsonl` (texts, decisions) and,
where a folder with the public corpora is given, `real.json`: for each file and filter one letter a document.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
KEPT = "-"


def filters():
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    return {
        "gopher": GopherQualityFilter(),
        "repetition": GopherRepetitionFilter(),
        "c4": C4QualityFilter(),
        "fineweb": FineWebQualityFilter(),
    }


def decided(found, text):
    from datatrove.data import Document

    said = {}
    for name, one in found.items():
        try:
            document = Document(text=text, id="0")
            verdict = one.filter(document)
        except (ZeroDivisionError, ValueError) as error:
            said[name] = f"error: {type(error).__name__}"
            continue
        said[name] = "" if verdict is True else verdict[1]
        if name == "c4" and verdict is True:
            said["c4_text"] = document.text
    return said


def made_texts():
    sys.path.insert(0, str(ROOT))
    from tests.corpus import HOSTILE, STORIES

    texts = [*STORIES, *(text for name, text in HOSTILE.items() if name not in ("long line", "repeat"))]
    for pattern in ("docs/*.md", "src/hornbook/core/*.py", "src/hornbook/recipes/*.yaml"):
        for path in sorted(ROOT.glob(pattern)):
            texts.append(path.read_text(encoding="utf-8")[:4000])
    cut = [" ".join(STORIES[:3]), "\n".join(STORIES[:3] * 2), "\n\n".join(STORIES), " ".join(STORIES[:3] * 4)]
    odd = [
        "Don't say it's 10am. I can't; you'll see... e.g. the U.S. (and co.) :) 5km, $3.50 — \"quoted\"? Yes!!",
        "See http://example.com/a?b=c, mail a.b@example.org or 192.0.2.7:80/x. C++ vs. foo.bar--baz/qux, x=y<z ...\n"
        * 9,
        "• one\n- two\n- three\n" * 40,
        "The end…\nGoing on...\nAnd on ...\n" * 30,
        "# # # # to be or not to be that is the question and so on with all of it " * 8,
        "Lorem ipsum dolor sit amet. We use cookies on this page. This needs Javascript to run. [1] It is so.[edit]",
        "One is here now. Two is here now. Three is here now.\r\nFour is here. Five is there.\u2028Six has a { in it.",
        "Breaks\x0bof every kind.\x0cAre they lines, then?\x1cThey are here.\x85Python says so.\u2029And so it is.  . end.",  # noqa: E501
        "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 5,
        "\n\n\n the same line\nthe same line\n\n\nthe same line\n the same line\n",
        "\u3000the words\u00a0of the text\u3000",
    ]
    return [text for text in [*texts, *cut, *odd] if text]


def main():
    found = filters()
    with (HERE / "made.jsonl").open("w", encoding="utf-8") as file:
        for text in made_texts():
            file.write(json.dumps({"text": text} | decided(found, text), ensure_ascii=True) + "\n")
    if len(sys.argv) < 2:
        return
    reasons, real = {name: [KEPT] for name in found}, {}
    for path in sorted(Path(sys.argv[1]).glob("*.jsonl")):
        letters = dict.fromkeys(found, "")
        for line in path.open(encoding="utf-8"):
            said = decided(found, json.loads(line)["text"])
            for name in found:
                why = said[name] or KEPT
                if why not in reasons[name]:
                    reasons[name].append(why)
                letters[name] += chr(ord("a") + reasons[name].index(why))
        real[path.name] = letters
    (HERE / "real.json").write_text(json.dumps({"reasons": reasons, "files": real}, indent=0), encoding="utf-8")


if __name__ == "__main__":
    main()
