"""What a requester receives: a BagIt bag (RFC 8493) in a tar archive, sealed with age.

::

    <name>/data/<clip id>.mp4         each approved clip, trimmed and redacted as approved
    <name>/data/request.jws           what was asked
    <name>/data/approval.jws          what the owner signed; approval-2.jws: another owner
    <name>/data/share.jws             instead of both, if nobody asked; share-2.jws likewise
    <name>/data/release.jws           what the device says it sends: digests of the others
    <name>/bagit.txt, bag-info.txt, manifest-sha256.txt, tagmanifest-sha256.txt

``age -d -i key <file> | tar x`` gives a folder that any BagIt validator accepts.

Members stream through tar and age in one go: one clip is in memory at a time and no
plaintext touches the disk. The archive names no user, no group and no machine, and
every time in it is the one given. On the way to its name the file is a ``.part``;
it gets its name once it is whole and synced, or it does not exist at all.

What goes into a bundle, and that it may, is decided by the release.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyrage

from agent.consent.statements import BundledFile
from agent.errors import InternalFault, ReceiverRefused, StorageFault

RELEASE_FILE: Final = "data/release.jws"

_PIECE_BYTES: Final = 262_144
_PAYLOAD_NAME: Final = re.compile(r"data/[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_BAG_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BAGIT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """The sealed file as it lies on the disk."""

    sha256: str
    bytes: int


def write_bundle(
    path: Path,
    *,
    name: str,
    recipient: str,
    files: Iterable[tuple[str, bytes]],
    release: Callable[[Sequence[BundledFile]], bytes],
    bagged_at: float,
) -> SealedBundle:
    """Write the bag ``name`` to ``path``, sealed to ``recipient`` (``age1…``).

    ``files`` yields the payload, ``data/…`` and its bytes; it is drawn from one at a
    time. ``release`` gets the list of them all and gives the text of ``release.jws``.
    ``bagged_at`` is in Unix seconds. An exception of either goes through as it is.

    Raises :class:`StorageFault` when the disk does not take it, and
    :class:`ReceiverRefused` (``no-recipient``) for a recipient that is none. Then, as
    after any other exception, nothing is left behind.
    """
    try:
        reader = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        raise ReceiverRefused("no-recipient", "the recipient is not an age recipient") from error
    bag = _Bag(name, bagged_at)
    source = _Source(bag.stream(files, release))
    part = path.with_name(f"{path.name}.part")
    try:
        with _new_file(part) as sink:
            try:
                pyrage.encrypt_io(source, sink, [reader])
            except pyrage.EncryptError as error:
                raise source.failure or sink.failure or InternalFault(f"age: {error}") from error
            sink.sync()
        _put_in_place(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageFault(f"{path.name}: cannot be written ({error.strerror})") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return SealedBundle(sink.sha256, sink.bytes)


class _Bag:
    """The members of the bag in the order of the archive, and what the manifests say of them."""

    def __init__(self, name: str, bagged_at: float) -> None:
        if not _BAG_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a bag")
        self._name = name
        self._bagged_at = int(bagged_at)
        self._payload: list[BundledFile] = []

    def stream(
        self,
        files: Iterable[tuple[str, bytes]],
        release: Callable[[Sequence[BundledFile]], bytes],
    ) -> Iterator[bytes]:
        """The archive, piece by piece."""
        yield self._header("", None)
        yield self._header("data", None)
        for path, content in files:
            yield from self._payload_member(path, content)
        yield from self._payload_member(RELEASE_FILE, release(tuple(self._payload)))
        tags = {
            "bagit.txt": _BAGIT,
            "bag-info.txt": self._bag_info(),
            "manifest-sha256.txt": _manifest((file.path, file.sha256) for file in self._payload),
        }
        tags["tagmanifest-sha256.txt"] = _manifest(
            (path, hashlib.sha256(content).hexdigest()) for path, content in tags.items()
        )
        for path, content in tags.items():
            yield from self._member(path, content)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _payload_member(self, path: str, content: bytes) -> Iterator[bytes]:
        if not _PAYLOAD_NAME.fullmatch(path) or path in {file.path for file in self._payload}:
            raise ValueError(f"{path!r} cannot be a file of this bag")
        digest = hashlib.sha256(content).hexdigest()
        self._payload.append(BundledFile(path=path, sha256=digest, bytes=len(content)))
        yield from self._member(path, content)

    def _member(self, path: str, content: bytes) -> Iterator[bytes]:
        yield self._header(path, len(content))
        with memoryview(content) as view:
            for begin in range(0, len(content), _PIECE_BYTES):
                yield bytes(view[begin : begin + _PIECE_BYTES])
        yield bytes(-len(content) % tarfile.BLOCKSIZE)

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
    """What age reads from: an iterator of pieces as a file.

    age turns an exception into its own; ``failure`` keeps the one that was raised.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end."""
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._left = memoryview(piece)
        except Exception as error:
            self.failure = error
            raise
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken)


class _Sink:
    """What age writes to: a new file, its digest and size."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of ``data``."""
        try:
            with memoryview(data) as view:
                written = 0
                while written < len(data):
                    written += self._file.write(view[written:])
        except OSError as error:
            self.failure = error
            raise
        self._hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def sync(self) -> None:
        """Put what was written on the disk for good."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Digest of all that was written, in hexadecimal."""
        return self._hash.hexdigest()


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[_Sink]:
    """A file of ours alone at ``path``, which may hold the rest of an attempt that failed."""
    path.unlink(missing_ok=True)
    sink = _Sink(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield sink
    finally:
        sink.close()


def _put_in_place(part: Path, path: Path) -> None:
    """Give the file its name for good, or not at all."""
    part.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
