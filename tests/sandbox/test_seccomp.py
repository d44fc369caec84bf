"""The filter, read step by step as the kernel reads it, on both processors."""

from __future__ import annotations

import struct

import pytest

from hornbook.sandbox import seccomp

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
ARCHES = (0xC000003E, 0xC00000B7)
PID = 4711


def answer(code: bytes, arch: int, number: int, *args: int) -> int:
    """What the kernel would do with a call."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*args, *[0] * (6 - len(args))))
    value = at = 0
    while True:
        kind, yes, no, k = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        if kind == 0x20:
            value = struct.unpack_from("<I", data, k)[0]
        elif kind == 0x06:
            return k
        elif kind == 0x54:
            value &= k
        elif kind == 0x05:
            at += k
        else:
            holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[kind]
            at += yes if holds else no


@pytest.mark.parametrize("arch", [0, 1])
@pytest.mark.parametrize("own", [True, False])
def test_every_number_is_answered_as_the_tables_say(arch: int, own: bool) -> None:
    code = seccomp.program(arch, PID, own_files=own)
    allowed = set(seccomp._numbers(seccomp._TABLE, arch).values())
    changes = set(seccomp._numbers(seccomp._CHANGES, arch).values())
    odd = set(seccomp._special(arch, PID)) | set(seccomp._numbers(seccomp._UNSUPPORTED, arch).values())
    for number in range(600):
        found = answer(code, ARCHES[arch], number)
        if number in odd:
            assert found != KILL
        elif number in changes:
            assert (found == ALLOW) == own
        elif number > 441:
            assert found == ENOSYS
        else:
            assert found == (ALLOW if number in allowed else EPERM), number
        assert answer(code, ARCHES[1 - arch], number) == KILL
    for number in (0x40000000, 0x40000001, 0xFFFFFFFF):
        assert answer(code, ARCHES[arch], number) == EPERM
    assert len(code) // 8 <= 4096


@pytest.mark.parametrize(("arch", "clone", "fork_flags"), [(0, 56, 0x01200011), (1, 220, 0x01200011)])
def test_threads_may_be_made_and_nothing_else(arch: int, clone: int, fork_flags: int) -> None:
    code = seccomp.program(arch, PID, own_files=True)
    thread = 0x003D0F00
    assert answer(code, ARCHES[arch], clone, thread) == ALLOW
    assert answer(code, ARCHES[arch], clone, fork_flags) == EPERM
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
        assert answer(code, ARCHES[arch], clone, thread | namespace) == EPERM
    assert answer(code, ARCHES[arch], 435) == ENOSYS


def test_signals_go_to_itself() -> None:
    code = seccomp.program(0, PID, own_files=True)
    for number in (62, 234):
        assert answer(code, ARCHES[0], number, PID, 9) == ALLOW
        for other in (0, 1, PID + 1, 2**32 - 1, 2**32 - PID):
            assert answer(code, ARCHES[0], number, other, 9) == EPERM


def test_only_a_pair_of_streams_is_a_socket() -> None:
    code = seccomp.program(0, PID, own_files=True)
    assert answer(code, ARCHES[0], 53, 1, 0x80801) == ALLOW
    for family, kind in ((1, 2), (1, 3), (1, 5), (2, 1), (16, 3), (40, 1)):
        assert answer(code, ARCHES[0], 53, family, kind) == EPERM
    assert {answer(code, ARCHES[0], 41, family, 1) for family in range(50)} == {EPERM}


def test_the_filter_holds_the_number_of_its_process() -> None:
    filter_ = seccomp.Filter(own_files=True)
    assert len(filter_._places) == 3
