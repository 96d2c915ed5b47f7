"""The age of a picture when the detector gets it, from a live network camera.

A camera is played here: each picture carries the moment of its capture, is encoded at
once (main and small stream, as cameras do both) and goes through a real RTSP server to
the product's own app. What is taken is the moment at which the detector is called, so
encoding, network, decoding and every queue are in the figure.
"""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from agent import config
from agent.camera import app
from agent.camera.source import Luma
from agent.clock import SystemClock
from benchmarks import footage, stamp
from benchmarks.arithmetic import percentile
from benchmarks.figures import Figure
from benchmarks.rig import DEBIAN_PYTHON, Workshop, need_gstreamer
from tests.support.house import House

TITLE = "from capture to the detector, live 1080p15 with a 360p substream"
SECONDS = 40
_SERVER = Path(__file__).parents[1] / "live_server.py"
_WATCHED_SECONDS = 25.0
_SETTLE_SECONDS = 3.0
_MOST_MILLISECONDS = 150
_STREAMS = {
    "main": ((1920, 1080), footage.MAIN_BITS_PER_SECOND),
    "small": (footage.SMALL_SIZE, footage.SMALL_BITS_PER_SECOND),
}
_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0"}


def measure(workshop: Workshop) -> list[Figure]:
    """Watch for a while, and see how old the pictures were."""
    need_gstreamer()
    with _live_camera(workshop) as port:
        ages = _watch(workshop, port)
    return figures(ages)


def figures(ages: list[tuple[float, float]]) -> list[Figure]:
    """From pairs of (seconds since the first frame, age in milliseconds)."""
    settled = [age for at, age in ages if at >= _SETTLE_SECONDS]
    if not settled:
        raise RuntimeError("no picture reached the detector")
    note = f"{len(settled)} pictures"
    return [
        Figure("median", statistics.median(settled), "ms", note=note),
        Figure("99 of 100", percentile(settled, 0.99), "ms", _MOST_MILLISECONDS),
        Figure("oldest", max(settled), "ms", _MOST_MILLISECONDS),
    ]


def _watch(workshop: Workshop, port: int) -> list[tuple[float, float]]:
    url = f"rtsp://127.0.0.1:{port}"
    source = config.StreamSource(record=f"{url}/main", detect=f"{url}/small")
    house = House.build(workshop.subfolder(), camera=config.Camera(source=source))
    camera = app.build(house.config, clock=SystemClock(None), notify=lambda _: None)
    eye = _Eye(camera.stop)
    camera.detector = eye  # type: ignore[assignment]
    camera.run()
    return eye.ages


class _Eye:
    """In the detector's place: sees no motion, but how old each picture is."""

    strength = 0.0

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._first: float | None = None
        self.ages: list[tuple[float, float]] = []

    def __call__(self, luma: Luma, _seconds: float) -> bool:
        now = time.monotonic()
        captured = stamp.read(luma)
        if captured is None:
            return False
        if self._first is None:
            self._first = now
        self.ages.append((now - self._first, (round(now * 1000) - captured) % (1 << 32)))
        if now - self._first > _WATCHED_SECONDS:
            self._stop()
        return False


@contextmanager
def _live_camera(workshop: Workshop) -> Iterator[int]:
    """The port on which the camera is found."""
    with (workshop.subfolder() / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [DEBIAN_PYTHON, str(_SERVER), *_STREAMS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    over = threading.Event()
    film = threading.Thread(target=_film, args=(server, over), daemon=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[-1])
        film.start()
        yield port
    finally:
        over.set()
        if film.ident is not None:
            film.join()
        server.kill()
        server.wait()


def _film(server: subprocess.Popen[bytes], over: threading.Event) -> None:
    """Capture, encode and send, at an even rate, until it is over."""
    assert server.stdin is not None
    encoders = {name: _encoder(*of) for name, of in _STREAMS.items()}
    pictures = {
        name: np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
        for name, (size, _) in _STREAMS.items()
    }
    began = time.monotonic()
    number = 0
    while not over.is_set():
        ahead = began + number / footage.FRAMES_PER_SECOND - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        captured = round(time.monotonic() * 1000)
        for name in ("small", "main"):
            picture = pictures[name]
            stamp.write(picture[: picture.shape[0] * 2 // 3], captured)
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            for packet in encoders[name].encode(frame):
                data = bytes(packet)
                server.stdin.write(f"{name} {len(data)}\n".encode() + data)
                server.stdin.flush()
        number += 1


def _encoder(size: tuple[int, int], bits_per_second: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.bit_rate = bits_per_second
    encoder.time_base = Fraction(1, footage.FRAMES_PER_SECOND)
    encoder.framerate = Fraction(footage.FRAMES_PER_SECOND)
    encoder.gop_size = footage.FRAMES_PER_SECOND
    encoder.thread_count = 1
    encoder.options = _OPTIONS
    return encoder
