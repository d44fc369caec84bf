"""Laws of asking servers, in virtual time: none is asked more than it takes, none is left idle, none is lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.teachers.ends import CUT, FIRST, OPEN_AFTER, RAISE_AFTER, End, Ends
from hornbook.teachers.pace import Bucket, Pace, hint_of, seconds_of
from tests.faulty_limits import Moody, Sliding, Tokens, Window
from tests.teachers.simulated import simulate

RATE = 20


@pytest.mark.parametrize("tell", ["none", "seconds", "exact"])
@pytest.mark.parametrize("latency", [0.05, 1.0, 20.0])
@pytest.mark.parametrize(
    "limit",
    [lambda: Tokens(RATE, 5), lambda: Tokens(RATE, RATE), lambda: Tokens(RATE, 3 * RATE), lambda: Sliding(RATE, 1.0)],
    ids=["bucket5", "bucket20", "bucket60", "sliding"],
)
def test_a_storm_of_refusals_ends_at_the_servers_rate(limit, latency, tell):
    """A server of 20 requests a second, a client allowed 500: nine tenths used, less than a twentieth wasted."""
    story = simulate(limit(), seconds=300, latency=latency, tell=tell)
    assert story.good >= 0.9 * RATE * (story.seconds - latency)
    assert story.wasted < 0.05


@pytest.mark.parametrize("tell", ["none", "seconds"])
@pytest.mark.parametrize("latency", [1.0, 20.0])
def test_an_allowance_of_a_minute_is_used_up_and_waited_for(latency, tell):
    story = simulate(Window(1200, 60.0), seconds=299, latency=latency, tell=tell)
    assert story.good >= 0.9 * 20 * (story.seconds - 1.5 * latency)
    assert story.wasted < 0.05


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_a_server_that_refuses_some_whatever_the_rate_is_asked_at_full_rate(share):
    """Slowing down at every refusal would end at one request a minute."""
    story = simulate(Moody(share), seconds=400, latency=0.1, concurrency=64)
    last = sum(at > 300 for at in story.arrivals)
    assert last >= 0.5 * 64 / 0.1 * 100
    assert story.wasted < 1.5 * share + 0.02


@pytest.mark.parametrize(("before", "after"), [(200, 20), (100, 70), (40, 20)])
def test_a_limit_that_falls_is_not_taken_for_bad_days(before, after):
    class Fallen(Tokens):
        def admit(self, now: float) -> bool:
            if now > 60:
                self.rate = self.burst = after
            return super().admit(now)

    story = simulate(Fallen(before), seconds=240, latency=0.2)
    late = sum(at > 60 for at in story.arrivals)
    assert late >= 0.9 * after * 180
    assert story.refused < 0.1 * late


@pytest.mark.parametrize("latency", [0.1, 1.0])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_a_server_that_has_no_room_now_and_then_is_asked_all_the_same(share, latency):
    """503 for some requests, whatever is in flight: slowing down does not help, and is given up."""
    story = simulate(Moody(share), seconds=300, latency=latency, concurrency=64, refusal=503)
    assert story.good / 300 > 0.7 * 64 / (latency + 0.02)


@pytest.mark.parametrize("burst", [20, 60])
@pytest.mark.parametrize("latency", [0.05, 0.2, 1.0])
def test_a_rate_limit_in_the_clothes_of_a_503_is_not_taken_for_bad_days(burst, latency):
    """Requests in flight are the wrong thing to steer for it, so some are wasted, but not all the time."""
    story = simulate(Tokens(20, burst), seconds=120, latency=latency, refusal=503)
    assert story.good >= 0.9 * 20 * 120
    assert story.wasted < 0.2


def test_a_limit_that_is_raised_is_found_again():
    limit = Tokens(RATE, RATE)
    story_of = simulate(limit, seconds=120, latency=1.0)
    assert len(story_of.arrivals) < 1.1 * RATE * 120 + RATE

    class Raised(Tokens):
        def admit(self, now: float) -> bool:
            if now > 120:
                self.rate = self.burst = 10 * RATE
            return super().admit(now)

    raised = simulate(Raised(RATE, RATE), seconds=300, latency=1.0)
    last = sum(at > 270 for at in raised.arrivals)
    assert last >= 0.8 * 10 * RATE * 30, "within two and a half minutes the client asks ten times as much"


@given(
    st.integers(1, 200),
    st.sampled_from(["none", "seconds", "exact"]),
    st.floats(0.01, 5.0),
    st.floats(0.002, 0.3),
    st.integers(0, 99),
)
@example(1, "none", 1.0, 0.3, 0)
@settings(deadline=None, max_examples=40)
def test_no_limit_starves_or_floods_the_client(rate, tell, latency, trip, seed):
    """Whatever the limit, latency and distance: something always gets through, and most of what is sent.

    Or no more than two a second are refused: a limit of one a second, never told, from afar (1 s, 0.3 s away) gets 116
    of 120 through and 183 refused, the worst that was met.
    """
    story = simulate(Tokens(rate, max(2, rate)), seconds=120, latency=latency, trip=trip, tell=tell, seed=seed)
    assert story.good >= 0.5 * min(rate * (120 - 1.5 * latency), 500 / latency * 100)
    assert story.wasted < 0.25 or story.refused < 240


@given(st.floats(30, 6000), st.floats(0.0, 2.0), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_a_told_limit_is_never_passed_in_any_minute(rpm, latency, seed):
    story = simulate(Tokens(1e9, 1e9), seconds=150, latency=latency + 0.01, rpm=rpm, seed=seed, trip=0.0)
    times = story.arrivals
    assert story.refused == 0
    start = 0
    for at, time in enumerate(times):
        while times[start] <= time - 60:
            start += 1
        assert at - start + 1 <= rpm + max(1, rpm / 60) + 1
    assert len(times) >= 0.95 * min(rpm / 60, 490 / (latency + 0.02)) * 140 - 500


@given(st.lists(st.floats(0, 500), min_size=1, max_size=60), st.floats(60, 10_000))
@settings(deadline=None)
def test_a_bucket_gives_no_more_than_its_rate(sizes, per_minute):
    bucket, now, taken = Bucket(per_minute), 0.0, 0.0
    for size in sizes:
        now += bucket.wait(now, size)
        assert bucket.wait(now, size) <= 1e-6
        bucket.take(now, size)
        taken += size
    last = max(sizes)
    assert taken <= per_minute / 60 * now + max(1.0, per_minute / 60) + last + 1e-6


# -- the limit of requests in flight


@given(st.lists(st.sampled_from(["send", "good", "503", "503!"]), max_size=400))
@settings(deadline=None)
def test_the_limit_stays_between_one_and_its_ceiling(acts):
    end, now = End("x", 32), 100.0
    sent: list[float] = []
    for act in acts:
        now += 0.01
        if act == "send":
            if end.room(now):
                end.sent(now)
                sent.append(now)
            continue
        if not sent:
            continue
        at = sent.pop(0)
        end.back()
        before = end.limit
        if act == "good":
            end.replied(now)
            assert before <= end.limit <= before + 1
        else:
            end.overloaded(now, at, 0.0 if act == "503!" else None)
            assert end.limit in (before, max(1.0, CUT * before))
        assert 1 <= end.limit <= 32
        assert end.outstanding == len(sent)


def test_there_is_one_cut_a_round_trip_and_one_more_for_every_25_replies():
    end = End("x", 64)
    for at in range(10):
        end.sent(at / 100)
    for at in range(10):
        end.overloaded(1 + at / 100, at / 100, 0.0)
    assert end.limit == 48, "ten refusals of one wave are one cut"
    end.overloaded(3.0, 2.0, 0.0)
    assert end.limit == 36
    for _ in range(RAISE_AFTER * 3):
        end.replied(4.0)
    assert end.limit == 39


def test_the_first_wave_is_not_all_at_once():
    ends = Ends(["x"], 500)
    for _ in range(500):
        if ends.choose(0.0) is not None:
            ends.send(ends.all[0], 0.0)
    assert ends.all[0].outstanding == FIRST
    story = simulate(Tokens(1e9, 1e9), seconds=3.0, latency=60.0)
    assert story.most == 500, "after a second all slots are used"


# -- several servers


@given(st.integers(1, 6), st.lists(st.integers(0, 5), max_size=200))
@settings(deadline=None)
def test_the_least_busy_is_asked(many, ends_back):
    ends, out = Ends([f"e{n}" for n in range(many)], 1000), []
    now = 10.0
    for back in ends_back:
        chosen = ends.choose(now)
        assert chosen is not None
        assert chosen.outstanding == min(end.outstanding for end in ends.all)
        ends.send(chosen, now)
        out.append(chosen)
        now += 1.0
        if back == 0 and out:
            gone = out.pop(0)
            gone.back()
            gone.replied(now)


def test_a_server_that_rests_holds_up_no_other():
    ends = Ends(["a", "b"], 10)
    first = ends.choose(0.0)
    ends.send(first, 0.0)
    first.back()
    first.refused(0.1, 0.0, 30.0, None)
    for now in (0.2, 1.0, 29.0):
        other = ends.choose(now)
        assert other is not first
        ends.send(other, now)
    assert first.pace.wait(29.0) == pytest.approx(1.1)


def test_a_server_that_breaks_is_left_alone_looked_at_and_let_in_by_one_request():
    ends = Ends(["a", "b"], 100)
    bad, good = ends.all
    good.leaving = True
    for n in range(OPEN_AFTER):
        ends.send(bad, n * 0.5)
        bad.back()
        bad.broke(n * 0.5)
    now = OPEN_AFTER * 0.5
    assert bad.state == "open"
    assert ends.choose(now) is None
    assert 0 < ends.look(now) <= 5
    now += 5
    assert ends.broken(now) == [bad]
    assert ends.broken(now) == [], "it is looked at once"
    bad.seen(now, False)
    assert 5 < ends.look(now) <= 10, "each time twice as long"
    now += 10
    assert ends.broken(now) == [bad]
    bad.seen(now, True)
    assert ends.choose(now) is bad
    ends.send(bad, now)
    assert ends.choose(now) is None, "one request goes ahead"
    bad.back()
    bad.replied(now)
    assert bad.state == "closed"
    assert ends.choose(now) is bad


def test_one_bad_moment_breaks_no_good_server():
    end = End("x", 100)
    end.replied(10.0)
    for _ in range(50):
        end.broke(10.5)
    assert end.state == "closed"


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6), min_size=1, max_size=20))
@settings(deadline=None)
def test_servers_come_and_go_and_no_request_is_lost(lists):
    ends, out, now = Ends(["a"], 8), [], 0.0
    for names in lists:
        before = {end.url for end in ends.all if not end.leaving}
        new, gone = ends.update(names)
        assert set(new) == set(names) - before
        assert set(gone) == before - set(names)
        now += 1
        if (chosen := ends.choose(now)) is not None:
            assert chosen.url in names
            ends.send(chosen, now)
            out.append(chosen)
        else:
            assert not names or all(not end.room(now) for end in ends.all)
        for end in out:
            assert end in ends.all, "a server with requests out is not forgotten"
        if len(out) > 3:
            gone_end = out.pop(0)
            gone_end.back()
            gone_end.replied(now)


# -- what servers say


@pytest.mark.parametrize(
    ("limit", "left", "reset", "rate"),
    [
        ("60", "59", "1s", 1.0),  # OpenAI's documentation: 60 a minute
        ("500", "0", "60", 500 / 60),
        ("14400", "14370", "2m59.56s", 30 / 179.56),  # Groq's: 14,400 a day
        ("100", "99", "120ms", 1 / 0.12),
        ("100", "100", "0s", None),
        ("many", "1", "1s", None),
        ("10", "5", "soon", None),
    ],
)
def test_rate_limit_headers(limit, left, reset, rate):
    headers = {
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": left,
        "x-ratelimit-reset-requests": reset,
    }
    found = hint_of(headers)
    assert found == (None if rate is None else pytest.approx(rate))


@given(st.text(max_size=20))
def test_any_text_is_some_time(text):
    assert 0 <= seconds_of(text) < math.inf or seconds_of(text) == math.inf


def test_a_hint_bounds_the_rate():
    pace = Pace()
    for n in range(50):
        pace.sent(n * 0.01)
    pace.refused(0.5, 0.49, 1.0, hint=3.0)
    pace.sent(2.0)
    assert pace.rate <= 3.0
