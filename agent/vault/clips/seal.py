"""Streaming age encryption: plaintext goes in, only ciphertext reaches the disk.

Each clip has an age identity of its own. The clip is sealed to the owners, their recovery
identities and its own identity, which is then sealed to the owners alone
(:func:`seal_key`) and forgotten. So an owner opens every clip with stock ``age``, and can
hand out the key of one clip only. The clip's id is sealed together with its key and, once the
recording is finished, its digest, start and length, and the digest of its thumbnail: who does
not know the key cannot write that text, so an owner gives no key away for a clip other than the
one they are offered, and sees no thumbnail of another.

An age file (age-encryption.org/v1) is a header, a nonce of 16 bytes and chunks of
64 KiB of plaintext, each sealed with a tag of 16 bytes. A chunk leaves the writer when
the first byte after it arrives. A file that is cut off still gives every whole chunk; a
changed bit stops the reader at its chunk.

A chunk is synced before its oldest byte has waited for ``sync_seconds``, including the
half second that a muxer holds back; this limits the loss of a power cut.
:class:`agent.vault.clips.store.ClipDraft` fills chunks that fill too slowly.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage

from agent import files, new_files
from agent.clock import Clock
from agent.consent import age_header
from agent.consent.letters import parse_identity
from agent.errors import InternalFault, KeyFileError, StorageFault, UnreadableLetter
from agent.vault.clips.sink import CHUNK_BYTES, Backlog, Sink
from agent.vault.clips.unseal import open_stream, opens

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "CHUNK_BYTES",
    "ClipIdentity",
    "ClipKey",
    "Recorded",
    "SealedWriter",
    "open_bytes",
    "open_key",
    "open_stream",
    "opens",
    "seal_bytes",
    "seal_key",
]

_KEY = re.compile(
    r"# clip (?P<clip>[0-9a-f-]{22})\n"
    r"(# sha256 (?P<sha256>[0-9a-f]{64})\n"
    r"# start (?P<start>unsynced|[0-9]{1,12})\n"
    r"# seconds (?P<seconds>[0-9]{1,9}\.[0-9]{3})\n"
    r"(# thumbnail (?P<thumbnail>[0-9a-f]{64})\n)?)?"
    r"(?P<identity>AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58})\n"
)
_PIPE_BYTES = 1 << 20  # so that a slow sync does not hold up the camera
# A fragment comes half a second old, the next in half a second; the rest is for a slow card.
_NEXT_CHANCE_SECONDS = 1.25


class ClipIdentity:
    """A new age identity for one clip, from the random source of the age library."""

    def __init__(self) -> None:
        identity = pyrage.x25519.Identity.generate()
        self.text = str(identity)
        self.recipient = str(identity.to_public())


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished recording: digest of the sealed file, start in whole seconds, and length.

    ``started_at`` is None while the clock was not set; the camera may correct that later.
    ``thumbnail`` is the SHA-256 of its JPEG, None if it has none.
    """

    sha256: str
    started_at: int | None
    seconds: float
    thumbnail: str | None = None

    @classmethod
    def of(
        cls,
        sha256: str,
        started_at: float,
        seconds: float,
        *,
        synced: bool,
        thumbnail: bytes | None = None,
    ) -> Recorded:
        """In the precision of the sealed text."""
        picture = None if thumbnail is None else hashlib.sha256(thumbnail).hexdigest()
        start = max(0, int(started_at)) if synced else None
        return cls(sha256, start, round(seconds, 3), picture)


@dataclass(frozen=True, slots=True)
class ClipKey:
    """The opened key of a clip; ``recorded`` is None for a recording that was cut off."""

    identity: str = field(repr=False)
    recorded: Recorded | None

    @property
    def recipient(self) -> str:
        """The public half (``age1…``), by which to recognise the key."""
        return str(parse_identity(self.identity).to_public())


def seal_key(
    identity_text: str,
    recipients: Sequence[str],
    *,
    clip_id: str,
    recorded: Recorded | None = None,
) -> str:
    """Seal the identity of ``clip_id`` to ``recipients`` (``age1…``); returns base64.

    The plaintext is an age identity file: comments about the clip, and the key.
    """
    lines = [f"# clip {clip_id}"]
    if recorded is not None:
        start = "unsynced" if recorded.started_at is None else recorded.started_at
        lines += [f"# sha256 {recorded.sha256}", f"# start {start}"]
        lines.append(f"# seconds {recorded.seconds:.3f}")
        if recorded.thumbnail is not None:
            lines.append(f"# thumbnail {recorded.thumbnail}")
    return seal_bytes("\n".join([*lines, identity_text, ""]).encode("ascii"), recipients)


def seal_bytes(plain: bytes, recipients: Sequence[str]) -> str:
    """Seal a few bytes to ``recipients``; returns base64."""
    sealed: bytes = pyrage.encrypt(plain, _readers(recipients))
    return base64.b64encode(sealed).decode("ascii")


def open_bytes(sealed: bytes, identity_text: str) -> bytes:
    """Open what :func:`seal_bytes` sealed; :class:`UnreadableLetter` ``not-sealed-to-us``."""
    try:
        return _opened(sealed, parse_identity(identity_text))
    except (pyrage.DecryptError, ValueError) as error:
        raise UnreadableLetter(
            "not-sealed-to-us", "it is not sealed to this reader, or is damaged"
        ) from error


def open_key(sealed_key: str, identity_text: str, *, clip_id: str) -> ClipKey:
    """Open a key that :func:`seal_key` sealed for ``clip_id``, with an owner's identity.

    Raises :class:`UnreadableLetter`: ``not-sealed-to-us`` (also when damaged),
    ``not-a-clip-key``, or ``key-of-another-clip``.
    """
    reader = parse_identity(identity_text)
    try:
        plain = _opened(base64.b64decode(sealed_key, validate=True), reader)
    except (pyrage.DecryptError, ValueError) as error:
        raise UnreadableLetter(
            "not-sealed-to-us", "the clip's key is not sealed to this reader, or is damaged"
        ) from error
    known = _KEY.fullmatch(plain.decode("ascii", "replace"))
    if known is None or not _is_identity(known["identity"]):
        raise UnreadableLetter("not-a-clip-key", "what was sealed is not the key of a clip")
    if known["clip"] != clip_id:
        raise UnreadableLetter("key-of-another-clip", f"it is not the key of the clip {clip_id}")
    if known["sha256"] is None:
        return ClipKey(known["identity"], None)
    start = None if known["start"] == "unsynced" else int(known["start"])
    recorded = Recorded(known["sha256"], start, float(known["seconds"]), known["thumbnail"])
    return ClipKey(known["identity"], recorded)


def _is_identity(text: str) -> bool:
    try:
        parse_identity(text)
    except KeyFileError:
        return False
    return True


def _opened(sealed: bytes, reader: pyrage.x25519.Identity) -> bytes:
    if not age_header.has_small_header(sealed):
        raise ValueError("it does not begin as a sealed key does")
    plain: bytes = pyrage.decrypt(sealed, [reader])
    return plain


def _readers(recipients: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    return [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]


class _Abandoned(Exception):
    """The clip is abandoned: the age library must not write its last chunk."""


class _Source:
    """The end of the pipe that the age library reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.abandoned = False

    def read(self, limit: int) -> bytes:
        """Read at most ``limit`` bytes; waits for the first one."""
        data = os.read(self._descriptor, limit)
        if not data and self.abandoned:
            raise _Abandoned
        return data

    def close(self) -> None:
        os.close(self._descriptor)


class SealedWriter:
    """A file to write plaintext to, without seeking, that becomes an age file at ``path``.

    ``path`` must not exist; it is locked (:func:`agent.new_files.being_written`) until the end.
    A thread seals what comes through a pipe. If it fails, as on a full disk, the next
    :meth:`write` or :meth:`close` raises :class:`StorageFault`; no writer waits for ever.
    """

    def __init__(
        self, path: Path, recipients: Sequence[str], *, clock: Clock, sync_seconds: float = 2.0
    ) -> None:
        readers = _readers(recipients)
        self._path = path
        self._clock = clock
        self._patience = max(0.0, sync_seconds - _NEXT_CHANCE_SECONDS)
        self._backlog = Backlog()
        self._position = 0
        self._complete = False
        self._sink = Sink(path, clock, self._backlog, self._patience)
        try:
            read_end, self._write_end = os.pipe()
        except OSError as error:
            self._sink.close()
            raise files.fault(path, error) from error
        with suppress(OSError):  # a system may allow less
            fcntl.fcntl(read_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._source = _Source(read_end)
        self._thread = threading.Thread(
            target=self._seal, args=(readers,), name=f"seal-{path.name}", daemon=True
        )
        self._thread.start()

    @property
    def position(self) -> int:
        """Bytes of plaintext so far."""
        return self._position

    @property
    def missing(self) -> int:
        """Bytes of plaintext until the current chunk is full and leaves."""
        return self._emitted + CHUNK_BYTES + 1 - self._position

    @property
    def stale_seconds(self) -> float:
        """The age of the oldest byte that is not in a whole chunk; 0 if there is none."""
        oldest = self._backlog.oldest_after(self._emitted)
        return 0.0 if oldest is None else self._clock.monotonic() - oldest

    @property
    def overdue(self) -> bool:
        """True if that byte would wait too long for the next chance."""
        waits = self._backlog.oldest_after(self._emitted) is not None
        return waits and self.stale_seconds >= self._patience

    @property
    def _emitted(self) -> int:
        """Bytes of plaintext in chunks that have left."""
        return max(0, self._position - 1) // CHUNK_BYTES * CHUNK_BYTES

    def write(self, data: ReadableBuffer) -> int:
        """Seal ``data``; raises :class:`StorageFault` if sealing has failed."""
        at = self._clock.monotonic()  # a slow disk may hold up what follows
        length = self._push(data)
        if length:
            self._backlog.add(self._position, at)
        return length

    def fill(self, filler: bytes) -> None:
        """Seal filler bytes, which do not count as waiting."""
        self._push(filler)

    def _push(self, data: ReadableBuffer) -> int:
        if self._write_end < 0:
            raise InternalFault(f"{self._path}: written after its end")
        view = memoryview(data).cast("B")
        try:
            files.write_all(self._write_end, view)
        except BrokenPipeError as error:
            raise self._failed() from error
        self._position += len(view)
        return len(view)

    def close(self) -> new_files.WrittenFile:
        """Seal the last chunk and sync the file; :class:`StorageFault` if that failed."""
        self._hang_up()
        if not self._complete:
            raise self._failed()
        return self._sink.written

    def abandon(self) -> None:
        """Stop without a last chunk; whole chunks stay on the disk for a recovery."""
        self._source.abandoned = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1
        self._thread.join()

    def _failed(self) -> StorageFault:
        self._thread.join()
        if self._sink.error is not None:
            return files.fault(self._path, self._sink.error)
        return StorageFault(f"{self._path}: sealing was stopped")

    def _seal(self, readers: list[pyrage.x25519.Recipient]) -> None:
        """Run the thread. Its end closes the pipe, so no writer waits for it."""
        try:
            pyrage.encrypt_io(self._source, self._sink, readers)
            self._sink.sync()
            # The library hides a fault of its last write; the sink remembers it.
            self._complete = self._sink.error is None
        except (OSError, pyrage.EncryptError, _Abandoned):
            self._complete = False  # the writer looks up the reason
        finally:
            try:
                self._sink.close()
            except OSError as error:
                self._sink.error, self._complete = error, False
            finally:
                self._source.close()
