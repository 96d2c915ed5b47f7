"""Streams that change in the middle: a new format is told from mere damage."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet as AvPacket
from av.video.codeccontext import VideoCodecContext
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.source import Packet, VideoFormat
from agent.camera.sources.annexb import parameter_sets
from agent.camera.sources.network.format_watch import FormatWatch
from agent.camera.sources.network.source import Stream
from tests.camera.sources.network.test_source import begun, stream, web_server
from tests.support.video import write_video


def read_groups(source: Stream) -> list[tuple[VideoFormat, list[Packet]]]:
    """Each format with the packets that came in it."""
    groups: list[tuple[VideoFormat, list[Packet]]] = [(begun(source), [])]
    for item in source.read():
        if isinstance(item, VideoFormat):
            groups.append((item, []))
        elif isinstance(item, Packet):
            groups[-1][1].append(item)
    source.close()
    return groups


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def reconfigured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream whose size changes after two seconds, and back."""
    folder = tmp_path_factory.mktemp(request.param)
    options: dict[str, Any] = {"codec": request.param, "format_name": "mpegts", "seconds": 2}
    small = write_video(folder / "small.ts", **options).read_bytes()
    large = write_video(folder / "large.ts", size=(320, 180), **options)
    both = folder / "both.ts"
    both.write_bytes(small + large.read_bytes() + small)
    return both


def test_a_camera_that_is_reconfigured_begins_a_new_format_with_that_keyframe(
    reconfigured: Path,
) -> None:
    groups = read_groups(stream(reconfigured, pace="import"))
    assert [(each.width, each.height) for each, _ in groups] == [(192, 108), (320, 180), (192, 108)]
    assert [len(packets) for _, packets in groups] == [30, 30, 30]
    assert all(packets[0].keyframe for _, packets in groups)
    for video, packets in groups:
        decoder = av.CodecContext.create(video.codec, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = video.extradata
        pictures = [
            picture
            for data in [*(AvPacket(packet.data) for packet in packets), None]
            for picture in decoder.decode(data)
        ]
        assert {(each.width, each.height) for each in pictures} == {(video.width, video.height)}
        assert len(pictures) == 30


def test_a_new_format_over_the_network_makes_no_gap_in_time(reconfigured: Path) -> None:
    with web_server(reconfigured.parent) as host:
        source = stream(f"http://{host}/both.ts")
        formats, packets = [begun(source)], []
        for item in source.read():
            if isinstance(item, VideoFormat):
                formats.append(item)
            elif isinstance(item, Packet):
                packets.append(item)
                if len(packets) == 90:
                    break
        source.close()
    assert [each.width for each in formats] == [192, 320, 192]
    steps = [b.seconds - a.seconds for a, b in itertools.pairwise(packets)]
    assert max(steps) < 0.2


def test_keyframes_that_repeat_their_parameters_are_nothing_new(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.ts", seconds=4, format_name="mpegts")
    assert len(read_groups(stream(file, pace="import"))) == 1


@pytest.mark.parametrize("at", [4, 7, 12])
def test_damaged_parameters_are_not_a_new_format(tmp_path: Path, at: int) -> None:
    file = write_video(tmp_path / "a.ts", seconds=2, format_name="mpegts")
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        keyframe = next(p for p in container.demux(video) if p.is_keyframe)
        begun = VideoFormat("h264", 192, 108, bytes(video.codec_context.extradata or b""))
        sets = parameter_sets(bytes(keyframe), "h264")
        data = bytearray(bytes(keyframe))
        data[data.index(sets[0]) + at] ^= 0xFF
        change = FormatWatch(begun).change(keyframe, bytes(data))
    assert change is None or (change.width, change.height) == (192, 108)


@given(st.binary(max_size=200), st.sampled_from(["h264", "hevc"]))
def test_no_bytes_are_too_strange_to_look_into(data: bytes, codec: str) -> None:
    for unit in parameter_sets(data, codec):  # type: ignore[arg-type]
        assert unit
        assert unit in data


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6))
def test_all_sets_before_the_first_slice_are_found_and_none_behind(bodies: list[bytes]) -> None:
    clean = [b"\x67" + body.replace(b"\0", b"\1") for body in bodies]
    behind = b"\0\0\1\x65\x88" + b"\0\0\1\x67\x01"
    data = b"".join(b"\0\0\0\1" + unit for unit in clean) + behind
    assert parameter_sets(data, "h264") == tuple(clean)
