"""Faces found by a search: by size, contrast and distance from the border; false boxes; cost.

The faces are fifty of scikit-image's ``lfw_subset`` (25 x 25 pixels, grey), put into frames
of real footage, each with a soft edge, scaled to the size that is asked for. A frame is
enlarged as a search does it. False boxes and the cost are of whole searches.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.consent.statements import Region
from agent.errors import ConfigError
from agent.media.faces import search as searching
from agent.media.faces.detector import Detector
from agent.media.faces.finder import FaceFinder
from agent.media.faces.model import find_model
from benchmarks import footage
from benchmarks.figures import Figure, NotMeasured
from benchmarks.rig import SHARED, Workshop
from tests.peers.requirements import ROOT
from tests.support.face_films import film, uncovered

TITLE = "faces: recall of lfw_subset in real frames of 1280x720, and cost"
SECONDS = 240
Image = NDArray[np.uint8]
Walk = Callable[[float], tuple[float, float]]
_SIZE = (1280, 720)
_SIZES = (8, 12, 16, 24, 32, 48, 96)
_MOVING = (24, 32, 48)
_MOVING_IN = ("one_by_one", "car_detection")
_USUAL = 32
_PLACES_WITH_FACES = ("one_by_one", "car_detection", "vtest", "ir_garden")
_EMPTY = ("car_detection", "ir_garden", "tree")  # nobody's face is in these
_EVERY = 40  # pictures of the footage
_A_FRAME = 10  # faces
_LANES = 5  # faces that move in one clip
_TIMES = [number / 10 for number in range(20)]
_EDGE = 0.1  # of a face's width: its outermost part fades into the frame
_PERIOD_SECONDS = 0.25  # of a search
_FALSE_SECONDS, _COST_SECONDS = 8, 3


def measure(workshop: Workshop) -> list[Figure]:
    """All of it, with the network that ``make faces`` fetches."""
    try:
        detector = Detector(find_model())
        faces = np.load(ROOT / ".cache" / "faces" / "lfw_subset.npy")[:50]
    except (ConfigError, OSError) as error:
        raise NotMeasured("make faces") from error
    films = SHARED / "motion" / "footage"
    if not films.exists():
        raise NotMeasured("../shared/motion is not there")
    frames = [frame for name in _PLACES_WITH_FACES for frame in _frames(films / f"{name}.mp4", 3)]
    found = _Recall(detector, frames, [(face * 255).astype(np.uint8) for face in faces])
    return [
        *(found.figure(f"{size} pixels wide", size) for size in _SIZES),
        *(
            found.figure(f"{_USUAL} pixels, contrast {contrast:.0%}", _USUAL, contrast=contrast)
            for contrast in (0.5, 0.25)
        ),
        *(
            found.figure(f"{_USUAL} pixels, {away} from the border", _USUAL, border=away)
            for away in (0, 8, 32)
        ),
        found.figure(f"{_USUAL} pixels, half outside", _USUAL, border=-_USUAL // 2),
        *(found.moving(size, films) for size in _MOVING),
        *_false(films, detector),
        *_costs(workshop),
    ]


class _Recall:
    """Faces put into frames, ten in each, and how many of them are found."""

    def __init__(self, detector: Detector, frames: Sequence[Image], faces: Sequence[Image]) -> None:
        self._detector, self._frames, self._faces = detector, frames, faces

    def figure(
        self, what: str, size: int, *, contrast: float = 1.0, border: int | None = None
    ) -> Figure:
        """The share of the faces that is missed; ``border``: pixels to the left or right one."""
        random = np.random.default_rng(size)
        found = 0
        for number, begin in enumerate(range(0, len(self._faces), _A_FRAME)):
            frame, places = self._frames[number % len(self._frames)].copy(), []
            for cell, face in enumerate(self._faces[begin : begin + _A_FRAME]):
                left, top = _place(cell, size, border, random)
                _paste(frame, face, size, left, top, contrast)
                places.append(((left + size / 2) / _SIZE[0], (top + size / 2) / _SIZE[1]))
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            faces = self._detector.find(searching.shown(picture, 0))
            found += sum(any(_holds(one.region, place) for one in faces) for place in places)
        missed = 100 * (1 - found / len(self._faces))
        return Figure(f"missed: {what}", missed, "%", note=f"{found} of {len(self._faces)} found")

    def moving(self, size: int, films: Path) -> Figure:
        """The share of the pictures of clips in which a face that moves is in no box."""
        shown = total = 0
        for clip, name in enumerate(_MOVING_IN):
            scene = _frames(films / f"{name}.mp4", len(_TIMES), every=1)
            times = _TIMES[: len(scene)]
            paths = [_walk(lane, size) for lane in range(_LANES)]
            faces = self._faces[clip * _LANES : (clip + 1) * _LANES]
            for at, frame in zip(times, scene, strict=True):
                for path, face in zip(paths, faces, strict=True):
                    left, top = (round(one) for one in path(at))
                    _paste(frame, face, size, left, top, 1.0)
            content = film((frame[..., ::-1] for frame in scene), times, crf=23)
            boxes = searching.search(io.BytesIO(content), self._detector).redactions
            for path in paths:
                shown += len(uncovered(boxes, _region(path, size), times))
                total += len(times)
        note = f"{total - shown} of {total} pictures of {_LANES * len(_MOVING_IN)} faces"
        return Figure(
            f"uncovered in a clip: {size} pixels, moving", 100 * shown / total, "%", note=note
        )


def _walk(lane: int, size: int) -> Walk:
    """Left and top, in pixels, of a face that walks there and back in its part of the picture."""

    def at(seconds: float) -> tuple[float, float]:
        left = (_SIZE[0] - size) * (0.5 + 0.35 * math.sin(0.5 * seconds + lane))
        top = _SIZE[1] / _LANES * lane + 25 + size / 10 * math.sin(4 * math.pi * seconds)
        return left, top

    return at


def _region(walk: Walk, size: int) -> Callable[[float], Region]:
    def at(seconds: float) -> Region:
        left, top = walk(seconds)
        (width, height) = _SIZE
        return Region(left / width, top / height, (left + size) / width, (top + size) / height)

    return at


def _place(
    cell: int, size: int, border: int | None, random: np.random.Generator
) -> tuple[int, int]:
    """Left and top of a face: somewhere in its cell of five by two, or at a border."""
    row, column = divmod(cell, 5)
    if border is not None:
        left = border if row else _SIZE[0] - size - border
        return left, column * _SIZE[1] // 5 + 50
    width, height = _SIZE[0] // 5, _SIZE[1] // 2
    left = column * width + int(random.integers(40, width - size - 40))
    return left, row * height + int(random.integers(40, height - size - 40))


def _holds(region: Region, centre: tuple[float, float]) -> bool:
    x, y = (min(max(0.001, one), 0.999) for one in centre)
    return region.left <= x <= region.right and region.top <= y <= region.bottom


def _paste(frame: Image, face: Image, size: int, left: int, top: int, contrast: float) -> None:
    """Put a grey face into a frame, its edges mixed into it; parts may be outside."""
    way = cv2.INTER_AREA if size < face.shape[0] else cv2.INTER_CUBIC
    grey = cv2.resize(face, (size, size), interpolation=way).astype(float)
    grey = grey.mean() + contrast * (grey - grey.mean())
    inward = np.minimum(np.arange(size) + 0.5, size - 0.5 - np.arange(size)) / (_EDGE * size)
    mask = np.minimum(*np.meshgrid(inward, inward)).clip(0, 1)[..., None]
    begin, end = max(0, left), min(frame.shape[1], left + size)
    columns = slice(begin - left, end - left)
    part = frame[top : top + size, begin:end]
    mixed = part * (1 - mask[:, columns]) + grey[:, columns, None] * mask[:, columns]
    part[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def _false(films: Path, detector: Detector) -> Iterator[Figure]:
    """Boxes a minute in footage without a face."""
    for name in _EMPTY:
        result = searching.search(_recorded(films / f"{name}.mp4", _FALSE_SECONDS), detector)
        minutes = result.pictures * _PERIOD_SECONDS / 60
        note = f"{len(result.redactions)} in {minutes * 60:.0f} s"
        yield Figure(
            f"false boxes a minute: {name}", len(result.redactions) / minutes, "", note=note
        )


def _costs(workshop: Workshop) -> Iterator[Figure]:
    """Seconds for a second of video, loading the network apart."""
    began = time.monotonic()
    finder = FaceFinder()
    yield Figure("loading the network", time.monotonic() - began, "s")
    for size in ((640, 360), (1280, 720), (1920, 1080)):
        film = _recorded(footage.streams(workshop.cache, size, "busy").main, _COST_SECONDS)
        began, used = time.monotonic(), time.process_time()
        finder.find(film)
        spent, cpu = time.monotonic() - began, time.process_time() - used
        note = f"{cpu / _COST_SECONDS:.1f} s of CPU"
        yield Figure(f"a second of {size[0]}x{size[1]}", spent / _COST_SECONDS, "s", note=note)


def _recorded(film: Path, seconds: float) -> io.BytesIO:
    """The first seconds of a film in the form in which a camera records."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(str(film)) as source,
        av.open(memory, "w", format="mp4", options=options) as target,
    ):
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.dts * (stream.time_base or 1) > seconds:
                break
            packet.stream = copied
            target.mux(packet)
    memory.seek(0)
    return memory


def _frames(film: Path, count: int, *, every: int = _EVERY) -> list[Image]:
    with av.open(str(film)) as source:
        pictures = enumerate(source.decode(video=0))
        frames = (frame for number, frame in pictures if number % every == 5 % every)
        return [
            np.asarray(frame.to_ndarray(format="bgr24", width=_SIZE[0], height=_SIZE[1]), np.uint8)
            for frame, _ in zip(frames, range(count), strict=False)
        ]
