"""Search of a recorded clip for faces.

Four pictures a second are searched, which is enough to follow people who walk; the boxes cover the
pictures between. Small pictures are enlarged before, since the network finds few faces below 30
pixels, and large ones reduced (docs/decisions/faces.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import numpy as np
from av.video.frame import VideoFrame

from agent.consent.statements import Region, Trim
from agent.errors import Refused
from agent.media.editing.recording import Recording, open_recording
from agent.media.editing.span import decoded
from agent.media.faces.boxes import propose
from agent.media.faces.face import Face, Picture
from agent.media.faces.finder import FoundFaces, Progress
from agent.media.faces.tracks import Sighting, Tracker
from agent.media.mp4 import Readable

_PERIOD_SECONDS: Final = 0.25
_PIXELS: Final = 2560 * 1440  # of the pictures that are searched
_MOST_ENLARGED: Final = 2.0
_MOST_SEARCHED: Final = 7_200  # pictures: half an hour
_MOST_FACES: Final = 100  # of a clip


class Detects(Protocol):
    """A detector of faces."""

    def find(self, picture: Picture, /) -> list[Face]:
        """The faces in an upright picture."""


def search(
    plain: Readable,
    detector: Detects,
    *,
    trim: Trim | None = None,
    progress: Progress | None = None,
) -> FoundFaces:
    """Find the faces of the decrypted clip ``plain``, perhaps only inside ``trim``.

    Raises :class:`ClipDamaged` for a clip that does not play, :class:`Refused`
    (``empty-trim``, ``clip-too-long``) for a part without a picture and one with too many.
    """
    tracker, times, aspect = Tracker(), list[float](), 1.0
    with open_recording(plain) as recording:
        for at_seconds, frame in _sampled(recording, trim):
            if len(times) == _MOST_SEARCHED:
                raise Refused(
                    "clip-too-long",
                    f"only {_MOST_SEARCHED * _PERIOD_SECONDS / 60:g} minutes can be searched",
                    advice="Search a part of it, with --trim",
                )
            picture = shown(frame, recording.rotation)
            if not times:
                aspect = picture.shape[0] / picture.shape[1]
            times.append(at_seconds)
            tracker.add(at_seconds, _sightings(detector.find(picture), at_seconds, aspect))
            if progress is not None:
                progress(at_seconds)
    if not times:
        raise Refused("empty-trim", "the part to be searched holds no picture")
    faces = tracker.faces()
    boxes = propose(faces[:_MOST_FACES], times, aspect)
    return FoundFaces(tuple(boxes), len(faces), max(0, len(faces) - _MOST_FACES), len(times))


def _sampled(recording: Recording, trim: Trim | None) -> Iterator[tuple[float, VideoFrame]]:
    """The pictures to search, the last of all among them, and their times.

    Times are in seconds from the recording's first packet on.
    """
    unit = recording.stream.time_base
    first = next(recording.packets)
    assert unit is not None
    assert first.pts is not None
    begin, end = (0.0, math.inf) if trim is None else (trim.from_seconds, trim.to_seconds)
    due = 0.0
    last: tuple[float, VideoFrame] | None = None
    packets = chain([first], recording.packets)
    for frame in decoded(recording.stream.codec_context, packets):
        at_seconds = -1.0 if frame.pts is None else float((frame.pts - first.pts) * unit)
        if at_seconds >= end:
            break
        if at_seconds < begin:
            continue
        last = None if at_seconds >= due else (round(at_seconds, 3), frame)
        if last is None:
            yield round(at_seconds, 3), frame
            due = round(at_seconds, 3) + _PERIOD_SECONDS
    if last is not None and last[0] > due - _PERIOD_SECONDS:
        yield last


def shown(frame: VideoFrame, rotation: int) -> Picture:
    """The picture as players show it, enlarged or reduced for the detector."""
    scale = min(_MOST_ENLARGED, math.sqrt(_PIXELS / (frame.width * frame.height)))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    picture = frame.to_ndarray(format="bgr24", width=width, height=height)
    return np.ascontiguousarray(np.rot90(picture, -rotation), np.uint8)


def _sightings(faces: Sequence[Face], at_seconds: float, aspect: float) -> list[Sighting]:
    """Faces in the unit of tracks: the picture's width, both ways."""
    sightings = []
    for region, score in faces:
        left, top, right, bottom = region
        square = Region(left, top * aspect, right, bottom * aspect)
        sightings.append(Sighting(at_seconds, square, score))
    return sightings
