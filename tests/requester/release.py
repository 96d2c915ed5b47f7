"""A device and an owner who release a clip, well or badly.

>>> release = FakeRelease(requester_keys)
>>> path.write_bytes(release.bundle())                       # a good one
>>> release.approved = (other_clip,)                          # what the owner signed instead
>>> release.extra["data/extra.sh"] = b"#!/bin/sh"             # what the tar holds besides
>>> release.second = SigningKey.generate()                   # another owner approves it too
>>> release.shared = True                                    # nobody asked
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from typing import Any

import msgspec
import pyrage

from agent.consent import signing
from agent.consent.signing import SigningKey
from agent.consent.statements import (
    BundledFile,
    Disclosure,
    Recipient,
    Release,
    ReleasedClip,
    SignerKeys,
)
from agent.keyfile import Keys
from tests.support import statements
from tests.support.footage import prepared, record
from tests.support.statements import NOW as NOW

CLIP = "20240124-183015-3f9a2c"
AREA = statements.polygon((-72.59, 42.1), (-72.58, 42.1), (-72.58, 42.11))
VIDEO = prepared(record(1))  # ten pictures, 100 ms apart

Change = Callable[[Any], Any]


def _same(statement: Any) -> Any:
    return statement


class FakeRelease:
    """The parts of a bundle; change an attribute to break it."""

    def __init__(self, requester: Keys) -> None:
        self.requester = requester
        self.device, self.owner = SigningKey.generate(), SigningKey.generate()
        self.request = self.make_request(requester)
        self.approved = statements.approved(CLIP, "a" * 64)
        self.change_approval: Change = _same
        self.change_release: Change = _same
        self.second: SigningKey | None = None
        self.change_second: Change = _same
        self.shared = False
        self.signs_release = self.device
        self.videos = {f"data/{CLIP}.mp4": VIDEO}
        self.extra: dict[str, bytes] = {}

    def make_request(self, author: Keys) -> str:
        return author.signing.sign(statements.request(author.fingerprint, area=AREA))

    def approval(self, owner: SigningKey | None = None, change: Change | None = None) -> str:
        """The approval or share of the owner, or of another one."""
        owner, change = owner or self.owner, change or self.change_approval
        parties = (owner.public.fingerprint, self.device.public.fingerprint)
        if not self.shared:
            asked = signing.digest(self.request)
            return owner.sign(change(statements.approval(*parties, asked, [self.approved])))
        recipient = Recipient(
            name="Us", key=self.requester.signing.public.text, seal=self.requester.recipient
        )
        return owner.sign(change(statements.share(*parties, recipient, [self.approved])))

    def files(self) -> dict[str, bytes]:
        """All files of the bag by their path below it, manifests included."""
        approval = self.approval()
        second = self.approval(self.second, self.change_second) if self.second else None
        kind = "share" if self.shared else "approval"
        payload = {**self.videos}
        if not self.shared:
            payload["data/request.jws"] = self.request.encode()
        payload[f"data/{kind}.jws"] = approval.encode()
        if second is not None:
            payload[f"data/{kind}-2.jws"] = second.encode()
        release = Release(
            iss=self.signs_release.public.fingerprint,
            jti=statements.new_jti(),
            iat=NOW,
            aud=self.requester.fingerprint,
            request=None if self.shared else signing.digest(self.request),
            approval=signing.digest(approval),
            second_approval=signing.digest(second) if second else None,
            keys=SignerKeys(
                device=self.device.public.text,
                owner=self.owner.public.text,
                second_owner=self.second.public.text if self.second else None,
            ),
            clips=(
                ReleasedClip(
                    id=CLIP,
                    file=f"data/{CLIP}.mp4",
                    sealed_sha256="a" * 64,
                    codec="h264",
                    first_picture_ms=(NOW - 5_000) * 1000,
                    last_picture_ms=(NOW - 5_000) * 1000 + 900,
                    pictures=10,
                    clock_synced=True,
                    truncated=False,
                    trim=None,
                    redacted=(),
                ),
            ),
            files=tuple(
                BundledFile(path=path, sha256=_sha256(data), bytes=len(data))
                for path, data in payload.items()
            ),
            disclosed=Disclosure(),
        )
        release = self.change_release(release)
        payload["data/release.jws"] = self.signs_release.sign(release).encode()
        return with_manifests({**payload, **self.extra})

    def bundle(self) -> bytes:
        """The sealed bundle."""
        return self.seal(tar_of(self.files()))

    def seal(self, tar: bytes) -> bytes:
        reader = pyrage.x25519.Recipient.from_str(self.requester.recipient)
        sealed: bytes = pyrage.encrypt(tar, [reader])
        return sealed


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _manifest(files: dict[str, bytes]) -> bytes:
    return "".join(f"{_sha256(data)}  {path}\n" for path, data in files.items()).encode()


def with_manifests(payload: dict[str, bytes]) -> dict[str, bytes]:
    """The bag around a payload."""
    total = sum(map(len, payload.values()))
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Payload-Oxum: {total}.{len(payload)}\n".encode(),
        "manifest-sha256.txt": _manifest(payload),
    }
    tags["tagmanifest-sha256.txt"] = _manifest(tags)
    return {**payload, **tags}


def member(name: str, data: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, data


def tar_of(files: dict[str, bytes], *more: tuple[tarfile.TarInfo, bytes], base: str = "b") -> bytes:
    """A tar of ``files`` below ``base``, and ``more`` members as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in [
            *(member(f"{base}/{path}", data) for path, data in files.items()),
            *more,
        ]:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def replace(**changes: object) -> Change:
    """A change of some fields of a statement."""
    return lambda statement: msgspec.structs.replace(statement, **changes)
