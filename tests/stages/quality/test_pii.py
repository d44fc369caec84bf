from __future__ import annotations

import time

import pytest

from hornbook.stages.quality.pii import Pii
from tests.contract import Example
from tests.corpus import HOSTILE, STORIES
from tests.stages.driving import documents, mark, outcome
from tests.stages.quality.planted import FOUND, measured

EXAMPLE = Example(knobs={"max_mails": 0}, golden={"1": "87ad79146c10621a2339897f17ba83f8"})
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc+/=\n-----END RSA PRIVATE KEY-----"
CASES = [
    ("mail", "write to ann.b+c@example.co.uk,请写信给xiaoming@example.com。 <a@b.io>", 3),
    ("mail", "@decorator\na @ b, user@localhost, x@y", 0),
    ("ip", "at 192.0.2.7, 255.255.255.255 and 2001:db8::8a2e:370:7334", 3),
    ("ip", "version 1.2.3 is 256.1.1.1, at 12:30:45, std::cout, a::b", 0),
    ("phone", "+49 170 1234567, (415) 555-2671, 415-555-2671, 13812345678", 4),
    ("phone", "12345678901234567890, 3.14159265, 2024-05-06, 1 + 2, x+1", 0),
    ("key", f"AKIA{'ABCD1234' * 2} ghp_{'a1' * 18} xoxb-123456789012-abc AIza{'x' * 35} {KEY}", 5),
    ("key", "sk-proj-" + "aB3" * 10 + " sk_live_" + "a1" * 12 + " hf_" + "a" * 34, 3),
    ("key", "task-oriented, ghost, AKIA, -----BEGIN CERTIFICATE-----, hf_hub_download", 0),
]


@pytest.mark.parametrize(("kind", "text", "count"), CASES)
def test_counts(kind: str, text: str, count: int) -> None:
    assert mark(Pii(), documents([text, ""])).column(f"quality.{kind}s").to_pylist() == [count, 0]


def test_stories_hold_none_and_no_text_changes() -> None:
    table = documents(STORIES)
    marked = mark(Pii(), table)
    assert marked.column("text").equals(table.column("text"))
    for kind in ("mails", "ips", "phones", "keys"):
        assert marked.column(f"quality.{kind}").to_pylist() == [0] * len(STORIES)


def test_recall_and_precision_of_what_is_planted() -> None:
    """Floors, below the figures of docs/stages/quality.pii.md: national numbers are missed, versions of four parts are
    taken for addresses."""
    chinese, arabic = "请把这个写在信里 然后寄给我们的朋友 🦊", "اكتب هذا في الرسالة ثم أرسلها إلى صديقنا"
    texts = [*STORIES, chinese, arabic] * 60
    seen = measured(texts)
    floors = {"mail": (0.99, 0.99), "ip": (0.99, 0.75), "phone": (0.8, 0.99), "key": (0.99, 0.99)}
    for kind, (recall, precision) in floors.items():
        assert (kind, seen[kind][0] >= recall, seen[kind][1] >= precision) == (kind, True, True)
    assert set(seen) == set(FOUND)


def test_unended_keys_take_linear_time() -> None:
    """Ten times the text may take thirty times as long, not a hundred times."""
    times = []
    for many in (3_000, 30_000):
        table = documents(["-----BEGIN PRIVATE KEY-----\nMIIE\n" * many])
        began = time.process_time()
        assert mark(Pii(), table).column("quality.keys").to_pylist() == [many]
        times.append(time.process_time() - began)
    assert times[1] < 30 * max(times[0], 0.02)


def test_only_what_is_asked_for_leaves() -> None:
    table = documents([CASES[0][1], CASES[6][1], STORIES[3]])
    assert outcome(Pii(), table)[1] == {}
    assert {key: why for key, (why, _) in outcome(Pii(max_mails=2, max_keys=0), table)[1].items()} == {
        "d0": "mails",
        "d1": "keys",
    }


def test_hostile_texts_are_marked() -> None:
    table = documents([*HOSTILE.values(), "a@" * 1_000_000, "1." * 1_000_000, "-----BEGIN PRIVATE KEY-----" * 10_000])
    assert mark(Pii(), table).num_rows == table.num_rows
    assert Pii().each(documents([])).num_rows == 0
