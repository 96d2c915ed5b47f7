"""picamera2 and libcamera as far as the product uses them, with a board in a test's hand.

>>> board = FakeBoard()                      # one camera, a board with its own encoder or not
>>> board.install(monkeypatch)               # now ``import picamera2`` gives this
>>> source.open()                            # the board takes ``at_start`` pictures by itself
>>> board.shoot(3)                           # and as many more as the test wants
>>> board.calls, board.controls, board.encoder.options     # what it was asked

What the real ones do to whoever uses them is done here too: an event loop that dies of what
is raised on it, an encoder with a thread of its own that dies as silently, controls that are
refused unless offered, sizes that are adjusted without a word. Packets are real H.264.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from tests.support.clock import SimulatedClock

OURS = tuple(f"agent.camera.sources.pi.{part}" for part in ("camera", "controls", "threads"))
OFFERED: dict[str, tuple[Any, Any, Any]] = {
    "FrameDurationLimits": (16_666, 120_000_000, 33_333),
    "AeExposureMode": (0, 3, 0),
    "ExposureValue": (-8.0, 8.0, 0.0),
}
AUTOFOCUS: dict[str, tuple[Any, Any, Any]] = {
    "AfMode": (0, 2, 0),
    "LensPosition": (0.0, 15.0, 1.0),
}


@dataclass(frozen=True)
class Transform:
    hflip: int = 0
    vflip: int = 0


@dataclass
class FakeBoard:
    """A board, and what is to happen on it."""

    clock: SimulatedClock | None = None  # moves along with the pictures
    cameras: list[str] = field(default_factory=lambda: ["imx219"])
    hardware_encoder: bool = False
    offered: dict[str, tuple[Any, Any, Any]] = field(default_factory=lambda: dict(OFFERED))
    stream_format: str = "YUV420"
    padding: int = 0  # bytes at the end of each row of luma
    adjusts_size_to: tuple[int, int] | None = None
    turns: bool = True  # whether it can mirror and rotate
    sensor_resolution: tuple[int, int] = (4608, 2592)
    full_range: bool = False
    at_start: int = 1  # pictures that come by themselves
    metadata: dict[str, Any] = field(default_factory=dict)
    draw: Callable[[int, NDArray[np.uint8]], None] | None = None  # (number, luma)
    stamp_seconds: float = 500.0  # of the sensor's clock, at the first picture
    frame_seconds: float = 1 / 15
    faults: dict[str, BaseException] = field(default_factory=dict)  # by the name of the call
    stuck: set[str] = field(default_factory=set)  # calls that never return
    encoder_fault: Exception | None = None
    repeats_headers: bool = True
    forces_keyframes: bool = True  # as picamera2 does since 0.3.31, for the board's encoder

    calls: list[str] = field(default_factory=list)
    controls: dict[str, Any] = field(default_factory=dict)
    sensor_hdr: list[bool] = field(default_factory=list)
    camera: FakePicamera2 | None = None
    encoder: FakeEncoder | None = None
    number: int = 0
    released: threading.Event = field(default_factory=threading.Event)  # lets go what is stuck

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the modules in place, and take ours that were made of others away."""
        for name, module in _modules(self).items():
            monkeypatch.setitem(sys.modules, name, module)
        for name in OURS:
            sys.modules.pop(name, None)

    def happens(self, call: str) -> None:
        """Do what is set for ``call``; one of the calls is ``import``."""
        self.calls.append(call)
        if call in self.stuck:
            self.released.wait(60)
        if call in self.faults:
            raise self.faults[call]

    def shoot(self, count: int = 1) -> None:
        """The sensor gives ``count`` pictures, and the event loop handles each."""
        camera = self.camera
        assert camera is not None
        for _ in range(count):
            request = FakeRequest(camera, self.number, self._metadata())
            if self.draw is not None:
                stream = camera.configuration["main"]
                rows = request.buffers["main"][: stream["stride"] * stream["size"][1]]
                self.draw(self.number, rows.reshape(stream["size"][1], -1))
            self.number += 1
            if self.clock is not None:
                self.clock.advance(self.frame_seconds)
            camera.arrive(request)

    def _metadata(self) -> dict[str, Any]:
        seconds = self.stamp_seconds + self.number * self.frame_seconds
        stamp = {"SensorTimestamp": round(seconds * 1e9)}
        return {k: v for k, v in (stamp | self.metadata).items() if v is not None}


class FakeRequest:
    """A picture in its buffers."""

    def __init__(self, camera: FakePicamera2, number: int, metadata: dict[str, Any]) -> None:
        self.config = camera.configuration
        self.number = number
        self.buffers = {
            name: np.full(self.config[name]["stride"] * self.config[name]["size"][1] * 3 // 2,
                          60 + number % 100, np.uint8)
            for name in ("main", "lores")
        }  # fmt: skip
        self._metadata = metadata

    def get_metadata(self) -> dict[str, Any]:
        return self._metadata


class FakeMappedArray:
    """The bytes of a stream, as they lie in memory."""

    def __init__(self, request: FakeRequest, stream: str, reshape: bool = True) -> None:
        assert not reshape, "shapes differ by format; the product does its own"
        self.array = request.buffers[stream]

    def __enter__(self) -> FakeMappedArray:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass


class FakePicamera2:
    """See picamera2.picamera2.Picamera2; ``board`` is set by :func:`_modules`."""

    board: FakeBoard

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        names = cls.board.cameras
        return [{"Model": name, "Num": n, "Id": f"/i2c/{n}"} for n, name in enumerate(names)]

    def __init__(self, camera_num: int = 0) -> None:
        self.board.happens("acquire")
        self.board.camera = self
        self.pre_callback: Callable[[FakeRequest], None] | None = None
        self.configuration: dict[str, Any] = {}
        self.camera_manager = SimpleNamespace(version="v0.0.fake")
        self._preview: Any = None
        self._encoders: list[FakeEncoder] = []
        self._running = False

    @property
    def sensor_modes(self) -> None:
        raise AssertionError("costs more memory than small boards have")

    @property
    def sensor_resolution(self) -> tuple[int, int]:
        return self.board.sensor_resolution

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        return self.board.offered

    def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def configure(self, asked: dict[str, Any]) -> None:
        self.board.happens("configure")
        assert self.board.calls.count("configure") == self.board.calls.count("acquire")
        board, given = self.board, dict(asked)
        for name in ("main", "lores"):
            size = board.adjusts_size_to if name == "main" else None
            width, height = size or asked[name]["size"]
            given[name] = {
                "size": (width, height),
                "format": board.stream_format,
                "stride": width + board.padding,
            }
        given["transform"] = asked["transform"] if board.turns else Transform()
        given["colour_space"] = SimpleNamespace(range="full" if board.full_range else "video")
        self.configuration = given

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def set_controls(self, wanted: dict[str, Any]) -> None:
        for name in wanted:
            if name not in self.board.offered:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.board.controls.update(wanted)

    def start_encoder(self, encoder: FakeEncoder, output: Any, name: str) -> None:
        self.board.happens("start_encoder")
        assert isinstance(output, FakeOutput)
        assert name == "main"
        self.board.encoder = encoder
        encoder.start(self.board, self.configuration["main"], output)
        self._encoders.append(encoder)

    def start_preview(self, preview: FakeNullPreview) -> None:
        self._preview = preview

    def start(self) -> None:
        self.board.happens("start")
        self._running = True
        self.board.shoot(self.board.at_start)

    def stop_preview(self) -> None:
        self.board.happens("stop_preview")
        assert self._preview is not None, "No preview specified."
        self._preview = None

    def stop_encoder(self) -> None:
        self.board.happens("stop_encoder")
        for encoder in self._encoders:
            encoder.stop()
        self._encoders = []

    def close(self) -> None:
        self.board.happens("close")
        self._preview = None
        self._running = False

    def arrive(self, request: FakeRequest) -> None:
        """Act as the camera manager's thread, then as the loop's."""
        if self._preview is not None and self._running and not self._preview.died:
            self._requests = [request]
            self._preview.wake(self)

    def process_requests(self, display: FakeNullPreview) -> None:
        assert display is self._preview
        for request in self._requests:
            if self.pre_callback:
                self.pre_callback(request)
        for request in self._requests:
            for encoder in self._encoders:
                encoder.encode(request)


class FakeNullPreview:
    """The event loop; dies of what is raised on it, without a word to anybody."""

    def __init__(self) -> None:
        self.died = False

    def wake(self, picam2: FakePicamera2) -> None:
        try:
            self.handle_request(picam2)
        except Exception:  # noqa: BLE001 - as the real one
            self.died = True

    def handle_request(self, picam2: FakePicamera2) -> None:
        picam2.process_requests(self)


class FakeOutput:
    """The receiver of packets."""

    def outputframe(
        self, frame: bytes, keyframe: bool, timestamp: int, packet: Any, audio: bool
    ) -> None:
        raise NotImplementedError


class FakeEncoder:
    """The common part of picamera2's encoders."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.firsttimestamp: int | None = None
        self.seen: list[NDArray[np.uint8]] = []  # the luma that it was given
        self.threads = 0

    def start(self, board: FakeBoard, stream: dict[str, Any], output: FakeOutput) -> None:
        self.board, self.stream, self.output = board, stream, output
        codec = av.CodecContext.create("libx264", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height = stream["size"]
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, 1_000_000)
        codec.framerate = Fraction(self.options["framerate"])
        codec.gop_size = self.options["iperiod"]
        codec.bit_rate = self.options["bitrate"]
        codec.thread_count = 1
        codec.options = {"preset": "ultrafast", "tune": "zerolatency"}
        if not board.repeats_headers:
            codec.flags |= int(av.codec.context.Flags.global_header)
        codec.open()
        self._stream: Any = codec

    def stop(self) -> None:
        pass

    def encode(self, request: FakeRequest) -> None:
        raise NotImplementedError

    def stamp(self, request: FakeRequest) -> int:
        microseconds = int(request.get_metadata()["SensorTimestamp"] / 1000)
        if self.firsttimestamp is None:
            self.firsttimestamp = microseconds
        return microseconds - self.firsttimestamp

    def picture(self, request: FakeRequest, stamp: int) -> av.VideoFrame:
        (width, height), stride = self.stream["size"], self.stream["stride"]
        luma = request.buffers["main"][: stride * height].reshape(height, stride)[:, :width]
        self.seen.append(luma.copy())
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = luma
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = stamp
        return picture

    def output_packets(self, picture: av.VideoFrame) -> None:
        for packet in self._stream.encode(picture):
            assert packet.pts is not None
            self.output.outputframe(bytes(packet), packet.is_keyframe, packet.pts, packet, False)


class FakeLibavH264Encoder(FakeEncoder):
    """libx264 on the event loop."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._key_frames_requested = self._key_frames_generated = 0

    def force_key_frame(self) -> None:
        self._key_frames_requested += 1

    def encode(self, request: FakeRequest) -> None:
        if self.board.encoder_fault is not None:
            raise self.board.encoder_fault
        picture = self.picture(request, self.stamp(request))
        if self._key_frames_requested > self._key_frames_generated:
            self._key_frames_generated += 1
            picture.pict_type = "I"  # type: ignore[assignment]  # so 0.3.38; PyAV 18 wants a number
        self.output_packets(picture)


class FakeV4L2Encoder(FakeEncoder):
    """The board's encoder: its packets come on a thread, which dies of what is raised on it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._key_frames_requested = self._key_frames_generated = 0

    def start(self, board: FakeBoard, stream: dict[str, Any], output: FakeOutput) -> None:
        board.happens("open codec")
        super().start(board, stream, output)
        self._requests: queue.Queue[tuple[FakeRequest, int, bool] | None] = queue.Queue()
        self.thread = threading.Thread(target=self._poll_or_die, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self._requests.put(None)
        self.thread.join(10)

    def encode(self, request: FakeRequest) -> None:
        forced = self._key_frames_requested > self._key_frames_generated
        self._key_frames_generated += forced
        self._requests.put((request, self.stamp(request), forced))

    def _poll_or_die(self) -> None:
        try:
            self.thread_poll(None)
        except Exception:  # noqa: BLE001 - as the real one
            return

    def thread_poll(self, buf_available: object) -> None:
        while (item := self._requests.get()) is not None:
            if self.board.encoder_fault is not None:
                raise self.board.encoder_fault
            request, stamp, forced = item
            picture = self.picture(request, stamp)
            if forced:  # V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME
                picture.pict_type = PictureType.I
            self.output_packets(picture)


class FakeOldH264Encoder(FakeV4L2Encoder):
    """As it was before picamera2 0.3.31."""


class FakeH264Encoder(FakeV4L2Encoder):
    def force_key_frame(self) -> None:
        self._key_frames_requested += 1


def _modules(board: FakeBoard) -> dict[str, ModuleType]:
    """The modules, with what the product imports from them."""
    camera = type("Picamera2", (FakePicamera2,), {"board": board})

    class Imx708:
        def __init__(self, number: int) -> None:
            board.happens("open sensor")

        def __enter__(self) -> Imx708:
            return self

        def __exit__(self, *exc: object) -> None:
            pass

        def set_sensor_hdr_mode(self, enable: bool) -> None:
            assert "acquire" not in board.calls
            board.sensor_hdr.append(enable)

    enums = {
        "AeExposureModeEnum": ("Normal", "Short", "Long"),
        "AfModeEnum": ("Manual", "Auto", "Continuous"),
        "HdrModeEnum": ("Off", "SingleExposure"),
    }
    named = {
        enum: SimpleNamespace(**{name: f"{enum}.{name}" for name in names})
        for enum, names in enums.items()
    }
    h264: type[FakeEncoder] = FakeLibavH264Encoder
    if board.hardware_encoder:
        h264 = FakeH264Encoder if board.forces_keyframes else FakeOldH264Encoder
    contents: dict[str, dict[str, Any]] = {
        "libcamera": {
            "Transform": Transform,
            "controls": SimpleNamespace(**named),
            "ColorSpace": SimpleNamespace(Range=SimpleNamespace(Full="full")),
        },
        "picamera2": {"Picamera2": camera, "MappedArray": FakeMappedArray},
        "picamera2.encoders": {
            "Encoder": FakeEncoder,
            "H264Encoder": h264,
            "LibavH264Encoder": FakeLibavH264Encoder,
        },
        "picamera2.encoders.v4l2_encoder": {"V4L2Encoder": FakeV4L2Encoder},
        "picamera2.outputs": {"Output": FakeOutput},
        "picamera2.previews": {"NullPreview": FakeNullPreview},
        "picamera2.devices": {},
        "picamera2.devices.imx708": {"IMX708": Imx708},
    }
    modules = {}
    for name, names in contents.items():
        modules[name] = ModuleType(name)
        modules[name].__dict__.update(names)
        modules[name].__path__ = []
    modules["libcamera"].__getattr__ = _on_import(board, vars(modules["libcamera"]))  # type: ignore[method-assign]
    return modules


def _on_import(board: FakeBoard, names: dict[str, Any]) -> Callable[[str], Any]:
    """libcamera looks for devices when it is imported, which may take its time."""
    waiting = names.pop("ColorSpace")

    def look_up(name: str) -> Any:
        if name != "ColorSpace":
            raise AttributeError(name)
        board.happens("import")
        return waiting

    return look_up
