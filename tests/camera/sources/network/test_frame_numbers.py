"""Pictures that a camera drops before it numbers its packets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.annexb import joined, parameter_sets, with_start_codes
from agent.camera.sources.network.frame_numbers import FrameNumbers
from tests.camera.sources.network.test_judgement import everything, quick, runs, seen
from tests.peers.bendable_camera import BendableCamera, Sent
from tests.support.video import Video, load, write_video

ENCODERS: list[dict[str, Any]] = [
    {},
    {"gop": 40, "x264": "ref=4:cabac=1"},
    {"b_frames": 2, "x264": "b-pyramid=none"},
    {"x264": "slices=4"},
    {"gop": 25, "x264": "intra-refresh=1"},
]


def stream_of(tmp_path: Path, options: dict[str, Any]) -> tuple[bytes, list[bytes], list[bool]]:
    """Parameter sets, packets in Annex B, and which of these are keyframes."""
    file = write_video(tmp_path / "a.ts", seconds=8, format_name="mpegts", **options)
    packets = load(file).packets
    sets = joined(parameter_sets(packets[0].data, "h264"))
    return sets, [each.data for each in packets], [each.keyframe for each in packets]


@pytest.mark.parametrize("options", ENCODERS, ids=str)
def test_nothing_is_missing_in_a_whole_stream(tmp_path: Path, options: dict[str, Any]) -> None:
    sets, packets, _ = stream_of(tmp_path, options)
    numbers = FrameNumbers(sets)
    assert not any(numbers.missing(packet) for packet in packets)


@pytest.mark.parametrize("options", [ENCODERS[0], ENCODERS[1], ENCODERS[3]], ids=str)
def test_each_dropped_picture_is_noticed_at_the_next_one(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    sets, packets, keyframes = stream_of(tmp_path, options)
    chance, numbers, dropped = random.Random(1), FrameNumbers(sets), False
    for packet, keyframe in zip(packets, keyframes, strict=True):
        if not keyframe and chance.random() < 0.1:
            dropped = True
            continue
        assert numbers.missing(packet) == (dropped and not keyframe)
        dropped = False


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_bytes_are_too_strange(packets: list[bytes]) -> None:
    numbers = FrameNumbers(b"")
    for packet in packets:
        assert not numbers.missing(b"\0\0\1" + packet)
        assert not numbers.missing(with_start_codes(packet, 4))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_after_a_dropped_picture_none_is_judged_until_the_keyframe(
    tmp_path: Path, codec: str
) -> None:
    video: Video = load(write_video(tmp_path / "a.mp4", codec=codec, seconds=4))

    def plays() -> Iterator[Sent]:
        return (sent for number, sent in enumerate(quick(video)) if number != 20)

    with BendableCamera(video, plays=plays) as camera:
        assert runs(seen(everything(camera.url("main")), 50)) == [("F", 20), ("d", 9), ("F", 21)]
