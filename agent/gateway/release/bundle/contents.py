"""Contents of a bundle: approved clips, opened, prepared, and signed for.

Each approved clip is opened as a stream with the key from its approval, and trimmed and redacted as
approved (:mod:`agent.media.editing.prepare`) into a sealed spool (:mod:`agent.sealed_spool`). From
there it streams into the bundle, which is sealed to the requester as it grows (:mod:`.bag_writer`).
So plaintext never touches the disk, and no whole clip is in memory. ``release.jws`` comes last, as
it names the digests of the other files.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import BinaryIO

from agent.consent import signing
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    BundledFile,
    Release,
    ReleasedClip,
    Request,
    SignerKeys,
)
from agent.errors import ClipDamaged, Refused
from agent.gateway.device_keys import DeviceKeys
from agent.gateway.release.authorization import Authorization
from agent.gateway.release.bundle.bag_writer import write_bundle
from agent.gateway.release.bundle.readme import readme
from agent.media.editing.content import Prepared
from agent.vault.clips import unseal
from agent.vault.clips.reader import ClipReader
from agent.vault.database.gateway import Clip, GatewayDatabase

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """A sealed bundle: its size and digest, and the digest of the ``release.jws`` in it.

    ``files`` are the digests of its MP4s, by clip.
    """

    bytes: int
    sha256: str
    release_sha256: str
    files: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class BundleContents:
    """Makes bundles in the device's name."""

    _: KW_ONLY
    database: GatewayDatabase
    store: ClipReader
    keys: DeviceKeys
    random: Callable[[int], bytes]

    def seal(
        self,
        path: Path,
        authorization: Authorization,
        *,
        keys: Mapping[str, str],
        at: float,
    ) -> SealedBundle:
        """Write the authorized bundle to ``path``, or leave no file there.

        ``keys`` are the clips' identities from the owner's letter.
        Raises :class:`ClipDamaged` when a clip is gone or is not what was approved,
        :class:`Refused` when it cannot be trimmed or redacted as approved, and
        :class:`StorageFault` when the disk does not take the bundle.
        """
        clips = authorization.first.consent.clips
        pictures: dict[str, Prepared] = {}
        released = hashlib.sha256()  # of release.jws
        digests: dict[str, str] = {}

        def release(files: Sequence[BundledFile]) -> bytes:
            digests.update((file.path, file.sha256) for file in files)
            jws = self._release(authorization, pictures, files, at)
            released.update(jws)
            return jws

        written = write_bundle(
            path,
            name=f"release-{path.stem}",
            recipient=authorization.seal,
            payload=self._payload(path, authorization, keys, pictures),
            release=release,
            bagged_at=at,
        )
        left = {clip.id: digests[_file_of(clip)] for clip in clips}
        return SealedBundle(written.bytes, written.sha256, released.hexdigest(), left)

    def _payload(
        self,
        path: Path,
        authorization: Authorization,
        keys: Mapping[str, str],
        pictures: dict[str, Prepared],
    ) -> Iterator[tuple[str, BinaryIO]]:
        """Paths and files of the bundle at ``path``; ``pictures`` collects those of the clips."""
        from agent.sealed_spool import new_spool  # its cipher comes with the first release

        for clip in authorization.first.consent.clips:
            with new_spool(path.parent) as spool:
                pictures[clip.id] = self._prepare(clip, keys[clip.id], spool)
                yield _file_of(clip), spool
        for name, jws in _statements(authorization).items():
            yield name, io.BytesIO(jws.encode("ascii"))
        text = self._readme(path.stem, authorization, pictures)
        yield "data/README.txt", io.BytesIO(text.encode())

    def _readme(
        self, stem: str, authorization: Authorization, pictures: Mapping[str, Prepared]
    ) -> str:
        first, second = authorization.first, authorization.second
        kind, title, signers = "share", "", []
        if authorization.request_jws is not None:
            request = signing.verify(
                authorization.request_jws,
                Request,
                {authorization.reader.fingerprint: authorization.reader},
            )
            kind, title = "approval", f"{request.reference} ({request.title})"
            signers.append(("request.jws", "You", authorization.reader))
        signers.append((f"{kind}.jws", "The owner", first.owner))
        if second is not None:
            signers.append((f"{kind}-2.jws", "The second owner", second.owner))
        signers.append(("release.jws", "The camera", self.keys.signing.public))
        return readme(
            stem,
            title=title,
            clips=[self._released(clip, pictures[clip.id]) for clip in first.consent.clips],
            disclosed=first.consent.disclose,
            signers=signers,
        )

    def _release(
        self,
        authorization: Authorization,
        pictures: Mapping[str, Prepared],
        files: Sequence[BundledFile],
        at: float,
    ) -> bytes:
        """The signed list of what the device sends.

        ``pictures`` are those of the clips, ``files`` the bundle's other files.
        """
        first, second = authorization.first, authorization.second
        consent = first.consent
        statement = Release(
            iss=self.keys.id,
            jti=signing.new_jti(self.random(16)),
            iat=int(at),
            aud=authorization.reader.fingerprint,
            request=consent.request if isinstance(consent, Approval) else None,
            approval=signing.digest(first.jws),
            second_approval=signing.digest(second.jws) if second else None,
            keys=SignerKeys(
                device=self.keys.signing.public.text,
                owner=first.owner.text,
                second_owner=second.owner.text if second else None,
            ),
            clips=tuple(self._released(clip, pictures[clip.id]) for clip in consent.clips),
            files=tuple(files),
            disclosed=consent.disclose,
        )
        return self.keys.signing.sign(statement).encode("ascii")

    def _prepare(self, approved: ApprovedClip, key: str, target: BinaryIO) -> Prepared:
        """Write an approved clip to ``target`` as it will leave.

        The digest is that of the bytes that were opened: between two reads the camera's process
        could replace the file, and it knew the keys of its own clips.
        """
        # PyAV: 20 MB that a gateway without releases spares
        from agent.media.editing.prepare import prepare

        clip = self._clip(approved)
        with self.store.open_sealed(clip.id) as file:
            sealed = _Digested(file)
            with unseal.open_stream(sealed, key, truncated=clip.truncated) as plain:
                try:
                    pictures = prepare(
                        plain,
                        target,
                        trim=approved.trim,
                        redact=approved.redact,
                        codec=approved.codec,
                    )
                except MemoryError as error:
                    raise Refused(
                        "clip-too-large", f"{clip.id} needs more memory than is free"
                    ) from error
            if sealed.digest() != approved.sha256:
                raise ClipDamaged(f"the clip {clip.id} is not the one that was approved")
        return pictures

    def _clip(self, approved: ApprovedClip) -> Clip:
        clip = self.database.clip(approved.id)
        if clip is None:
            raise ClipDamaged(f"the clip {approved.id} is gone")
        return clip

    def _released(self, approved: ApprovedClip, pictures: Prepared) -> ReleasedClip:
        """The clip's entry in the release. It tells nothing of pictures that were trimmed away."""
        clip = self._clip(approved)
        first, last = pictures.times_ms(clip.start_ms)
        return ReleasedClip(
            id=clip.id,
            file=_file_of(approved),
            sealed_sha256=approved.sha256,
            codec=pictures.codec,
            first_picture_ms=first,
            last_picture_ms=last,
            pictures=pictures.pictures,
            clock_synced=clip.clock_synced,
            truncated=clip.truncated and approved.trim is None,
            trim=approved.trim,
            redacted=approved.redact,
        )


class _Digested(io.BufferedIOBase, BinaryIO):
    """A reader of ``file`` that computes the digest of all bytes read."""

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
        """Seek to the beginning, where the digest starts again, or to the end for the size."""
        self._digest = hashlib.sha256()
        return self._file.seek(offset, whence)

    def digest(self) -> str:
        """Read the rest of the file; returns the digest of all of it."""
        while self.read(_READ_BYTES):
            pass
        return self._digest.hexdigest()


def _file_of(clip: ApprovedClip) -> str:
    return f"data/{clip.id}.mp4"


def _statements(authorization: Authorization) -> dict[str, str]:
    """The request and the owners' decisions by their paths in the bundle."""
    statements = {}
    kind = "share"
    if authorization.request_jws is not None:
        statements["data/request.jws"] = authorization.request_jws
        kind = "approval"
    statements[f"data/{kind}.jws"] = authorization.first.jws
    if authorization.second is not None:
        statements[f"data/{kind}-2.jws"] = authorization.second.jws
    return statements
