"""Pictures of a released file, counted and timed by its index, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from agent.errors import BundleRefused

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


def read(path: Path) -> Pictures:
    """The pictures of the MP4 ``path``; :class:`BundleRefused` for a file that is no such clip."""
    try:
        with av.open(str(path), mode="r", format="mp4") as container:
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


def _no_clip(path: Path) -> BundleRefused:
    return BundleRefused("pictures-differ", f"{path.name} is not a clip of one video stream")
