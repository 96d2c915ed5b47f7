"""Sealed spool: a temporary file for plaintext that must never be on the disk.

The file has no name, so it is gone when the process ends, even if it is killed. It is written in
blocks, each sealed with ChaCha20-Poly1305 (RFC 8439) under a key that is in memory only. A flash
card may keep overwritten blocks, so each write of a block takes a new nonce: a counter, also in
memory only. A block that the disk returns changed, or in an older version, is refused.

The most recently used blocks are in memory, the others on the disk; a small file never reaches it.
Inserted bytes also stay in memory, so that the blocks behind them need not be sealed again.
"""

from __future__ import annotations

import io
import os
import tempfile
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from agent import files
from agent.errors import StorageFault

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

BLOCK_BYTES: Final = 65_536
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_BLOCKS_IN_MEMORY: Final = 16


def new_spool(folder: Path) -> SealedSpool:
    """An empty spool whose file, without a name, is on the disk of ``folder``."""
    place = folder / "spool"
    with files.faults(place, "cannot be created"):
        file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - the spool closes it
    return SealedSpool(file, place, blocks_in_memory=_BLOCKS_IN_MEMORY)


class SealedSpool(io.RawIOBase, BinaryIO):
    """A seekable binary file whose blocks are sealed on the disk.

    For one thread. Reading and writing raise :class:`StorageFault`, which names ``place``, if the
    disk is full or returns other bytes than were written. Closing it forgets all.
    """

    def __init__(self, file: BinaryIO, place: Path, *, blocks_in_memory: int) -> None:
        """Begin with an empty unbuffered ``file``, which is closed with the spool."""
        self._file = file
        self._place = place
        self._cipher = ChaCha20Poly1305(ChaCha20Poly1305.generate_key())
        self._most = blocks_in_memory
        self._blocks: OrderedDict[int, bytearray] = OrderedDict()  # the last used at the end
        self._changed: set[int] = set()
        self._versions = array("Q")  # the nonce of each block on the disk; 0: it is not there
        self._sealed = 0
        self._length = 0  # without what was inserted
        self._position = 0
        self._inserted_at, self._inserted = 0, b""

    def readable(self) -> bool:
        """See :class:`io.IOBase`."""
        return True

    def writable(self) -> bool:
        """See :class:`io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See :class:`io.IOBase`."""
        return True

    def close(self) -> None:
        """Forget the file, its key, and what is in memory."""
        if not self.closed:
            self._file.close()
            self._blocks.clear()
        super().close()

    def tell(self) -> int:
        """See :class:`io.IOBase`."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """See :class:`io.IOBase`; ValueError for a place before the beginning."""
        end = self._length + len(self._inserted)
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: end}
        if bases[whence] + offset < 0:
            raise ValueError("a file has no place before its beginning")
        self._position = bases[whence] + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read until ``buffer`` is full or the file ends."""
        view = memoryview(buffer).cast("B")
        done = self._read(view, self._position)
        self._position += done
        return done

    def _read(self, view: memoryview, begin: int) -> int:
        """Fill ``view`` with what is from ``begin`` on; the number of bytes."""
        first, size = self._inserted_at, len(self._inserted)
        if not size or begin + len(view) <= first:
            return self._read_blocks(view, begin)
        done = self._read_blocks(view[: max(0, first - begin)], begin)
        of_inserted = self._inserted[max(0, begin - first) :][: len(view) - done]
        view[done : done + len(of_inserted)] = of_inserted
        done += len(of_inserted)
        return done + self._read_blocks(view[done:], begin + done - size)

    def _read_blocks(self, view: memoryview, begin: int) -> int:
        done = 0
        for number, at, count in _parts(begin, min(len(view), max(0, self._length - begin))):
            view[done : done + count] = memoryview(self._block(number))[at : at + count]
            done += count
        return done

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of ``data``; bytes between the old end and it are zero."""
        self._refuse_if_inserted()
        view, done = memoryview(data).cast("B"), 0
        for number, at, count in _parts(self._position, len(view)):
            self._block(number)[at : at + count] = view[done : done + count]
            self._changed.add(number)
            done += count
        if done:  # writing nothing behind the end makes a file no longer
            self._position += done
            self._length = max(self._length, self._position)
        return done

    def truncate(self, size: int | None = None, /) -> int:
        """Forget what is behind ``size``, or the position; see :class:`io.IOBase`."""
        self._refuse_if_inserted()
        end = self._position if size is None else size
        if end < self._length:
            number, at = divmod(end, BLOCK_BYTES)
            del self._versions[number + 1 :]
            for later in [one for one in self._blocks if one > number]:
                del self._blocks[later]
                self._changed.discard(later)
            self._block(number)[at:] = bytes(BLOCK_BYTES - at)
            self._changed.add(number)
        self._length = end
        return end

    def insert(self, at: int, data: bytes) -> None:
        """Put ``data`` before what is at ``at``; only reading may follow."""
        self._refuse_if_inserted()
        self._inserted_at, self._inserted = at, data

    def _refuse_if_inserted(self) -> None:
        if self._inserted:
            raise io.UnsupportedOperation("bytes were inserted: only reading may follow")

    def _block(self, number: int) -> bytearray:
        """The block, made or read into memory if need be."""
        if self.closed:
            raise ValueError("the spool is closed")
        block = self._blocks.get(number)
        if block is None:
            block = self._fetched(number)
            self._blocks[number] = block
            if len(self._blocks) > self._most:
                self._set_down(*self._blocks.popitem(last=False))
        else:
            self._blocks.move_to_end(number)
        return block

    def _set_down(self, number: int, block: bytearray) -> None:
        """Put a block on the disk, if that has not its last version already."""
        if number not in self._changed:
            return
        self._changed.discard(number)
        self._versions.extend([0] * (number + 1 - len(self._versions)))
        self._sealed += 1
        self._versions[number] = self._sealed
        sealed = self._cipher.encrypt(_nonce(self._sealed), block, None)
        with files.faults(self._place, "cannot be written"):
            self._file.seek(number * (BLOCK_BYTES + _TAG_BYTES))
            files.write_all(self._file.fileno(), sealed)

    def _fetched(self, number: int) -> bytearray:
        version = self._versions[number] if number < len(self._versions) else 0
        if not version:
            return bytearray(BLOCK_BYTES)
        with files.faults(self._place, "cannot be read"):
            self._file.seek(number * (BLOCK_BYTES + _TAG_BYTES))
            sealed = self._file.read(BLOCK_BYTES + _TAG_BYTES)
        try:
            return bytearray(self._cipher.decrypt(_nonce(version), sealed, None))
        except InvalidTag as error:
            raise StorageFault(f"{self._place}: the disk gave back other bytes") from error


def _parts(begin: int, count: int) -> Iterator[tuple[int, int, int]]:
    """The blocks of ``count`` bytes from ``begin`` on: number, place in the block, bytes."""
    end = begin + count
    while begin < end:
        number, at = divmod(begin, BLOCK_BYTES)
        part = min(BLOCK_BYTES - at, end - begin)
        yield number, at, part
        begin += part


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "little")
