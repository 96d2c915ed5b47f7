"""MP4 files read from front to back, and written with their index in front."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, Protocol, runtime_checkable

import av
from av.container import OutputContainer

from agent.errors import Refused

_OPTIONS: Final = {"fflags": "+bitexact"}
_CONTAINERS: Final = (b"trak", b"mdia", b"minf", b"stbl")  # of moov, down to the offsets
_OFFSETS: Final = {b"stco": ">I", b"co64": ">Q"}
_TABLE_HEAD_BYTES: Final = 16  # size, kind, version and flags, number of offsets
_PIECE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 65_536  # enough for the headers of a recording


class Readable(Protocol):
    """A decrypted clip, read from front to back, without seeking."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class ForwardReader:
    """``plain`` without the seeking that a file might offer.

    ``head`` is the beginning of what was read, ``failure`` the error of a read.
    """

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self.failure: Exception | None = None
        self.head = b""

    def read(self, size: int) -> bytes:
        """See :class:`Readable`; after an error, the end."""
        if self.failure is not None:
            return b""  # FFmpeg may ask again; the first failure is the one that counts
        try:
            data = self._plain.read(size)
        except Exception as error:
            self.failure = error
            raise
        if len(self.head) < _HEAD_BYTES:
            self.head += data
        return data


@runtime_checkable
class Insertable(Protocol):
    """A file that inserts bytes without writing those behind them again."""

    def insert(self, at: int, data: bytes) -> None:
        """Put ``data`` before what is at ``at``, after everything else was written."""


@contextmanager
def new_mp4(target: BinaryIO) -> Iterator[OutputContainer]:
    """A new MP4 in the empty file ``target``; complete once this is left.

    FFmpeg writes the index (``moov``) last. It is then moved to the front, which is cheap in a
    file that is :class:`Insertable`; in any other file all behind it is written again.
    """
    with av.open(target, mode="w", format="mp4", options=dict(_OPTIONS)) as container:
        yield container
    _move_index_to_front(target)


def _move_index_to_front(target: BinaryIO) -> None:
    places = {kind: (at, size) for kind, at, size in boxes(target)}
    if "moov" not in places:
        return  # nothing was written
    at, size = places["moov"]
    target.seek(at)
    index = bytearray(target.read(size))
    _shift_offsets(index, size)
    target.seek(at)
    target.truncate()
    begin, length = places["ftyp"]
    if isinstance(target, Insertable):
        target.insert(begin + length, bytes(index))
    else:
        _insert(target, begin + length, bytes(index))


def boxes(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Kind, place and size of the boxes of ``file`` (ISO/IEC 14496-12, section 4.2)."""
    at, end = 0, file.seek(0, io.SEEK_END)
    while at < end:
        file.seek(at)
        size, kind, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        size = large if size == 1 else size
        yield kind.decode("latin-1"), at, size
        at += max(size, 8)


def _shift_offsets(index: bytearray, by: int) -> None:
    """Add ``by`` to all chunk offsets below ``moov`` (section 8.7.5)."""
    for field, at, end in _offset_boxes(index, 8, len(index)):
        step = struct.calcsize(field)
        for place in range(at, end, step):
            (offset,) = struct.unpack_from(field, index, place)
            if offset + by >= 1 << 8 * step:
                raise Refused("clip-too-large", "the clip is larger than an index of its kind")
            struct.pack_into(field, index, place, offset + by)


def _offset_boxes(index: bytearray, at: int, end: int) -> Iterator[tuple[str, int, int]]:
    """The tables of chunk offsets in ``index``: format of an offset, first byte, end."""
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", index, at)
        if kind in _CONTAINERS:
            yield from _offset_boxes(index, at + 8, at + size)
        elif kind in _OFFSETS:
            yield _OFFSETS[kind], at + _TABLE_HEAD_BYTES, at + size
        at += max(size, 8)


def _insert(file: BinaryIO, at: int, data: bytes) -> None:
    """Move all from ``at`` on, the last piece first, and write ``data`` there."""
    end = file.seek(0, io.SEEK_END)
    while end > at:
        begin = max(at, end - _PIECE_BYTES)
        file.seek(begin)
        piece = file.read(end - begin)
        file.seek(begin + len(data))
        file.write(piece)
        end = begin
    file.seek(at)
    file.write(data)
