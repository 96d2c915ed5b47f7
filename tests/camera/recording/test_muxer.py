"""Recordings as players see them: unchanged packets in independent fragments."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import pytest

from agent.camera.recording.muxer import FragmentedMp4
from agent.errors import StorageFault
from tests.support.video import Video, make, play


class Paper:
    """A sink that remembers what it got, and where fragments ended."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self.data = bytearray()
        self._limit = limit

    def write(self, data: bytes) -> int:
        if len(self.data) + len(data) > self._limit:
            raise StorageFault("the disk is full")
        self.data += data
        return len(data)


def record(video: Video, *, padded: bool = False) -> bytes:
    paper = Paper()
    mp4 = FragmentedMp4(paper, video.format)
    for packet in video.packets:
        if mp4.add(packet) and padded:
            paper.data += struct.pack(">I4s", 5000, b"free") + bytes(4992)
    mp4.close()
    return bytes(paper.data)


def boxes(data: bytes) -> list[str]:
    names, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        names.append(name.decode())
        at += size
    assert at == len(data)
    return names


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"codec": "libx265"}, {"b_frames": 2}, {"gop": 40}], ids=str
)
def test_packets_are_copied_to_the_bit_and_all_pictures_play(
    tmp_path: Path, options: dict[str, int], padded: bool
) -> None:
    video = make(tmp_path, seconds=4, **options)
    played = play(record(video, padded=padded))
    assert played.packets == tuple(packet.data for packet in video.packets)
    assert played.pictures == len(video.packets)
    assert played.first_is_keyframe


@pytest.mark.parametrize(("codec", "tag"), [("libx264", "avc1"), ("libx265", "hvc1")])
def test_the_codec_has_the_tag_that_apple_players_need(
    tmp_path: Path, codec: str, tag: str
) -> None:
    recording = record(make(tmp_path, seconds=1, codec=codec))
    with av.open(io.BytesIO(recording), "r") as container:
        assert container.streams.video[0].codec_context.codec_tag == tag


def test_a_fragment_lasts_half_a_second_for_any_distance_of_keyframes(tmp_path: Path) -> None:
    names = boxes(record(make(tmp_path, seconds=5, gop=60)))
    assert names == ["ftyp", "moov", *["moof", "mdat"] * 10]


def test_any_number_of_whole_fragments_plays(tmp_path: Path) -> None:
    video = make(tmp_path, seconds=4)
    paper = Paper()
    mp4 = FragmentedMp4(paper, video.format)
    ends = [len(paper.data) for packet in video.packets if mp4.add(packet)]
    for number, end in enumerate(ends[1:], start=1):
        assert play(bytes(paper.data[:end])).pictures == 8 * number
    assert len(ends) == 8


def test_a_fault_of_the_disk_comes_out_as_it_is_and_giving_up_writes_nothing(
    tmp_path: Path,
) -> None:
    video = make(tmp_path, seconds=4)
    paper = Paper(limit=2500)
    mp4 = FragmentedMp4(paper, video.format)
    with pytest.raises(StorageFault, match="the disk is full"):
        for packet in video.packets:
            mp4.add(packet)
    written = len(paper.data)
    mp4.abandon()
    assert len(paper.data) == written
