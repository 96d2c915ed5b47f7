"""Damaged pictures are not judged, of either codec, whatever lost the packets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.source import Frame, Item, Packet, Unjudged, VideoFormat
from agent.camera.sources.ffmpeg_log import tells_of_error, tells_of_gap
from agent.camera.sources.network.damage import Judgement
from agent.camera.sources.network.source import Stream
from tests.camera.sources.network.test_source import begun, stream, web_server
from tests.peers.bendable_camera import BendableCamera, Sent, parameter_sets, rtp_payloads
from tests.support.video import FRAMES_PER_SECOND, Video, load, nal_units, repeat, write_video

GOP = FRAMES_PER_SECOND


def seen(source: Stream, count: int) -> list[str]:
    """A letter for each of ``count`` moments: Frame, or the reason why it is not judged."""
    begun(source)
    looks = (item for item in source.read() if isinstance(item, Frame | Unjudged))
    letters = ["F" if isinstance(x, Frame) else x.reason[0] for x in islice(looks, count)]
    source.close()
    return letters


def runs(letters: list[str]) -> list[tuple[str, int]]:
    return [(letter, len(list(same))) for letter, same in groupby(letters)]


def everything(url: str) -> Stream:
    """A source that looks at each picture."""
    return stream(url, motion_frames_per_second=1_000)


def quick(video: Video, *, first: int = 0, in_band: bool = False) -> Iterator[Sent]:
    """``video`` at three times its speed, from packet ``first`` on."""
    sets = tuple(parameter_sets(video))
    for number, packet in enumerate(repeat(video, 600)):
        if number >= first:
            units = tuple(nal_units(packet.data, start_codes=False))
            due = (number - first) / FRAMES_PER_SECOND / 3
            yield Sent(due, due, (*sets, *units) if in_band and packet.keyframe else units)


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Video:
    file = tmp_path_factory.mktemp(request.param) / "a.mp4"
    return load(write_video(file, codec=request.param, seconds=4))


def packets_before(video: Video, picture: int) -> int:
    codec = video.format.codec
    return sum(len([*rtp_payloads(each.units, codec)]) for each in islice(quick(video), picture))


@pytest.mark.parametrize("picture", [17, 22, 29, 30])
def test_after_a_lost_packet_no_picture_is_judged_until_the_keyframe(
    video: Video, picture: int
) -> None:
    """The lost picture gives no moment, or a damaged one if it has more packets."""
    camera = BendableCamera(video, plays=lambda: quick(video))
    camera.lost = {packets_before(video, picture) + 1}
    with camera:
        letters = seen(everything(camera.url("main")), 60)
    (before, damaged, _) = runs(letters)
    assert before in {("F", picture), ("F", picture - 1)}
    whole = [30, 45] if picture == 29 else [45] if picture == 30 else [30]
    assert before[1] + damaged[1] in [each - 1 for each in whole] + whole
    assert damaged[0] == "d"


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_camera_joined_between_keyframes_waits_for_one_and_is_alive(
    tmp_path: Path, codec: str
) -> None:
    video = load(write_video(tmp_path / "a.mp4", codec=codec, gop=6 * GOP, seconds=6))
    camera = BendableCamera(video, plays=lambda: quick(video, first=4, in_band=True))
    camera.says_sets = False
    with camera:
        source = stream(camera.url("main"), timeout_seconds=1)
        first = begun(source)
        items: list[Item] = list(islice(source.read(), 150))
        source.close()
    assert (first.width, first.extradata) == (0, b"")
    at = next(n for n, item in enumerate(items) if isinstance(item, Packet) and item.keyframe)
    assert items[at - 1] == video_of(items), "its format comes just before it"
    assert {item.reason for item in items[:at] if isinstance(item, Unjudged)} == {"keyframe"}
    assert not any(isinstance(item, Frame) for item in items[:at])
    assert any(isinstance(item, Frame) for item in items[at:])


def video_of(items: list[Item]) -> Item:
    return next(item for item in items if not isinstance(item, Frame | Packet | Unjudged))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_description_of_another_size_than_the_pictures_is_corrected_by_the_first_keyframe(
    tmp_path: Path, codec: str
) -> None:
    said = load(write_video(tmp_path / "a.mp4", codec=codec, seconds=1, size=(320, 180)))
    sent = load(write_video(tmp_path / "b.mp4", codec=codec, seconds=1))
    with BendableCamera(said, plays=lambda: quick(sent, in_band=True)) as camera:
        source = stream(camera.url("main"))
        first = begun(source)
        items: list[Item] = list(islice(source.read(), 30))
        source.close()
    formats = [first, *(item for item in items if isinstance(item, VideoFormat))]
    assert formats[-1].width == 192
    assert any(isinstance(item, Frame) for item in items)


def test_motion_jpeg_is_looked_at_as_the_small_stream(tmp_path: Path) -> None:
    main = write_video(tmp_path / "a.mp4", seconds=3)
    small = write_video(tmp_path / "b.avi", seconds=3, codec="mjpeg")
    letters = seen(stream(main, detect=str(small)), 20)
    assert runs(letters) == [("F", 20)]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_hole_in_a_transport_stream_is_damage(tmp_path: Path, codec: str) -> None:
    file = write_video(tmp_path / "a.ts", codec=codec, seconds=6, format_name="mpegts")
    data = file.read_bytes()
    places = range(len(data) // 2 // 188 * 188, len(data), 188)
    hole = next(at for at in places if data[at + 1 : at + 3] == b"\x01\x00")  # of the video
    file.write_bytes(data[:hole] + data[hole + 188 :])
    with web_server(tmp_path) as host:
        letters = seen(everything(f"http://{host}/a.ts"), 80)
    assert [letter for letter, _ in runs(letters)] == ["F", "d", "F"]


def walk(judgement: Judgement, *packets: str) -> str:
    """Each packet a word of letters: K keyframe, g gap, e error, r needs three more pictures."""
    said = ""
    for packet in packets:
        judgement.packet(
            keyframe="K" in packet,
            until_shown=3 if "r" in packet else 0,
            gap="g" in packet,
            error="e" in packet,
        )
        said += (judgement.hindrance or "Fine")[0]
    return said


def test_each_sign_counts_until_the_next_whole_keyframe() -> None:
    assert walk(Judgement(), ".", "K", ".", "g", ".", "K", ".") == "kFFddFF"
    assert walk(Judgement(), "K", "e", ".", "K", ".") == "FddFF"
    assert walk(Judgement(), "K", ".", "Kg", ".", "Ke", ".", "K") == "FFddddF"
    assert walk(Judgement(), "g", "e", "Kg", "K") == "kkkF", "no damage is known without a picture"


def test_an_intra_refresh_is_judged_once_it_is_whole() -> None:
    assert walk(Judgement(), "Kr", ".", ".", ".", ".", "Kr", ".") == "kkkFFFF"
    assert walk(Judgement(), "K", "g", "Kr", ".", ".", ".", ".") == "FddddFF"
    again = ["K", "g", "Kr", ".", "g", ".", ".", "Kr", ".", ".", "."]
    assert walk(Judgement(), *again) == "FdddddddddF"


def test_numbers_that_always_jump_are_a_habit_and_no_damage() -> None:
    judgement = Judgement()
    said = walk(judgement, "K", *["g"] * 150, "Kg", *["g"] * 100)
    assert said.startswith("Fd")
    assert said.endswith("F" * 101)


def test_a_decoder_that_complains_in_each_group_is_overheard_but_gaps_are_not() -> None:
    judgement = Judgement()
    group = ["K", ".", "e", "."]
    said = walk(judgement, *group * 12)
    assert said.startswith("FFdd" * 10)
    assert said.endswith("FFFF")
    assert walk(judgement, "K", "g", ".", "K") == "FddF"
    assert walk(Judgement(), *["K", "ge", ".", "."] * 30).endswith("Fddd"), "loss is no habit"


@given(st.lists(st.sampled_from([".", "K", "g", "e", "Kg", "Ke", "Kr"]), max_size=60))
def test_only_a_keyframe_without_a_sign_ends_a_hindrance(packets: list[str]) -> None:
    judgement = Judgement()
    whole_since = None
    for number, packet in enumerate(packets):
        before = judgement.hindrance
        walk(judgement, packet)
        if packet == "K":
            whole_since = number
        if {"g", "e"} & set(packet):
            assert judgement.hindrance is not None
        if before is not None and judgement.hindrance is None and whole_since is None:
            assert "Kr" in packets[: number + 1]


def test_messages_of_ffmpeg_that_tell_of_damage() -> None:
    assert tells_of_gap(
        [(24, "rtsp", "jitter buffer full\n"), (24, "rtsp", "RTP: missed 3 packets\n")]
    )
    assert not tells_of_gap([(24, "rtsp", "max delay reached. need to consume packet\n")])
    assert tells_of_error([(16, "hevc", "Could not find ref with POC 3\n")])
    assert not tells_of_error([(24, "h264", "SEI type 5 size 8 truncated\n")])
