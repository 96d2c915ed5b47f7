"""Unfinished and finished uploads on disk; what the receiver knows between requests.

::

    DIR/<release>.age           a finished upload, complete and synced
    DIR/.uploads/<id>.json      size, metadata, times, and its name once finished
    DIR/.uploads/<id>.part      what has come so far: its size is the offset

An upload survives a restart of the receiver at any moment: the offset is the size
of a file, the name of a finished upload is noted before it gets it, and
:meth:`Uploads.recover` finishes what was noted. The same bundle twice (a sender
that crashed after its last byte) is one file; another bundle under the same
release gets a name of its own. Nothing received is opened or run here.

One process owns a folder (``.uploads/lock``), and one writer at a time an upload.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from agent import files
from agent.clock import Clock
from agent.errors import Refused, StorageFault

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}")
_RELEASE = re.compile(r"[0-9a-f]{16}")
_MIN_FREE_BYTES = 100_000_000


class Upload(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upload as its JSON file says. ``name`` is that of the finished file, else empty."""

    id: str
    size: int
    metadata: str
    release: str
    expires_at: float
    name: str = ""


@dataclass(frozen=True)
class Limits:
    """How much strangers may leave here: any sender may begin an upload."""

    max_bytes: int = 2_000_000_000
    max_open: int = 32
    expire_seconds: float = 14 * 86_400.0


class Uploads:
    """All uploads of a folder."""

    def __init__(self, folder: Path, *, limits: Limits, clock: Clock) -> None:
        self.folder = folder
        self.limits = limits
        self._clock = clock
        self._desk = folder / ".uploads"
        self._writing: set[str] = set()
        self._lock = threading.Lock()  # around _writing, and around finishing
        with files.faults(folder):
            self._desk.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own = (self._desk / "lock").open("w")
            try:
                fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._own.close()
                raise StorageFault(f"{folder}: another receiver uses this folder") from None
        self.recover()

    def close(self) -> None:
        """Let another process have the folder."""
        self._own.close()

    def finished(self) -> list[Path]:
        """The files that arrived as a whole, by name."""
        return sorted(self.folder.glob("*.age"))

    def create(self, size: int, metadata: Mapping[str, str], raw_metadata: str) -> Upload:
        """A new upload. Refused: ``too-large``, ``too-many``, ``no-space``."""
        if size > self.limits.max_bytes:
            raise Refused("too-large", f"{size} bytes, at most {self.limits.max_bytes}")
        self._purge()
        if sum(1 for upload in self._all() if not upload.name) >= self.limits.max_open:
            raise Refused("too-many", "too many uploads are unfinished")
        if shutil.disk_usage(self.folder).free < size + _MIN_FREE_BYTES:
            raise Refused("no-space", "there is no room for so much")
        release = metadata.get("release", "")
        upload = Upload(
            id=secrets.token_hex(16),
            size=size,
            metadata=raw_metadata,
            release=release if _RELEASE.fullmatch(release) else "",
            expires_at=self._clock.now() + self.limits.expire_seconds,
        )
        with files.faults(self.folder):
            self._part(upload.id).touch(mode=0o600)
            self._note(upload)
        if size == 0:
            return self._finish(upload)
        return upload

    def get(self, upload_id: str) -> Upload | None:
        """The upload with this id, unless there is none or it expired."""
        if not _ID.fullmatch(upload_id):
            return None
        upload = self._read(self._desk / f"{upload_id}.json")
        if upload is None or upload.expires_at <= self._clock.now():
            return None
        return upload if upload.name or self._part(upload_id).exists() else None

    def offset(self, upload: Upload) -> int:
        """How many bytes of ``upload`` are here."""
        return upload.size if upload.name else self._part(upload.id).stat().st_size

    @contextlib.contextmanager
    def claim(self, upload_id: str) -> Iterator[None]:
        """Be the one who reads or writes this upload; Refused ``busy`` if somebody is."""
        with self._lock:
            if upload_id in self._writing:
                raise Refused("busy", "the upload is being written")
            self._writing.add(upload_id)
        try:
            yield
        finally:
            with self._lock:
                self._writing.discard(upload_id)

    def append(self, upload: Upload) -> AbstractContextManager[BinaryIO]:
        """The claimed upload's file at its end; synced when the block ends, however it ends."""
        return files.append(self._part(upload.id))

    def advance(self, upload: Upload) -> tuple[Upload, int]:
        """After bytes were appended: its later end, or its finish; and the new offset."""
        if self.offset(upload) == upload.size:
            return self._finish(upload), upload.size
        later = self._clock.now() + self.limits.expire_seconds
        upload = msgspec.structs.replace(upload, expires_at=later)
        self._note(upload)
        return upload, self.offset(upload)

    def recover(self) -> None:
        """Finish what was noted as finished, and forget what expired."""
        for upload in self._all():
            if upload.name and self._part(upload.id).exists():
                self._move(upload)
        self._purge()

    def _finish(self, upload: Upload) -> Upload:
        """Give a complete upload its name: first on the note, then on the file."""
        with self._lock, files.faults(self.folder):
            name = f"{upload.release or upload.id}.age"
            if (self.folder / name).exists() and not self._same(upload, name):
                name = f"{upload.release or upload.id}-{upload.id[:8]}.age"
            upload = msgspec.structs.replace(upload, name=name)
            self._note(upload)
            self._move(upload)
        log.info("received %s, %d bytes", upload.name, upload.size)
        return upload

    def _move(self, upload: Upload) -> None:
        files.rename(self._part(upload.id), self.folder / upload.name)
        files.sync_directory(self.folder)

    def _same(self, upload: Upload, name: str) -> bool:
        return files.sha256(self._part(upload.id)) == files.sha256(self.folder / name)

    def _part(self, upload_id: str) -> Path:
        return self._desk / f"{upload_id}.part"

    def _note(self, upload: Upload) -> None:
        note = msgspec.json.encode(upload)
        files.replace(self._desk / f"{upload.id}.json", note, mode=files.PRIVATE_MODE)

    def _all(self) -> Iterator[Upload]:
        for path in sorted(self._desk.glob("*.json")):
            if (upload := self._read(path)) is not None:
                yield upload

    def _read(self, path: Path) -> Upload | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Upload)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            log.warning("%s is damaged; the upload must begin anew", path)
            return None

    def _purge(self) -> None:
        """Forget uploads that nobody goes on with; finished files stay."""
        now = self._clock.now()
        for upload in list(self._all()):
            if upload.expires_at <= now and upload.id not in self._writing:
                self._part(upload.id).unlink(missing_ok=True)
                (self._desk / f"{upload.id}.json").unlink(missing_ok=True)
