"""Files under way: nothing takes them for whole before they are.

A file that is being written is locked until its writer closes it or dies. So a second writer, or
a recovery after a crash, knows a file that is under way from one that was left behind.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent import files
from agent.errors import StorageFault


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A private file to write, named ``<name>.part`` until the block ends.

    Then it is synced and gets its name. If anything fails, no file is left behind. Of two that
    write the same ``path`` at once, one gets :class:`StorageFault`, and no file is mixed of both.
    """
    part = path.with_name(f"{path.name}.part")
    with files.faults(path, "cannot be written"):
        place = part
        with os.fdopen(_create_anew(part), "w+b") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _refuse_if_taken(file, part)
                place = part.replace(path)
                files.sync_directory(path.parent)
            except BaseException:
                if _is_at(file, place):
                    place.unlink()
                raise


def _create_anew(part: Path) -> int:
    """Create and lock ``part``; one that nobody writes any more is removed first."""
    with suppress(FileNotFoundError):
        if _is_locked(part):
            raise _busy(part)
        part.unlink()
    try:
        return _create(part, os.O_RDWR)
    except (FileExistsError, BlockingIOError) as error:  # another writer was faster
        raise _busy(part) from error


def _refuse_if_taken(file: BinaryIO, part: Path) -> None:
    if not _is_at(file, part):
        raise _busy(part)


def _is_at(file: BinaryIO, place: Path) -> bool:
    """True if ``place`` is the name of ``file``, and not of another by now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), place.lstat())
    return False


def _busy(part: Path) -> StorageFault:
    return StorageFault(
        f"{part}: another process is writing this file",
        advice="Wait until it is done, or choose another name",
    )


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A finished file: its digest (hexadecimal) and size."""

    sha256: str
    bytes: int


class DigestWriter:
    """A file that a library writes to, and the digest of all that was written.

    Libraries replace an exception by one of their own; ``error`` keeps the original.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of ``data``."""
        with self._remembering():
            files.write_all(self._descriptor, data)
            self._digest.update(data)
            self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: no data is buffered."""

    def sync(self) -> None:
        """Put all that was written on the disk."""
        with self._remembering():
            os.fsync(self._descriptor)

    @property
    def written(self) -> WrittenFile:
        """Digest and size so far."""
        return WrittenFile(self._digest.hexdigest(), self.bytes)

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error
            raise


def create(path: Path) -> int:
    """Create a file to write; returns a descriptor with a lock that :func:`being_written` sees.

    The file is private: whoever could open it could take that lock.
    """
    with files.faults(path):
        return _create(path, os.O_WRONLY)


def being_written(path: Path) -> bool:
    """Tell if a living process holds ``path`` from :func:`create`; a killed one does not."""
    with files.faults(path):
        return _is_locked(path)


def _create(path: Path, access: int) -> int:
    descriptor = os.open(path, access | files.NEW, files.PRIVATE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe, too
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
