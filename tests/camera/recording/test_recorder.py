"""The beginnings, ends and continuations of clips, on real packets and a real vault."""

from __future__ import annotations

import base64
import errno
import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
import pyrage
import pytest

from agent import config
from agent.camera.detection.detector import MotionDetector
from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.recording.recorder import Recorder
from agent.camera.source import LUMA_HEIGHT, LUMA_WIDTH, Frame, Packet
from agent.camera.sources.annexb import pictures_until_shown
from agent.errors import CameraFault, StorageFault
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Clip
from tests.camera.detection.test_detector import Lens
from tests.support.clock import SimulatedClock
from tests.support.house import House
from tests.support.video import Video, load, make, play, repeat, unseal, write_video

STEP = 1 / 15  # seconds between packets; a keyframe each second


class Rig:
    """A recorder between a camera's packets and a vault."""

    def __init__(self, folder: Path, video: Video, *, max_clip_seconds: float = 60) -> None:
        self.house = House.build(folder / "house")
        self.index = self.house.open_index()
        self.clock: SimulatedClock = self.house.clock
        self.start = self.clock.monotonic()
        self.wall = self.clock.now()
        self.full = False
        self.finished: list[Clip] = []
        self._packets = repeat(video, 1e6)
        self.store = ClipStore(
            self.house.config.state_dir,
            self.index,
            recipients=self.house.recipients,
            clock=self.clock,
        )
        self.recorder = Recorder(
            store=self.store,
            video=video.format,
            clock=self.clock,
            lengths=config.Recording(
                pre_roll_seconds=3, post_roll_seconds=4, max_clip_seconds=max_clip_seconds
            ),
            before_clip=self._before_clip,
            after_clip=self.finished.append,
        )

    def _before_clip(self) -> None:
        if self.full:
            raise StorageFault("no room")

    def change(self, video: Video, at: float) -> None:
        """From second ``at`` on, the camera sends ``video``."""
        self.recorder.change(video.format)
        packets = (replace(each, seconds=each.seconds + at) for each in repeat(video, 1e6))
        self._packets = packets

    def run(
        self,
        until: float,
        *,
        motion: tuple[float, float] = (0, 0),
        strength: Callable[[float], float] = lambda seconds: 1.0,
    ) -> None:
        """Packets until second ``until``, with motion from and to the seconds given, and of
        the ``strength`` of that moment.
        """
        for packet in self._packets:
            at = self.start + packet.seconds
            self.clock.advance(at - self.clock.monotonic())
            self.recorder.packet(replace(packet, seconds=at))
            if motion[0] <= packet.seconds < motion[1]:
                self.recorder.motion(self.frame(at), strength(packet.seconds))
            else:
                self.recorder.stillness(self.frame(at))
            if packet.seconds >= until - STEP * 1.5:
                break

    def spans(self) -> list[tuple[float, float]]:
        """Begin and end of each clip in seconds since the start, by the wall clock."""
        return [
            (
                round(clip.started_at - self.wall, 2),
                round((clip.started_at + clip.duration_seconds) - self.wall, 2),
            )
            for clip in self.finished
        ]

    def frame(self, at: float) -> Frame:
        """A picture whose brightness says which second it is of, in a colour of its own."""
        luma = np.full((LUMA_HEIGHT, LUMA_WIDTH), 40 + 3 * round(at - self.start), np.uint8)
        chroma = np.full((2, LUMA_HEIGHT // 2, LUMA_WIDTH // 2), 124, np.uint8)
        return Frame(luma, at, chroma)

    def shown_second(self, clip: Clip) -> int:
        """The second that the clip's picture shows, once its owner has opened it."""
        sealed = self.store.read_sidecar(clip.id).sealed_thumbnail
        assert sealed is not None
        identity = pyrage.x25519.Identity.from_str(self.house.owner.identity)
        jpeg = pyrage.decrypt(base64.b64decode(sealed), [identity])
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (LUMA_HEIGHT, LUMA_WIDTH, 3)
        full_range = float(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV)[..., 0].mean())
        return round((full_range * 219 / 255 + 16 - 40) / 3)

    def opened(self, clip: Clip) -> bytes:
        return unseal(self.store.path(clip.id), self.house.owner.identity)


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return make(tmp_path, seconds=4)


def test_a_clip_has_its_pre_roll_from_a_keyframe_and_its_post_roll(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=30, motion=(10.5, 12))
    ((begin, end),) = rig.spans()
    assert begin == 7.0
    assert end == pytest.approx(12 + 4, abs=0.1)
    played = play(rig.opened(rig.finished[0]))
    assert played.first_is_keyframe
    assert played.pictures == len(played.packets) == round(rig.finished[0].duration_seconds * 15)
    assert played.streams == ("video",)


def test_motion_that_comes_back_within_the_post_roll_is_one_clip(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=13, motion=(10, 11))
    rig.run(until=30, motion=(14, 15))
    assert [begin for begin, _ in rig.spans()] == [7.0]
    assert rig.spans()[0][1] == pytest.approx(19, abs=0.1)


def test_a_long_clip_goes_on_in_the_next_without_gap_or_overlap(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video, max_clip_seconds=10)
    rig.run(until=60, motion=(5, 40))
    spans = rig.spans()
    assert len(spans) == 5
    assert all(
        earlier[1] == pytest.approx(later[0], abs=0.011)
        for earlier, later in itertools.pairwise(spans)
    )
    packets: list[bytes] = []
    for clip in rig.finished:
        played = play(rig.opened(clip))
        assert played.first_is_keyframe
        assert played.pictures == len(played.packets)
        packets += played.packets
    expected = [packet.data for packet in repeat(video, 60)]
    first = round(spans[0][0] / STEP)
    assert packets == expected[first : first + len(packets)]
    assert len(packets) == round((spans[-1][1] - spans[0][0]) / STEP)


def test_the_next_clip_does_not_repeat_the_one_before_it(tmp_path: Path, video: Video) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=15.5, motion=(10, 11))
    rig.run(until=30, motion=(15.5, 16))
    first, second = rig.spans()
    assert first[1] - 1 < second[0] <= first[1]


def test_motion_before_the_first_keyframe_waits_for_one(tmp_path: Path, video: Video) -> None:
    rig = Rig(tmp_path, video)
    rig.recorder.motion(rig.frame(rig.start), 1.0)
    assert not rig.recorder.recording
    rig.run(until=8, motion=(0, 2))
    assert [begin for begin, _ in rig.spans()] == [0.0]


def test_a_full_disk_costs_the_clip_and_not_the_pre_roll(tmp_path: Path, video: Video) -> None:
    rig = Rig(tmp_path, video)
    rig.full = True
    with pytest.raises(StorageFault):
        rig.run(until=30, motion=(10, 11))
    assert not rig.recorder.recording
    rig.run(until=12)
    rig.full = False
    rig.run(until=30, motion=(12, 13))
    assert [begin for begin, _ in rig.spans()] == [9.0]


def test_a_disk_that_fills_up_while_recording_leaves_the_clip_to_the_recovery(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=12, motion=(5, 12))
    recorder = rig.recorder
    assert recorder.recording
    recording = recorder._recording
    assert recording is not None

    def full(data: bytes) -> int:
        raise StorageFault("no space left")

    monkeypatch.setattr(recording._draft, "write", full)
    with pytest.raises(StorageFault, match="no space left"):
        rig.run(until=30, motion=(12, 30))
    assert not rig.recorder.recording
    assert rig.finished == []
    rig.run(until=40, motion=(32, 33))
    rig.run(until=42)
    assert len(rig.finished) == 1
    assert len(rig.store.recover().closed) == 1


def peak_at(peak: float) -> Callable[[float], float]:
    return lambda seconds: 100 - abs(seconds - peak)


def test_the_owner_opens_a_picture_of_the_strongest_moment(tmp_path: Path, video: Video) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=30, motion=(10, 20), strength=peak_at(17))
    assert [rig.shown_second(clip) for clip in rig.finished] == [17]


def test_a_stronger_moment_after_a_rest_is_still_the_same_clips_picture(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=13, motion=(10, 11), strength=lambda _: 1.0)
    rig.run(until=30, motion=(14, 15.5), strength=lambda _: 2.0)
    assert [rig.shown_second(clip) for clip in rig.finished] == [14]


def test_each_part_of_a_long_clip_shows_its_own_strongest_moment(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video, max_clip_seconds=10)
    rig.run(until=40, motion=(5, 24), strength=peak_at(8))
    assert [(round(begin), round(end)) for begin, end in rig.spans()] == [
        (2, 12),
        (12, 22),
        (22, 28),
    ]
    first, second, third = (rig.shown_second(clip) for clip in rig.finished)
    assert first == 8
    assert second == 12
    assert third == 22


def test_a_continued_clip_without_motion_shows_its_first_picture(
    tmp_path: Path, video: Video
) -> None:
    rig = Rig(tmp_path, video, max_clip_seconds=10)
    rig.run(until=40, motion=(5, 11))
    assert [(round(begin), round(end)) for begin, end in rig.spans()] == [(2, 12), (12, 15)]
    assert rig.shown_second(rig.finished[1]) == 12


def test_a_person_that_comes_stands_still_and_goes_is_in_one_clip(
    tmp_path: Path, video: Video
) -> None:
    """The real detector loses a person that stands still; the post-roll keeps the clip going."""
    rig, lens, detector = Rig(tmp_path, video), Lens(), MotionDetector(frames_per_second=7.5)
    rig.recorder.lengths = config.Recording(pre_roll_seconds=3, max_clip_seconds=60)
    answers = {}
    for number, packet in enumerate(repeat(video, 40)):
        at = rig.start + packet.seconds
        rig.clock.advance(at - rig.clock.monotonic())
        rig.recorder.packet(Packet(packet.data, packet.keyframe, at, packet.duration_seconds))
        if number % 2:
            continue
        walked = min(max(packet.seconds - 10, 0), 2) + min(max(packet.seconds - 16, 0), 4)
        box = (round(walked * 56), 40, 200) if 10 <= packet.seconds < 20 else None
        picture = Frame(lens.picture(box=box), at)
        if detector(picture.luma, at):
            answers[packet.seconds] = True
            rig.recorder.motion(picture, detector.strength)
        else:
            rig.recorder.stillness(picture)
    assert not any(13 < seconds < 16 for seconds in answers), "who stands is not motion"
    ((begin, end),) = rig.spans()
    assert 6 <= begin <= 7.5
    assert 5 <= end - max(answers) <= 10
    assert max(answers) > 19


def fail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let FFmpeg refuse the next packet, as it does one that comes too early."""
    add = FragmentedMp4.add

    def refuse(mp4: FragmentedMp4, packet: Packet) -> bool:
        monkeypatch.setattr(FragmentedMp4, "add", add)
        raise av.error.ArgumentError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(FragmentedMp4, "add", refuse)


def test_a_packet_that_the_muxer_refuses_ends_the_clip_as_truncated_and_is_in_the_next(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=12.4, motion=(10, 14))
    fail_once(monkeypatch)
    rig.run(until=30, motion=(10, 14))
    cut_short, goes_on = rig.finished
    assert [cut_short.truncated, goes_on.truncated] == [True, False]
    (_, end), (begin, _) = rig.spans()
    assert end - 1 <= begin <= end
    played = play(rig.opened(cut_short))
    assert played.pictures == round(cut_short.duration_seconds * 15)
    assert play(rig.opened(goes_on)).first_is_keyframe


def test_a_muxer_that_takes_nothing_is_the_end_of_the_process(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=9)

    def refuse(mp4: FragmentedMp4, packet: Packet) -> bool:
        raise av.error.ArgumentError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(FragmentedMp4, "add", refuse)
    with pytest.raises(CameraFault, match="cannot be written"):
        rig.run(until=30, motion=(10, 14))
    assert not rig.recorder.recording


@pytest.fixture
def larger(tmp_path: Path) -> Video:
    (tmp_path / "larger").mkdir()
    return make(tmp_path / "larger", seconds=4, size=(320, 180), codec="libx265")


def sizes(rig: Rig) -> list[tuple[int, int]]:
    """Of the pictures in each clip, as a player sees them."""
    found = []
    for clip in rig.finished:
        with av.open(io.BytesIO(rig.opened(clip)), "r") as container:
            pictures = [*container.decode(video=0)]
            found.append((pictures[-1].width, pictures[-1].height))
            assert len(pictures) == round(clip.duration_seconds * 15)
    return found


def test_a_new_size_ends_the_clip_and_the_next_goes_on_with_its_motion(
    tmp_path: Path, video: Video, larger: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=12, motion=(10, 12))
    rig.change(larger, at=12)
    rig.run(until=40, motion=(10, 13))
    assert rig.spans() == [(7.0, 12.0), (12.0, pytest.approx(17, abs=0.1))]
    assert sizes(rig) == [(192, 108), (320, 180)]


def test_a_new_size_in_the_post_roll_does_not_end_the_recording(
    tmp_path: Path, video: Video, larger: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=14, motion=(10, 11))
    rig.change(larger, at=14)
    rig.run(until=40)
    assert rig.spans() == [(7.0, 14.0), (14.0, pytest.approx(15, abs=0.1))]


def test_the_pre_roll_reaches_back_over_a_new_size(
    tmp_path: Path, video: Video, larger: Video
) -> None:
    rig = Rig(tmp_path, video)
    rig.run(until=12)
    rig.change(larger, at=12)
    rig.run(until=40, motion=(13, 14))
    assert rig.spans() == [(10.0, 12.0), (12.0, pytest.approx(18, abs=0.1))]
    assert sizes(rig) == [(192, 108), (320, 180)]


def test_damaged_pictures_prolong_a_clip_and_begin_none(tmp_path: Path, video: Video) -> None:
    rig = Rig(tmp_path, video)
    rig.recorder.unjudged(rig.start)
    rig.run(until=12, motion=(10, 11))
    for packet in itertools.islice(rig._packets, 150):
        at = rig.start + packet.seconds
        rig.clock.advance(at - rig.clock.monotonic())
        rig.recorder.packet(replace(packet, seconds=at))
        rig.recorder.unjudged(at)
    assert rig.recorder.recording, "10 s in which nobody could see"
    rig.run(until=60)
    ((begin, end),) = rig.spans()
    assert begin == 7.0
    assert end == pytest.approx(11 + 10 + 4, abs=0.2)


@pytest.fixture
def refreshed(tmp_path: Path) -> Video:
    """Periodic intra refresh: one IDR at the beginning, a recovery point each 25 pictures."""
    file = write_video(
        tmp_path / "refresh.ts",
        seconds=40,
        gop=25,
        format_name="mpegts",
        x264="intra-refresh=1:repeat-headers=1",
    )
    loaded = load(file)
    packets = [
        replace(packet, until_shown=pictures_until_shown(packet.data, "h264"))
        for packet in loaded.packets
    ]
    return Video(loaded.format, tuple(packets[1:]))


def shown_at(recording: bytes) -> list[float]:
    with av.open(io.BytesIO(recording), "r") as container:
        return [picture.time or 0.0 for picture in container.decode(video=0)]


def test_a_clip_of_an_intra_refresh_begins_with_a_picture(tmp_path: Path, refreshed: Video) -> None:
    assert max(packet.until_shown for packet in refreshed.packets) > 5
    rig = Rig(tmp_path, refreshed, max_clip_seconds=10)
    rig.run(until=39, motion=(10.5, 25))
    assert len(rig.finished) >= 2
    for clip in rig.finished:
        times = shown_at(rig.opened(clip))
        assert times[0] < 0.01
        assert len(times) == pytest.approx(clip.duration_seconds * 15, abs=1)
        assert times[-1] - times[0] == pytest.approx(clip.duration_seconds, abs=0.1)
    spans = rig.spans()
    assert spans[0][0] <= 7.5
    assert all(
        earlier[1] == pytest.approx(later[0], abs=0.011)
        for earlier, later in itertools.pairwise(spans)
    )
