"""Files and network cameras: copied packets, their times, and all faults."""

from __future__ import annotations

import functools
import http.server
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.camera.source import Frame, Interruption, Packet, VideoFormat
from agent.camera.sources.annexb import with_start_codes
from agent.camera.sources.network.login import Login
from agent.camera.sources.network.source import Stream
from agent.camera.sources.network.trust import Trust
from agent.clock import Clock, SystemClock
from agent.config import StreamSource
from agent.errors import CameraFault
from tests.peers.process import free_port
from tests.peers.rtsp import RtspServer
from tests.support.clock import SimulatedClock
from tests.support.video import load, nal_units, write_video


def stream(
    record: Path | str,
    *,
    clock: Clock | None = None,
    login: Login | None = None,
    trust: Trust | None = None,
    timeout_seconds: float = 20.0,
    motion_frames_per_second: float = 7.5,
    **changes: Any,
) -> Stream:
    """A source of ``record``; ``changes`` are settings."""
    settings = {"pace": "live" if "://" in str(record) else "import", **changes}
    return Stream(
        StreamSource(record=str(record), **settings),
        login=login,
        trust=trust or Trust(),
        motion_frames_per_second=motion_frames_per_second,
        timeout_seconds=timeout_seconds,
        clock=clock or SystemClock(None),
    )


def begun(source: Stream) -> VideoFormat:
    """Open ``source``; raises the fault if the camera is not there."""
    video = source.open()
    if isinstance(video, Interruption):
        raise video.fault
    return video


def read_all(source: Stream) -> tuple[list[Packet], list[Frame], CameraFault | None]:
    """All that comes, and the fault that ends or interrupts it."""
    packets: list[Packet] = []
    frames: list[Frame] = []
    fault = None
    begun(source)
    try:
        for item in source.read():
            if isinstance(item, Packet):
                packets.append(item)
            elif isinstance(item, Frame):
                frames.append(item)
            elif isinstance(item, Interruption):
                fault = item.fault
                break
    finally:
        source.close()
    return packets, frames, fault


def whole_fault(source: Stream) -> tuple[CameraFault, str]:
    """The fault, and everything a log could ever show of it."""
    with pytest.raises(CameraFault) as caught:
        read = read_all(source)
        if read[2] is not None:
            raise read[2]
    return caught.value, "".join(traceback.format_exception(caught.value))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    write_video(made / "main.mp4", seconds=3)
    write_video(made / "sound.mp4", seconds=3, audio=True)
    write_video(made / "hevc.mp4", seconds=3, codec="libx265")
    write_video(made / "reordered.mp4", seconds=3, b_frames=2)
    write_video(made / "main.ts", seconds=3, format_name="mpegts", audio=True)
    write_video(made / "audio.mp4", seconds=0, audio=True)
    write_video(made / "old.avi", seconds=1, codec="mjpeg")
    write_video(made / "portrait.mp4", seconds=1, size=(180, 320))
    (made / "text.mp4").write_text("This is not a video.\n" * 50)
    (made / "empty.mp4").touch()
    return made


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A camera that speaks HTTP: asks for a password below /secret/."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/secret/"):
                self.send_error(401)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


# Files


@pytest.mark.parametrize("name", ["main.mp4", "sound.mp4", "hevc.mp4", "reordered.mp4"])
def test_an_import_copies_the_video_alone_and_ends_now(folder: Path, name: str) -> None:
    clock = SimulatedClock()
    packets, frames, fault = read_all(stream(folder / name, clock=clock))
    expected = load(folder / name).packets
    assert fault is None
    assert [packet.data for packet in packets] == [
        with_start_codes(packet.data, 4) for packet in expected
    ]
    assert [packet.keyframe for packet in packets] == [packet.keyframe for packet in expected]
    assert packets[0].seconds == pytest.approx(clock.monotonic() - 3, abs=0.3)
    assert [packet.seconds - packets[0].seconds for packet in packets] == pytest.approx(
        [packet.seconds for packet in expected], abs=0.002
    )
    assert [packet.delay_seconds for packet in packets] == pytest.approx(
        [packet.delay_seconds for packet in expected]
    )
    assert len(frames) == pytest.approx(3 * 7.5, abs=2)
    assert all(frame.luma.shape == (180, 320) for frame in frames)
    assert clock.slept == []


def test_real_time_waits_for_the_clock(folder: Path) -> None:
    clock = SimulatedClock()
    begin = clock.monotonic()
    packets, _, _ = read_all(stream(folder / "main.mp4", clock=clock, pace="real-time"))
    assert packets[0].seconds == begin
    assert clock.monotonic() == pytest.approx(packets[-1].seconds)
    assert sum(clock.slept) == pytest.approx(3 - 1 / 15, abs=0.01)


def test_detection_looks_at_the_small_stream_when_there_is_one(folder: Path) -> None:
    packets, frames, _ = read_all(stream(folder / "main.mp4", detect=str(folder / "portrait.mp4")))
    assert [packet.data for packet in packets] == [
        with_start_codes(packet.data, 4) for packet in load(folder / "main.mp4").packets
    ]
    assert 6 <= len(frames) <= 8  # of the second that the small one lasts
    assert frames[-1].seconds < packets[20].seconds


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.mp4", "there is no such file"),
        ("text.mp4", "is not a video"),
        ("empty.mp4", "is not a video"),
        ("audio.mp4", "carries no video"),
        ("old.avi", "encoded as mjpeg.*Set the camera to H.264 or H.265"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_recorded_is_a_fault_of_one_line(
    folder: Path, name: str, says: str
) -> None:
    fault, _ = whole_fault(stream(folder / name))
    assert "\n" not in str(fault)
    assert fault.advice
    with pytest.raises(CameraFault, match=says):
        raise fault


def test_a_file_is_not_taken_for_a_live_camera(folder: Path) -> None:
    fault, _ = whole_fault(stream(folder / "main.mp4", pace="live"))
    assert "pace to real-time or import" in str(fault)


# Network cameras


def test_an_rtsp_camera_is_copied_to_the_bit_and_its_end_is_a_fault(
    folder: Path, tmp_path: Path
) -> None:
    with RtspServer(tmp_path, {"main": folder / "main.mp4"}) as server:
        packets, frames, fault = read_all(stream(server.url("main")))
    assert fault is not None
    assert "ended the stream" in str(fault)
    expected = load(folder / "main.mp4").packets
    ours = [set(nal_units(packet.data, start_codes=True)) for packet in packets]
    theirs = [set(nal_units(packet.data, start_codes=False)) for packet in expected]
    # The server sends the parameter sets along with keyframes; all else must be the same.
    assert all(their <= our for their, our in zip(theirs, ours, strict=True))
    assert [packet.keyframe for packet in packets] == [packet.keyframe for packet in expected]
    length = packets[-1].seconds - packets[0].seconds
    assert length == pytest.approx(3 - 1 / 15, abs=0.4)
    assert len(frames) >= 15


def test_an_rtsp_camera_in_h265_with_a_small_stream(tmp_path: Path) -> None:
    hevc = write_video(tmp_path / "hevc.mp4", seconds=3, codec="libx265")
    small = write_video(tmp_path / "small.mp4", seconds=3)
    files = {"hevc": hevc, "small": small}
    with RtspServer(tmp_path, files) as server:
        source = stream(server.url("hevc"), detect=server.url("small"))
        packets, frames, fault = read_all(source)
    assert fault is not None
    expected = load(hevc).packets
    ours = [nal_units(packet.data, start_codes=True)[-1] for packet in packets]
    theirs = [nal_units(packet.data, start_codes=False)[-1] for packet in expected]
    assert ours == theirs[: len(ours)]
    assert len(packets) > 20
    assert len(frames) > 5


def test_an_http_camera_is_copied_without_its_sound(folder: Path) -> None:
    with web_server(folder) as host:
        packets, _, fault = read_all(stream(f"http://{host}/main.ts"))
    expected = load(folder / "main.ts").packets
    assert [packet.data for packet in packets] == [packet.data for packet in expected]
    assert fault is not None
    assert "ended the stream" in str(fault)


def test_no_password_is_in_any_fault(folder: Path, tmp_path: Path) -> None:
    closed = free_port()
    with (
        web_server(folder) as host,
        RtspServer(tmp_path, {"main": folder / "main.mp4"}, login="viewer:letmein") as server,
    ):
        for url, says in [
            (f"http://viewer:hunter2@{host}/secret/a?pwd=hunter2", "refuses the name or password"),
            (f"http://viewer:hunter2@{host}/none.ts", "no such stream now"),
            (f"http://viewer:hunter2@{host}/text.mp4?pwd=hunter2", "is not a video"),
            (f"http://viewer:hunter2@{host}/audio.mp4", "carries no video"),
            (f"http://viewer:hunter2@{host}/old.avi", "mjpeg"),
            (f"rtsp://viewer:hunter2@127.0.0.1:{closed}/main", "refuses the connection"),
            (server.url("main", login="viewer:hunter2"), "refuses the name or password"),
            ("nonsense://viewer:hunter2@host/", "cannot be read"),
            (f"rtsp://viewer:hunter2/x@127.0.0.1:{closed}/main", "cannot be read"),
            (f"rtsp://viewer:hunter2?x@127.0.0.1:{closed}/main", "cannot be read"),
            (f"rtsp://viewer:hunter2#x@127.0.0.1:{closed}/main", "cannot be read"),
            (f"rtsp://viewer:hunter2[@127.0.0.1:{closed}/main", "refuses the connection"),
        ]:
            fault, everything = whole_fault(stream(url))
            assert says in str(fault)
            assert "hunter2" not in everything
        source = stream(server.url("main", login="viewer:letmein"))
        assert begun(source).codec == "h264"
        source.close()


def test_a_camera_that_accepts_and_says_nothing_is_a_fault_in_time(tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/main"
        fault, _ = whole_fault(stream(url, timeout_seconds=0.5))
    assert "gave no video within 0.5 s" in str(fault)
