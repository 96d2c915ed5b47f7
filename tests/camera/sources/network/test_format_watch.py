"""Streams that change in the middle: a new format is told from mere damage."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any, cast

import av
import pytest
from av.packet import Packet as AvPacket
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Interruption, Packet, VideoFormat
from agent.camera.sources.annexb import parameter_sets, with_own_sets, with_sets, with_start_codes
from agent.camera.sources.network.format_watch import FormatWatch
from agent.camera.sources.network.source import Stream
from tests.camera.recording.test_muxer import Paper
from tests.camera.sources.network.test_source import begun, stream, web_server
from tests.support.footage import prepared
from tests.support.video import load, write_video


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


# The same pictures by two encoders: other picture sets, other sequence sets.
PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {
    "libx264": ({"x264": "qp=26"}, {"x264": "qp=31"}, {"x264": "qp=28:ref=3:cabac=1"}),
    "libx265": ({"x265": "qp=28"}, {"x265": "qp=28:sao=0"}, {"x265": "qp=30:ref=3:amp=0"}),
}


@pytest.fixture(
    scope="module",
    params=[("libx264", "mpegts"), ("libx265", "mpegts"), ("libx264", "flv")],
    ids=str,
)
def changing_sets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream whose parameter sets change each second, and whose size does not."""
    codec, container = request.param
    folder = tmp_path_factory.mktemp("sets")
    whole = bytearray()
    for number, options in enumerate([*PARAMETERS[codec], *PARAMETERS[codec]]):
        part = write_video(
            folder / str(number), codec=codec, seconds=1, format_name=container, **options
        )
        header = 13 if container == "flv" and whole else 0
        whole += part.read_bytes()[header:]
    file = folder / f"all.{container}"
    file.write_bytes(whole)
    return file


def shown(data: bytes) -> list[bytes]:
    """The pictures that a player shows."""
    with av.open(io.BytesIO(data), "r") as container:
        return [picture.to_ndarray().tobytes() for picture in container.decode(video=0)]


def test_other_parameter_sets_of_the_same_size_are_the_same_picture(changing_sets: Path) -> None:
    ((video, packets),) = read_groups(stream(changing_sets, pace="import"))
    straight = shown(changing_sets.read_bytes())
    assert len(packets) == len(straight) == 90
    for first in [at for at, packet in enumerate(packets) if packet.keyframe]:
        paper = Paper()
        mp4 = FragmentedMp4(paper, with_own_sets(video, packets[first].data))
        for packet in packets[first:]:
            mp4.add(packet)
        mp4.close()
        assert shown(bytes(paper.data)) == straight[first:], "a clip that begins here plays"


def test_a_release_of_a_clip_with_changing_sets_plays_from_any_keyframe(
    changing_sets: Path,
) -> None:
    ((video, packets),) = read_groups(stream(changing_sets, pace="import"))
    straight = shown(changing_sets.read_bytes())
    paper = Paper()
    mp4 = FragmentedMp4(paper, video)
    for number, packet in enumerate(packets):
        mp4.add(Packet(packet.data, packet.keyframe, number / 15, 1 / 15))
    mp4.close()
    assert shown(prepared(bytes(paper.data))) == straight
    trimmed = shown(prepared(bytes(paper.data), (3.0, 4.95)))
    assert trimmed == straight[45:75]
    seamed = shown(prepared(bytes(paper.data), (2.9, 4.95)))
    assert len(seamed) == 31
    assert seamed[1:] == straight[45:75]


def test_a_stream_without_changes_is_handed_on_to_the_bit(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", seconds=3)
    ((_, packets),) = read_groups(stream(file, pace="import"))
    original = [with_start_codes(packet.data, 4) for packet in load(file).packets]
    assert [packet.data for packet in packets] == original


def test_sets_go_behind_the_delimiter() -> None:
    delimiter, keyframe = b"\0\0\0\1\x09\xf0", b"\0\0\0\1\x65\x88\x84"
    assert parameter_sets(with_sets(delimiter + keyframe, [b"\x67abc"], "h264"), "h264") == (
        b"\x67abc",
    )
    assert with_sets(delimiter + keyframe, [b"\x67abc"], "h264").startswith(delimiter)
    assert with_sets(keyframe, [b"\x67abc"], "h264") == b"\0\0\0\1\x67abc" + keyframe


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.sampled_from([1, 2, 4]))
def test_lengths_become_start_codes_and_a_wrong_length_ends_the_packet(
    units: list[bytes], length_bytes: int
) -> None:
    units = [unit[:255] for unit in units]
    data = b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)
    expected = b"".join(b"\0\0\0\1" + unit for unit in units)
    assert with_start_codes(data, length_bytes) == expected
    too_long = data + (200).to_bytes(length_bytes, "big") + b"\x41abc"
    assert with_start_codes(too_long, length_bytes) == expected + b"\0\0\0\1\x41abc"


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
        spoilt = cast("AvPacket[VideoStream]", AvPacket(bytes(data)))
        spoilt.is_keyframe = True
        change, _ = FormatWatch(begun).take(spoilt)
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


# Bounds


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_size_that_fits_into_no_sidecar_is_no_format(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.camera.sources.network.format_watch.MOST_PIXELS", 300)
    options: dict[str, Any] = {"codec": codec, "format_name": "mpegts", "seconds": 1}
    small = write_video(tmp_path / "small.ts", **options).read_bytes()
    large = write_video(tmp_path / "large.ts", size=(320, 180), **options).read_bytes()
    (tmp_path / "both.ts").write_bytes(small + large)
    groups = read_groups(stream(tmp_path / "both.ts", pace="import"))
    assert [(each.width, each.height) for each, _ in groups] == [(192, 108)]


@pytest.mark.parametrize("limit", [16_384, 100])
def test_a_declared_size_beyond_all_bounds_is_left_to_the_pictures(
    tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.camera.sources.network.track.MOST_PIXELS", limit)
    file = write_video(tmp_path / "a.ts", seconds=1, format_name="mpegts")
    with web_server(tmp_path) as host:
        source = stream(f"http://{host}/{file.name}")
        first = begun(source)
        items = itertools.takewhile(lambda item: not isinstance(item, Interruption), source.read())
        sizes = [(item.width, item.height) for item in items if isinstance(item, VideoFormat)]
        source.close()
    assert ((first.width, first.height), sizes) == (
        ((192, 108), []) if limit > 192 else ((0, 0), [(192, 108)])
    )


def test_sets_with_ever_new_numbers_are_not_remembered_without_end(tmp_path: Path) -> None:
    """Each later keyframe would carry them all."""
    video = load(write_video(tmp_path / "a.mp4", seconds=1))
    watch = FormatWatch(video.format)
    sets = parameter_sets(watch.format.extradata, "h264")
    key = with_start_codes(video.packets[0].data, 4)
    longest = 0
    for number in range(400):
        unit = sets[1][:1] + (number + 1).to_bytes(4, "big") + bytes([7]) * 500
        packet: AvPacket[Any] = AvPacket(with_sets(key, [*sets, unit], "h264"))
        packet.is_keyframe = True
        _, data = watch.take(packet)
        longest = max(longest, len(data) - len(key))
    assert longest < 40_000
