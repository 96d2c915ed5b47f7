"""A seam that cannot be made costs an encoding of all pictures; a wrong one is not let out."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame

from agent.consent.statements import Trim
from agent.media.editing import seam
from agent.media.editing.prepare import prepare
from agent.media.editing.seam import CodedPicture, NoSeam, SeamEncoder
from agent.media.nal_units import Cleaner
from tests.support.footage import numbers, record

_CLIP = record(2)
_NUMBERS_IN_USE = "the recording uses all numbers"


@pytest.mark.traced  # each row is another reason
@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        ({"params": "sps-id=31"}, _NUMBERS_IN_USE),
        ({"pixels": "yuv444p"}, "profile High 4:4:4 Predictive"),
        ({"params": "tff=1"}, "a picture is (320, 180, 'yuv420p', True), not (320, 180, 'yuv420p'"),
    ],
)
def test_a_clip_whose_ends_cannot_be_joined_is_encoded_as_a_whole(
    recorded: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    target = io.BytesIO()
    trim = Trim(from_seconds=0.5, to_seconds=1.8)
    told = prepare(io.BytesIO(record(2, **recorded)), target, trim=trim, redact=())
    assert numbers(target.getvalue()) == list(range(5, 18))
    assert f"the clip is encoded again: {why}" in caplog.text
    assert told.encoded == 13


def test_a_clip_is_encoded_as_a_whole_where_ffmpeg_lacks_the_encoder_of_a_seam(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(seam._ENCODERS, "h264", "libx264-of-another-build")
    caplog.set_level(logging.INFO)
    target = io.BytesIO()
    trim = Trim(from_seconds=0.5, to_seconds=1.8)
    told = prepare(io.BytesIO(_CLIP), target, trim=trim, redact=())
    assert "this FFmpeg has no libx264-of-another-build" in caplog.text
    assert numbers(target.getvalue()) == list(range(5, 18))
    assert told.encoded == 13


@pytest.fixture
def made() -> Iterator[tuple[SeamEncoder, bytes, list[VideoFrame]]]:
    """A seam for a clip, the record of a file with both, and the clip's pictures."""
    with av.open(io.BytesIO(_CLIP), "r") as container:
        stream = container.streams.video[0]
        first = next(container.demux(stream))
        cleaner = Cleaner("h264", stream.codec_context.extradata or b"", bytes(first))
        encoder = SeamEncoder(stream, "h264", cleaner)
        container.seek(0)
        frames = list(container.decode(stream))
        yield encoder, cleaner.record_with(encoder.sets), frames


def test_a_seam_is_let_out_only_if_a_decoder_shows_each_picture_at_its_time(
    made: tuple[SeamEncoder, bytes, list[VideoFrame]],
) -> None:
    encoder, record_, frames = made
    times = [frame.pts for frame in frames]
    coded = encoder.run(frames[3:7])
    assert [one.shown for one in coded] == times[3:7]
    assert [one.is_keyframe for one in coded] == [True, False, False, False]
    encoder.verify(record_, coded)
    none = CodedPicture(b"", coded[3].shown, is_keyframe=False)
    wrong: dict[str, list[CodedPicture]] = {
        "without its first": coded[1:],
        "out of order": [coded[0], coded[2], coded[1], coded[3]],
        "one is empty": [*coded[:3], none],
        "cut": [*coded[:3], replace(coded[3], content=coded[3].content[:9])],
    }
    for why, pictures in wrong.items():
        with pytest.raises(NoSeam, match=r"^a decoder (shows|says) "):
            encoder.verify(record_, pictures)
            pytest.fail(why)


def test_only_pictures_of_the_recordings_format_are_encoded(
    made: tuple[SeamEncoder, bytes, list[VideoFrame]],
) -> None:
    encoder, _, frames = made
    other = frames[1].reformat(width=160, height=90)
    other.pts = frames[1].pts
    with pytest.raises(NoSeam, match=r"a picture is \(160, 90, .*\), not \(320, 180, "):
        encoder.run([frames[0], other])
