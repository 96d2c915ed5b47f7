"""Streaming age decryption of clips, the counterpart of :mod:`agent.vault.clips.seal`.

Plaintext is passed on piece by piece and never stored here. A truncated clip gives every
whole chunk; any other clip that lacks a proper end is damaged.
"""

from __future__ import annotations

import io
import os
import re
import threading
from typing import TYPE_CHECKING, BinaryIO

import pyrage

from agent.consent import age_header
from agent.consent.letters import parse_identity
from agent.errors import ClipDamaged, KeyFileError
from agent.vault.clips.sink import CHUNK_BYTES, SEALED_CHUNK_BYTES

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_NONCE_BYTES = 16
_MAX_HEADER_BYTES = 65_536
_CUT_OFF = (OSError, pyrage.DecryptError)  # raised at the end of a file that is cut off
_HEADER_START = b"age-encryption.org/v1\n"
_HEADER_END = re.compile(rb"\n--- [A-Za-z0-9+/]{43}\n")


def whole_chunks(sealed: BinaryIO) -> int:
    """Count the whole chunks of an age file that may be cut off anywhere."""
    length = sealed.seek(0, os.SEEK_END)
    sealed.seek(0)
    header = sealed.read(_MAX_HEADER_BYTES)
    end = _HEADER_END.search(header)
    if not header.startswith(_HEADER_START) or end is None:
        return 0
    return max(0, length - end.end() - _NONCE_BYTES) // SEALED_CHUNK_BYTES


class _PlainReader(io.RawIOBase):
    """The plaintext of an age file as it is being opened by a thread."""

    def __init__(self, sealed: BinaryIO, identity_text: str, *, truncated: bool) -> None:
        self._expected = whole_chunks(sealed) * CHUNK_BYTES if truncated else None
        sealed.seek(0)
        self._delivered = 0
        self._error: BaseException | None = None  # with which the thread ended
        reader = parse_identity(identity_text)
        self._read_end, write_end = os.pipe()
        pipe = io.FileIO(write_end, "w")
        self._thread = threading.Thread(target=self._open, args=(sealed, pipe, reader), daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = os.read(self._read_end, len(view))
        view[: len(data)] = data
        self._delivered += len(data)
        if not data and len(view):
            self._check_end()
        return len(data)

    def _check_end(self) -> None:
        self._thread.join()
        error = self._error
        is_cut_off = isinstance(error, _CUT_OFF) and self._delivered == self._expected
        if error is None or is_cut_off:
            return
        why = str(error) or type(error).__name__
        raise ClipDamaged(
            f"a sealed clip does not open behind byte {self._delivered} ({why})"
        ) from error

    def close(self) -> None:
        if not self.closed:
            os.close(self._read_end)  # the thread, if it still writes, ends by that
            self._thread.join()
        super().close()

    def _open(self, sealed: BinaryIO, pipe: io.FileIO, reader: pyrage.x25519.Identity) -> None:
        """Run the thread."""
        try:
            _check_header(sealed)
            pyrage.decrypt_io(sealed, pipe, [reader])
        except BaseException as error:  # noqa: BLE001 - it must not pass for a proper end
            self._error = error
        finally:
            pipe.close()


def open_stream(sealed: BinaryIO, identity_text: str, *, truncated: bool = False) -> BinaryIO:
    """Open ``sealed`` (seekable) as a stream of plaintext.

    Raises :class:`KeyFileError` for a damaged identity, and while being read
    :class:`ClipDamaged` where the file does not open. Close it, also before its end;
    ``sealed`` stays open.
    """
    return io.BufferedReader(_PlainReader(sealed, identity_text, truncated=truncated), CHUNK_BYTES)


def opens(sealed: BinaryIO, identity_text: str) -> bool:
    """Tell if this identity opens ``sealed``, judged by its header and first chunk."""
    try:
        with open_stream(sealed, identity_text) as plain:
            plain.read(1)
    except (ClipDamaged, KeyFileError):
        return False
    return True


def _check_header(sealed: BinaryIO) -> None:
    """Raise OSError, as the library does, for a header unlike those of our clips."""
    start = sealed.read(age_header.MAX_HEADER_BYTES)
    sealed.seek(0)
    if not age_header.has_small_header(start):
        raise OSError("it does not begin as a clip does")
