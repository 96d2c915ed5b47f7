"""Files that survive a power cut: create, append, replace, rename, remove, and sync.

Every step that orders one write before another is a function here, so that the order
can be read and tested in one place. A step that fails raises :class:`StorageFault`,
which names the file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from agent.errors import ADVICE_FOR_CLOSED_FILES, ClipDamaged, DiskFull, StorageFault

DIRECTORY_MODE = 0o2750  # the other service reads it by the group, which new files inherit
FILE_MODE = 0o640
PRIVATE_MODE = 0o600
PRIVATE_DIRECTORY_MODE = 0o700

NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_BYTES = 1 << 20
_LEAST_BYTES = 1 << 16  # free, with which a database can be opened


# Faults


def fault(path: Path, error: OSError, doing: str = "") -> StorageFault:
    """``error`` on ``path`` as a sentence; ``doing`` says what failed."""
    if error.errno in _FULL:
        return disk_full(path)
    if error.errno == errno.EROFS:
        return read_only(path)
    reason = error.strerror or str(error)
    return StorageFault(
        f"{path}: {doing} ({reason})" if doing else f"{path}: {reason}",
        advice=ADVICE_FOR_CLOSED_FILES if isinstance(error, PermissionError) else "",
    )


def disk_full(path: Path) -> DiskFull:
    """The fault for a disk without room for ``path``."""
    return DiskFull(
        f"{path}: cannot be written, the disk is full",
        advice="Free some space, or lower storage.max_bytes",
    )


def read_only(path: Path) -> StorageFault:
    """The fault for a disk that takes no more writes, as a failing SD card does."""
    return StorageFault(
        f"{path}: the disk is read-only",
        advice="If nobody mounted it so, the SD card may be failing: look at dmesg, copy the card,"
        " and replace it",
    )


def is_read_only(path: Path) -> bool:
    """True if ``path``, or the first folder above it that exists, is on a read-only disk."""
    return bool(_disk_of(path).f_flag & os.ST_RDONLY)


def is_full(path: Path) -> bool:
    """True if the disk of ``path`` has no room for the smallest files of a database."""
    disk = _disk_of(path)
    return disk.f_bavail * disk.f_frsize < _LEAST_BYTES


def _disk_of(path: Path) -> os.statvfs_result:
    with faults(path):
        return os.statvfs(next(folder for folder in (path, *path.parents) if folder.exists()))


@contextmanager
def faults(path: Path, doing: str = "") -> Iterator[None]:
    """Turn the system's errors about ``path`` into :class:`StorageFault`."""
    try:
        yield
    except OSError as error:
        raise fault(path, error, doing) from error


# Whole files


def write_new(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a file that did not exist before, and sync it; its name is not synced yet."""
    with faults(path, "cannot be written"):
        descriptor = os.open(path, os.O_WRONLY | NEW, mode)
        try:
            os.fchmod(descriptor, mode)  # whatever the umask: it may be for another user to read
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_synced(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """The same for a draft: a file left by an attempt that was cut off is removed first."""
    with faults(path):
        path.unlink(missing_ok=True)
    write_new(path, data, mode=mode)


def replace(path: Path, data: bytes, *, mode: int = FILE_MODE, draft: Path | None = None) -> None:
    """Write or replace ``path``: after a crash the old file or the new one is there.

    ``draft`` is the name it has on the way, ``<name>.new`` unless given.
    """
    draft = draft or path.with_name(f"{path.name}.new")
    write_synced(draft, data, mode=mode)
    rename(draft, path)
    sync_directory(path.parent)


@contextmanager
def append(path: Path, *, size: int | None = None) -> Iterator[BinaryIO]:
    """Append to ``path``, cut to ``size`` first; synced when the block ends, however it ends."""
    with faults(path), path.open("ab") as file:
        if size is not None:
            file.truncate(size)
        try:
            yield file
        finally:
            file.flush()
            os.fsync(file.fileno())


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of ``data``, however little each call takes; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


# Names


def make_directory(path: Path, *, mode: int = DIRECTORY_MODE) -> None:
    """Create ``path`` and its missing parents, readable for the group and synced.

    ``mode`` is for ``path`` alone.
    """
    with faults(path):
        if path.is_dir():
            return
    make_directory(path.parent)
    with faults(path):
        try:
            path.mkdir(mode & 0o777)
        except FileExistsError:
            if path.is_dir():
                return  # made by another process just now
            raise
        # Under systemd the parent passes on its setgid bit and the umask keeps the rest, while
        # RestrictSUIDSGID= refuses every chmod with that bit. Elsewhere the umask may drop some.
        if path.stat().st_mode & mode != mode:
            path.chmod(mode)
        sync_directory(path.parent)


def rename(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target``, replacing what had it."""
    with faults(source):
        source.replace(target)


def remove(path: Path) -> None:
    """Unlink ``path``; fine if it is gone already."""
    with faults(path), suppress(FileNotFoundError):
        path.unlink()


def remove_if_empty(directory: Path) -> None:
    """Remove a folder if it is empty."""
    with faults(directory):
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            return
    sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    """Put the names made, changed and removed in ``path`` on the disk."""
    with faults(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Reading


def open_regular(path: Path, *, folders: int = 2) -> BinaryIO:
    """Open a file of another process; :class:`ClipDamaged` if it is gone or no regular file.

    That process may have been taken over: a link would make the reader open a file of its own,
    and a pipe would block it for ever. So ``path`` and the last ``folders`` above it must be no
    links.
    """
    with opened_folder(path.parent, folders=folders) as folder:
        return open_regular_in(folder, path)


@contextmanager
def opened_folder(path: Path, *, folders: int = 2) -> Iterator[int]:
    """A descriptor of ``path``, of which the last ``folders`` names are no links.

    :class:`ClipDamaged` if there is no such folder.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
    names = path.parts[len(path.parts) - folders :]
    try:
        descriptor = os.open(path.parents[folders - 1] if folders else path, flags)
        for name in names:
            above = descriptor
            try:
                descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
            finally:
                os.close(above)
    except OSError as error:
        raise ClipDamaged(f"{path}: {error.strerror or error}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular_in(folder: int, path: Path) -> BinaryIO:
    """Open ``path``, whose folder is ``folder``, as :func:`open_regular` does."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path.name, flags, dir_fd=folder)
    except OSError as error:
        raise ClipDamaged(f"{path}: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ClipDamaged(f"{path}: this is not a file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a private folder or file (flock), after waiting for it.

    Whoever may open it can hold us up. A file that does not exist is made. Raises
    :class:`StorageFault`.
    """
    with faults(path):
        kind = os.O_DIRECTORY if path.is_dir() else os.O_CREAT
        descriptor = os.open(path, os.O_CLOEXEC | os.O_NOFOLLOW | kind, PRIVATE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with faults(path), path.open("rb", buffering=0) as file:
        return sha256_of(file)


def sha256_of(file: BinaryIO | FileIO, meanwhile: Callable[[], object] = lambda: None) -> str:
    """The same of an open file, from its position; ``meanwhile`` is called after each MiB."""
    digest = hashlib.sha256()
    while data := file.read(_READ_BYTES):
        digest.update(data)
        meanwhile()
    return digest.hexdigest()


def exists(path: Path) -> bool:
    """Tell if there is such a file; a fault if that cannot be seen."""
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
