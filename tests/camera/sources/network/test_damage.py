"""Damage by networks and cameras: flipped bits, lossy transports, unwanted sound."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.source import Frame, Interruption, Packet, Unjudged
from agent.camera.sources.annexb import with_start_codes
from tests.camera.recording.test_muxer import Paper
from tests.camera.sources.network.test_source import begun, read_all, stream, web_server
from tests.peers.rtsp import RtspServer
from tests.support.video import load, play, write_video


def spoil(file: Path, *, seed: int, flips: int) -> Path:
    """A copy of ``file`` with bits flipped all over, save for its first packets."""
    chance = random.Random(seed)
    data = bytearray(file.read_bytes())
    for _ in range(flips):
        data[chance.randrange(3000, len(data))] ^= 1 << chance.randrange(8)
    spoilt = file.with_name(f"spoilt-{seed}{file.suffix}")
    spoilt.write_bytes(data)
    return spoilt


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_neither_end_the_stream_nor_the_clip(
    tmp_path: Path, codec: str, seed: int
) -> None:
    file = write_video(
        tmp_path / "a.ts", seconds=6, size=(320, 180), format_name="mpegts", codec=codec
    )
    spoilt = spoil(file, seed=seed, flips=60)
    with web_server(tmp_path) as host:
        source = stream(f"http://{host}/{spoilt.name}")
        paper = Paper()
        mp4 = FragmentedMp4(paper, begun(source))
        packets, frames = 0, 0
        for item in source.read():
            if isinstance(item, Interruption):
                assert "ended the stream" in item.fault.message
                break
            if isinstance(item, Packet):
                mp4.add(item)
                packets += 1
            frames += isinstance(item, Frame | Unjudged)
        source.close()
    mp4.close()
    assert packets > 80
    assert frames > 30
    assert len(play(bytes(paper.data)).packets) == packets


def test_pictures_that_never_decode_are_recorded_but_not_looked_at(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", seconds=3)
    data = bytearray(file.read_bytes())
    for packet in load(file).packets:
        at = data.index(packet.data)
        data[at + 4 : at + len(packet.data)] = bytes([0xFF]) * (len(packet.data) - 4)
    file.write_bytes(data)
    packets, frames, fault = read_all(stream(file))
    assert (len(packets), frames, fault) == (45, [], None)


def test_rtsp_over_udp(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", seconds=10)
    with RtspServer(tmp_path, {"main": file}) as server:
        source = stream(server.url("main"), transport="udp")
        begun(source)
        packets, frames = [], 0
        for item in source.read():
            assert isinstance(item, Packet | Frame)
            frames += isinstance(item, Frame)
            if isinstance(item, Packet):
                packets.append(item)
                if len(packets) == 30:
                    break
        source.close()
    assert frames > 10
    assert packets[-1].seconds - packets[0].seconds == pytest.approx(29 / 15, abs=0.1)


def test_an_mp4_over_http_is_copied(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", seconds=3, audio=True)
    with web_server(tmp_path) as host:
        packets, frames, _ = read_all(stream(f"http://{host}/a.mp4"))
    assert [packet.data for packet in packets] == [
        with_start_codes(packet.data, 4) for packet in load(file).packets
    ]
    assert len(frames) > 10
