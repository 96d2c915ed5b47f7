"""Films in which a face or a marker moves, and where it is at any time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.consent.statements import Redaction, Region
from agent.errors import ConfigError
from agent.media.faces.face import Face
from agent.media.faces.model import find_model
from tests.peers.requirements import ROOT, missing

Image = NDArray[np.uint8]
FACES = ROOT / ".cache" / "faces"
_UNIT = 90_000
_RED = (255, 0, 0)  # of the marker
HEAD = (slice(15, 185), slice(160, 305))  # of the astronaut: rows and columns, hair included
FACE = (slice(60, 178), slice(182, 270))  # from the forehead to the chin


def fetched(name: str) -> Path:
    """A file that ``make faces`` fetched; skips without it."""
    path = FACES / name
    if not path.exists():
        missing(f"{name} is not in .cache/faces", "make faces")
    return path


def model() -> bytes:
    """The face model; skips without it."""
    try:
        return find_model()
    except ConfigError as error:
        missing(str(error), "make faces")


def astronaut() -> Image:
    """NASA's portrait of Eileen Collins, 512 x 512, in RGB."""
    with av.open(str(fetched("astronaut.png"))) as source:
        return np.asarray(next(source.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


def film(images: Iterable[Image], times: Sequence[float], *, crf: int = 16) -> bytes:
    """A recording of these pictures, in RGB."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(memory, mode="w", format="mp4", options=options) as container:
        chosen = {"preset": "ultrafast", "crf": str(crf), "bf": "0", "g": "16"}
        stream = container.add_stream("libx264", rate=30, options=chosen)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _UNIT)
        for image, seconds in zip(images, times, strict=True):
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(seconds * _UNIT), Fraction(1, _UNIT)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return memory.getvalue()


def marked(place: Region | None, width: int, height: int) -> Image:
    """A grey picture with a red marker."""
    image = np.full((height, width, 3), 90, np.uint8)
    if place is not None:
        rows, columns = pixels(place, width, height)
        image[rows, columns] = _RED
    return image


def pixels(region: Region, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of a region, outward."""
    left, top, right, bottom = region
    return (
        slice(max(0, int(top * height)), max(0, int(np.ceil(bottom * height)))),
        slice(max(0, int(left * width)), max(0, int(np.ceil(right * width)))),
    )


class MarkerDetector:
    """Finds the red marker, as a detector finds a face. ``blind`` calls see nothing."""

    def __init__(self, *, blind: Iterable[int] = ()) -> None:
        self.blind = set(blind)
        self.sizes: list[tuple[int, int]] = []  # width and height of all pictures

    def find(self, picture: Image, /) -> list[Face]:
        """See :class:`agent.media.faces.search.Detects`."""
        height, width = picture.shape[:2]
        self.sizes.append((width, height))
        plain = picture.astype(int)  # blue, green, red
        red = plain[..., 2] - plain[..., :2].max(axis=2) > 70
        if len(self.sizes) - 1 in self.blind or not red.any():
            return []
        rows, columns = np.nonzero(red.any(axis=1))[0], np.nonzero(red.any(axis=0))[0]
        across, down = (columns[0], columns[-1] + 1), (rows[0], rows[-1] + 1)
        left, right = (float(one / width) for one in across)
        top, bottom = (float(one / height) for one in down)
        return [Face(Region(left, top, right, bottom), 0.9)]


def uncovered(
    redactions: Sequence[Redaction],
    place: Callable[[float], Region | None],
    times: Sequence[float],
    *,
    slack: float = 0.0,
) -> list[float]:
    """The times of pictures on which the place is *not* inside one of the boxes."""
    shown = []
    for begin, end in zip(times, [*times[1:], times[-1] + 0.03], strict=True):
        region = place(begin)
        if region is None:
            continue
        boxes = [box for one in redactions if (box := one.region(begin, end)) is not None]
        if not any(inside(region, box, slack) for box in boxes):
            shown.append(begin)
    return shown


def inside(region: Region, box: Region, slack: float = 0.0) -> bool:
    """True if the part of ``region`` that is in the picture lies inside ``box``."""
    left, top = max(0, region.left), max(0, region.top)
    right, bottom = min(1, region.right), min(1, region.bottom)
    begins = left >= box.left - slack and top >= box.top - slack
    return begins and right <= box.right + slack and bottom <= box.bottom + slack
