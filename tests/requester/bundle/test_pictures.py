"""The pictures of a released file, read without decoding."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av.logging
import pytest

from agent.errors import BundleRefused
from agent.requester.bundle import pictures
from tests.support.footage import prepared, record

KINDS: dict[str, Any] = {
    "H.264": {},
    "B-frames": {"b_frames": 2, "keyframe_every": 20},
    "H.265": {"codec": "libx265", "params": "log-level=none"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trim", [None, (0.35, 2.05)])
def test_what_a_camera_releases_is_counted_and_timed(
    tmp_path: Path, kind: str, trim: tuple[float, float] | None
) -> None:
    clip, count = tmp_path / "clip.mp4", 30 if trim is None else 17
    clip.write_bytes(prepared(record(3, **KINDS[kind]), trim))
    codec = "hevc" if kind == "H.265" else "h264"
    expected = pictures.Pictures(codec, count, (count - 1) * 100)
    assert pictures.read(clip, stated=count) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_is_decoded(tmp_path: Path, kind: str) -> None:
    """A stranger chooses its size, up to gigabytes, and what a decoder has to bear."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(prepared(record(1, **KINDS[kind])))
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as said:
            pictures.read(clip, stated=10)
    finally:
        av.logging.set_level(before)
    assert any("exceeds specified max pixel count" in text for _, _, text in said)


def test_a_sound_that_claims_by_its_chunks_does_not_reach_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg made two million entries of each chunk, whatever the one index of samples said."""
    parts = {
        b"stsz": struct.pack(">III", 0, 2, 1),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, 0x7FFF_FFF0, 1),
        b"stco": struct.pack(">II", 0, 4) + bytes(16),
    }
    path = tmp_path / "clip.mp4"
    index = b"".join(struct.pack(">I4s", 8 + len(one), kind) + one for kind, one in parts.items())
    moov = struct.pack(">I4s", 8 + len(index), b"moov") + index
    path.write_bytes(moov + struct.pack(">I4s", 108, b"mdat") + bytes(100))
    monkeypatch.setattr("av.open", lambda *_, **__: pytest.fail("FFmpeg saw it"))
    with pytest.raises(BundleRefused):
        pictures.read(path, stated=100)
