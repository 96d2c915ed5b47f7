"""A filled box holds one grey and nothing else; beside it no sample changes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.consent.statements import Redaction
from agent.errors import ClipDamaged
from agent.media.editing.fill import fill

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray", "gbrp", "yuv420p10le"]


def noise(kind: str, width: int, height: int) -> VideoFrame:
    frame = VideoFrame(width, height, kind)
    random = np.random.default_rng(1)
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        wide = component.bits > 8
        shape = (plane.buffer_size // (2 if wide else 1),)
        samples = random.integers(0, 1 << component.bits, shape)
        plane.update(samples.astype(np.uint16 if wide else np.uint8).tobytes())
    return frame


def planes(frame: VideoFrame) -> list[NDArray[np.int64]]:
    """The samples of each plane, rows by columns, without padding."""
    found = []
    components = {component.plane: component for component in frame.format.components}
    for number, plane in enumerate(frame.planes):
        component = components[number]
        kind = np.uint16 if component.bits > 8 else np.uint8
        rows = np.frombuffer(bytes(plane), kind).reshape(-1, plane.line_size // kind().itemsize)
        found.append(rows[: component.height, : component.width].astype(np.int64))
    return found


@st.composite
def still_boxes(draw: st.DrawFn) -> Redaction:
    width, height = draw(st.floats(0.001, 1)), draw(st.floats(0.001, 1))
    return Redaction.still(
        draw(st.floats(0, 1 - width)), draw(st.floats(0, 1 - height)), width, height
    )


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    size=st.sampled_from([(64, 48), (63, 47), (2, 2)]),
    redaction=still_boxes(),
)
def test_inside_all_is_grey_and_outside_nothing_changes(
    kind: str, size: tuple[int, int], redaction: Redaction
) -> None:
    width, height = size
    frame = noise(kind, width, height)
    before = planes(frame)
    fill(frame, [redaction], 0, 1)
    region = redaction.region(0, 1)
    assert region is not None
    for one, other in zip(before, planes(frame), strict=True):
        grey = 1 << (9 if "10" in kind else 7)
        down, across = -(-height // one.shape[0]), -(-width // one.shape[1])
        rows, columns = np.indices(one.shape)
        left, right = region.left * width, region.right * width
        top, bottom = region.top * height, region.bottom * height
        inside = (
            ((columns + 1) * across > left + 1e-5)
            & (columns * across < right - 1e-5)
            & ((rows + 1) * down > top + 1e-5)
            & (rows * down < bottom - 1e-5)
        )
        near = (
            ((columns + 1) * across > left - 2)
            & (columns * across < right + 2)
            & ((rows + 1) * down > top - 2)
            & (rows * down < bottom + 2)
        )
        assert (other[inside] == grey).all()
        assert (other[~near] == one[~near]).all()


def test_a_share_that_is_only_almost_a_pixel_covers_no_other() -> None:
    """0.1 + 0.2 is a little more than 0.3, in floating point."""
    frame = noise("gray", 20, 20)
    before = planes(frame)[0]
    fill(frame, [Redaction.still(0.1, 0.1, 0.2, 0.2)], 0, 1)
    changed = np.nonzero(planes(frame)[0] != before)
    assert (changed[0].min(), changed[0].max()) == (2, 5)
    assert (changed[1].min(), changed[1].max()) == (2, 5)


@pytest.mark.parametrize("interlaced", [False, True])
def test_rows_that_share_colours_with_a_box_are_covered_too(interlaced: bool) -> None:
    graph = Graph()
    field = graph.add("setfield", "tff" if interlaced else "prog")
    picture = noise("yuv420p", 64, 48)
    source = graph.add_buffer(width=64, height=48, format=picture.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, field, graph.add("buffersink")).configure()
    graph.push(picture)
    frame = graph.pull()
    assert isinstance(frame, VideoFrame) and frame.interlaced_frame == interlaced
    before = planes(frame)[0]
    fill(frame, [Redaction.still(0, 18 / 48, 1, 4 / 48)], 0, 1)
    rows = np.nonzero((planes(frame)[0] != before).any(axis=1))[0]
    assert (rows.min(), rows.max()) == ((16, 23) if interlaced else (18, 21))


def test_a_kind_of_picture_that_cannot_be_filled_does_not_leave() -> None:
    frame = VideoFrame(64, 48, "nv12")
    with pytest.raises(ClipDamaged, match="nv12"):
        fill(frame, [Redaction.still(0, 0, 1, 1)], 0, 1)
