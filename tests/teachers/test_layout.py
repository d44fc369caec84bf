"""Laws of laying a model over the processor, without a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.teachers.layout import AGAIN_SECONDS, Layout, choose, cores, layouts, worth_measuring

GIB = 2**30
SMALL = 98_362_432


def test_small_models_are_copied_and_large_ones_get_threads():
    assert layouts(2, 16 * GIB, SMALL, None, None) == [Layout(1, 1), Layout(2, 1)]
    assert layouts(8, 16 * GIB, 5 * GIB, None, None) == [Layout(1, n) for n in (1, 2, 4, 8)]
    assert layouts(6, 64 * GIB, SMALL, None, None)[-1] == Layout(6, 1)


def test_what_a_person_sets_is_not_measured():
    assert layouts(8, 16 * GIB, SMALL, 3, None) == [Layout(3, 1)]
    assert layouts(8, 16 * GIB, 9 * GIB, 3, None) == [Layout(1, 3)]
    assert layouts(8, 16 * GIB, SMALL, 4, 2) == [Layout(2, 2)]
    assert layouts(8, 16 * GIB, SMALL, 2, 8) == [Layout(2, 1)]
    assert layouts(4, 16 * GIB, SMALL, None, 1) == [Layout(1, 1), Layout(1, 2), Layout(1, 4)]


@given(st.integers(1, 256), st.integers(0, 2**40), st.integers(1, 2**40), st.none() | st.integers(1, 512))
def test_layouts_grow_to_all_threads_and_never_over_memory(processors, memory, size, threads):
    found = layouts(processors, memory, size, threads, None)
    totals = [one.copies * one.threads for one in found]
    assert totals == sorted(set(totals))
    assert totals[-1] == (threads or processors)
    assert found[-1].copies == 1 or found[-1].copies * size * 2 <= (memory or 4 * GIB) / 2


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ([157, 293], 1),  # a quiet machine, docs/teachers.md
        ([133, 129], 1),  # one core taken: the second copy is for when it is free again
        ([100, 45, 300], 0),  # a limit that nothing else shows
        ([40, 78, 150, 149], 3),
    ],
)
def test_copies_are_taken_while_they_do_no_harm(rates, taken):
    tried = [Layout(n + 1, 1) for n in range(len(rates))]
    assert choose(tried, lambda one: rates[one.copies - 1]) == (tried[taken], rates[taken])


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ([157, 287], 1),  # a quiet machine
        ([152, 57], 0),  # one core taken
        ([100, 97], 1),
        ([100, 90, 300], 0),
    ],
)
def test_threads_are_taken_while_they_help(rates, taken):
    tried = [Layout(1, n + 1) for n in range(len(rates))]
    assert choose(tried, lambda one: rates[one.threads - 1]) == (tried[taken], rates[taken])


def test_nothing_is_measured_where_nothing_can_be_chosen():
    def never(layout):
        raise AssertionError

    assert choose([Layout(2, 1)], never) == (Layout(2, 1), 0.0)


def test_threads_are_measured_again_when_the_rate_falls():
    threads = [Layout(1, 1), Layout(1, 2)]
    assert worth_measuring(threads[1], threads, rate=57, best=287, age=31)
    assert not worth_measuring(threads[1], threads, rate=57, best=287, age=5)
    assert not worth_measuring(threads[1], threads, rate=200, best=287, age=1e6)
    assert worth_measuring(threads[0], threads, rate=150, best=152, age=AGAIN_SECONDS + 1)
    assert not worth_measuring(threads[0], threads, rate=150, best=152, age=20)


def test_single_threads_in_full_number_have_nothing_to_gain():
    copies = [Layout(1, 1), Layout(2, 1)]
    assert not worth_measuring(copies[1], copies, rate=10, best=293, age=1e6)
    assert not worth_measuring(Layout(1, 2), [Layout(1, 2)], rate=10, best=293, age=1e6)


def test_this_machine_has_processors():
    assert cores() >= 1
