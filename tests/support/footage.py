"""Recorded clips for tests: fragmented MP4 whose every picture says which one it is."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.consent.statements import Redaction, Trim
from agent.media.editing.prepare import prepare
from agent.media.mp4 import new_mp4

WIDTH, HEIGHT, RATE = 320, 180, 10
NUMBER = 40  # pixels: two squares at the top left, whose brightness is the picture's number
_BASE = 80  # of the number: the first square tells the rest, the second the multiple


def picture(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Picture ``number`` in RGB: fine texture all over, its number in two squares."""
    noise = np.random.default_rng(number // 4).integers(
        0, 255, (height // 6 + 1, width // 6 + 1, 3)
    )
    texture = np.kron(noise, np.ones((6, 6, 1)))[:height, :width].astype(np.uint8)
    texture[:NUMBER, :NUMBER] = 16 + number % _BASE * 3
    texture[:NUMBER, NUMBER : 2 * NUMBER] = 16 + number // _BASE * 30
    return texture


def record(
    seconds: float,
    *,
    keyframe_every: int = 10,
    b_frames: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
    first_pts: int = 0,
    times_ms: Sequence[int] = (),
    full_range: bool = False,
    pixels: str = "yuv420p",
    codec: Literal["libx264", "libx265"] = "libx264",
    params: str = "",
) -> bytes:
    """A clip as the camera records it: one fragment a keyframe, and tags that must not leave.

    ``times_ms`` are the times of the pictures, else they come at the usual rate. ``pixels`` is
    FFmpeg's name of their format; ``params`` are more of the encoder's own options,
    ``name=value:name=value``.
    """
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(memory, mode="w", format="mp4", options=options) as container:
        container.metadata["comment"] = "SECRET-COMMENT"
        container.metadata["creation_time"] = "2024-01-24T18:30:00Z"
        settings = {"preset": "ultrafast", "crf": "16", "bf": str(b_frames), "b_strategy": "0"}
        settings |= {"sc_threshold": "0"}
        own = ":".join(filter(None, (f"keyint={keyframe_every}", params)))
        settings |= {f"{codec.removeprefix('lib')}-params": own}
        stream = container.add_stream(codec, rate=RATE, options=settings)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if full_range else pixels
        stream.metadata["handler_name"] = "SECRET-HANDLER"
        stream.codec_context.time_base = Fraction(1, 1000)
        steady = [number * 1000 // RATE for number in range(int(seconds * RATE))]
        for number, moment in enumerate(times_ms or steady):
            frame = VideoFrame.from_ndarray(
                picture(number, width=width, height=height), format="rgb24"
            )
            frame.pts = first_pts + moment
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return memory.getvalue()


def prepared(clip: bytes, trim: tuple[float, float] | None = None, *redact: Redaction) -> bytes:
    """The file that leaves for ``clip``; ``trim`` is from and to, in seconds."""
    span = None if trim is None else Trim(from_seconds=trim[0], to_seconds=trim[1])
    target = io.BytesIO()
    prepare(io.BytesIO(clip), target, trim=span, redact=redact)
    return target.getvalue()


def packets(content: bytes) -> list[bytes]:
    """Every packet of an MP4's one video stream."""
    with av.open(io.BytesIO(content), "r") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def units(packet: bytes) -> list[bytes]:
    """The units of a packet, each of which comes behind its length in four bytes."""
    found, position = [], 0
    while position < len(packet):
        size = int.from_bytes(packet[position : position + 4], "big")
        found.append(packet[position + 4 : position + 4 + size])
        position += 4 + size
    assert position == len(packet)
    return found


def packet_of(units: Iterable[bytes]) -> bytes:
    """The other way round."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def without_notes(content: bytes) -> list[bytes]:
    """Every packet of an MP4 with H.264, without SEI."""
    return [
        packet_of(unit for unit in units(packet) if unit[0] & 0x1F != 6)
        for packet in packets(content)
    ]


def with_units(content: bytes, *more: bytes) -> bytes:
    """The MP4 ``content`` with these units before those of every packet."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(io.BytesIO(content), "r") as recorded,
        av.open(memory, "w", format="mp4", options=options) as container,
    ):
        stream = container.add_stream_from_template(recorded.streams.video[0])
        for packet in recorded.demux(video=0):
            if packet.size:
                copy = av.Packet(packet_of(more) + bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                container.mux(copy)
    return memory.getvalue()


def with_edit_list(content: bytes, *, from_seconds: float, seconds: float) -> bytes:
    """The MP4 ``content`` with an edit list by which players show only a part of it."""
    memory = io.BytesIO()
    with new_mp4(memory) as container, av.open(io.BytesIO(content), "r") as recorded:
        stream = container.add_stream_from_template(recorded.streams.video[0])
        for packet in recorded.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    edited = bytearray(memory.getvalue())
    edit, media = edited.index(b"elst"), edited.index(b"mdhd")
    scale = int.from_bytes(edited[media + 16 : media + 20], "big")
    times = round(1000 * seconds), round(scale * from_seconds)
    edited[edit + 12 : edit + 20] = struct.pack(">II", *times)
    return bytes(edited)


def pictures(content: bytes) -> list[NDArray[np.uint8]]:
    """Every picture of an MP4, as shown, in RGB."""
    with av.open(io.BytesIO(content), "r") as container:
        shown = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return [image.astype(np.uint8) for image in shown]


def numbers(content: bytes) -> list[int]:
    """The numbers of the recording's pictures that an MP4 shows."""
    with av.open(io.BytesIO(content), "r") as container:
        return [_number(frame) for frame in container.decode(video=0)]


def _number(frame: VideoFrame) -> int:
    if frame.format.components[0].bits == 8:
        values = frame.to_ndarray(format="rgb24").mean(axis=2)
    else:  # FFmpeg's RGB of 10 bits is inexact
        luma = np.frombuffer(bytes(frame.planes[0]), np.uint16).reshape(frame.height, -1)
        values = (luma / 4 - 16) * 255 / 219
    rest, multiple = (
        values[8 : NUMBER - 8, left + 8 : left + NUMBER - 8].mean() - 16 for left in (0, NUMBER)
    )
    return round(float(multiple) / 30) * _BASE + round(float(rest) / 3)


def boxes(content: bytes) -> list[tuple[str, int]]:
    """The boxes of an MP4's top level (ISO/IEC 14496-12): type and size."""
    found = []
    position = 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        assert size >= 8
        found.append((content[position + 4 : position + 8].decode("ascii"), size))
        position += size
    assert position == len(content)
    return found


def repeated(recording: bytes, times: int) -> bytes:
    """``recording`` over and over in one clip, its packets copied."""
    memory, ticks = io.BytesIO(), 0
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(io.BytesIO(recording), mode="r") as source:
        stream = source.streams.video[0]
        packets = [(bytes(one), one) for one in source.demux(stream) if one.dts is not None]
        length = stream.duration or 0
        with av.open(memory, mode="w", format="mp4", options=options) as container:
            made = container.add_stream_from_template(stream)
            for _ in range(times):
                for content, one in packets:
                    assert one.pts is not None
                    assert one.dts is not None
                    copy = Packet(content)
                    copy.pts, copy.dts = one.pts + ticks, one.dts + ticks
                    copy.duration, copy.time_base = one.duration, one.time_base
                    copy.is_keyframe, copy.stream = one.is_keyframe, made
                    container.mux(copy)
                ticks += length
    return memory.getvalue()
