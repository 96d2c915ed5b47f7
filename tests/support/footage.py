"""Recorded clips for tests: fragmented MP4 whose every picture says which one it is."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 320, 180, 10
NUMBER = 40  # pixels: the corner at the top left whose brightness is the picture's number


def picture(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Picture ``number`` in RGB: fine texture all over, its number in the corner."""
    noise = np.random.default_rng(number // 4).integers(
        0, 255, (height // 6 + 1, width // 6 + 1, 3)
    )
    texture = np.kron(noise, np.ones((6, 6, 1)))[:height, :width].astype(np.uint8)
    texture[:NUMBER, :NUMBER] = 16 + number * 3
    return texture


def record(
    seconds: float,
    *,
    keyframe_every: int = 10,
    b_frames: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
    first_pts: int = 0,
    full_range: bool = False,
) -> bytes:
    """A clip as the camera records it: one fragment a keyframe, and tags that must not leave."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(memory, mode="w", format="mp4", options=options) as container:
        container.metadata["comment"] = "SECRET-COMMENT"
        container.metadata["creation_time"] = "2024-01-24T18:30:00Z"
        settings = {"preset": "ultrafast", "crf": "16", "bf": str(b_frames), "b_strategy": "0"}
        settings |= {"sc_threshold": "0", "x264-params": f"keyint={keyframe_every}"}
        stream = container.add_stream("libx264", rate=RATE, options=settings)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if full_range else "yuv420p"
        stream.metadata["handler_name"] = "SECRET-HANDLER"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(int(seconds * RATE)):
            frame = VideoFrame.from_ndarray(
                picture(number, width=width, height=height), format="rgb24"
            )
            frame.pts = first_pts + number * 1000 // RATE
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return memory.getvalue()


def packets(content: bytes) -> list[bytes]:
    """Every packet of an MP4's one video stream."""
    with av.open(io.BytesIO(content), "r") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def pictures(content: bytes) -> list[NDArray[np.uint8]]:
    """Every picture of an MP4, as shown, in RGB."""
    with av.open(io.BytesIO(content), "r") as container:
        shown = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return [image.astype(np.uint8) for image in shown]


def numbers(content: bytes) -> list[int]:
    """Which pictures of the recording an MP4 shows."""
    corners = (image[8 : NUMBER - 8, 8 : NUMBER - 8] for image in pictures(content))
    return [round((float(corner.mean()) - 16) / 3) for corner in corners]


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
