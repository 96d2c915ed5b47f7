"""Sidecars: JSON files beside the clips from which their rows can be rebuilt.

The **opening** sidecar is written before the first byte of a clip, so a recording that is
cut off still has its key and time. The **sidecar** replaces it when the clip is finished.
Both are decoded as strictly as a statement: somebody else may have written to the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, BinaryIO, Literal, TypeVar

import msgspec
from msgspec import Meta, structs

from agent import files
from agent.consent import decoding
from agent.consent.statements import Base64, ClipId, Count, Digest, Name, Part
from agent.errors import ClipDamaged, MalformedStatement
from agent.new_files import WrittenFile
from agent.vault.clips.paths import ClipFiles
from agent.vault.database.index import Clip

MAX_BYTES = 131_072
MAX_THUMBNAIL_BYTES = 49_152

Codec = Literal["h264", "hevc"]
Pixels = Annotated[int, Meta(ge=1, le=16_384)]
NotNegative = Annotated[float, Meta(ge=0)]

P = TypeVar("P", bound="Opening")


class Opening(Part, frozen=True):
    """The sidecar of a clip whose recording begins. Units as in ``camera.sql``."""

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
    """The sidecar of a finished clip; ``sealed_thumbnail`` is a JPEG for the owners.

    ``kept``: an owner wants to keep it, and retention spares it.
    """

    duration_seconds: NotNegative
    bytes: Count
    sha256: Digest
    truncated: bool
    sealed_thumbnail: str | None = None  # base64, checked when it is shown
    kept: bool = False

    @property
    def clip(self) -> Clip:
        """The row of the index that belongs to this sidecar."""
        return Clip(**{name: getattr(self, name) for name in Clip.__dataclass_fields__})


def finished(
    opening: Opening,
    written: WrittenFile,
    *,
    duration_seconds: float,
    truncated: bool,
    sealed_thumbnail: str | None = None,
) -> Sidecar:
    """The sidecar of a clip that began with ``opening`` and was written as ``written``."""
    return Sidecar(
        **structs.asdict(opening),
        duration_seconds=duration_seconds,
        bytes=written.bytes,
        sha256=written.sha256,
        truncated=truncated,
        sealed_thumbnail=sealed_thumbnail,
    )


def read(path: Path, kind: type[P], clip_id: str, *, folder: int | None = None) -> P:
    """Read the sidecar of ``clip_id`` at ``path``; :class:`ClipDamaged` names the fault.

    ``folder`` is a descriptor of its folder, for those who read many.
    """
    try:
        with _opened(path, folder) as file:
            known = decoding.decode(file.read(MAX_BYTES + 1), kind, MAX_BYTES)
    except OSError as error:
        raise ClipDamaged(f"{path}: {error.strerror or error}") from error
    except MalformedStatement as error:
        raise ClipDamaged(f"{path}: {error.message}") from error
    if known.id != clip_id:
        raise ClipDamaged(f"{path}: is of another clip, {known.id}")
    return known


def _opened(path: Path, folder: int | None) -> BinaryIO:
    return files.open_regular(path) if folder is None else files.open_regular_in(folder, path)


def replace(clip: ClipFiles, sidecar: Sidecar) -> None:
    """Write ``sidecar`` in place of the old one; the caller syncs the directory."""
    files.write_synced(clip.replacement, encode(sidecar))
    files.rename(clip.replacement, clip.sidecar)


def encode(sidecar: Opening) -> bytes:
    """``sidecar`` as JSON with a line for each field, as people read these files too."""
    return msgspec.json.format(decoding.encode(sidecar), indent=2) + b"\n"
