"""Clips of the drawn street for the browser: H.264 that it plays, and the thumbnail."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import av
import cv2

from agent.camera.sources.scene.street import Street

WIDTH, HEIGHT, RATE = 640, 360, 10
THUMBNAIL = (320, 180)


@dataclass(frozen=True)
class Film:
    """A recording as a camera writes it, and the JPEG of its middle picture."""

    mp4: bytes
    thumbnail: bytes
    seconds: float


@functools.cache
def walker(seed: int = 0, seconds: float = 6.0) -> Film:
    """A walk past the houses of street ``seed``; the same bytes on each run."""
    street = Street(width=WIDTH, height=HEIGHT, seed=seed, walkers_per_minute=12)
    begin = next(t / 4 for t in range(400) if any(True for _ in street.walkers(t / 4)))
    pictures = [street.picture(begin + at / RATE) for at in range(round(seconds * RATE))]
    memory = io.BytesIO()
    options = {"movflags": "empty_moov+default_base_moof+frag_keyframe+skip_trailer"}
    with av.open(memory, "w", format="mp4", options=options) as container:
        settings = {"preset": "veryfast", "crf": "27", "bf": "0", "threads": "1"}
        stream = container.add_stream("libx264", rate=RATE, options=settings)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = RATE
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    done, jpeg = cv2.imencode(".jpg", cv2.resize(pictures[len(pictures) // 2], THUMBNAIL))
    assert done
    return Film(memory.getvalue(), jpeg.tobytes(), seconds)
