"""Pictures of a released file, counted and timed by its index, without decoding.

Anybody can make a bundle, and an index of a hundred bytes can claim millions of pictures, for
each of which FFmpeg takes memory. So before FFmpeg sees a file, it must have the plain form in
which cameras release clips, and an index of no more pictures than the release states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from agent.errors import BundleRefused, ClipDamaged
from agent.media import claims, mp4

_PARTS = frozenset({"ftyp", "moov", "mdat", "free"})
_MOST_INDEX_BYTES = 1 << 26
_LEAST_PICTURE_BYTES = 6  # a length, the head of a NAL unit, and a byte
_SIZES, _EDITS = b"stsz", b"elst"  # ISO/IEC 14496-12, 8.7.3 and 8.6.6
_MOST_EDITS = 2  # each repeats the index; FFmpeg writes one for the delay of B-pictures
_OPTIONS = {"max_pixels": "1"}  # else the first picture is decoded, however large it is
_OTHER_INDEXES = (b"stz2", b"trun", b"cmov")  # compact, of a fragment, compressed
_ROUNDING_MS = 2  # both ends are rounded to a millisecond


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a file: their codec, number, and the time from the first to the last."""

    codec: str
    count: int
    span_ms: int

    def are(self, codec: str, count: int, span_ms: int) -> bool:
        """True if these are the pictures that a release states."""
        same = (self.codec, self.count) == (codec, count)
        return same and abs(self.span_ms - span_ms) <= _ROUNDING_MS


def read(path: Path, *, stated: int) -> Pictures:
    """The pictures of the MP4 ``path``; :class:`BundleRefused` for a file that is no such clip.

    So is one whose index has more pictures than are ``stated``.
    """
    if _indexed(path) > stated:
        raise BundleRefused(
            "pictures-differ", f"{path.name} has an index of more than {stated} pictures"
        )
    try:
        with av.open(str(path), mode="r", format="mp4", options=dict(_OPTIONS)) as container:
            (stream,) = container.streams
            unit = stream.time_base
            shown = [
                packet.pts
                for packet in container.demux(stream)
                if packet.pts is not None and not (packet.is_discard or packet.is_corrupt)
            ]
            codec = stream.codec_context.name if stream.type == "video" else stream.type
    except (av.error.FFmpegError, ValueError, AttributeError) as error:
        raise _no_clip(path) from error
    if not shown or unit is None:
        raise _no_clip(path)
    return Pictures(codec, len(shown), round((max(shown) - min(shown)) * unit * 1000))


def _indexed(path: Path) -> int:
    """The number of pictures in the only index of the file."""
    size, index, pictures_bytes = path.stat().st_size, b"", 0
    with path.open("rb") as file:
        for kind, at, length in mp4.boxes(file):
            if kind not in _PARTS or length < 8 or at + length > size:
                raise _no_clip(path)
            if kind == "mdat":
                pictures_bytes += length
                continue
            if len(index) + length > _MOST_INDEX_BYTES:
                raise _no_clip(path)
            file.seek(at)
            index += file.read(length)
    sizes, edits = _numbers(index, _SIZES, skip=8), _numbers(index, _EDITS, skip=4)
    try:
        claimed = claims.sounds(index)
    except ClipDamaged as error:
        raise _no_clip(path) from error
    is_plain = (
        claimed <= claims.MOST_PICTURES
        and len(sizes) == 1
        and len(edits) <= 1
        and max(edits, default=0) <= _MOST_EDITS
    )
    if not is_plain or any(one in index for one in _OTHER_INDEXES):
        raise _no_clip(path)
    (count,) = sizes
    if count * _LEAST_PICTURE_BYTES > pictures_bytes:
        raise _no_clip(path)
    return count


def _numbers(index: bytes, kind: bytes, *, skip: int) -> list[int]:
    """The numbers of entries of all boxes of a kind, wherever they stand."""
    after = (match.end() + skip for match in re.finditer(kind, index))
    return [int.from_bytes(index[place : place + 4]) for place in after]


def _no_clip(path: Path) -> BundleRefused:
    return BundleRefused("pictures-differ", f"{path.name} is not a clip of one video stream")
