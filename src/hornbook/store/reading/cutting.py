"""Sharing files out among workers: small ones together, big ones cut; rows and ids stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from hornbook.core.documents import PART_BYTES
from hornbook.store.reading.parquets import FAULTS
from hornbook.store.reading.places import File
from hornbook.store.reading.streams import Broken, open_file

_BLOCK = 4 * 2**20
_ATMOST = 1_024
"""Files in one share. Our choice: a share's list stays small."""


def cut(files: Sequence[File], size: int = PART_BYTES) -> list[list[File]]:
    """Shares of about `size` bytes, in order: reading them one after the other is reading the files.

    Plain local JSON Lines are cut at line ends, counting the lines before each cut (4 GB/s), and Parquet
    between row groups; so ids, which hold the line or row, do not depend on the cut. All else stays whole.
    """
    shares: list[list[File]] = []
    have = size
    for file in files:
        for part, weight in _parts(file, size):
            if have + weight > size or len(shares[-1]) >= _ATMOST:
                shares.append([])
                have = 0
            shares[-1].append(part)
            have += weight
    return shares


def _parts(file: File, size: int) -> list[tuple[File, int]]:
    if file.fault or file.remote or file.size < 1.5 * size or file.codec:
        return [(file, max(0, file.size) or 1)]
    try:
        if file.kind == "jsonl":
            return list(_by_lines(file, size))
        if file.kind == "parquet":
            return list(_by_groups(file, size))
    except (Broken, *FAULTS):
        pass
    return [(file, file.size)]


def _by_lines(file: File, size: int) -> Iterator[tuple[File, int]]:
    """Byte ranges that begin at lines; the last takes what is left."""
    start = before = lines = place = 0
    target = size
    with open_file(file) as handle:
        while block := handle.read(_BLOCK):
            counted = 0
            while target < place + len(block):
                end = block.find(b"\n", max(0, target - place))
                if end < 0:
                    break
                lines += block.count(b"\n", counted, end + 1)
                counted, stop = end + 1, place + end + 1
                yield replace(file, start=start, stop=stop, before=before), stop - start
                start, before, target = stop, lines, stop + size
            lines += block.count(b"\n", counted)
            place += len(block)
    if place > start:
        yield replace(file, start=start, stop=place, before=before), place - start


def _by_groups(file: File, size: int) -> Iterator[tuple[File, int]]:
    """Ranges of row groups, by their bytes on disk."""
    with open_file(file) as handle:
        about = pq.read_metadata(handle)
    start = before = rows = weight = 0
    for group in range(about.num_row_groups):
        one = about.row_group(group)
        weight += sum(one.column(at).total_compressed_size for at in range(one.num_columns))
        rows += one.num_rows
        if weight >= size or group == about.num_row_groups - 1:
            yield replace(file, start=start, stop=group + 1, before=before), max(1, weight)
            start, before, weight = group + 1, rows, 0
