"""The law of every benchmark: turns alternate, peers that are missing are said and null, one JSON line of one shape."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import __main__ as program
from bench import peers
from bench.harness import Contender, Failed, Outcome, Score, line_of, record, table_of, take_turns

KEYS = ["name", "unit", "ours", "peers", "ratio_to_best_peer", "limit", "share_of_limit", "n", "machine", "versions"]


def contenders(log, *, missing=None, values=None):
    """Three that write down when their turn was."""
    values = values or {"ours": 10.0, "peer": 2.0, "limit": 20.0}

    def act(name):
        def turn(left):
            log.append(name)
            if isinstance(values[name], str):
                raise Failed(values[name])
            return {"value": values[name], "other": 1.0}

        return turn

    return [
        Contender("ours", "ours", act("ours")),
        Contender("peer", "peer", act("peer"), missing),
        Contender("limit", "limit", act("limit")),
    ]


def outcome(scores, more=True):
    return Outcome(scores, "requests/s", more, {"ours": "1"}, {"other": "other"})


def test_turns_alternate():
    log, told = [], []
    scores = take_turns(contenders(log), 3, told.append)
    assert log == ["ours", "peer", "limit"] * 3
    assert [len(s.turns) for s in scores] == [3, 3, 3]


def test_a_missing_peer_is_said_and_null_and_never_asked():
    log, told = [], []
    scores = take_turns(contenders(log, missing="not installed: do this"), 2, told.append)
    line = line_of("x", outcome(scores))
    assert log == ["ours", "limit"] * 2
    assert "peer: skipped: not installed: do this" in told
    assert line["peers"] == {"peer": None}
    assert line["ratio_to_best_peer"] is None
    assert line["ours"] == 10.0


def test_one_that_fails_is_left_out_and_the_others_go_on():
    log, told = [], []
    values = {"ours": 10.0, "peer": "it broke", "limit": 20.0}
    scores = take_turns(contenders(log, values=values), 3, told.append)
    assert log.count("peer") == 1
    assert log.count("ours") == 3
    line = line_of("x", outcome(scores))
    assert line["trouble"] == {"peer": "it broke"}
    assert line["peers"] == {"peer": None}


def test_no_round_is_begun_that_would_not_end_in_time():
    now = 0.0

    def slow(left):
        nonlocal now
        now += 10.0
        return {"value": left}

    scores = take_turns([Contender("ours", "ours", slow)], 9, lambda text: None, until=35.0, clock=lambda: now)
    assert [turn["value"] for turn in scores[0].turns] == [35.0, 25.0, 15.0]


def test_one_that_takes_long_has_one_turn_and_the_others_go_on():
    now = 0.0

    def taking(seconds):
        def turn(left):
            nonlocal now
            now += seconds
            return {"value": seconds}

        return turn

    both = [Contender("ours", "ours", taking(1.0)), Contender("peer", "peer", taking(101.0))]
    scores = take_turns(both, 3, lambda text: None, clock=lambda: now, long=100.0)
    assert [len(s.turns) for s in scores] == [3, 1]
    assert [s.trouble for s in scores] == ["", ""]


def test_ratios_are_of_the_same_round():
    ours = Score("ours", "ours", [{"value": value} for value in (10.0, 100.0, 30.0)])
    peer = Score("peer", "peer", [{"value": value} for value in (5.0, 10.0, 10.0)])
    once = Score("once", "peer", [{"value": 2.0}])
    line = line_of("x", outcome([ours, peer, once]))
    assert line["ratios"] == {"peer": 3.0, "once": 5.0}
    assert line["ratio_to_best_peer"] == 3.0, "of 2, 10 and 3"
    ours.turns = ours.turns[:2]
    assert line_of("x", outcome([ours, peer, once]))["ratio_to_best_peer"] == 6.0, "of 2 and 10"
    less = line_of("x", outcome([ours, peer, once], more=False))["ratios"]
    assert less == {"peer": 0.3, "once": 0.2}


def test_one_for_which_no_time_is_left_is_said_and_not_begun():
    log = []
    scores = take_turns(contenders(log), 1, lambda text: None, until=0.5, clock=lambda: 0.0)
    assert log == []
    assert {s.trouble for s in scores} == {"no time was left for it"}


def test_the_line_has_the_keys_of_the_contract_and_is_one_line_of_json():
    line = line_of("x", outcome(take_turns(contenders([]), 2, lambda text: None)))
    assert list(line)[: len(KEYS)] == KEYS
    assert "\n" not in json.dumps(line)
    assert (line["ratio_to_best_peer"], line["share_of_limit"], line["n"]) == (5.0, 0.5, 2)
    assert line["machine"]["cores"] >= 1


@given(
    ours=st.floats(0.01, 1e6),
    rivals=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=4),
    more=st.booleans(),
)
def test_above_one_means_that_ours_is_better_than_every_peer(ours, rivals, more):
    scores = [Score("ours", "ours", [{"value": ours}])]
    scores += [Score(f"p{n}", "peer", [{"value": value}]) for n, value in enumerate(rivals)]
    ratio = line_of("x", outcome(scores, more))["ratio_to_best_peer"]
    best = max(rivals) if more else min(rivals)
    assert math.isclose(ratio, ours / best if more else best / ours, rel_tol=1e-3)


def test_medians_not_means():
    score = Score("ours", "ours", [{"value": value} for value in (1.0, 2.0, 900.0)])
    assert line_of("x", outcome([score]))["ours"] == 2.0


def test_the_table_shows_every_contender_also_those_without_a_number():
    scores = take_turns(contenders([], missing="not installed"), 1, lambda text: None)
    rows = table_of(outcome(scores)).splitlines()
    assert len({len(row) for row in rows}) == 1
    assert [row.split()[0] for row in rows[1:]] == ["ours", "peer", "limit"]
    assert "not installed" in rows[2]


def test_results_are_appended(tmp_path):
    line = line_of("x", outcome(take_turns(contenders([]), 1, lambda text: None)))
    record(line, tmp_path)
    path = record(line, tmp_path)
    assert [json.loads(row)["ours"] for row in path.read_text().splitlines()] == [10.0, 10.0]


def test_names_that_are_unknown_or_not_built_end_with_code_2_and_what_there_is(capsys, monkeypatch):
    assert program.main(["asking_overhed"]) == 2
    assert "no benchmark 'asking_overhed'" in capsys.readouterr().err
    monkeypatch.setattr(program, "built", lambda name: name == "asking_overhead")
    assert program.main(["viewer"]) == 2
    said = capsys.readouterr().err
    assert "viewer" in said
    assert "not built yet" in said
    assert "asking_overhead" in said


def test_list_names_all(capsys):
    assert program.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in program.NAMES)


def test_main_prints_the_line_last(capsys, monkeypatch):
    class Toy:
        PEERS = ()

        @staticmethod
        def run(options):
            return outcome(take_turns(contenders([]), 1, options.tell))

    monkeypatch.setattr(program, "load", lambda name: Toy)
    assert program.main(["toy", "--quick"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["name"] == "toy"
    assert len(said.out.splitlines()) == 1


def test_a_peer_counts_as_installed_only_from_the_present_pins(tmp_path):
    assert peers.python_of("curator", tmp_path) is None
    python = tmp_path / "curator" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert peers.python_of("curator", tmp_path) is None, "half an installation"
    stamp = tmp_path / "curator" / peers.STAMP
    stamp.write_text(json.dumps({"pins": "older"}))
    assert peers.python_of("curator", tmp_path) is None, "other pins"
    stamp.write_text(json.dumps({"pins": (peers.PINS / "curator.txt").read_text()}))
    assert peers.python_of("curator", tmp_path) == python


@pytest.mark.parametrize("peer", sorted(path.stem for path in peers.PINS.glob("*.txt")))
def test_pins_are_exact_and_name_the_peer(peer):
    rows = [row for row in (peers.PINS / f"{peer}.txt").read_text().splitlines() if row and not row.startswith("#")]
    assert all("==" in row and "://" not in row for row in rows)
    assert peers.version_of(peer) != "?"


def test_a_peer_sees_neither_our_path_nor_our_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    seen = peers.environment(tmp_path)
    assert "OPENAI_API_KEY" not in seen
    assert "PYTHONPATH" not in seen
    assert seen["HF_HUB_OFFLINE"] == "1"
