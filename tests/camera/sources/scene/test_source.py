from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from agent.camera.detection.detector import MotionDetector
from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Frame, Packet
from agent.camera.sources.luma import rows_of
from agent.camera.sources.scene.source import Scene
from agent.camera.sources.scene.street import Street
from agent.camera.zones import PrivacyMask
from agent.config import SceneSource
from tests.camera.recording.test_muxer import Paper
from tests.support.clock import SimulatedClock
from tests.support.video import play


def scene(clock: SimulatedClock, *, privacy: PrivacyMask | None = None, **changes: Any) -> Scene:
    values: dict[str, Any] = {
        "width": 320,
        "height": 180,
        "frames_per_second": 15,
        "seed": 1,
        "walkers_per_minute": 6.0,
        "duration_seconds": 20.0,
        **changes,
    }
    return Scene(
        SceneSource(**values),
        privacy=privacy or PrivacyMask(()),
        motion_frames_per_second=7.5,
        clock=clock,
    )


def watch(source: Scene) -> tuple[list[Packet], list[Frame]]:
    source.open()
    items = list(source.read())
    source.close()
    packets = [item for item in items if isinstance(item, Packet)]
    return packets, [item for item in items if isinstance(item, Frame)]


def test_the_same_seed_is_the_same_recording_and_another_is_not() -> None:
    first, again, other = (
        watch(scene(SimulatedClock(), seed=seed, duration_seconds=10.0)) for seed in (1, 1, 2)
    )
    assert [packet.data for packet in first[0]] == [packet.data for packet in again[0]]
    assert all(np.array_equal(a.luma, b.luma) for a, b in zip(first[1], again[1], strict=True))
    assert [packet.data for packet in first[0]] != [packet.data for packet in other[0]]


def test_it_is_a_camera_in_real_time_with_a_keyframe_each_second() -> None:
    clock = SimulatedClock()
    begin = clock.monotonic()
    packets, frames = watch(scene(clock))
    assert len(packets) == 300
    assert len(frames) == 150
    assert [round(packet.seconds - begin) for packet in packets if packet.keyframe] == [*range(20)]
    assert clock.monotonic() - begin == pytest.approx(20, abs=0.1)
    assert all(packet.delay_seconds == 0 for packet in packets)


def test_its_packets_are_a_playable_recording() -> None:
    source = scene(SimulatedClock(), duration_seconds=3.0)
    paper = Paper()
    mp4 = FragmentedMp4(paper, source.open())
    packets = [item for item in source.read() if isinstance(item, Packet)]
    for packet in packets:
        mp4.add(packet)
    mp4.close()
    assert play(bytes(paper.data)).pictures == 45


@pytest.mark.parametrize("seed", [1, 2])
def test_the_detector_sees_each_walker_and_only_them(seed: int) -> None:
    clock = SimulatedClock()
    begin = clock.monotonic()
    look = MotionDetector(frames_per_second=7.5)
    _, frames = watch(scene(clock, seed=seed, walkers_per_minute=3.0, duration_seconds=100.0))
    seen = [frame.seconds - begin for frame in frames if look(frame.luma, frame.seconds)]
    street = Street(width=320, height=180, seed=seed, walkers_per_minute=3.0)
    walks = [
        (one.starts, one.starts + one.crossing) for t in range(100) for one in street.walkers(t)
    ]
    for start, end in set(walks):
        if end < 100:
            assert any(start <= moment <= start + 2 for moment in seen)
    assert all(any(start <= moment <= end + 1 for start, end in walks) for moment in seen)


def test_a_still_street_is_still_even_when_the_light_changes() -> None:
    look = MotionDetector(frames_per_second=7.5)
    _, frames = watch(scene(SimulatedClock(), walkers_per_minute=0.0, duration_seconds=120.0))
    answers = [look(frame.luma, frame.seconds) for frame in frames]
    assert not any(answers)


def test_a_privacy_zone_is_hidden_in_recording_and_small_picture() -> None:
    right_half = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    source = scene(SimulatedClock(), privacy=PrivacyMask([right_half]), duration_seconds=6.0)
    paper = Paper()
    mp4 = FragmentedMp4(paper, source.open())
    for item in source.read():
        if isinstance(item, Packet):
            mp4.add(item)
            continue
        assert item.chroma is not None
        assert np.unique(item.luma[:, 160:]).tolist() == [16]
        assert np.unique(item.chroma[:, :, 80:]).tolist() == [128]
        assert item.luma[:, :158].min() > 16
    mp4.close()
    with av.open(io.BytesIO(bytes(paper.data)), "r") as container:
        for picture in container.decode(video=0):
            luma, *chroma = (rows_of(plane).astype(int) for plane in picture.planes)
            assert np.abs(luma[:, 168:] - 16).max() <= 3
            assert np.abs(np.stack(chroma)[:, :, 84:] - 128).max() <= 3


def test_frames_have_the_colours_of_the_street_and_the_encoder_is_named() -> None:
    source = scene(SimulatedClock(), duration_seconds=1.0)
    source.open()
    assert source.encoder == "libx264 (software)"
    frames = [item for item in source.read() if isinstance(item, Frame)]
    source.close()
    street = Street(width=320, height=180, seed=1, walkers_per_minute=6.0).picture(0)
    blue, green, red = street.reshape(-1, 3).mean(axis=0)
    for frame in frames[:1]:
        assert frame.chroma is not None
        cb, cr = frame.chroma.reshape(2, -1).mean(axis=1)
        assert cb == pytest.approx(128 - 0.148 * red - 0.291 * green + 0.439 * blue, abs=1)
        assert cr == pytest.approx(128 + 0.439 * red - 0.368 * green - 0.071 * blue, abs=1)
