"""A trim begins and ends at exactly the pictures asked for, and the result says so."""

from __future__ import annotations

import io
import itertools
import os
import random
import subprocess
import sys
from typing import Any, Final

import av
import numpy as np
import pytest

from agent.consent.statements import Trim
from agent.media.editing.content import Prepared
from agent.media.editing.prepare import prepare
from tests.peers.requirements import ROOT
from tests.support.footage import (
    RATE,
    numbers,
    packets,
    pictures,
    record,
    units,
    with_edit_list,
    without_notes,
)

pytestmark = pytest.mark.traced  # each row is another kind of stream

SECONDS: Final = 6
TRIMS: Final = 4  # of each file
_QUIET: Final = "log-level=none:scenecut=0"
FILES: Final[dict[str, dict[str, Any]]] = {
    "GOP 1 s": {},
    "GOP 2 s": {"keyframe_every": 20},
    "GOP 5 s, B-frames": {"keyframe_every": 50, "b_frames": 2},
    "GOP 10 s": {"keyframe_every": 100},
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
    "H.265, GOP 10 s": {"codec": "libx265", "keyframe_every": 100, "params": _QUIET},
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
    seconds = max(SECONDS, 2 * FILES[name].get("keyframe_every", RATE) // RATE + 4)
    clip = record(seconds, **FILES[name])
    draw = random.Random(name)
    for _ in range(TRIMS):
        begin = draw.randrange(0, seconds * 100 - 40) / 100
        end = begin + draw.randrange(15, seconds * 80) / 100
        expected = [n for n in range(seconds * RATE) if begin <= n / RATE < end]
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


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_that_come_at_any_rate_keep_their_times(codec: Any, b_frames: int) -> None:
    draw = random.Random(b_frames)
    moments = list(itertools.accumulate(draw.randrange(15, 400) for _ in range(39)))
    moments.insert(0, 0)
    quiet = _QUIET if codec == "libx265" else ""
    clip = record(0, codec=codec, b_frames=b_frames, times_ms=moments, params=quiet)
    for _ in range(4):
        begin = draw.randrange(moments[-9])
        end = begin + draw.randrange(900, 5_000)
        expected = [n for n, moment in enumerate(moments) if begin <= moment < end]
        content, told = trimmed(clip, begin / 1000, end / 1000)
        assert numbers(content) == expected
        first = moments[expected[0]]
        assert told.times_ms(5_000) == (5_000 + first, 5_000 + moments[expected[-1]])
        offsets = [(moments[number] - first) / 1000 for number in expected]
        assert times(content) == pytest.approx(offsets, abs=0.001)


def test_pictures_that_an_edit_list_hides_do_not_leave_at_the_ends_of_a_trim() -> None:
    hiding = with_edit_list(record(4), from_seconds=0.8, seconds=3)  # from picture 8
    content, told = trimmed(hiding, 0, 1.5)
    assert numbers(content)[:2] == [8, 9]
    assert told.pictures == len(numbers(content)) == len(packets(content))


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_clip_is_converted_for_browsers_only_if_it_must(codec: Any, pixels: str) -> None:
    clip = record(2, codec=codec, pixels=pixels, params=_QUIET if codec == "libx265" else "")
    trim, target = Trim(from_seconds=0.5, to_seconds=1.5), io.BytesIO()
    told = prepare(io.BytesIO(clip), target, trim=trim, redact=(), codec="h264")
    is_fit = (codec, pixels) == ("libx264", "yuv420p")
    assert (told.codec, told.plays_in_browsers, told.pictures) == ("h264", True, 10)
    assert told.encoded == (5 if is_fit else 10)
    with av.open(io.BytesIO(target.getvalue()), "r") as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag, frame.format.name) == ("h264", "avc1", "yuv420p")
    _, as_it_is = trimmed(clip, 0.5, 1.5)
    assert as_it_is.plays_in_browsers == is_fit


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_an_h265_clip_leaves_with_the_tag_that_apples_players_take(codec: Any) -> None:
    clip = record(2, codec=codec, params=_QUIET if codec == "libx265" else "")
    for begin in (0, 0.5, 1):
        content, told = trimmed(clip, begin, 1.8)
        tag = {"h264": "avc1", "hevc": "hvc1"}[told.codec]
        with av.open(io.BytesIO(content), "r") as container:
            assert container.streams.video[0].codec_context.codec_tag == tag


_ON_PROCESSORS = """
import hashlib, os, sys
os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
from tests.media.editing.test_exact_trim import _QUIET, record, trimmed
for codec in ("libx264", "libx265"):
    clip = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
    print(hashlib.sha256(trimmed(clip, 0.35, 2.55)[0]).hexdigest())
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_the_result_does_not_depend_on_the_number_of_processors() -> None:
    """So owner's preview and release are the same on the same version of FFmpeg."""
    clips = [record(3, b_frames=2)]
    clips.append(record(3, codec="libx265", b_frames=2, params=_QUIET))
    given = b"".join(b"%d\n" % len(clip) + clip for clip in clips)
    one, two = sorted(os.sched_getaffinity(0))[:2]
    results = {
        subprocess.run(
            [sys.executable, "-c", _ON_PROCESSORS, processors],
            input=given,
            capture_output=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for processors in (f"{one}", f"{one},{two}")
    }
    assert len(results) == 1
