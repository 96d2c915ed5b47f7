"""Video as a camera would send it: the drawn street with grain, H.264 at a camera's bit-rate.

Two kinds: *busy*, where somebody always walks by, and *still*, where only the grain
moves. Each has a main stream and the small stream that belongs to it, at half its
rate, both with a keyframe a second and no B-frames, as IP cameras have them. Twenty
seconds are drawn once and kept in the cache; longer files repeat their packets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from agent.camera.sources.scene.street import Street

FRAMES_PER_SECOND = 15
MAIN_BITS_PER_SECOND = 2_500_000
SMALL_SIZE, SMALL_BITS_PER_SECOND = (640, 360), 300_000
SMALL_EVERY = 2  # pictures of the main stream: 7.5 a second, as the configuration advises
_DRAWN_SECONDS = 20
_BEGIN_SECONDS = 8.0  # by then somebody is in the street
_WALKERS_PER_MINUTE = 30.0
_GRAIN_LEVELS, _GRAIN_FIELDS = 2.5, 7
_VERSION = 2  # of the files in the cache

Kind = Literal["busy", "still"]


@dataclass(frozen=True)
class Streams:
    """The two files of one camera."""

    main: Path
    small: Path


def streams(cache: Path, size: tuple[int, int], kind: Kind) -> Streams:
    """Twenty seconds of the street at ``size``; drawn if they are not in ``cache``."""
    stem = f"street-{size[0]}x{size[1]}-{kind}-{_VERSION}"
    made = Streams(cache / f"{stem}.mp4", cache / f"{stem}-small.mp4")
    if not (made.main.exists() and made.small.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        new = Streams(cache / f"{stem}.new.mp4", cache / f"{stem}-small.new.mp4")
        _draw(new, size, kind)
        new.main.replace(made.main)
        new.small.replace(made.small)
    return made


def lengthened(file: Path, target: Path, seconds: float) -> Path:
    """``file`` over and over for at least ``seconds``, its packets copied to ``target``."""
    with av.open(str(target), "w") as output:
        copied: VideoStream | None = None
        ticks = 0
        while True:
            with av.open(str(file)) as source:
                stream = source.streams.video[0]
                if copied is None:
                    copied = output.add_stream_from_template(stream)
                base = stream.time_base or Fraction(1)
                length = stream.duration or 0
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.dts += ticks
                    packet.pts += ticks
                    packet.stream = copied
                    output.mux_one(packet)
            ticks += length
            if not length or ticks * base >= seconds:
                return target


def _draw(files: Streams, size: tuple[int, int], kind: Kind) -> None:
    cv2.setNumThreads(1)
    street = Street(width=size[0], height=size[1], seed=7, walkers_per_minute=_WALKERS_PER_MINUTE)
    empty = Street(width=size[0], height=size[1], seed=7, walkers_per_minute=0).picture(0.0)
    grain = _grain(size)
    with av.open(str(files.main), "w") as main, av.open(str(files.small), "w") as small:
        rate = Fraction(FRAMES_PER_SECOND)
        large_stream = _stream(main, size, MAIN_BITS_PER_SECOND, rate)
        small_stream = _stream(small, SMALL_SIZE, SMALL_BITS_PER_SECOND, rate / SMALL_EVERY)
        for number in range(_DRAWN_SECONDS * FRAMES_PER_SECOND):
            seconds = _BEGIN_SECONDS + number / FRAMES_PER_SECOND
            scene = empty if kind == "still" else street.picture(seconds)
            picture = cv2.add(scene, grain[number % _GRAIN_FIELDS], dtype=cv2.CV_8U)
            shrunk = cv2.resize(picture, SMALL_SIZE, interpolation=cv2.INTER_AREA)
            for container, stream, image, every in (
                (main, large_stream, picture, 1),
                (small, small_stream, shrunk, SMALL_EVERY),
            ):
                if number % every:
                    continue
                frame = av.VideoFrame.from_ndarray(np.asarray(image, np.uint8), format="bgr24")
                frame.pts = number // every
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
        main.mux(large_stream.encode(None))
        small.mux(small_stream.encode(None))


def _grain(size: tuple[int, int]) -> list[NDArray[np.int16]]:
    """Fields of noise, each the same in all colours, as a sensor's is after processing."""
    random = np.random.default_rng(11)
    fields = []
    for _ in range(_GRAIN_FIELDS):
        plane = random.normal(0, _GRAIN_LEVELS, (size[1], size[0], 1))
        fields.append(np.repeat(np.rint(plane), 3, axis=2).astype(np.int16))
    return fields


def _stream(
    container: av.container.OutputContainer,
    size: tuple[int, int],
    bits_per_second: int,
    rate: Fraction,
) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.bit_rate = bits_per_second
    stream.codec_context.gop_size = math.ceil(rate)
    stream.options = {
        "preset": "veryfast",
        "bf": "0",
        "sc_threshold": "0",
        "maxrate": str(bits_per_second),
        "bufsize": str(bits_per_second),
    }
    return stream
