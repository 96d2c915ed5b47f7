"""Small real videos, made with PyAV and looked into again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyrage
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from agent.camera.source import Packet, VideoFormat

FRAMES_PER_SECOND = 15


@dataclass(frozen=True)
class Video:
    """A camera's recording: its format, and its packets from second 0 on."""

    format: VideoFormat
    packets: tuple[Packet, ...]

    @property
    def seconds(self) -> float:
        return self.packets[-1].seconds + self.packets[-1].duration_seconds


def draw(number: int, width: int, height: int) -> av.VideoFrame:
    """A picture that differs from all others: a bar that wanders over a pattern."""
    rows = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint8)
    rows[:, (number * 3) % width :][:, :8] = number % 200 + 30
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = rows
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def write_video(
    path: Path,
    *,
    seconds: float = 4,
    codec: str = "libx264",
    gop: int = FRAMES_PER_SECOND,
    b_frames: int = 0,
    size: tuple[int, int] = (192, 108),
    audio: bool = False,
    format_name: str | None = None,
    x264: str = "",
    x265: str = "",
) -> Path:
    """A video file; ``audio`` adds silence, ``seconds=0`` leaves only that. ``x264`` and ``x265``
    are more parameters of these encoders.
    """
    with av.open(str(path), "w", format=format_name) as container:
        video = container.add_stream(codec, rate=FRAMES_PER_SECOND) if seconds else None
        sound = container.add_stream("aac", rate=8000) if audio else None
        if isinstance(video, VideoStream):
            video.width, video.height = size
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            video.codec_context.gop_size = gop
            if codec.startswith("libx26"):
                video.options = {"bf": str(b_frames), "preset": "ultrafast"}
                rest = f"log-level=none:keyint={gop}:bframes={b_frames}:{x265}"
                video.options |= {"x265-params": rest.rstrip(":"), "x264-params": x264}
            for number in range(round(seconds * FRAMES_PER_SECOND)):
                frame = draw(number, *size)
                frame.pts = number
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if isinstance(sound, AudioStream):
            for number in range(8):
                silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                silence.sample_rate, silence.pts = 8000, number * 1024
                silence.planes[0].update(bytes(silence.planes[0].buffer_size))
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def load(path: Path) -> Video:
    """The packets of a file, timed from 0."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        packets = [packet for packet in container.demux(stream) if packet.size]
        first = packets[0].dts or 0
        return Video(
            VideoFormat(
                "hevc" if context.name == "hevc" else "h264",
                context.width,
                context.height,
                bytes(context.extradata or b""),
            ),
            tuple(
                Packet(
                    data=bytes(packet),
                    keyframe=packet.is_keyframe,
                    seconds=float(((packet.dts or 0) - first) * packet.time_base),
                    duration_seconds=float((packet.duration or 0) * packet.time_base),
                    delay_seconds=float(((packet.pts or 0) - (packet.dts or 0)) * packet.time_base),
                )
                for packet in packets
            ),
        )


def make(folder: Path, **options: object) -> Video:
    """:func:`load` of a :func:`write_video` with ``options``."""
    return load(write_video(folder / "made.mp4", **options))  # type: ignore[arg-type]


def repeat(video: Video, seconds: float) -> Iterator[Packet]:
    """``video`` over and over, each time further on, for ``seconds``."""
    start = 0.0
    while start < seconds:
        for packet in video.packets:
            if start + packet.seconds >= seconds:
                return
            yield replace(packet, seconds=start + packet.seconds)
        start += video.seconds


@dataclass(frozen=True)
class Played:
    """A recording as a player sees it."""

    pictures: int
    packets: tuple[bytes, ...]
    decode_seconds: tuple[float, ...]
    first_is_keyframe: bool
    streams: tuple[str, ...]


def play(recording: bytes) -> Played:
    """Demux and decode ``recording`` to its end."""
    with av.open(io.BytesIO(recording), "r") as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        base = stream.time_base or Fraction(1)
        streams = tuple(other.type for other in container.streams)
    with av.open(io.BytesIO(recording), "r") as container:
        pictures = sum(1 for _ in container.decode(video=0))
    return Played(
        pictures=pictures,
        packets=tuple(bytes(packet) for packet in packets),
        decode_seconds=tuple(float((packet.dts or 0) * base) for packet in packets),
        first_is_keyframe=packets[0].is_keyframe,
        streams=streams,
    )


def unseal(path: Path, identity: str) -> bytes:
    """The plaintext of a whole sealed recording."""
    plain: bytes = pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.from_str(identity)])
    return plain


def nal_units(packet: bytes, *, start_codes: bool) -> list[bytes]:
    """The NAL units of a packet, which start codes divide or lengths."""
    if start_codes:
        return [unit.rstrip(b"\0") for unit in packet.split(b"\0\0\1")[1:]]
    units, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        units.append(packet[at + 4 : at + 4 + size].rstrip(b"\0"))
        at += 4 + size
    return units
