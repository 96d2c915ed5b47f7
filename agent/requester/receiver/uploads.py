"""Uploads on disk, unfinished and finished.

::

    DIR/<release>.age           a finished upload, complete and synced
    DIR/.uploads/<id>.json      size, metadata, expiry, and the file name once finished
    DIR/.uploads/<id>.part      the bytes received so far: its size is the offset

An upload survives a restart at any moment: the offset is the size of a file, a finished upload's
name is stored before the file gets it, and :meth:`Uploads.recover` completes the renaming. The same
bundle twice (from a sender that crashed after its last byte) is one file; another bundle of the
same release gets its own name. Nothing received is opened or run.

A sender that names release and SHA-256 of its bundle may announce it again, as it must when the
answer was lost: it gets the upload of before. Bytes that do not have this digest are dropped.

One process owns a folder (``.uploads/lock``); an upload has one writer at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
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
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MIN_FREE_BYTES = 100_000_000


class Upload(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upload as in its JSON file. ``name`` is empty until it is finished."""

    id: str
    size: int
    metadata: str
    release: str
    expires_at: float
    name: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Limits:
    """Limits for senders, which are not authenticated."""

    max_bytes: int = 2_000_000_000
    max_open: int = 32
    expire_seconds: float = 14 * 86_400.0
    expire_empty_seconds: float = 86_400.0  # an upload that never got a byte


class Uploads:
    """All uploads of a folder."""

    def __init__(self, folder: Path, *, limits: Limits, clock: Clock) -> None:
        self.folder = folder
        self.limits = limits
        self._clock = clock
        self._state = folder / ".uploads"
        self._writing: set[str] = set()
        self._lock = threading.Lock()  # around _writing, and around finishing
        self._creating = threading.Lock()
        with files.faults(folder):
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own = (self._state / "lock").open("w")
            try:
                fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._own.close()
                raise StorageFault(f"{folder}: another receiver uses this folder") from None
        self.recover()

    def close(self) -> None:
        """Let another process have the folder."""
        self._own.close()

    def create(self, size: int, metadata: Mapping[str, str], raw_metadata: str) -> Upload:
        """A new upload, or that of the same bundle.

        Refused: ``too-large``, ``too-many``, ``no-space``.
        """
        limits = self.limits
        if size > limits.max_bytes:
            raise Refused("too-large", f"{size} bytes, at most {limits.max_bytes}")
        release, sha256 = metadata.get("release", ""), metadata.get("sha256", "")
        upload = Upload(
            id=secrets.token_hex(16),
            size=size,
            metadata=raw_metadata,
            release=release if _RELEASE.fullmatch(release) else "",
            expires_at=self._clock.now() + min(limits.expire_seconds, limits.expire_empty_seconds),
            sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        )
        with self._creating:
            self._purge()
            if upload.release and upload.sha256 and (twin := self._twin(upload)) is not None:
                return twin
            self._check_room(size)
            with files.faults(self.folder):
                self._part(upload.id).touch(mode=0o600)
                self._store(upload)
        return upload if size else self._finish(upload)

    def _twin(self, upload: Upload) -> Upload | None:
        for other in self._all():
            same = (other.release, other.size, other.sha256) == (
                upload.release, upload.size, upload.sha256,
            )  # fmt: skip
            if same and self.get(other.id) is not None:
                return other
        return None

    def _check_room(self, size: int) -> None:
        if sum(1 for upload in self._all() if not upload.name) >= self.limits.max_open:
            raise Refused("too-many", "too many uploads are unfinished")
        if shutil.disk_usage(self.folder).free < size + _MIN_FREE_BYTES:
            raise Refused("no-space", "the disk has no room for it")

    def get(self, upload_id: str) -> Upload | None:
        """The upload with this id; None if there is none or it expired."""
        upload = self._read(upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None or upload.expires_at <= self._clock.now():
            return None
        return upload if upload.name or self._part(upload_id).exists() else None

    def offset(self, upload: Upload) -> int:
        """The number of bytes received."""
        return upload.size if upload.name else self._part(upload.id).stat().st_size

    @contextlib.contextmanager
    def claim(self, upload_id: str) -> Iterator[None]:
        """Reserve this upload for one reader or writer; Refused ``busy`` if it is reserved."""
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
        """Append to the claimed upload; synced when the block ends, even by an error."""
        return files.append(self._part(upload.id))

    def advance(self, upload: Upload) -> tuple[Upload, int]:
        """Extend the expiry after data came, or finish the upload; returns it and its offset.

        Refused: ``wrong-digest``, after which the upload is empty again.
        """
        if self.offset(upload) == upload.size:
            return self._finish(upload), upload.size
        later = self._clock.now() + self.limits.expire_seconds
        upload = msgspec.structs.replace(upload, expires_at=later)
        self._store(upload)
        return upload, self.offset(upload)

    def remove(self, upload: Upload) -> None:
        """Delete a claimed upload. Refused: ``finished``, as what was received stays."""
        if upload.name:
            raise Refused("finished", "the upload was received")
        with files.faults(self.folder):
            self._part(upload.id).unlink(missing_ok=True)
            self._json(upload.id).unlink(missing_ok=True)

    def recover(self) -> None:
        """Rename what was stored as finished, and delete what expired."""
        for upload in self._all():
            if upload.name and self._part(upload.id).exists():
                self._move(upload)
        self._purge()

    def _finish(self, upload: Upload) -> Upload:
        """Name a complete upload: first in its JSON file, then the file itself."""
        with self._lock, files.faults(self.folder):
            digest = files.sha256(self._part(upload.id))
            if upload.sha256 not in ("", digest):
                os.truncate(self._part(upload.id), 0)
                raise Refused("wrong-digest", "what came is not what was announced; send it again")
            stem = upload.release or upload.id
            name, path = f"{stem}.age", self.folder / f"{stem}.age"
            if path.exists() and digest != files.sha256(path):
                name = f"{stem}-{upload.id[:8]}.age"
            upload = msgspec.structs.replace(upload, name=name, sha256=digest)
            self._store(upload)
            self._move(upload)
        log.info("received %s, %d bytes", upload.name, upload.size)
        return upload

    def _move(self, upload: Upload) -> None:
        files.rename(self._part(upload.id), self.folder / upload.name)
        files.sync_directory(self.folder)

    def _part(self, upload_id: str) -> Path:
        return self._state / f"{upload_id}.part"

    def _json(self, upload_id: str) -> Path:
        return self._state / f"{upload_id}.json"

    def _store(self, upload: Upload) -> None:
        encoded = msgspec.json.encode(upload)
        files.replace(self._json(upload.id), encoded, mode=files.PRIVATE_MODE)

    def _all(self) -> Iterator[Upload]:
        found = (self._read(path.stem) for path in sorted(self._state.glob("*.json")))
        return (upload for upload in found if upload is not None)

    def _read(self, upload_id: str) -> Upload | None:
        path = self._json(upload_id)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Upload)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            log.warning("%s is damaged; its sender must start again", path)
            return None

    def _purge(self) -> None:
        """Delete expired uploads; finished files stay."""
        now = self._clock.now()
        for upload in list(self._all()):
            if upload.expires_at <= now and upload.id not in self._writing:
                self._part(upload.id).unlink(missing_ok=True)
                self._json(upload.id).unlink(missing_ok=True)
