"""Bundle writer: a BagIt bag (RFC 8493) in a tar archive, sealed with age.

::

    <name>/data/<clip id>.mp4         each approved clip, trimmed and redacted as approved
    <name>/data/request.jws           the request
    <name>/data/approval.jws          the owner's approval; approval-2.jws: a second owner's
    <name>/data/share.jws             instead of both in a share; share-2.jws likewise
    <name>/data/README.txt            what all this is, and how to verify it (:mod:`.readme`)
    <name>/data/release.jws           the device's list of what it sends, with digests
    <name>/bagit.txt, bag-info.txt, manifest-sha256.txt, tagmanifest-sha256.txt

``age -d -i key <file> | tar x`` gives a folder that any BagIt validator accepts.

Members stream through tar and age, piece by piece: no file need be in memory, and no plaintext
touches the disk. The archive names no user, group or machine, and its only time is
``bagged_at``. :mod:`.contents` decides what goes into a bundle.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import pyrage

from agent import new_files
from agent.consent.statements import BundledFile
from agent.errors import InternalFault, ReceiverRefused

RELEASE_FILE: Final = "data/release.jws"

_PIECE_BYTES: Final = 65_536
_PAYLOAD_NAME: Final = re.compile(r"data/[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_BAG_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BAGIT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def write_bundle(
    path: Path,
    *,
    name: str,
    recipient: str,
    payload: Iterable[tuple[str, BinaryIO]],
    release: Callable[[Sequence[BundledFile]], bytes],
    bagged_at: float,
) -> new_files.WrittenFile:
    """Write the bag ``name`` to ``path``, sealed to ``recipient`` (``age1…``).

    ``payload`` yields paths (``data/…``) and files, each read from its beginning to its end
    before the next is drawn.
    ``release`` takes the list of them all and returns the text of ``release.jws``. What
    either raises is raised unchanged. ``bagged_at`` is in Unix seconds.

    Raises :class:`StorageFault` for a disk that does not take it and
    :class:`ReceiverRefused` (``no-recipient``). After any exception no file is left.
    """
    try:
        reader = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        raise ReceiverRefused("no-recipient", "the recipient is not an age recipient") from error
    source = _Source(_Bag(name, bagged_at).stream(payload, release))
    with new_files.new_file(path) as file:
        sink = new_files.DigestWriter(file.fileno())
        try:
            pyrage.encrypt_io(source, sink, [reader])
        except pyrage.EncryptError as error:
            raise source.error or sink.error or InternalFault(f"age: {error}") from error
    return sink.written


class _Bag:
    """The members of the bag in the order of the archive, and their manifests."""

    def __init__(self, name: str, bagged_at: float) -> None:
        if not _BAG_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a bag")
        self._name = name
        self._bagged_at = int(bagged_at)
        self._payload: list[BundledFile] = []

    def stream(
        self,
        payload: Iterable[tuple[str, BinaryIO]],
        release: Callable[[Sequence[BundledFile]], bytes],
    ) -> Iterator[bytes]:
        """The archive, piece by piece."""
        yield self._header("", None)
        yield self._header("data", None)
        for path, content in payload:
            yield from self._payload_member(path, content)
        statement = io.BytesIO(release(tuple(self._payload)))
        yield from self._payload_member(RELEASE_FILE, statement)
        tags = {
            "bagit.txt": _BAGIT,
            "bag-info.txt": self._bag_info(),
            "manifest-sha256.txt": _manifest((file.path, file.sha256) for file in self._payload),
        }
        tags["tagmanifest-sha256.txt"] = _manifest(
            (path, hashlib.sha256(content).hexdigest()) for path, content in tags.items()
        )
        for path, text in tags.items():
            yield from self._member(path, io.BytesIO(text))
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _payload_member(self, path: str, content: BinaryIO) -> Iterator[bytes]:
        if not _PAYLOAD_NAME.fullmatch(path) or path in {file.path for file in self._payload}:
            raise ValueError(f"{path!r} cannot be a file of this bag")
        written = yield from self._member(path, content)
        self._payload.append(BundledFile(path=path, sha256=written.sha256, bytes=written.bytes))

    def _member(
        self, path: str, content: BinaryIO
    ) -> Generator[bytes, None, new_files.WrittenFile]:
        size, digest = content.seek(0, os.SEEK_END), hashlib.sha256()
        content.seek(0)
        yield self._header(path, size)
        for left in range(size, 0, -_PIECE_BYTES):
            piece = content.read(min(left, _PIECE_BYTES))
            digest.update(piece)
            yield piece
        yield bytes(-size % tarfile.BLOCKSIZE)
        return new_files.WrittenFile(digest.hexdigest(), size)

    def _header(self, path: str, size: int | None) -> bytes:
        """A member's header; a folder's when ``size`` is None. Owner 0:0, no names."""
        member = tarfile.TarInfo(f"{self._name}/{path}".rstrip("/"))
        member.mtime = self._bagged_at
        if size is None:
            member.type, member.mode = tarfile.DIRTYPE, 0o755
        else:
            member.size, member.mode = size, 0o644
        return member.tobuf(tarfile.USTAR_FORMAT)

    def _bag_info(self) -> bytes:
        total = sum(file.bytes for file in self._payload)
        day = time.strftime("%Y-%m-%d", time.gmtime(self._bagged_at))
        return f"Bagging-Date: {day}\nPayload-Oxum: {total}.{len(self._payload)}\n".encode()


def _manifest(digests: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{digest}  {path}\n" for path, digest in digests).encode()


class _Source:
    """An iterator of pieces as a file for age to read.

    age raises an exception of its own; ``error`` keeps the original.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end."""
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._left = memoryview(piece)
        except Exception as error:
            self.error = error
            raise
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken)
