"""MP4 files read from front to back, and written with their index in front."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, Protocol

import av
from av.container import OutputContainer

_OPTIONS: Final = {"movflags": "+faststart", "fflags": "+bitexact"}


class Readable(Protocol):
    """A decrypted clip, read from front to back, without seeking."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class ForwardReader:
    """``plain`` without the seeking that a file might offer; keeps the error of a read."""

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        """See :class:`Readable`; after an error, the end."""
        if self.failure is not None:
            return b""  # FFmpeg may ask again; the first failure is the one that counts
        try:
            return self._plain.read(size)
        except Exception as error:
            self.failure = error
            raise


@contextmanager
def new_mp4(target: BinaryIO) -> Iterator[OutputContainer]:
    """A new MP4 in the empty file ``target``; complete once this is left."""

    def read_back(*_: Any) -> Any:
        """Give FFmpeg what it has written, when it moves ``moov`` to the front."""
        return _ReadBack(target)

    with av.open(
        target, mode="w", format="mp4", options=dict(_OPTIONS), io_open=read_back
    ) as container:
        yield container


class _ReadBack:
    """Reads a file while it is written, at a position of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0

    def read(self, size: int) -> bytes:
        with self._elsewhere():
            self._file.seek(self._position)
            piece = self._file.read(size)
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._elsewhere():
            if whence == io.SEEK_CUR:
                offset, whence = self._position + offset, io.SEEK_SET
            self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    @contextmanager
    def _elsewhere(self) -> Iterator[None]:
        writing_at = self._file.tell()
        try:
            yield
        finally:
            self._file.seek(writing_at)
