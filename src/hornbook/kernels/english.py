# ruff: noqa: ANN001, ANN202, C901, PLR0912, PLR0913, PLR0915, PLR1714, SIM110 (kernels are typed by what they are given)
"""English tokens as spaCy cuts them, which is what datatrove's filters count: for `compat: datatrove` alone.

A reading of the algorithm of spaCy 3.8 (`Tokenizer._tokenize_affixes`, MIT licence, ExplosionAI): cut at white space;
of each chunk take prefixes and suffixes off until nothing changes or a special case is left; what is left stays whole
if it is a special case or looks like a URL, else it is cut at infixes; at last special cases that the cutting
destroyed are put together again. Its character classes, special cases and units are in `english.tsv`.

Not copied: special cases over white space, Unicode digits in IP addresses. Tokens of white space are left out, as
datatrove leaves them out, but a token behind one says so, for sentences end there.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hornbook.kernels.jit import kernel, part
from hornbook.kernels.words import Words

ALPHABETIC, NOT_SYMBOL, BEHIND_SPACE, STOPS, PUNCTUATION = 1, 2, 4, 8, 16

_CLASSES = ("prefix", "suffix", "alpha", "lower", "upper", "icon", "lowerquote", "upperquote", "beforedot", "stop")
_PREFIX, _SUFFIX, _ALPHA, _LOWER, _UPPER, _ICON, _LQUOTE, _UQUOTE, _BEFOREDOT, _STOP = (
    np.uint32(1 << bit) for bit in range(len(_CLASSES))
)
_SPACE, _WORD, _LETTER, _SYMBOL, _CATEGORY_P, _WORN, _INNER, _ASCII = (np.uint32(1 << bit) for bit in range(10, 18))
_INFIXES = ".+-*^,–—~:<>=/"
_LONGEST = 12
_MOST = 6
_REMEMBERED, _SLOT, _TOKENS = 1 << 14, np.uint64(64 - 14), 3
_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF, _ZERO, _ONE, _NONE = np.uint64(32), np.uint64(0), np.uint64(1), np.uint32(0)
_SEEN = ((0, 0x323AF), (0xE0000, 0xE01FF))


class Rules(NamedTuple):
    """The tokenizer's tables.

    Args:
        classes: uint32 (1,114,112,), bits of each code point.
        keys: uint64 (room,), hashes of special cases, 0 where free; cases: int64 (room,), which.
        cuts: int8 (cases, 12), lengths of the tokens a case is cut into, 0 behind the last.
        worn: int8 (cases, 12), lengths of the tokens that affixes alone would cut it into; 0 where they never cut it.
        tails: uint64 (512,), hashes of what is a suffix behind a digit (units, currencies), 0 where free.
    """

    classes: NDArray[np.uint32]
    keys: NDArray[np.uint64]
    cases: NDArray[np.int64]
    cuts: NDArray[np.int8]
    worn: NDArray[np.int8]
    tails: NDArray[np.uint64]


@lru_cache(maxsize=1)
def rules() -> Rules:
    """The tables, made once a process from `english.tsv`."""
    from hornbook.kernels.punctuation import SYMBOLS, ranges

    classes = np.zeros(0x110000, np.uint32)
    splits: list[list[str]] = []
    tails: list[str] = []
    text = resources.files("hornbook.kernels").joinpath("english.tsv").read_text(encoding="utf-8")
    for row in text.splitlines():
        kind, *rest = row.split("\t")
        if kind == "class":
            for first, last in ranges(rest[1]):
                classes[first : last + 1] |= np.uint32(1 << _CLASSES.index(rest[0]))
        elif kind == "split":
            splits.append(rest)
        else:
            tails.append(rest[0])
    for first, last in ranges(SYMBOLS):
        classes[first : last + 1] |= _SYMBOL
    classes[(classes & _ICON) != 0] |= _INNER
    classes[_codes(_INFIXES)] |= _INNER
    for first, last in ranges("41-5A 61-7A"):
        classes[first : last + 1] |= _ASCII
    for first, last in _SEEN:
        for code in range(first, last + 1):
            character = chr(code)
            bits = int(_SPACE) * character.isspace() | int(_LETTER) * character.isalpha()
            bits |= int(_WORD) * (character.isalnum() or code == 95)
            bits |= int(_CATEGORY_P) * unicodedata.category(character).startswith("P")
            classes[code] |= np.uint32(bits)
    room = 1 << (2 * len(splits)).bit_length()
    keys, cases = np.zeros(room, np.uint64), np.zeros(room, np.int64)
    cuts, worn = np.zeros((len(splits), _LONGEST), np.int8), np.zeros((len(splits), _LONGEST), np.int8)
    suffixes = np.zeros(512, np.uint64)
    for tail in tails:
        _placed(suffixes, _key(_codes(tail), 0, len(tail)))
    made = Rules(classes, keys, cases, cuts, worn, suffixes)
    for case, parts in enumerate(splits):
        codes = _codes("".join(parts))
        cases[_placed(keys, _key(codes, 0, codes.size))] = case
        cuts[case, : len(parts)] = [len(part) for part in parts]
        ends, heads = np.zeros(64, np.int64), np.zeros(64, np.int64)
        n = _affixes(codes, 0, codes.size, classes, keys, cases, cuts, suffixes, False, True, ends, heads)
        if _is_cut(codes, codes.size, classes, suffixes):
            worn[case, :n] = np.diff(np.concatenate([[0], ends[:n]]))
            classes[codes[0]] |= _WORN
    return made


def _codes(text: str) -> NDArray[np.int32]:
    return np.array([ord(character) for character in text], np.int32)


def _placed(keys: NDArray[np.uint64], key: np.uint64) -> int:
    """The place in the open table into which the key was put."""
    mask = keys.size - 1
    at = int(key) & mask
    while keys[at] and keys[at] != key:
        at = (at + 1) & mask
    keys[at] = key
    return at


def tokens(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Words:
    """The tokens of each document, as spaCy's blank English pipeline and datatrove's stripping give them.

    Args:
        data: uint8, UTF-8. offsets: int64 (documents + 1,).

    Returns:
        Words whose `hashes` are polynomial in the characters (`hashes(ab) = hashes(a) * BASE^len(b) + hashes(b)`),
        letter case kept; `starts` and `ends` are byte ranges. Flags: `ALPHABETIC` any letter (str.isalpha),
        `NOT_SYMBOL` any character that datatrove counts for more than punctuation, `BEHIND_SPACE` a token of
        white space stands before it, `STOPS` ends a sentence, `PUNCTUATION` all of it is of category P.
    """
    room = int(offsets[-1] - offsets[0]) + 1
    hashes, flags = np.empty(room, np.uint64), np.empty(room, np.uint8)
    starts, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    chars, counts = np.empty(room, np.int32), np.zeros(offsets.size, np.int64)
    longest = int(np.diff(offsets).max(initial=0)) + 1
    codes, places = np.empty(longest, np.int32), np.empty(longest + 1, np.int64)
    cut, again, heads = (np.empty(longest + _LONGEST, np.int64) for _ in range(3))
    n = _tokens(data, offsets, *rules(), codes, places, cut, again, heads, hashes, starts, ends, chars, flags, counts)
    return Words(hashes[:n], starts[:n], ends[:n], chars[:n], flags[:n], counts)


BASE = 0x9FB21C651E98DF25
_BASE = np.uint64(BASE)


def text_hash(text: str) -> int:
    """What `tokens` gives as the hash of a token."""
    codes = _codes(text)
    return int(_key(codes, 0, codes.size))


@part
def _mixed(code):
    mixed = (np.uint64(code) + _ONE) * _ODD
    return mixed ^ mixed >> _HALF


@part
def _key(codes, a, b, state=_ZERO):
    """Hash of the characters [a, b); behind others where their hash is given."""
    for i in range(a, b):
        state = state * _BASE + _mixed(codes[i])
    return state


@part
def _place(keys, key):
    """Place of a key in the open table, -1 where it is not in it."""
    mask = keys.size - 1
    at = np.int64(key & np.uint64(mask))
    while keys[at] != _ZERO:
        if keys[at] == key:
            return at
        at = (at + 1) & mask
    return -1


@part
def _case(codes, a, b, keys, cases):
    """Which special case this is, -1 for none."""
    if b <= a or b - a > _LONGEST:
        return -1
    at = _place(keys, _key(codes, a, b))
    return cases[at] if at >= 0 else -1


@part
def _digit(code):
    return 48 <= code <= 57


@part
def _prefix(codes, a, b, classes):
    code = codes[a]
    if code == 46:
        k = a
        while k < b and codes[k] == 46:
            k += 1
        return k - a if k - a > 1 else 0
    if code == 43:
        return 0 if a + 1 < b and _digit(codes[a + 1]) else 1
    if classes[code] & _PREFIX:
        return 1
    if b - a >= 2 and (code == 67 or code == 65) and codes[a + 1] == 36:
        return 2
    if b - a >= 3 and code == 85 and codes[a + 1] == 83 and codes[a + 2] == 36:
        return 3
    return 0


@part
def _suffix(codes, a, b, classes, tails):
    """Length of the longest suffix; what stands before `a` is not seen."""
    if b <= a:
        return 0
    code = codes[b - 1]
    best = 1 if classes[code] & _SUFFIX else 0
    before = codes[b - 2] if b - a >= 2 else -1
    if code == 46 and before >= 0:
        k = b
        while k > a and codes[k - 1] == 46:
            k -= 1
        if b - k > 1:
            return b - k
        if classes[before] & _BEFOREDOT:
            best = 1
        if b - a >= 3:
            two = codes[b - 3]
            if two == 0xB0 and (
                before == 70 or before == 102 or before == 67 or before == 99 or before == 75 or before == 107
            ):
                best = 1
            if classes[before] & _UPPER and classes[two] & _UPPER:
                best = 1
    if (code == 115 or code == 83) and (before == 39 or before == 0x2019):
        best = 2
    if code == 0x2026 and before == 0x2026:
        best = 2
    if code == 43 and before >= 0 and _digit(before):
        best = 1
    k = b - 1
    while k > a and b - k <= _LONGEST and not _digit(codes[k]):
        k -= 1
    if b - 1 - k > best and _digit(codes[k]) and _place(tails, _key(codes, k + 1, b)) >= 0:
        best = b - 1 - k
    return best


@part
def _infix(codes, a, b, i, classes):
    """Length of the infix at i, 0 for none."""
    code = codes[i]
    if code == 46:
        k = i
        while k < b and codes[k] == 46:
            k += 1
        if k - i > 1:
            return k - i
    if classes[code] & _ICON:
        return 1
    if i == a or i + 1 >= b:
        return 0
    before, after = codes[i - 1], codes[i + 1]
    was, will = classes[before], classes[after]
    if (code == 43 or code == 45 or code == 42 or code == 94) and _digit(before) and (_digit(after) or after == 45):
        return 1
    if code == 46 and was & _LQUOTE and will & _UQUOTE:
        return 1
    if code == 44 and was & _ALPHA and will & _ALPHA:
        return 1
    if not (was & _ALPHA or _digit(before)):
        return 0
    if code == 45 or code == 0x2013 or code == 0x2014 or code == 126:
        most = 3 if code == 45 else 2 if code == 0x2014 else 1
        for size in range(1, most + 1):
            if i + size >= b:
                break
            if classes[codes[i + size]] & _ALPHA:
                return size
            if codes[i + size] != code:
                break
    if (code == 58 or code == 60 or code == 62 or code == 61 or code == 47) and will & _ALPHA:
        return 1
    return 0


@part
def _number(codes, a, b):
    """Value of the digits [a, b), -1 where there are other characters or more than 3."""
    if b <= a or b - a > 3:
        return -1
    value = 0
    for i in range(a, b):
        if not _digit(codes[i]):
            return -1
        value = 10 * value + codes[i] - 48
    return value


@part
def _inner(code):
    return (65 <= code <= 90) or (97 <= code <= 122) or _digit(code) or (0xA1 <= code <= 0xFFFF)


@part
def _host(codes, a, b, classes):
    """Whether [a, b) is a host, a port perhaps and a path perhaps."""
    e, last = a, -1
    while e < b:
        code = codes[e]
        if code == 46:
            last = e
        elif not (_inner(code) or code == 95 or code == 45 or classes[code] & _LOWER):
            break
        e += 1
    if last < 0 or last == a:
        return False
    rest = e
    if rest < b:
        if codes[rest] == 58:
            rest += 1
            k = rest
            while (
                k < b
                and k - rest < 5
                and classes[codes[k]] & _WORD
                and not classes[codes[k]] & _LETTER
                and codes[k] != 95
            ):
                k += 1
            if k - rest < 2:
                return False
            rest = k
        if rest < b and not (codes[rest] == 47 or codes[rest] == 63 or codes[rest] == 35):
            return False
    top = 2 <= e - last - 1 <= 63
    for i in range(last + 1, e):
        if not classes[codes[i]] & _LOWER:
            top = False
            break
    if top:
        begin, good = a, True
        for i in range(a, last + 1):
            if codes[i] == 46:
                if i == begin or i - begin > 64 or not _inner(codes[begin]) or not _inner(codes[i - 1]):
                    good = False
                    break
                for k in range(begin + 1, i - 1):
                    if not (_inner(codes[k]) or codes[k] == 95 or codes[k] == 45):
                        good = False
                        break
                begin = i + 1
        if good:
            return True
    part, begin, first, second = 0, a, -1, -1
    for i in range(a, e + 1):
        if i == e or codes[i] == 46:
            value = _number(codes, begin, i)
            if value < 0 or part > 3:
                return False
            if part == 0:
                first = value
                if value < 1 or value > 223 or codes[begin] == 48:
                    return False
            elif part == 3:
                if value < 1 or value > 254 or codes[begin] == 48:
                    return False
            elif value > 255 or (value >= 200 and i - begin < 3):
                return False
            if part == 1:
                second = value
            part, begin = part + 1, i + 1
    if part != 4 or first == 10 or first == 127:
        return False
    if (first == 169 and second == 254) or (first == 192 and second == 168):
        return False
    return not (first == 172 and 16 <= second <= 31)


@part
def _url(codes, a, b, classes):
    dots = False
    for i in range(a, b):
        if codes[i] == 46:
            dots = True
            break
    if not dots:
        return False
    if _host(codes, a, b, classes):
        return True
    base = a
    for i in range(a, b):
        code = codes[i]
        if code == 58:
            if i - a >= 2 and i + 2 < b and codes[i + 1] == 47 and codes[i + 2] == 47:
                base = i + 3
            break
        if not (classes[code] & _WORD or code == 43 or code == 45 or code == 46):
            break
    if base > a and base < b and _host(codes, base, b, classes):
        return True
    tried = 0
    for i in range(b - 1, a, -1):
        if codes[i] == 64 and i + 1 < b:
            if _host(codes, i + 1, b, classes):
                return True
            tried += 1
            if tried > 64:
                return False
    return False


@kernel
def _is_cut(codes, size, classes, tails):
    """Whether affixes or infixes would cut [0, size) anywhere."""
    if _prefix(codes, 0, size, classes) or _suffix(codes, 0, size, classes, tails):
        return True
    for i in range(size):
        if _infix(codes, 0, size, i, classes):
            return True
    return False


@part
def _affixes(codes, a, b, classes, keys, cases, cuts, tails, special, inner, ends, tail):
    """Ends of the tokens of the chunk [a, b), before special cases are put together again; how many.

    `inner`: whether any character may be an infix. `tail` holds the suffixes found until the end."""
    n, behind = 0, 0
    case = _case(codes, a, b, keys, cases) if special else -1
    last = -1
    while case < 0 and b > a and b - a != last:
        if special and last >= 0:
            case = _case(codes, a, b, keys, cases)
            if case >= 0:
                break
        last = b - a
        pre = _prefix(codes, a, b, classes)
        if pre and special and a + pre < b:
            case = _case(codes, a + pre, b, keys, cases)
            if case >= 0:
                a += pre
                ends[n] = a
                n += 1
                break
        suf = _suffix(codes, a + pre, b, classes, tails)
        if suf and special and a < b - suf:
            case = _case(codes, a, b - suf, keys, cases)
            if case >= 0:
                tail[behind] = b
                behind += 1
                b -= suf
                break
        if pre:
            a += pre
            ends[n] = a
            n += 1
        if suf:
            tail[behind] = b
            behind += 1
            b -= suf
    if b > a:
        if case < 0 and special:
            case = _case(codes, a, b, keys, cases)
        if case >= 0:
            for k in range(_LONGEST):
                if cuts[case, k] == 0:
                    break
                a += cuts[case, k]
                ends[n] = a
                n += 1
        elif inner and _url(codes, a, b, classes):
            ends[n] = b
            n += 1
        else:
            i, start = a if inner else b, a
            while i < b:
                size = _infix(codes, a, b, i, classes) if classes[codes[i]] & _INNER else 0
                if size == 0:
                    i += 1
                    continue
                if i > a:
                    if i > start:
                        ends[n] = i
                        n += 1
                    ends[n] = i + size
                    n += 1
                    start = i + size
                i += size
            if start < b:
                ends[n] = b
                n += 1
    for k in range(behind - 1, -1, -1):
        ends[n] = tail[k]
        n += 1
    return n


@part
def _worn(codes, ends, n, i, keys, cases, worn):
    """(case, tokens) of the longest special case that begins with token i and was cut by affixes; (-1, 0) for none."""
    start = ends[i - 1] if i else 0
    found, size = -1, 0
    key, b = _ZERO, start
    for k in range(i, min(n, i + _MOST)):
        if ends[k] - start > _LONGEST:
            break
        key = _key(codes, b, ends[k], key)
        b = ends[k]
        place = _place(keys, key)
        if place < 0:
            continue
        case, at = cases[place], start
        same = worn[case, 0] != 0
        for t in range(k - i + 1):
            at += worn[case, t]
            if not same or worn[case, t] == 0 or at != ends[i + t]:
                same = False
                break
        if same:
            found, size = case, k - i + 1
    return found, size


@part
def _together(codes, ends, n, classes, keys, cases, cuts, worn, out):
    """Put special cases together again: the longest first, of those as long the first."""
    some = False
    for i in range(n):
        if classes[codes[ends[i - 1] if i else 0]] & _WORN and _worn(codes, ends, n, i, keys, cases, worn)[0] >= 0:
            some = True
            break
    if not some:
        return -1
    taken, chosen = np.zeros(n, np.uint8), np.full(n, -1, np.int64)
    for size in range(_MOST, 0, -1):
        for i in range(n - size + 1):
            if not classes[codes[ends[i - 1] if i else 0]] & _WORN:
                continue
            case, length = _worn(codes, ends, i + size, i, keys, cases, worn)
            if case < 0 or length != size:
                continue
            if not taken[i] and not taken[i + size - 1]:
                chosen[i] = case
            taken[i : i + size] = 1
    i, m = 0, 0
    while i < n:
        if chosen[i] < 0:
            out[m] = ends[i]
            m += 1
            i += 1
            continue
        at, case = ends[i - 1] if i else 0, chosen[i]
        stop = at
        for k in range(_LONGEST):
            if cuts[case, k] == 0:
                break
            stop += cuts[case, k]
            out[m] = stop
            m += 1
        while i < n and ends[i] <= stop:
            i += 1
    return m


@part
def _decode(data, i):
    lead = np.int64(data[i])
    if lead < 0x80:
        return lead, 1
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    code = lead & (0xFF >> (size + 1))
    for k in range(1, size):
        code = code << 6 | (np.int64(data[i + k]) & 0x3F)
    return code, size


@part
def _chunk(data, a, b, inner, classes, keys, cases, cuts, worn, tails, codes, places, cut, again, heads):
    """Code points, their places and the ends of the tokens of the chunk of bytes [a, b); how many tokens."""
    size, i = 0, a
    while i < b:
        places[size] = i
        codes[size], step = _decode(data, i)
        size += 1
        i += step
    places[size] = b
    many = _affixes(codes, 0, size, classes, keys, cases, cuts, tails, True, inner, cut, heads)
    other = _together(codes, cut, many, classes, keys, cases, cuts, worn, again)
    if other < 0:
        return many
    cut[:other] = again[:other]
    return other


@part
def _flags(codes, a, b, classes):
    seen, every, plain = _NONE, _CATEGORY_P, False
    for k in range(a, b):
        bits = classes[codes[k]]
        seen |= bits
        every &= bits
        plain |= bits & _SYMBOL == _NONE
    flag = ALPHABETIC if seen & _LETTER else 0
    flag |= NOT_SYMBOL if plain else 0
    flag |= STOPS if b - a == 1 and seen & _STOP else 0
    return flag | (PUNCTUATION if every else 0)


@kernel
def _tokens(
    data, offsets, classes, keys, cases, cuts, worn, tails,
    codes, places, cut, again, heads, hashes, starts, ends, chars, flags, counts,
):  # fmt: skip
    """A chunk that was cut into few tokens is remembered: by its hash, its tokens' hashes, sizes and flags."""
    n = 0
    memory = np.zeros((_REMEMBERED, 8), np.uint64)
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            run, first, start, key, held, every, size = 0, 0, -1, _ZERO, _NONE, _ASCII, 0
            while i < end:
                code, step = np.int64(data[i]), 1
                if code >= 0x80:
                    code, step = _decode(data, i)
                bits = classes[code]
                if bits & _SPACE:
                    if size:
                        break
                    first = int(code) if run == 0 else first
                    run += 1
                else:
                    start = start if size else i
                    key = key * _BASE + _mixed(code)
                    held |= bits
                    every &= bits
                    size += 1
                i += step
            if size == 0:
                break
            space = BEHIND_SPACE if run > 1 or (run == 1 and first != 32) else 0
            if every and (size > _LONGEST or _place(keys, key) < 0):
                hashes[n], chars[n], flags[n] = key, size, ALPHABETIC | NOT_SYMBOL | space
                starts[n], ends[n] = start, i
                n += 1
                continue
            known = memory[np.int64(key >> _SLOT)]
            if known[0] == key:
                a = start
                for t in range(np.int64(known[7])):
                    told = np.int64(known[4 + t])
                    hashes[n], chars[n], flags[n] = known[1 + t], told >> 8 & 0xFFFF, told & 0xFF | space
                    starts[n] = a
                    a += int(told >> 24)
                    ends[n] = a
                    n += 1
                    space = 0
                continue
            inner = held & _INNER != _NONE
            many = _chunk(
                data, start, i, inner, classes, keys, cases, cuts, worn, tails, codes, places, cut, again, heads
            )
            keep = many <= _TOKENS and size < 0x10000
            if keep:
                known[0], known[7] = key, many
            a = 0
            for t in range(many):
                b = cut[t]
                flag = _flags(codes, a, b, classes)
                hashes[n], chars[n], flags[n] = _key(codes, a, b), b - a, flag | space
                starts[n], ends[n] = places[a], places[b]
                if keep:
                    known[1 + t] = hashes[n]
                    known[4 + t] = (places[b] - places[a]) << 24 | (b - a) << 8 | flag
                n += 1
                a, space = b, 0
        counts[d + 1] = n
    return n
