"""The pictures of a released file, read without decoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av.logging
import pytest

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
