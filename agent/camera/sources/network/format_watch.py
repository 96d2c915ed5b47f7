"""Detection of a new format in mid-stream.

A camera that is reconfigured sends new parameter sets before a keyframe; MP4 and FLV
announce them beside the packet. Only keyframes are searched.
"""

from __future__ import annotations

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from agent.camera.source import Codec, VideoFormat
from agent.camera.sources.annexb import joined, parameter_sets


class FormatWatch:
    """Notices that the packets of a stream have another format than at its beginning."""

    def __init__(self, begun: VideoFormat) -> None:
        self._codec: Codec = begun.codec
        self._extradata = begun.extradata
        self._known = frozenset(parameter_sets(begun.extradata, begun.codec))

    def change(self, packet: Packet[VideoStream], data: bytes) -> VideoFormat | None:
        """The new format, if ``packet`` with this ``data`` begins one.

        A packet that does not decode begins none: its parameter sets may be damaged, too.
        """
        announced = None
        if packet.has_sidedata("new_extradata"):
            announced = bytes(packet.get_sidedata("new_extradata"))
        elif packet.is_keyframe and data.startswith((b"\0\0\1", b"\0\0\0\1")):
            announced = self._announced(data)
        if announced is None or announced == self._extradata:
            return None
        size = _decoded_size(self._codec, announced, data)
        if size is None:
            return None
        self._extradata = announced
        self._known = frozenset(parameter_sets(announced, self._codec))
        return VideoFormat(self._codec, *size, announced)

    def _announced(self, data: bytes) -> bytes | None:
        sets = parameter_sets(data, self._codec)
        if len(sets) < 2 or self._known.issuperset(sets):
            return None
        return joined(sets)


def _decoded_size(codec: Codec, extradata: bytes, keyframe: bytes) -> tuple[int, int] | None:
    """Width and height of ``keyframe``; None if it is no picture."""
    decoder = av.CodecContext.create(codec, "r")
    decoder.extradata = extradata
    decoder.thread_count = 1
    try:
        pictures = [*decoder.decode(Packet(keyframe)), *decoder.decode(None)]
    except av.error.FFmpegError:
        return None
    return (pictures[0].width, pictures[0].height) if pictures else None
