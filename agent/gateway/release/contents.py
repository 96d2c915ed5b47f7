"""The contents of a bundle: approved clips, opened, prepared, and signed for.

Each approved clip is opened with the key that its approval brought, in memory,
trimmed and redacted as the owner said, and handed to the bundle, which is sealed to the
requester as it grows: plaintext never touches the disk, and at most one clip is in
memory. ``release.jws`` comes last, since it names the digest of everything else.
How a bag, a tar and an age file are made is for :mod:`.bundle`, how a video is
prepared for :mod:`agent.media.editing`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from agent.consent import signing
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    BundledFile,
    Release,
    ReleasedClip,
    SignerKeys,
)
from agent.errors import ClipDamaged, Refused
from agent.files import WrittenFile
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.release.authorization import Authorization
from agent.gateway.release.bag_writer import write_bundle
from agent.media import editing
from agent.vault.clips import unseal
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Clip, Index

_READ_BYTES = 1 << 20


class BundleContents:
    """Makes bundles in the device's name."""

    def __init__(
        self,
        *,
        index: Index,
        store: ClipStore,
        keys: DeviceKeys,
        random: Callable[[int], bytes],
    ) -> None:
        self._index = index
        self._store = store
        self._keys = keys
        self._random = random

    def seal(
        self,
        path: Path,
        *,
        papers: Authorization,
        keys: Mapping[str, str],
        at: float,
    ) -> WrittenFile:
        """Write the bundle that ``papers`` allow to ``path``, or leave nothing there.

        ``keys`` are the clips' identities as the owner's letter brought them.
        Raises :class:`ClipDamaged` when a clip is gone or is not what was approved,
        :class:`Refused` when it cannot be trimmed or redacted as approved, and
        :class:`StorageFault` when the disk does not take the bundle.
        """
        clips = papers.first.consent.clips

        def payload() -> Iterator[tuple[str, bytes]]:
            for clip in clips:
                yield _file_of(clip), self._prepare(clip, keys[clip.id])
            for path, jws in _statements(papers).items():
                yield path, jws.encode("ascii")

        return write_bundle(
            path,
            name=f"release-{path.stem}",
            recipient=papers.seal,
            payload=payload(),
            release=lambda files: self._release(papers, files, at),
            bagged_at=at,
        )

    def _release(self, papers: Authorization, files: Sequence[BundledFile], at: float) -> bytes:
        """What the device says it sends, signed; ``files`` is all else in the bundle."""
        first, second = papers.first, papers.second
        consent = first.consent
        statement = Release(
            iss=self._keys.id,
            jti=signing.new_jti(self._random(16)),
            iat=int(at),
            aud=papers.reader,
            request=consent.request if isinstance(consent, Approval) else None,
            approval=signing.digest(first.jws),
            second_approval=signing.digest(second.jws) if second else None,
            keys=SignerKeys(
                device=self._keys.signing.public.text,
                owner=first.owner.text,
                second_owner=second.owner.text if second else None,
            ),
            clips=tuple(self._released(clip) for clip in consent.clips),
            files=tuple(files),
            disclosed=consent.disclose,
        )
        return self._keys.signing.sign(statement).encode("ascii")

    def _prepare(self, approved: ApprovedClip, key: str) -> bytes:
        """An approved clip as it will leave. The digest is checked again: disks change.

        And once more, of the very bytes that were opened. Between two looks at a file the
        camera's process can exchange it, and for its own clips it knew the key.
        """
        clip = self._clip(approved)
        exchanged = ClipDamaged(f"the clip {clip.id} is not the one that was approved")
        if self._store.sha256_on_disk(clip.id) != approved.sha256:
            raise exchanged
        with self._store.open_sealed(clip.id) as file:
            sealed = _Digested(file)
            with unseal.open_stream(sealed, key, truncated=clip.truncated) as plain:
                try:
                    prepared = editing.prepare(plain, trim=approved.trim, redact=approved.redact)
                except MemoryError as error:
                    raise Refused(
                        "clip-too-large", f"{clip.id} needs more memory than is free"
                    ) from error
            if sealed.digest() != approved.sha256:
                raise exchanged
        return prepared

    def _clip(self, approved: ApprovedClip) -> Clip:
        clip = self._index.clip(approved.id)
        if clip is None:
            raise ClipDamaged(f"the clip {approved.id} is gone")
        return clip

    def _released(self, approved: ApprovedClip) -> ReleasedClip:
        clip = self._clip(approved)
        return ReleasedClip(
            id=clip.id,
            file=_file_of(approved),
            sealed_sha256=approved.sha256,
            started_at=max(0, int(clip.started_at)),
            duration_seconds=clip.duration_seconds,
            clock_synced=clip.clock_synced,
            truncated=clip.truncated,
            trim=approved.trim,
            redacted=approved.redact,
        )


class _Digested(io.BufferedIOBase, BinaryIO):
    """``file`` from its beginning, and the digest of just the bytes that were read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self._digest.update(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Back to the beginning, where the digest begins too, or to the end, for its size."""
        self._digest = hashlib.sha256()
        return self._file.seek(offset, whence)

    def digest(self) -> str:
        """Of the whole file, once what was not read yet is."""
        while self.read(_READ_BYTES):
            pass
        return self._digest.hexdigest()


def _file_of(clip: ApprovedClip) -> str:
    return f"data/{clip.id}.mp4"


def _statements(papers: Authorization) -> dict[str, str]:
    """What was asked and what the owners signed, by the path it has in the bundle."""
    kind = "approval" if papers.request_jws is not None else "share"
    statements = {"data/request.jws": papers.request_jws, f"data/{kind}.jws": papers.first.jws}
    if papers.second is not None:
        statements[f"data/{kind}-2.jws"] = papers.second.jws
    return {path: jws for path, jws in statements.items() if jws is not None}
