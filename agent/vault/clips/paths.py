"""Where a clip's files stand, and the few steps on disk that must survive a power cut.

A clip ``20240124-183015-3f9a2c`` has its files in ``clips/2024-01-24/``::

    183015-3f9a2c.mp4.age         the sealed recording
    183015-3f9a2c.json            its sidecar
    183015-3f9a2c.mp4.age.part    the same while it is being recorded
    183015-3f9a2c.json.part       what is known of it by then (the opening sidecar)
    183015-3f9a2c.json.new        a sidecar about to replace another; never read

Every step that orders one write before another (create, sync, rename, remove,
sync of a directory) is a function here, so that the order can be read, and
tested, in one place. A step that fails raises :class:`StorageFault` and names the
file. In which order the steps are taken is for :mod:`agent.vault.clips.store` and
:mod:`agent.vault.clips.recovery` to say.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from agent.errors import ClipDamaged, DiskFull, InternalFault, StorageFault

DIRECTORY_MODE = 0o2770  # camera and gateway share the group; new files inherit it
FILE_MODE = 0o640

_ID = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{6}-[0-9a-f]{6})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NAME = re.compile(r"(\d{6}-[0-9a-f]{6})\.(mp4\.age|json)(\.part)?|(\d{6}-[0-9a-f]{6})\.json\.new")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The paths of one clip; whether they exist is another question."""

    directory: Path
    stem: str

    @classmethod
    def of(cls, state_dir: Path, clip_id: str) -> ClipFiles:
        """The paths of ``clip_id``, which must be well-formed: ids come checked."""
        match = _ID.fullmatch(clip_id)
        if match is None:
            raise InternalFault(f"{clip_id[:64]!r} is not a clip id")
        year, month, day, stem = match.groups()
        return cls(state_dir / "clips" / f"{year}-{month}-{day}", stem)

    @property
    def id(self) -> str:
        """The clip's id."""
        return f"{self.directory.name.replace('-', '')}-{self.stem}"

    @property
    def media(self) -> Path:
        """The sealed recording."""
        return self.directory / f"{self.stem}.mp4.age"

    @property
    def media_part(self) -> Path:
        """The sealed recording while it grows."""
        return self.directory / f"{self.stem}.mp4.age.part"

    @property
    def sidecar(self) -> Path:
        """What is known of the finished clip."""
        return self.directory / f"{self.stem}.json"

    @property
    def opening(self) -> Path:
        """What is known of a clip when its recording begins."""
        return self.directory / f"{self.stem}.json.part"

    @property
    def replacement(self) -> Path:
        """A sidecar on its way to take the place of another."""
        return self.directory / f"{self.stem}.json.new"


Found = tuple[ClipFiles, frozenset[Path]]  # a clip, and which of its files exist


def scan(state_dir: Path) -> Iterator[Found]:
    """Each clip of which any file exists, in the order of their ids.

    Names that are not ours are passed over.
    """
    for day in days(state_dir):
        yield from clips_of(day)


def days(state_dir: Path) -> list[Path]:
    """The folders of clips, the oldest first."""
    with faults(state_dir / "clips"):
        found = [entry for entry in _entries(state_dir / "clips") if _DAY.fullmatch(entry.name)]
    return sorted(found)


def clips_of(day: Path) -> list[Found]:
    """What :func:`scan` finds in one folder."""
    found: dict[str, set[Path]] = {}
    with faults(day):
        for path in _entries(day):
            if match := _NAME.fullmatch(path.name):
                found.setdefault(match[1] or match[4], set()).add(path)
    return [(ClipFiles(day, stem), frozenset(found[stem])) for stem in sorted(found)]


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def fault(path: Path, error: OSError) -> StorageFault:
    """``error`` on ``path`` as a sentence for the owner."""
    if error.errno in _FULL:
        return disk_full(path)
    return StorageFault(f"{path}: {error.strerror or error}")


def disk_full(path: Path) -> DiskFull:
    """What to say when there is no room for ``path``."""
    return DiskFull(
        f"{path}: the disk is full", advice="Free some space, or lower storage.max_bytes"
    )


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn the system's errors about ``path`` into :class:`StorageFault`."""
    try:
        yield
    except OSError as error:
        raise fault(path, error) from error


def make_directory(path: Path) -> None:
    """Create ``path`` and what is missing above it, group-writable, surviving a power cut."""
    with faults(path):
        if path.is_dir():
            return
    make_directory(path.parent)
    with faults(path), suppress(FileExistsError):
        path.mkdir()
        # Under systemd the parent hands the 2 on and the umask leaves the rest, while
        # RestrictSUIDSGID= refuses every chmod with a 2. Elsewhere the umask may have cut it.
        if path.stat().st_mode & DIRECTORY_MODE != DIRECTORY_MODE:
            path.chmod(DIRECTORY_MODE)
        sync_directory(path.parent)


def create(path: Path) -> int:
    """A new file to write, as a descriptor locked against :func:`being_written`."""
    with faults(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor


def being_written(path: Path) -> bool:
    """Whether a living process holds ``path`` from :func:`create`; a killed one does not."""
    with faults(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe, too
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def open_regular(path: Path) -> BinaryIO:
    """A file of a clip, to read; :class:`ClipDamaged` if it is gone or is no file at all.

    The folder of a day belongs to the camera's process, which may have been taken over: a
    link there would have the gateway read its own keys, and a pipe would hold it for ever.
    """
    no_link = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        folder = os.open(path.parent, no_link | os.O_DIRECTORY)
        try:
            descriptor = os.open(path.name, no_link | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ClipDamaged(f"{path}: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ClipDamaged(f"{path}: this is not a file")
    return os.fdopen(descriptor, "rb")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """All of ``data``, however little each write takes; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_synced(path: Path, data: bytes) -> None:
    """A new file that is on the disk when this returns; its name is not, yet."""
    with faults(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target``, replacing what had it."""
    with faults(source):
        source.replace(target)


def remove(path: Path) -> None:
    """Unlink ``path``; fine if it is gone already."""
    with faults(path), suppress(FileNotFoundError):
        path.unlink()


def remove_if_empty(directory: Path) -> None:
    """Remove a folder in which nothing is left; one with something in it stays."""
    with faults(directory):
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            return
    sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    """Names made, changed and removed in ``path`` are on the disk when this returns."""
    with faults(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with faults(path), path.open("rb", buffering=0) as file:
        return sha256_of(file)


def sha256_of(file: BinaryIO | FileIO, meanwhile: Callable[[], object] = lambda: None) -> str:
    """The same of an open file, from where it stands; ``meanwhile`` is called now and then."""
    digest = hashlib.sha256()
    while data := file.read(_READ_BYTES):
        digest.update(data)
        meanwhile()
    return digest.hexdigest()


def exists(path: Path) -> bool:
    """Whether there is such a file, as far as can be seen."""
    with faults(path):
        try:
            path.stat()
        except FileNotFoundError:
            return False
    return True


def size(path: Path) -> int:
    """The size of a file in bytes."""
    with faults(path):
        return path.stat().st_size
