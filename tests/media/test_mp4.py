"""The index of a new MP4 stands in front, as FFmpeg itself would put it there."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
import pytest

from agent.errors import Refused
from agent.media.mp4 import _shift_offsets, new_mp4
from agent.sealed_spool import new_spool
from tests.support.footage import record

CLIPS = {
    "H.264": record(4),
    "H.264, B-frames": record(4, b_frames=2),
    "H.265": record(2, codec="libx265", params="log-level=error"),
}


def copied(clip: bytes, container: av.container.OutputContainer) -> None:
    with av.open(io.BytesIO(clip), mode="r") as source:
        stream = source.streams.video[0]
        made = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = made
                container.mux(packet)


def by_ffmpeg(clip: bytes, path: Path) -> bytes:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), mode="w", format="mp4", options=options) as container:
        copied(clip, container)
    return path.read_bytes()


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("kind", ["memory", "file", "spool"])
def test_it_is_the_file_that_ffmpeg_makes(name: str, kind: str, tmp_path: Path) -> None:
    targets: dict[str, Callable[[], BinaryIO]] = {
        "memory": io.BytesIO,
        "file": lambda: (tmp_path / "ours.mp4").open("w+b"),
        "spool": lambda: new_spool(tmp_path),
    }
    with targets[kind]() as target:
        with new_mp4(target) as container:
            copied(CLIPS[name], container)
        target.seek(0)
        assert target.read() == by_ffmpeg(CLIPS[name], tmp_path / "theirs.mp4")


def test_an_index_that_cannot_point_so_far_is_refused() -> None:
    table = struct.pack(">I4sIII", 20, b"stco", 0, 1, (1 << 32) - 10)
    index = bytearray(struct.pack(">I4s", 28, b"moov") + table)
    _shift_offsets(index, 9)
    assert index.endswith(b"\xff" * 4)
    with pytest.raises(Refused, match="larger than an index"):
        _shift_offsets(index, 1)


def test_offsets_of_64_bits_are_moved_too() -> None:
    table = struct.pack(">I4sIIQ", 24, b"co64", 0, 1, 1 << 32)
    nested = table
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        nested = struct.pack(">I4s", 8 + len(nested), kind) + nested
    index = bytearray(nested)
    _shift_offsets(index, 1_000)
    assert index.endswith(struct.pack(">Q", (1 << 32) + 1_000))
