"""A search of a clip: boxes that cover what moves, in every picture, whatever the clip is like."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import pytest

from agent.consent.statements import Region, Trim
from agent.errors import ClipDamaged, Refused
from agent.media.faces import search as search_module
from agent.media.faces.finder import FoundFaces
from agent.media.faces.search import search
from agent.media.rotation import write_matrix
from tests.media.editing.test_rotation import turned
from tests.support.face_films import MarkerDetector, film, marked, uncovered
from tests.support.footage import pictures, prepared

WIDTH, HEIGHT = 320, 180
SMALL = 0.1  # of the marker, as share of the picture's width

Place = Callable[[float], Region | None]


def square(x: float, y: float, *, size: float = SMALL, aspect: float = HEIGHT / WIDTH) -> Region:
    """A square marker whose centre is at these shares of the picture."""
    half, tall = size / 2, size / 2 / aspect
    return Region(x - half, y - tall, x + half, y + tall)


def walk(seconds: float) -> Region:
    """Through the picture in four seconds, bobbing like somebody who walks."""
    return square(0.1 + 0.2 * seconds, 0.5 + 0.03 * math.sin(2 * math.pi * 2 * seconds))


def cross(seconds: float) -> Region:
    """Across the picture like somebody near, ten of its widths a second."""
    return square(0.1 + 0.2 * seconds, 0.5, size=0.02)


def halt(seconds: float) -> Region:
    """The same, but it stops within half a second and goes back as fast."""
    speeds = (max(-1, min(1, (2.25 - number / 100) / 0.5)) for number in range(int(seconds * 100)))
    return square(0.1 + 0.2 * sum(speeds) / 100, 0.5, size=0.02)


def turn(seconds: float) -> Region:
    """There and back, with 8 of its widths a second squared."""
    return square(0.5 + 0.2 * math.sin(2 * seconds), 0.4 + 0.2 * math.cos(2 * seconds))


def enter(seconds: float) -> Region | None:
    """In from the left border and out at the right one."""
    return square(-0.1 + 0.3 * seconds, 0.5)


def approach(seconds: float) -> Region:
    """Towards the camera."""
    return square(0.5, 0.5, size=0.05 * 1.5**seconds)


def visit(seconds: float) -> Region | None:
    """There from second 1.5 to second 2.5."""
    return square(0.3, 0.3) if 1.5 <= seconds < 2.5 else None


def filmed(place: Place, times: list[float]) -> bytes:
    return film((marked(place(at), WIDTH, HEIGHT) for at in times), times)


def found(
    clip: bytes, detector: MarkerDetector | None = None, trim: Trim | None = None
) -> FoundFaces:
    return search(io.BytesIO(clip), detector or MarkerDetector(), trim=trim)


@pytest.mark.parametrize("place", [walk, cross, halt, turn, enter, approach, visit])
@pytest.mark.parametrize("rate", [25, 12, 4])
def test_a_box_covers_what_moves_in_every_picture(place: Place, rate: int) -> None:
    times = [number / rate for number in range(4 * rate)]
    clip = filmed(place, times)
    result = found(clip)
    assert uncovered(result.redactions, place, times) == []
    assert (result.faces, result.left_out) == (1, 0)
    content = prepared(clip, None, *result.redactions)
    assert not any(MarkerDetector().find(one[..., ::-1]) for one in pictures(content))


@pytest.mark.parametrize("blind", [{3}, {4, 5}, {2, 3, 4, 5, 6}, {0, 1}, {14, 15}])
def test_a_face_that_is_missed_for_a_while_stays_covered(blind: set[int]) -> None:
    times = [number / 20 for number in range(80)]
    result = found(filmed(walk, times), MarkerDetector(blind=blind))
    assert uncovered(result.redactions, walk, times) == []
    assert result.faces == 1


def test_a_box_is_there_only_around_the_time_of_its_face() -> None:
    times = [number / 20 for number in range(100)]
    (box,) = found(filmed(visit, times)).redactions
    assert box.from_seconds is not None
    assert box.to_seconds is not None
    assert 0.5 <= box.from_seconds <= 1.0
    assert 3.0 <= box.to_seconds <= 3.5


def test_a_clip_without_faces_gets_no_box() -> None:
    result = found(film([marked(None, WIDTH, HEIGHT)] * 20, [one / 10 for one in range(20)]))
    assert result == FoundFaces((), 0, 0, 8)


@pytest.mark.parametrize("count", [1, 3])
def test_a_clip_of_few_pictures_is_covered(count: int) -> None:
    times = [number / 15 for number in range(count)]
    result = found(filmed(walk, times))
    (box,) = result.redactions
    assert (box.from_seconds, box.to_seconds) == (None, None)
    assert uncovered(result.redactions, walk, times) == []


@pytest.mark.parametrize("rotation", [1, 2, 3])
def test_a_turned_clip_is_searched_and_covered_upright(rotation: int) -> None:
    times = [number / 10 for number in range(20)]
    clip = turned(filmed(walk, times), write_matrix(rotation, WIDTH, HEIGHT))
    detector = MarkerDetector()
    result = found(clip, detector)
    (width, height), *_ = detector.sizes
    assert (width > height) == (rotation == 2)
    content = prepared(clip, None, *result.redactions)
    assert not any(MarkerDetector().find(one[..., ::-1]) for one in pictures(content))


@pytest.mark.parametrize("size", [(3840, 2160), (64, 48), (180, 320), (640, 32)])
def test_pictures_of_any_size_are_searched_in_a_bounded_one(size: tuple[int, int]) -> None:
    detector = MarkerDetector()
    place = Region(0.25, 0.25, 0.5, 0.75)
    result = found(film([marked(place, *size)] * 3, [0, 0.3, 0.6]), detector)
    assert uncovered(result.redactions, lambda _: place, [0, 0.3, 0.6]) == []
    for width, height in detector.sizes:
        assert width * height <= 1.01 * 2560 * 1440
        assert width <= 2 * size[0]
        assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


def test_only_the_trim_is_searched_and_times_count_from_the_start_of_the_clip() -> None:
    times = [number / 20 for number in range(80)]
    detector = MarkerDetector()
    trim = Trim(from_seconds=1.0, to_seconds=3.0)
    result = found(filmed(walk, times), detector, trim=trim)
    assert result.pictures == len(detector.sizes) == 9
    inside = [at for at in times if 1 <= at < 3]
    assert uncovered(result.redactions, walk, inside) == []


def test_a_trim_without_pictures_is_refused() -> None:
    clip = filmed(walk, [0, 0.1])
    with pytest.raises(Refused) as caught:
        found(clip, trim=Trim(from_seconds=5, to_seconds=6))
    assert caught.value.rule == "empty-trim"


def test_a_very_long_clip_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "_MOST_SEARCHED", 4)
    with pytest.raises(Refused, match="--trim") as caught:
        found(filmed(walk, [number / 4 for number in range(5)]))
    assert caught.value.rule == "clip-too-long"


def test_a_clip_that_was_cut_off_is_searched_up_to_there() -> None:
    times = [number / 20 for number in range(80)]
    clip = filmed(walk, times)
    result = found(clip[: len(clip) * 2 // 3])
    assert result.faces == 1
    assert 4 <= result.pictures < 16


@pytest.mark.parametrize("clip", [b"", b"no film", b"\0\0\0\x08ftyp", bytes(1000)])
def test_what_is_no_clip_is_damaged(clip: bytes) -> None:
    with pytest.raises(ClipDamaged):
        found(clip)


def test_progress_is_told_in_seconds_of_the_clip() -> None:
    told: list[float] = []
    clip = filmed(walk, [number / 10 for number in range(10)])
    search(io.BytesIO(clip), MarkerDetector(), progress=told.append)
    assert told == [0, 0.3, 0.6, 0.9]
