"""Recorded clips, opened for decoding: one video stream, read from front to back.

A camera that was taken over can record anything. What such a clip may cost is bounded here: the
pictures that its index claims (:mod:`agent.media.claims`) and the size of a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import av
import av.error
from av.codec import CodecContext
from av.container import InputContainer
from av.video.stream import VideoStream

from agent.errors import ClipDamaged
from agent.media.claims import BoundedIndex
from agent.media.editing.copying import TAGS
from agent.media.editing.span import VideoPacket
from agent.media.mp4 import ForwardReader, Readable
from agent.media.rotation import read_rotation

_MOST_PIXELS: Final = 8192 * 4608  # 16:9 pictures of twice the width of 4K
_OPTIONS: Final = {"fpsprobesize": "0"}  # twenty pictures are not decoded to guess a frame rate

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """The video of a recorded clip.

    ``packets`` are the whole ones, up to the end of a recording, which may be cut off.
    ``rotation``: the quarter turns, clockwise, by which players show it.
    """

    stream: VideoStream
    packets: Iterator[VideoPacket]
    rotation: int


@contextmanager
def open_recording(plain: Readable) -> Iterator[Recording]:
    """Open the decrypted clip ``plain``.

    What the decoder refuses, also later, becomes :class:`ClipDamaged`; errors of ``plain`` come
    through.
    """
    reader, bound = ForwardReader(BoundedIndex(plain)), {"max_pixels": str(_MOST_PIXELS)}
    try:
        with av.open(reader, mode="r", format="mp4", options=_OPTIONS | bound) as source:
            stream = _video(source)
            stream.codec_context.options = bound  # pictures may be larger than the header says
            yield Recording(stream, _packets(source, stream), read_rotation(reader.head))
    except av.error.FFmpegError as error:
        raise reader.failure or ClipDamaged(f"the clip does not play ({error.strerror})") from error
    except UnicodeDecodeError as error:  # metadata, which PyAV 18 reads strictly
        raise ClipDamaged("the clip does not play (its metadata is not text)") from error


def _video(source: InputContainer) -> VideoStream:
    if len(source.streams.video) != 1:
        raise ClipDamaged(f"the clip has {len(source.streams.video)} video streams, not one")
    stream = source.streams.video[0]
    # PyAV's types promise a codec context; a damaged header may leave none.
    codec: CodecContext | None = stream.codec_context
    if codec is None or codec.name not in TAGS or stream.time_base is None:
        raise ClipDamaged("the clip's header does not tell how to play it")
    if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
        raise ClipDamaged("the clip's pictures are larger than any camera's")
    return stream


def _packets(source: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    count = 0
    try:
        for packet in source.demux(stream):
            if packet.is_corrupt:
                break
            if packet.pts is None or packet.dts is None:
                continue  # marks the end
            count += 1
            yield packet
    except av.error.InvalidDataError:
        _log.info("the clip is cut off after %d packets", count)
    if not count:
        raise ClipDamaged("the clip holds no picture")
