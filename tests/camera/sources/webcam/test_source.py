"""The webcam, up to OpenCV's capture object.

No kernel module on the machines that run these tests gives a V4L2 device, so the boundary
is :class:`tests.support.webcam.FakeCapture`: what OpenCV itself does with a real driver is
not shown here. Decoding, painting, encoding and what is recorded are real.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable
from typing import Any

import av
import cv2
import numpy as np
import pytest

from agent import config
from agent.camera.detection.detector import MotionDetector
from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Frame, Interruption, Item, Packet, VideoFormat
from agent.camera.sources.factory import choose_source
from agent.camera.sources.luma import rows_of
from agent.camera.sources.webcam import v4l2
from agent.camera.sources.webcam.source import Webcam
from agent.camera.zones import PrivacyMask
from agent.config import WebcamSource
from agent.errors import CameraFault
from tests.camera.recording.test_muxer import Paper
from tests.support.clock import SimulatedClock
from tests.support.video import play
from tests.support.webcam import FakeCapture, Picture, grey, greys, jpeg, walker

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


class Session:
    """A webcam, and everything that it gave until it was unplugged."""

    def __init__(
        self,
        clock: SimulatedClock,
        capture: FakeCapture,
        *,
        privacy: PrivacyMask | None = None,
        explain: Callable[[str], CameraFault] = v4l2.explain,
        **changes: Any,
    ) -> None:
        self.source = Webcam(
            WebcamSource(**{"width": 640, "height": 360, **changes}),
            privacy=privacy or PrivacyMask(()),
            motion_frames_per_second=7.5,
            timeout_seconds=7.5,
            clock=clock,
            open_capture=capture.opened,
            explain=explain,
        )
        self.packets: list[Packet] = []
        self.frames: list[Frame] = []

    def watch(self) -> VideoFormat:
        self.format = self.source.open()
        for item in self.source.read():
            if isinstance(item, Interruption):
                self.fault = item.fault
                break
            (self.packets if isinstance(item, Packet) else self.frames).append(item)  # type: ignore[arg-type]
        self.source.close()
        return self.format

    def recording(self) -> bytes:
        paper = Paper()
        mp4 = FragmentedMp4(paper, self.format)
        for packet in self.packets:
            mp4.add(packet)
        mp4.close()
        return bytes(paper.data)

    def pictures(self) -> list[av.VideoFrame]:
        with av.open(io.BytesIO(self.recording()), "r") as container:
            return list(container.decode(video=0))


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


FORMATS = [("MJPG", "mjpeg"), ("YUYV", "yuyv")]


@pytest.mark.parametrize(("fourcc", "pixel_format"), FORMATS)
def test_every_picture_of_the_camera_is_recorded(
    clock: SimulatedClock, fourcc: str, pixel_format: str
) -> None:
    capture = FakeCapture(clock, pixel_format=fourcc)
    session = Session(clock, capture, pixel_format=pixel_format)
    session.watch()
    played = play(session.recording())
    assert (session.format.width, session.format.height) == (640, 360)
    assert played.pictures == len(played.packets) == len(capture.taken) == 60
    assert [packet.seconds for packet in session.packets] == pytest.approx(capture.taken)
    assert all(packet.delay_seconds == 0 for packet in session.packets)
    assert len(session.frames) == 30
    assert {frame.seconds for frame in session.frames} <= {
        packet.seconds for packet in session.packets
    }
    assert capture.released
    assert "unplugged" in session.fault.message


@pytest.mark.parametrize(("fourcc", "pixel_format"), FORMATS)
def test_a_grey_is_the_same_grey_in_the_recording_and_for_the_detector(
    clock: SimulatedClock, fourcc: str, pixel_format: str
) -> None:
    session = Session(
        clock,
        FakeCapture(clock, pixel_format=fourcc, picture=greys, pictures=8),
        pixel_format=pixel_format,
    )
    session.watch()
    shown = session.pictures()[-1].to_ndarray(format="rgb24").astype(int)
    small = session.frames[-1]
    assert small.chroma is not None
    assert np.abs(small.chroma.astype(int) - 128).max() <= 1
    for grey_level, row, small_row in ((10, 60, 30), (128, 180, 90), (245, 300, 150)):
        assert np.abs(shown[row] - grey_level).max() <= 2
        in_video_range = 16 + grey_level * 219 / 255
        assert np.abs(small.luma[small_row] - in_video_range).max() <= 1


@pytest.mark.parametrize("layout", ["420", "422", "444"])
def test_jpegs_of_every_layout_are_read(clock: SimulatedClock, layout: str) -> None:
    capture = FakeCapture(clock, pictures=5)
    capture.layout = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{layout}")
    session = Session(clock, capture)
    session.watch()
    assert len(session.packets) == 5


def without_tables(picture: bytes) -> bytes:
    """``picture`` without its Huffman tables, which many cameras leave out (AVI1's MJPEG)."""
    at = 2
    kept = picture[:2]
    while picture[at + 1] != 0xDA:
        size = 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        if picture[at + 1] != 0xC4:
            kept += picture[at : at + size]
        at += size
    return kept + picture[at:]


def test_jpegs_without_huffman_tables_and_with_padding_are_read(clock: SimulatedClock) -> None:
    assert len(without_tables(jpeg(grey(0, 64, 64)))) < len(jpeg(grey(0, 64, 64)))
    capture = FakeCapture(clock, picture=grey, pictures=5)
    capture.change = lambda data: without_tables(data) + bytes(1000)
    session = Session(clock, capture)
    session.watch()
    assert np.abs(session.pictures()[-1].to_ndarray(format="rgb24").astype(int) - 128).max() <= 2


@pytest.mark.parametrize(("fourcc", "pixel_format"), FORMATS)
def test_a_privacy_zone_is_black_in_every_picture_and_small_picture(
    clock: SimulatedClock, fourcc: str, pixel_format: str
) -> None:
    capture = FakeCapture(clock, pixel_format=fourcc)
    session = Session(clock, capture, pixel_format=pixel_format, privacy=PrivacyMask([LEFT_HALF]))
    session.watch()
    pictures = session.pictures()
    assert len(pictures) == 60
    for picture in pictures:
        luma, cb, cr = (rows_of(plane).astype(int) for plane in picture.planes)
        assert np.abs(luma[:, :312] - 16).max() <= 3
        assert np.abs(np.stack([cb, cr])[:, :, :156] - 128).max() <= 3
        assert luma[:, 330:].min() > 60
    for frame in session.frames:
        assert frame.chroma is not None
        assert np.unique(frame.luma[:, :160]).tolist() == [16]
        assert np.unique(frame.chroma[:, :, :80]).tolist() == [128]


def test_the_detector_sees_a_walker(clock: SimulatedClock) -> None:
    session = Session(clock, FakeCapture(clock, pictures=120))
    session.watch()
    look = MotionDetector(frames_per_second=7.5)
    assert any(look(frame.luma, frame.seconds) for frame in session.frames)


def test_in_the_dark_the_rate_halves_and_keyframes_still_come_each_second(
    clock: SimulatedClock,
) -> None:
    capture = FakeCapture(clock, says_rate=15, pictures=90)
    capture.rate = 7.5
    session = Session(clock, capture)
    session.watch()
    keys = [packet.seconds for packet in session.packets if packet.keyframe]
    assert len(keys) == 12
    assert all(b - a <= 1 + 1 / 7.5 for a, b in itertools.pairwise(keys))
    assert [packet.duration_seconds for packet in session.packets[1:]] == pytest.approx(
        [1 / 7.5] * 89
    )


def test_a_camera_that_only_goes_faster_is_thinned_out(
    clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = Session(clock, FakeCapture(clock, rate=30, pictures=120))
    session.watch()
    assert len(session.packets) == 60
    assert "gives 30 frames a second instead of 15" in caplog.text


@pytest.mark.parametrize("says", [0.0, -1.0, float("nan"), float("inf")])
def test_a_camera_that_does_not_know_its_rate_is_believed_to_do_as_asked(
    clock: SimulatedClock, says: float
) -> None:
    session = Session(clock, FakeCapture(clock, says_rate=says, pictures=20))
    session.watch()
    assert session.packets[0].duration_seconds == pytest.approx(1 / 15)


@pytest.mark.parametrize("stamps", ["wall", "none", "future"])
def test_a_driver_with_implausible_times_is_dated_by_arrival(
    clock: SimulatedClock, stamps: str
) -> None:
    capture = FakeCapture(clock, stamps=stamps, late=0.02)
    session = Session(clock, capture)
    session.watch()
    arrived = [taken + 0.02 for taken in capture.taken]
    assert [packet.seconds for packet in session.packets] == pytest.approx(arrived)


def test_time_never_steps_back_when_the_driver_s_does(clock: SimulatedClock) -> None:
    capture = FakeCapture(clock, pictures=30)
    ours = capture.get

    def get(what: int, /) -> float:
        back = 1000 if what == cv2.CAP_PROP_POS_MSEC and 10 <= len(capture.taken) < 14 else 0
        return ours(what) - back

    capture.get = get  # type: ignore[method-assign]
    session = Session(clock, capture)
    session.watch()
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(session.packets))
    assert session.packets[-1].seconds == pytest.approx(capture.taken[-1])


def test_a_grab_or_two_that_fail_are_skipped(clock: SimulatedClock) -> None:
    capture = FakeCapture(clock, grabs={5: "miss", 9: "miss", 10: "miss"})
    session = Session(clock, capture)
    session.watch()
    assert len(session.packets) == 57


@pytest.mark.parametrize("what", ["cut", "junk"])
def test_damaged_pictures_are_skipped(clock: SimulatedClock, what: str) -> None:
    session = Session(clock, FakeCapture(clock, grabs={0: what, 7: what, 8: what}))
    session.watch()
    assert len(session.packets) == 57
    assert play(session.recording()).pictures == 57


def test_damaged_pictures_with_good_ones_between_are_no_reason_to_give_up(
    clock: SimulatedClock,
) -> None:
    damaged = {number: "cut" for number in range(200) if number % 10}
    session = Session(clock, FakeCapture(clock, grabs=damaged, pictures=200))
    session.watch()
    assert len(session.packets) == 20
    assert "unplugged" in session.fault.message


def test_nothing_but_damaged_pictures_is_a_fault(clock: SimulatedClock) -> None:
    capture = FakeCapture(clock, grabs=dict.fromkeys(range(10, 60), "cut"))
    session = Session(clock, capture)
    session.watch()
    assert len(capture.taken) == 40
    assert str(session.fault) == (
        "/dev/video0 sends pictures that cannot be read. "
        "Use another cable or USB port, or set camera.source.pixel_format to yuyv"
    )


def ended_otherwise(end: bytes) -> Callable[[bytes], bytes]:
    """Each JPEG with ``end`` in place of the marker that ends it."""
    return lambda data: data[:-2] + end


@pytest.mark.parametrize("end", [b"", bytes(4), bytes(700)], ids=["none", "zeros", "padding"])
@pytest.mark.parametrize("picture", [grey, greys, walker])
def test_jpegs_without_an_end_marker_are_read(
    clock: SimulatedClock, picture: Picture, end: bytes
) -> None:
    capture = FakeCapture(clock, picture=picture)
    capture.change = ended_otherwise(end)
    session = Session(clock, capture)
    session.watch()
    assert len(session.packets) == 60


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_jpegs_that_are_cut_off_are_not(clock: SimulatedClock, share: float) -> None:
    capture = FakeCapture(clock, picture=walker, pictures=10)
    capture.change = lambda data: data[: 700 + round((len(data) - 700) * share)]
    session = Session(clock, capture)
    session.watch()
    assert session.packets == []


def test_a_camera_that_is_unplugged_is_looked_for_until_it_returns(clock: SimulatedClock) -> None:
    gone = [FakeCapture(clock, is_open=False) for _ in range(3)]
    captures = iter([FakeCapture(clock), *gone, FakeCapture(clock)])
    session = Session(clock, FakeCapture(clock), explain=lambda device: CameraFault("is away"))
    session.source._open_capture = lambda *given: next(captures).opened(*given)
    items: list[Item] = [session.source.open()]
    reading = session.source.read()
    while sum(isinstance(item, Packet) for item in items) < 90:
        items.append(next(reading))
    told = [item for item in items if isinstance(item, VideoFormat | Interruption)]
    assert [type(item) for item in told] == [VideoFormat, *[Interruption] * 4, VideoFormat]
    assert "unplugged" in told[1].fault.message  # type: ignore[union-attr]
    assert told[2].fault.message == "is away"  # type: ignore[union-attr]
    seconds = [item.seconds for item in items if isinstance(item, Packet)]
    assert seconds == sorted(seconds)
    assert all(capture.released for capture in gone)


def test_a_camera_that_stalls_is_given_up_after_one_wait(clock: SimulatedClock) -> None:
    capture = FakeCapture(clock, grabs={20: "stall"}, stall_seconds=7)
    session = Session(clock, capture)
    session.watch()
    assert capture.timeout_seconds == 7  # whole seconds within 7.5
    assert len(session.packets) == len(capture.taken) == 20
    assert "stopped giving pictures" in session.fault.message


def test_pictures_that_change_their_size_are_a_fault(clock: SimulatedClock) -> None:
    capture = FakeCapture(clock)
    capture.change = lambda data: jpeg(grey(0, 320, 240)) if len(capture.taken) > 9 else data
    session = Session(clock, capture)
    session.watch()
    assert "sends 320x240 instead of the 640x360" in session.fault.message
    assert len(session.packets) == 9


def refused(clock: SimulatedClock, capture: FakeCapture, **changes: Any) -> str:
    source = Session(clock, capture, **changes).source
    with pytest.raises(CameraFault) as caught:
        source.open()
    source.close()
    assert capture.released
    return str(caught.value)


def test_another_size_is_refused_with_the_one_that_would_do(clock: SimulatedClock) -> None:
    said = refused(clock, FakeCapture(clock, sizes=[(640, 480)]), width=1280, height=720)
    assert said.startswith(
        "/dev/video0 gives 640x480 when asked for 1280x720. "
        "Set camera.source.width to 640 and height to 480, or to another size"
    )


@pytest.mark.parametrize(
    ("fourcc", "asked", "cure"), [("YUYV", "mjpeg", "yuyv"), ("MJPG", "yuyv", "mjpeg")]
)
def test_another_pixel_format_is_refused(
    clock: SimulatedClock, fourcc: str, asked: str, cure: str
) -> None:
    said = refused(clock, FakeCapture(clock, pixel_format=fourcc), pixel_format=asked)
    assert f"gives {fourcc} pictures when asked for" in said
    assert said.endswith(f"Set camera.source.pixel_format to {cure}")


def test_a_device_that_does_not_open_says_why(clock: SimulatedClock) -> None:
    fault = CameraFault("somebody has it", advice="Ask")
    capture = FakeCapture(clock, is_open=False)
    said = refused(clock, capture, explain=lambda device: fault)
    assert said == "somebody has it. Ask"


def test_opencv_itself_and_the_device_s_own_word_for_a_camera_that_is_not_there(
    clock: SimulatedClock,
) -> None:
    settings = config.Camera(source=config.WebcamSource(device="/dev/video-none"))
    source = choose_source(settings, clock=clock)
    with pytest.raises(CameraFault, match="there is no /dev/video-none"):
        source.open()
    source.close()


def test_the_encoder_is_named(clock: SimulatedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    session = Session(clock, FakeCapture(clock, pictures=2))
    assert session.source.encoder == ""
    session.watch()
    assert session.source.encoder in ("h264_v4l2m2m (hardware)", "libx264 (software)")
    assert f"encoding with {session.source.encoder}" in caplog.text
