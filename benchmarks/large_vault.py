"""A vault of very many clips, made in seconds: real sidecars beside sparse recordings.

A recording is a hole of the right size, so a hundred thousand clips take little more than their
sidecars on the disk. Keys and thumbnails are sealed once and shared by all: nothing opens them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyrage

from agent.vault.clips import seal, sidecar
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Sidecar
from agent.vault.database.rows import Clip

_CLIP_BYTES = 3_000_000
_CLIP_SECONDS = 10.0
_THUMBNAIL_BYTES = 10_000  # as of a busy picture of 320x180
_BOOT = "00000000-0000-4000-8000-000000000001"  # an earlier one


def make(state_dir: Path, *, clips: int, days: int, until: float) -> None:
    """Put ``clips`` clips, evenly over the ``days`` before ``until``, below ``state_dir``."""
    made: set[Path] = set()
    for known in _sidecars(clips=clips, days=days, until=until):
        clip = ClipFiles.of(state_dir, known.id)
        if clip.directory not in made:
            clip.directory.mkdir(parents=True)
            made.add(clip.directory)
        clip.sidecar.write_bytes(sidecar.encode(known))
        descriptor = os.open(clip.media, os.O_WRONLY | os.O_CREAT, 0o640)
        os.truncate(descriptor, known.bytes)
        os.close(descriptor)


def rows(*, clips: int, days: int, until: float) -> Iterator[Clip]:
    """The rows of the same clips."""
    return (known.clip for known in _sidecars(clips=clips, days=days, until=until))


def _sidecars(*, clips: int, days: int, until: float) -> Iterator[Sidecar]:
    step = days * 86_400 / clips
    template = _template()
    for number in range(clips):
        start = until - (clips - number) * step
        stamp = datetime.fromtimestamp(start, tz=UTC).strftime("%Y%m%d-%H%M%S")
        yield msgspec.structs.replace(
            template,
            id=f"{stamp}-{number:06x}",
            started_at=start,
            monotonic_seconds=number * step,
        )


def _template() -> Sidecar:
    owners = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2)]
    identity = seal.ClipIdentity()
    return Sidecar(
        id="20240101-000000-000000",
        started_at=0.0,
        monotonic_seconds=0.0,
        boot_id=_BOOT,
        clock_synced=True,
        sealed_key=seal.seal_key(identity.text, owners, clip_id="20240101-000000-000000"),
        codec="h264",
        width=1280,
        height=720,
        duration_seconds=_CLIP_SECONDS,
        bytes=_CLIP_BYTES,
        sha256="ab" * 32,
        truncated=False,
        sealed_thumbnail=seal.seal_bytes(os.urandom(_THUMBNAIL_BYTES), owners),
    )
