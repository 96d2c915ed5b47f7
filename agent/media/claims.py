"""Bound on the pictures that an MP4's index claims, checked before FFmpeg sees it.

FFmpeg takes memory for each picture of an index, and a hundred bytes can claim millions.
"""

from __future__ import annotations

import io
import re
import struct
from typing import Final

from agent.errors import ClipDamaged
from agent.media.mp4 import Readable

MOST_PICTURES: Final = 500_000  # four hours at 30 a second
_MOST_INDEX_BYTES: Final = 1 << 26
_STREAMED: Final = (b"mdat", b"free", b"skip", b"wide")
# Boxes that claim pictures or repeat those of others, and where their count stands behind the name
# (ISO/IEC 14496-12, 8.7.3, 8.8.8 and 8.6.6). Nothing is consumed (``?=``): the bytes of a name may
# stand in another box too, right before the true one.
_CLAIMS: Final = re.compile(rb"(?=stsz.{8}(.{4})|stz2.{8}(.{4})|trun.{4}(.{4}))", re.DOTALL)
_EDITS: Final = re.compile(rb"(?=elst.{4}(.{4}))", re.DOTALL)
# Of a sound, FFmpeg makes one entry for 160 samples or more, as many as the chunks claim (8.7.4
# and 8.7.5), whatever its `stsz` says.
_CHUNKS: Final = re.compile(rb"(?=(?:stco|co64).{4}(.{4}))", re.DOTALL)
_IN_CHUNKS: Final = re.compile(rb"(?=stsc.{4}(.{4}))", re.DOTALL)
_CHUNK_RULE: Final = struct.Struct(">III")  # from which chunk on, how many samples, what they are
_SAMPLES_EACH: Final = 160
_COMPRESSED: Final = re.compile(rb"cmov.{4}dcom", re.DOTALL)  # QuickTime; hides the whole index
_HEAD_BYTES, _LARGE_HEAD_BYTES = 8, 16


class BoundedIndex:
    """``plain`` as it is; raises :class:`ClipDamaged` before the part that claims too much."""

    def __init__(self, plain: Readable, *, most_pictures: int = MOST_PICTURES) -> None:
        self._plain = plain
        self._pictures_left = most_pictures
        self._waiting = io.BytesIO()  # checked; its rest was not yet read
        self._streamed_bytes = 0  # of the box that is being read, still to come
        self._is_last = False  # the box has no end of its own

    def read(self, size: int) -> bytes:
        """See :class:`Readable`."""
        if given := self._waiting.read(size):
            return given
        if not self._streamed_bytes and not self._is_last:
            self._waiting = io.BytesIO(self._next_box())
            return self._waiting.read(size)
        given = self._plain.read(size if self._is_last else min(size, self._streamed_bytes))
        self._streamed_bytes = 0 if not given else max(0, self._streamed_bytes - len(given))
        return given

    def _next_box(self) -> bytes:
        """The head of the next box, and all of it unless it holds pictures only, or nothing."""
        head = self._exactly(_HEAD_BYTES)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if length == 1:
            head += self._exactly(_LARGE_HEAD_BYTES - _HEAD_BYTES)
            length = int.from_bytes(head[_HEAD_BYTES:])
        if len(head) < _HEAD_BYTES:
            return head  # the end, or a recording that was cut off
        self._is_last = length == 0
        left = length - len(head)
        if kind in _STREAMED and (left >= 0 or self._is_last):
            self._streamed_bytes = max(0, left)
            return head
        if not 0 <= left <= _MOST_INDEX_BYTES:
            raise ClipDamaged("the clip does not play (a part of its index has a wrong length)")
        return head + self._checked(self._exactly(left))

    def _checked(self, index: bytes) -> bytes:
        if _COMPRESSED.search(index):
            raise ClipDamaged("the clip's index is compressed, as no camera of ours writes it")
        edits = [int.from_bytes(found[1]) for found in _EDITS.finditer(index)]
        repeats = max(1, *edits, len(edits))
        for found in _CLAIMS.finditer(index):
            count = next(int.from_bytes(one) for one in found.groups() if one is not None)
            self._pictures_left -= count * repeats
        self._pictures_left -= sounds(index)
        if self._pictures_left < 0:
            raise ClipDamaged("the clip's index claims more pictures than any recording has")
        return index

    def _exactly(self, size: int) -> bytes:
        """``size`` bytes; fewer at the end."""
        parts = []
        while size and (part := self._plain.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def sounds(index: bytes) -> int:
    """The most entries that FFmpeg makes for sounds in chunks; few or none for what cameras record.

    Raises :class:`ClipDamaged` for boxes that lie inside each other.
    """
    most, left = 0, len(index)
    for found in _IN_CHUNKS.finditer(index):
        begin = found.end(1)
        room = (len(index) - begin) // _CHUNK_RULE.size
        end = begin + min(int.from_bytes(found[1]), room) * _CHUNK_RULE.size
        left -= end - begin
        if left < 0:  # they lie inside each other
            raise ClipDamaged("the clip does not play (a part of its index has a wrong length)")
        rules = _CHUNK_RULE.iter_unpack(memoryview(index)[begin:end])
        most = max(most, max((samples for _first, samples, _kind in rules), default=0))
    chunks = sum(int.from_bytes(found[1]) for found in _CHUNKS.finditer(index))
    return chunks * (most // _SAMPLES_EACH)
