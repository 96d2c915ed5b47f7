"""What stands beside a clip: enough to rebuild its row of the index.

The **opening** sidecar is written before the first byte of a clip, so that a
recording which is cut off still has its key and its time. The **sidecar** takes its
place when the clip is finished. Both are JSON, decoded as strictly as a statement
(:mod:`agent.consent.decoding`): the disk may have been in other hands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from agent import files
from agent.consent import decoding
from agent.consent.statements import Base64, ClipId, Count, Digest, Name, Part
from agent.errors import ClipDamaged, MalformedStatement
from agent.vault.clips.paths import ClipFiles
from agent.vault.database.index import Clip

MAX_BYTES = 131_072
MAX_THUMBNAIL_BYTES = 49_152

Codec = Literal["h264", "hevc"]
Pixels = Annotated[int, Meta(ge=1, le=16_384)]
NotNegative = Annotated[float, Meta(ge=0)]

P = TypeVar("P", bound="Opening")


class Opening(Part, frozen=True):
    """What is known of a clip when its recording begins. Units as in ``schema.sql``."""

    id: ClipId
    started_at: NotNegative
    monotonic_seconds: float
    boot_id: Name
    clock_synced: bool
    sealed_key: Base64
    codec: Codec
    width: Pixels
    height: Pixels


class Sidecar(Opening, frozen=True):
    """What is known of a finished clip; ``sealed_thumbnail`` is a JPEG for the owners."""

    duration_seconds: NotNegative
    bytes: Count
    sha256: Digest
    truncated: bool
    sealed_thumbnail: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z")] | None = None

    @property
    def clip(self) -> Clip:
        """The row of the index that this sidecar stands for."""
        return Clip(**{name: getattr(self, name) for name in Clip.__dataclass_fields__})


def finished(
    opening: Opening,
    *,
    duration_seconds: float,
    size: int,
    sha256: str,
    truncated: bool,
    sealed_thumbnail: str | None = None,
) -> Sidecar:
    """The sidecar of a clip that began with ``opening``."""
    known = {name: getattr(opening, name) for name in Opening.__struct_fields__}
    return Sidecar(
        **known,
        duration_seconds=duration_seconds,
        bytes=size,
        sha256=sha256,
        truncated=truncated,
        sealed_thumbnail=sealed_thumbnail,
    )


def read(path: Path, kind: type[P], clip_id: str) -> P:
    """The sidecar of ``clip_id`` at ``path``; :class:`ClipDamaged` names what is wrong."""
    try:
        with files.open_regular(path) as file:
            known = decoding.decode(file.read(MAX_BYTES + 1), kind, MAX_BYTES)
    except OSError as error:
        raise ClipDamaged(f"{path}: {error.strerror or error}") from error
    except MalformedStatement as error:
        raise ClipDamaged(f"{path}: {error.message}") from error
    if known.id != clip_id:
        raise ClipDamaged(f"{path}: speaks of another clip, {known.id}")
    return known


def replace(clip: ClipFiles, sidecar: Sidecar) -> None:
    """Write ``sidecar`` so that there is always a whole one: the old or the new.

    Its name is on the disk once the directory is synced, which is the caller's.
    """
    files.write_synced(clip.replacement, encode(sidecar))
    files.rename(clip.replacement, clip.sidecar)


def encode(sidecar: Opening) -> bytes:
    """``sidecar`` as JSON with a line a field: owners read these files too."""
    return msgspec.json.format(decoding.encode(sidecar), indent=2) + b"\n"
