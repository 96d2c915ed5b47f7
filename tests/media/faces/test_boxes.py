"""Boxes from tracks: few, with few positions, and every face covered at every time."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent import decoding
from agent.consent.statements import MAX_REDACTIONS, ApprovedClip, Region
from agent.media.faces.boxes import MOST_POSITIONS, propose
from agent.media.faces.tracks import Sighting, Track
from tests.support.face_films import inside

ASPECT = 9 / 16
ROUNDED = 1e-4  # positions of a statement

shares = st.floats(0, 1, allow_subnormal=False)
gaps = st.floats(0.25, 1.5).map(lambda one: round(one, 3))


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """Anywhere in the picture, in its widths; perhaps at an edge, perhaps tiny."""
    width, height = (draw(st.floats(0.0005, most)) for most in (0.5, 0.5 * ASPECT))
    left, top = draw(shares) * (1 - width), draw(shares) * (ASPECT - height)
    return Region(left, top, left + width, top + height)


@st.composite
def searched(draw: st.DrawFn) -> tuple[list[float], list[Track]]:
    """Times of pictures, and tracks that were seen in some of them."""
    times = [0.0]
    for gap in draw(st.lists(gaps, max_size=30)):
        times.append(round(times[-1] + gap, 3))
    tracks = []
    for _ in range(draw(st.integers(0, 22))):
        seen = sorted(draw(st.sets(st.sampled_from(times), min_size=1, max_size=8)))
        track = Track(Sighting(seen[0], draw(regions()), 0.5))
        track.sightings += [Sighting(at, draw(regions()), 0.5) for at in seen[1:]]
        tracks.append(track)
    return times, tracks


def place(track: Track, at: float) -> Region:
    """The face at a time of its track, as shares of the picture, moving in straight lines."""
    for one, other in pairwise(track.sightings):
        if one.at_seconds <= at <= other.at_seconds:
            share = (at - one.at_seconds) / (other.at_seconds - one.at_seconds)
            edges = zip(one.region, other.region, strict=True)
            return shown(Region(*(a + (b - a) * share for a, b in edges)))
    return shown(track.first.region)


def shown(region: Region) -> Region:
    left, top, right, bottom = region
    return Region(left, top / ASPECT, right, bottom / ASPECT)


@settings(max_examples=50)
@given(searched(), st.lists(shares, max_size=5))
def test_every_face_is_covered_at_every_time_of_its_track(
    found: tuple[list[float], list[Track]], moments: list[float]
) -> None:
    times, tracks = found
    boxes = propose(tracks, times, ASPECT)
    for track in tracks:
        first, last = track.first.at_seconds, track.last.at_seconds
        for at in (*times, *(first + (last - first) * share for share in moments)):
            if first <= at <= last:
                there = [box for one in boxes if (box := one.region(at, at)) is not None]
                assert any(inside(place(track, at), box, ROUNDED) for box in there), at


@settings(max_examples=30)
@given(searched())
def test_boxes_are_few_and_fit_into_a_decision(found: tuple[list[float], list[Track]]) -> None:
    times, tracks = found
    boxes = propose(tracks, times, ASPECT)
    assert len(boxes) == min(len(tracks), MAX_REDACTIONS)
    assert sum(len(one.positions) for one in boxes) <= MOST_POSITIONS
    clip = ApprovedClip(id="20240124-183015-3f9a2c", sha256="0" * 64, trim=None, redact=(*boxes,))
    assert len(decoding.encode(clip)) < 8_000
    begins = [one.from_seconds or 0 for one in boxes]
    assert begins == sorted(begins)


def test_a_steady_walk_takes_two_positions() -> None:
    times = [number / 4 for number in range(41)]
    track = Track(Sighting(0.0, walker(0), 0.9))
    track.sightings += [Sighting(at, walker(at), 0.9) for at in times[1:]]
    (box,) = propose([track], times, ASPECT)
    assert len(box.positions) == 2
    assert (box.from_seconds, box.to_seconds) == (None, None)


def test_a_long_and_restless_clip_keeps_to_the_positions_of_a_decision() -> None:
    times = [number / 4 for number in range(480)]
    tracks = []
    for phase in range(20):
        track = Track(Sighting(0.0, restless(0, phase), 0.9))
        track.sightings += [Sighting(at, restless(at, phase), 0.9) for at in times[1:]]
        tracks.append(track)
    boxes = propose(tracks, times, ASPECT)
    assert len(boxes) == MAX_REDACTIONS
    assert sum(len(one.positions) for one in boxes) <= MOST_POSITIONS


def test_neighbours_share_a_box_when_there_are_too_many_faces() -> None:
    tracks = [
        Track(Sighting(0.0, Region(0.05 * n, 0.1, 0.05 * n + 0.01, 0.11), 0.9)) for n in range(15)
    ]
    tracks += [Track(Sighting(0.0, Region(0.9 + d, 0.5, 0.91 + d, 0.51), 0.9)) for d in (0, 0.005)]
    boxes = propose(tracks, [0.0], ASPECT)
    assert len(boxes) == MAX_REDACTIONS
    assert max(one.positions[0].width for one in boxes) < 0.03


def walker(seconds: float) -> Region:
    return Region(0.1 + 0.05 * seconds, 0.2, 0.15 + 0.05 * seconds, 0.26)


def restless(seconds: float, phase: int) -> Region:
    left = 0.4 + 0.3 * math.sin(seconds * (1 + phase / 7)) * math.cos(seconds * 3.1)
    return Region(left, 0.2, left + 0.03, 0.24)


def test_a_crowd_for_five_minutes_is_put_into_boxes_without_delay() -> None:
    times = [number / 4 for number in range(1200)]
    tracks = []
    for number in range(60):
        begin = number * 15
        track = Track(Sighting(times[begin], restless(times[begin], number), 0.9))
        track.sightings += [
            Sighting(at, restless(at, number), 0.9) for at in times[begin + 1 : begin + 200]
        ]
        tracks.append(track)
    assert len(propose(tracks, times, ASPECT)) == MAX_REDACTIONS
