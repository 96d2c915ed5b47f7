"""A trim begins and ends at exactly the pictures asked for, and the result says so."""

from __future__ import annotations

import io
import random
from typing import Any, Final

import av
import numpy as np
import pytest

from agent.consent.statements import Trim
from agent.media.editing.content import Prepared
from agent.media.editing.prepare import prepare
from tests.support.footage import RATE, numbers, packets, pictures, record, units, without_notes

SECONDS: Final = 6
TRIMS: Final = 5  # of each file
_QUIET: Final = "log-level=none:scenecut=0"
FILES: Final[dict[str, dict[str, Any]]] = {
    "GOP 1 s": {},
    "GOP 2 s": {"keyframe_every": 20},
    "GOP 5 s, B-frames": {"keyframe_every": 50, "b_frames": 2},
    "B-pyramid": {"keyframe_every": 17, "b_frames": 3, "params": "b-pyramid=normal:ref=4"},
    "open GOP": {"b_frames": 2, "params": "open-gop=1:b-adapt=0"},
    "portrait, full range": {"width": 180, "height": 322, "full_range": True},
    "10 bit": {"pixels": "yuv420p10le"},
    "baseline": {"params": "cabac=0:8x8dct=0", "keyframe_every": 30},
    "H.265, 10 bit": {"codec": "libx265", "pixels": "yuv420p10le", "params": _QUIET},
    "H.265": {"codec": "libx265", "params": _QUIET},
    "H.265, GOP 2 s, B-frames": {
        "codec": "libx265",
        "keyframe_every": 20,
        "b_frames": 3,
        "params": f"{_QUIET}:no-open-gop=1",
    },
    "H.265, open GOP": {
        "codec": "libx265",
        "b_frames": 3,
        "params": f"{_QUIET}:open-gop=1:b-adapt=0",
    },
    "H.265, portrait": {"codec": "libx265", "width": 180, "height": 322, "params": _QUIET},
}


def trimmed(clip: bytes, begin: float, end: float) -> tuple[bytes, Prepared]:
    target = io.BytesIO()
    trim = Trim(from_seconds=begin, to_seconds=end)
    told = prepare(io.BytesIO(clip), target, trim=trim, redact=())
    return target.getvalue(), told


def times(content: bytes) -> list[float]:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", FILES)
def test_the_first_and_the_last_picture_are_those_asked_for(name: str) -> None:
    clip = record(SECONDS, **FILES[name])
    draw = random.Random(name)
    for _ in range(TRIMS):
        begin = draw.randrange(0, SECONDS * 100 - 40) / 100
        end = begin + draw.randrange(15, 500) / 100
        expected = [n for n in range(SECONDS * RATE) if begin <= n / RATE < end]
        content, told = trimmed(clip, begin, end)
        assert numbers(content) == expected, (begin, end)
        assert (told.first_seconds, told.last_seconds, told.pictures) == pytest.approx(
            (expected[0] / RATE, expected[-1] / RATE, len(expected))
        )
        assert len(packets(content)) == len(expected)
        offsets = [number / RATE for number in range(len(expected))]
        assert times(content) == pytest.approx(offsets, abs=0.001)


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_only_the_ends_are_encoded_again(codec: Any, b_frames: int) -> None:
    quiet = f"{_QUIET}:open-gop=0" if codec == "libx265" else ""
    clip = record(SECONDS, codec=codec, b_frames=b_frames, params=quiet)
    content, told = trimmed(clip, 0.65, 5.55)
    assert told.pictures == 49
    assert told.encoded == 3 if b_frames == 0 else 3 <= told.encoded <= 8
    assert told.codec == {"libx264": "h264", "libx265": "hevc"}[codec]
    shown, expected = pictures(content)[3:43], pictures(clip)[10:50]
    assert all(np.array_equal(*pair) for pair in zip(shown, expected, strict=True))


def test_what_is_encoded_again_looks_like_the_recording() -> None:
    clip = record(SECONDS, keyframe_every=40)
    content, told = trimmed(clip, 0.5, 5.0)
    assert told.encoded == 35
    for one, other in zip(pictures(content), pictures(clip)[5:50], strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).mean() < 6


def test_the_parameter_sets_of_both_stand_in_the_header() -> None:
    """Apple's players take none from among the pictures of ``avc1``."""
    content, _ = trimmed(record(2), 0.5, 2)
    with av.open(io.BytesIO(content), "r") as container:
        record_ = container.streams.video[0].codec_context.extradata or b""
    assert record_[5] & 0x1F == 2
    kinds = {unit[0] & 0x1F for packet in packets(content) for unit in units(packet)}
    assert kinds == {1, 5}


def test_a_trim_without_a_seam_holds_no_sets_but_those_of_the_recording() -> None:
    clip = record(3)
    content, told = trimmed(clip, 1, 2)
    assert told.encoded == 0
    assert packets(content) == without_notes(clip)[10:20]
    with av.open(io.BytesIO(content), "r") as container:
        assert (container.streams.video[0].codec_context.extradata or b"")[5] & 0x1F == 1


def test_the_result_does_not_depend_on_what_was_trimmed_away() -> None:
    """The clip's own header would tell its length."""
    one, _ = trimmed(record(4), 0.5, 2)
    other, _ = trimmed(record(7), 0.5, 2)
    assert one == other
