"""Pictures copied into a new file as they are, without what stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final

from av.packet import Packet
from av.video.stream import VideoStream

from agent.media.coded_stream import add_coded_stream
from agent.media.editing.content import Tally
from agent.media.editing.span import VideoPacket, stamps
from agent.media.mp4 import new_mp4
from agent.media.nal_units import Cleaner, HiddenPicture

TAGS: Final = {"h264": "avc1", "hevc": "hvc1"}  # by codec; Apple's players take no other


def copy(
    stream: VideoStream,
    cleaner: Cleaner,
    packets: Iterator[VideoPacket],
    target: BinaryIO,
    tally: Tally,
) -> None:
    """Write ``packets``, and nothing else, to a new file that begins at zero.

    It ends where pictures begin that are partly hidden.
    """
    origin = None
    with new_mp4(target) as container, suppress(HiddenPicture):
        context = stream.codec_context
        made = add_coded_stream(
            container, context.name, context.width, context.height, cleaner.record
        )
        made.codec_context.codec_tag = TAGS[context.name]
        made.time_base = stream.time_base
        for packet in packets:
            content = cleaner.clean(bytes(packet))
            if not content:
                continue
            shown, decoded = stamps(packet)
            origin = decoded if origin is None else origin
            copied = Packet(content)
            copied.pts, copied.dts = shown - origin, decoded - origin
            copied.duration = packet.duration
            copied.time_base = packet.time_base
            copied.is_keyframe = packet.is_keyframe
            copied.stream = made
            container.mux(copied)
            tally.add(shown, encoded=False)
