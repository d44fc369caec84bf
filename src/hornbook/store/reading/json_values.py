"""JSON files: an array, one object, or values one after the other, in bounded memory.

The standard library finds where each value ends; its bytes then go the way of a JSON line.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain

import orjson

from hornbook.core.documents import PIECE_BYTES, PIECE_ROWS
from hornbook.store.reading.jsons import BOM, parse, read_lines
from hornbook.store.reading.layout import SHOWN, Fault, Found, How, sound
from hornbook.store.reading.places import File
from hornbook.store.reading.streams import BLOCK, Broken, blocks

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_DECODER = json.JSONDecoder()


def read_values(file: File, how: How) -> Iterator[Found]:
    """A JSON file: lines where its first line is a whole value, else an array or values; numbered from 1."""
    source = blocks(file)
    first = next(source)
    start = first.removeprefix(BOM).lstrip()
    line = start.split(b"\n", 1)
    if not start.startswith(b"[") and (len(line) == 1 or _whole(line[0])):
        yield from read_lines(file, how, chain([first], source))
        return
    number = 1
    for group in _elements(chain([first.removeprefix(BOM)], source)):
        if isinstance(group, Fault):
            yield Found(faults=[group])
        else:
            yield parse(group, number, how)
            number += len(group)


def _whole(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _elements(source: Iterator[bytes]) -> Iterator[list[bytes] | Fault]:
    """The values as bytes each, in groups. A fault ends it: nothing says where the next value begins."""
    text, number, size, group = _Text(source), 1, 0, list[bytes]()
    try:
        for record in _values(text):
            group.append(record)
            number, size = number + 1, size + len(record)
            if len(group) == PIECE_ROWS or size > BLOCK:
                yield group
                size, group = 0, []
    except Broken as error:
        if group:
            yield group
        error.number = number
        raise
    except (ValueError, RecursionError) as error:
        if group:
            yield group
        yield text.lost(number, error)
        return
    if group:
        yield group


def _values(text: _Text) -> Iterator[bytes]:
    array = text.peek() == "["
    text.at += array
    while char := text.peek():
        if array and char == ",":
            text.at += 1
        elif array and char == "]":
            text.at += 1
            if text.peek():
                raise ValueError("text after the end of the array")
            return
        else:
            yield text.value()
    if array:
        raise ValueError("the array is not closed")


class _Text:
    """Part of a JSON text; `at` is how far it was used. Bytes that are not UTF-8 pass through unharmed."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self.source = source
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.before = 0
        self.ended = False

    def more(self, wanted: int) -> None:
        """Read until there are `wanted` characters unused, or no more."""
        self.before += len(_raw(self.text[: self.at]))
        parts, have, self.at = [self.text[self.at :]], len(self.text) - self.at, 0
        try:
            while have < wanted and not self.ended:
                block = next(self.source, b"")
                self.ended = not block
                parts.append(self.utf8.decode(block, self.ended))
                have += len(parts[-1])
        except Broken as error:
            error.rest = _raw("".join(parts))
            raise
        self.text = "".join(parts)

    def peek(self) -> str:
        """The next character that is not space, or ''."""
        while True:
            found = _NOT_SPACE.search(self.text, self.at)
            if found:
                self.at = found.start()
                return found.group()
            self.at = len(self.text)
            if self.ended:
                return ""
            self.more(1)

    def value(self) -> bytes:
        """The JSON of the next value.

        Raises:
            ValueError, RecursionError: it is broken, or longer than a piece.
        """
        while True:
            try:
                end = _DECODER.raw_decode(self.text, self.at)[1]
                if end < len(self.text) or self.ended:
                    break
            except ValueError:
                if self.ended or len(self.text) - self.at > PIECE_BYTES:
                    raise
            self.more(2 * (len(self.text) - self.at) + 1)
        start, self.at = self.at, end
        return _raw(self.text[start:end])

    def lost(self, number: int, error: Exception) -> Fault:
        """The drop of a value that cannot be read, and of all that follows."""
        at = error.pos if isinstance(error, json.JSONDecodeError) else self.at
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        place = self.before + len(_raw(self.text[:at]))
        reason = "too_long" if len(self.text) - self.at > PIECE_BYTES else "json"
        detail = f"{said} at byte {place + 1:,}; nothing after it is read"
        return Fault(number, reason, detail, sound(self.text[self.at : self.at + SHOWN]))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
