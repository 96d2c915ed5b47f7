"""A clip leaves whole and untouched, or exactly in its approved part."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import Literal

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.consent.statements import Redaction
from agent.errors import ClipDamaged, Refused
from agent.media.editing.prepare import prepare
from agent.media.mp4 import Readable
from tests.support.footage import (
    HEIGHT,
    RATE,
    WIDTH,
    boxes,
    numbers,
    packets,
    picture,
    pictures,
    prepared,
    record,
    with_edit_list,
    with_units,
    without_notes,
)

CLIP = record(4)  # 40 pictures, a keyframe each second
B_FRAMES = record(4, b_frames=2)
H265 = record(3, codec="libx265", b_frames=2, params="log-level=none")
ONE_KEYFRAME = record(4, keyframe_every=1000)


def written(plain: Readable) -> bytes:
    target = io.BytesIO()
    prepare(plain, target, trim=None, redact=())
    return target.getvalue()


# Untouched


@pytest.mark.parametrize("clip", [CLIP, B_FRAMES, ONE_KEYFRAME, record(2, first_pts=5_000)])
def test_an_uncut_clip_leaves_with_its_pictures_byte_for_byte(clip: bytes) -> None:
    assert packets(prepared(clip)) == without_notes(clip)


def test_the_index_stands_before_the_pictures_and_nothing_is_fragmented() -> None:
    kinds = [kind for kind, _ in boxes(prepared(CLIP))]
    assert kinds.index("moov") < kinds.index("mdat")
    assert "moof" not in kinds
    assert kinds[0] == "ftyp"


@pytest.mark.parametrize("trim", [None, (1.0, 3.0), (1.2, 1.8)])
def test_it_begins_at_zero_and_runs_at_the_recorded_pace(trim: tuple[float, float] | None) -> None:
    content = prepared(record(4, first_pts=7_000), trim)
    with av.open(io.BytesIO(content), "r") as container:
        seconds = [frame.time for frame in container.decode(video=0)]
    assert seconds == pytest.approx([number / RATE for number in range(len(seconds))], abs=0.001)


def test_free_boxes_between_fragments_change_nothing() -> None:
    free = (4_000).to_bytes(4, "big") + b"free" + os.urandom(3_992)
    padded, position = b"", 0
    for kind, size in boxes(CLIP):
        padded += (free if kind == "moof" else b"") + CLIP[position : position + size]
        position += size
    assert padded.count(free) == 4
    assert packets(prepared(padded + free)) == without_notes(CLIP)


def test_a_clip_is_read_from_front_to_back() -> None:
    class OneWay:
        def __init__(self, content: bytes) -> None:
            self._stream = io.BytesIO(content)

        def read(self, size: int) -> bytes:
            return self._stream.read(min(size, 700))

    assert packets(written(OneWay(CLIP))) == without_notes(CLIP)


# Nothing else leaves


@pytest.mark.parametrize("redact", [(), (Redaction.still(x=0.5, y=0.5, width=0.1, height=0.1),)])
def test_no_metadata_of_the_file_leaves(redact: Sequence[Redaction]) -> None:
    content = prepared(CLIP, None, *redact)
    assert b"SECRET" in CLIP
    assert b"SECRET" not in content
    assert b"Lavf" not in content
    with av.open(io.BytesIO(content)) as container:
        assert "creation_time" not in container.metadata
        assert "encoder" not in container.metadata
    moov = content[content.index(b"mvhd") + 8 : content.index(b"mvhd") + 16]
    assert moov == bytes(8)  # creation and modification time (ISO/IEC 14496-12, 8.2.2)


@pytest.mark.parametrize("trim", [None, (1.0, 3.0), (1.2, 1.8)])
@pytest.mark.parametrize("redact", [(), (Redaction.still(x=0, y=0, width=0.1, height=0.1),)])
def test_no_encoder_leaves_a_note(
    trim: tuple[float, float] | None, redact: Sequence[Redaction]
) -> None:
    assert b"x264" in CLIP
    assert b"x264" not in prepared(CLIP, trim, *redact)


# Unregistered user data (ITU-T H.264, D.1.6), as cameras put their ids there.
SERIAL = b"\6\5\x1e" + bytes(range(1, 17)) + b"SERIAL-1234567" + b"\x80"


@pytest.mark.parametrize("trim", [None, (1.0, 3.0), (1.2, 1.8)])
@pytest.mark.parametrize("note", [SERIAL, b"\x18" + SERIAL, b"\x0c" + SERIAL, b"\x15" + SERIAL])
def test_notes_of_a_camera_beside_its_pictures_do_not_leave(
    trim: tuple[float, float] | None, note: bytes
) -> None:
    """SEI; a unit left to applications; filling; a reserved type."""
    talking = with_units(CLIP, note)
    assert talking.count(b"SERIAL") == 40
    assert b"SERIAL" not in prepared(talking, trim)
    if trim != (1.2, 1.8):  # which is encoded again
        assert packets(prepared(talking, trim)) == packets(prepared(CLIP, trim))


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="PyAV without libx265")
@pytest.mark.parametrize("trim", [None, (1.0, 3.0)])
def test_notes_in_the_header_of_an_h265_clip_do_not_leave(trim: tuple[float, float] | None) -> None:
    """There its encoder's banner stands in the ``hvcC`` record, and perhaps in packets too."""
    for repeated in ("", ":repeat-headers=1:hrd=1:vbv-maxrate=2000:vbv-bufsize=2000"):
        params = "log-level=none:min-keyint=10:scenecut=0" + repeated
        clip = record(4, codec="libx265", params=params)
        assert b"x265 (" in clip
        content = prepared(clip, trim)
        assert b"x265" not in content
        shown, expected = pictures(content), pictures(clip)
        if trim is not None:
            expected = expected[10:30]
        assert len(shown) == len(expected)
        assert all(np.array_equal(*pair) for pair in zip(shown, expected, strict=True))


@pytest.mark.parametrize("trim", [None, (2.0, 4.0)])
@pytest.mark.parametrize("params", ["open-gop=1:b-adapt=0", "intra-refresh=1", "nal-hrd=vbr:aud=1"])
def test_every_picture_is_the_same_to_the_bit(
    params: str, trim: tuple[float, float] | None
) -> None:
    """A clip that is entered at a picture which is no IDR shows nothing without its SEI."""
    rate = ":vbv-maxrate=2000:vbv-bufsize=2000"
    clip = record(4, b_frames=2, params=params + rate)
    shown = pictures(prepared(clip, trim))
    assert len(shown) == (40 if trim is None else 20)
    if trim is not None and "intra" in params:
        return  # no picture in it is whole, so it is encoded again
    expected = pictures(clip)[-len(shown) :]
    assert all(np.array_equal(*pair) for pair in zip(shown, expected, strict=True))


def test_sound_does_not_leave() -> None:
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"}
    with (
        av.open(io.BytesIO(CLIP), "r") as recorded,
        av.open(memory, "w", format="mp4", options=options) as container,
    ):
        video = container.add_stream_from_template(recorded.streams.video[0])
        audio = container.add_stream("aac", rate=8000, layout="mono")
        for packet in recorded.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate, sound.pts = 8000, 0
        container.mux([*audio.encode(sound), *audio.encode(None)])
    with av.open(io.BytesIO(prepared(memory.getvalue()))) as container:
        assert [stream.type for stream in container.streams] == ["video"]


# Trim


@pytest.mark.parametrize(
    ("trim", "first", "last"),
    [
        ((0, 4), 0, 39),
        ((0, 1), 0, 9),
        ((1, 2), 10, 19),
        ((0.05, 2), 1, 19),
        ((1.0, 2.55), 10, 25),
        ((2.1, 86_400), 21, 39),
    ],
)
def test_a_trim_is_exact_and_copied_from_the_first_keyframe_inside_it(
    trim: tuple[float, float], first: int, last: int
) -> None:
    content = prepared(CLIP, trim)
    assert numbers(content) == list(range(first, last + 1))
    keyframe = -(-first // 10) * 10
    assert packets(content)[keyframe - first :] == without_notes(CLIP)[keyframe : last + 1]


@pytest.mark.parametrize("clip", [CLIP, ONE_KEYFRAME, B_FRAMES])
def test_a_trim_without_a_keyframe_inside_is_encoded_again_exactly(clip: bytes) -> None:
    assert numbers(prepared(clip, (1.15, 1.85))) == [12, 13, 14, 15, 16, 17, 18]


@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(0, 390), length=st.integers(10, 390), clip=st.sampled_from([CLIP, B_FRAMES])
)
def test_no_picture_from_outside_a_trim_ever_leaves(start: int, length: int, clip: bytes) -> None:
    begin, end = start / 100, (start + length) / 100
    try:
        content = prepared(clip, (begin, end))
    except Refused as refused:
        assert refused.rule == "empty-trim"
        return
    shown = numbers(content)
    assert shown == [number for number in range(40) if begin <= number / RATE < end]
    assert len(packets(content)) == len(shown)  # and none hides where no player shows it


@pytest.mark.parametrize("trim", [(1.01, 1.09), (4.0, 5.0), (500, 600)])
def test_a_trim_without_a_picture_is_refused(trim: tuple[float, float]) -> None:
    with pytest.raises(Refused) as refused:
        prepared(CLIP, trim)
    assert refused.value.rule == "empty-trim"


# Redact


def difference(shown: NDArray[np.uint8], number: int) -> NDArray[np.float64]:
    """The difference of each pixel of a picture from the drawn one, 0 to 255."""
    apart = np.abs(shown.astype(np.float64) - picture(number))
    return np.asarray(apart.mean(axis=2), np.float64)


BOX = Redaction.still(x=0.4, y=0.3, width=0.25, height=0.4)


def region(redaction: Redaction, margin: int) -> tuple[slice, slice]:
    """The pixels of a still box, smaller by ``margin``; a negative one makes it larger."""
    (box,) = redaction.positions
    return (
        slice(int(box.y * HEIGHT) + margin, int((box.y + box.height) * HEIGHT) - margin),
        slice(int(box.x * WIDTH) + margin, int((box.x + box.width) * WIDTH) - margin),
    )


def test_a_redacted_box_carries_no_detail_and_the_rest_stays() -> None:
    shown = pictures(prepared(CLIP, None, BOX))
    assert len(shown) == 40
    usual = difference(pictures(CLIP)[0], 0).mean()
    for number, image in enumerate(shown):
        inside = image[region(BOX, 0)].astype(int)
        assert np.max(inside.std(axis=(0, 1))) < 3
        assert np.max(np.abs(inside - 128)) < 24  # grey: nothing shines through
        outside = difference(image, number)
        outside[region(BOX, -4)] = 0
        assert outside.mean() < usual + 6


def test_the_content_under_a_box_does_not_change_the_result() -> None:
    """Two clips that differ only under the box come out the same there."""
    first = pictures(prepared(CLIP, (0, 1), BOX))
    other = pictures(prepared(CLIP, (2, 3), BOX))
    for one, two in zip(first, other, strict=True):
        hidden = region(BOX, 16)  # away from the edge, which the encoder smears
        assert np.abs(one[hidden].astype(int) - two[hidden].astype(int)).max() <= 2


def test_every_box_is_filled_to_its_last_pixel() -> None:
    several = (
        Redaction.still(x=0, y=0, width=0.013, height=1),
        Redaction.still(x=0.331, y=0.0, width=0.017, height=0.021),
        Redaction.still(x=0.9, y=0.9, width=0.1, height=0.1),
    )
    for image in pictures(prepared(CLIP, None, *several)):
        for box in several:
            assert abs(image[region(box, 0)].astype(int) - 128).mean() < 12


def test_a_box_over_everything_leaves_nothing_to_see() -> None:
    for image in pictures(prepared(CLIP, None, Redaction.still(x=0, y=0, width=1, height=1))):
        assert image.std() < 2


@pytest.mark.parametrize("clip", [CLIP, B_FRAMES, ONE_KEYFRAME])
def test_a_trim_and_redacted_clip_shows_exactly_the_pictures_of_the_trim(clip: bytes) -> None:
    content = prepared(clip, (0.95, 2.05), BOX)
    assert numbers(content) == list(range(10, 21))
    assert len(packets(content)) == 11


@pytest.mark.parametrize("full_range", [False, True])
def test_odd_sizes_and_full_range_colours_are_kept(full_range: bool) -> None:
    clip = record(1, width=318, height=182, full_range=full_range)
    before = pictures(clip)[0].astype(int)
    corner = Redaction.still(x=0.9, y=0.9, width=0.1, height=0.1)
    after = pictures(prepared(clip, None, corner))[0].astype(int)
    assert after.shape == before.shape
    assert abs(after[:150, :250] - before[:150, :250]).mean() < 8


# Damaged


@pytest.mark.parametrize("share", [0.5, 0.75, 0.99])
def test_a_clip_that_is_cut_off_leaves_up_to_its_last_whole_packet(share: float) -> None:
    cut_off = CLIP[: int(len(CLIP) * share)]
    leaving = packets(prepared(cut_off))
    assert 10 <= len(leaving) < 40
    assert leaving == without_notes(CLIP)[: len(leaving)]


def test_a_clip_that_ends_in_the_middle_can_still_be_redacted() -> None:
    shown = numbers(prepared(CLIP[: len(CLIP) // 2], None, BOX))
    assert shown == list(range(len(shown)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an MP4 file at all",
        bytes(100_000),
        CLIP[:200],
        CLIP[: CLIP.index(b"moof") - 4],
        b"\x00\x00\x00\x18ftypisom" + os.urandom(5_000),
    ],
    ids=["empty", "text", "zeros", "header only", "no fragment", "noise"],
)
@pytest.mark.parametrize("redact", [(), (BOX,)])
def test_a_file_that_is_no_clip_is_called_damaged(
    content: bytes, redact: Sequence[Redaction]
) -> None:
    with pytest.raises(ClipDamaged):
        prepared(content, None, *redact)


@settings(max_examples=60, deadline=None)
@given(
    clip=st.sampled_from([CLIP, B_FRAMES, H265]),
    share=st.floats(0, 0.999),
    noise=st.binary(min_size=1, max_size=64),
    trim=st.sampled_from([None, (0.55, 2.35)]),
    redact=st.sampled_from([(), (BOX,)]),
)
def test_no_damage_causes_any_other_exception(
    clip: bytes,
    share: float,
    noise: bytes,
    trim: tuple[float, float] | None,
    redact: tuple[Redaction, ...],
) -> None:
    place = int(share * len(clip))
    content = clip[:place] + noise + clip[place + len(noise) :]
    with contextlib.suppress(ClipDamaged, Refused):
        prepared(content, trim, *redact)


@pytest.mark.parametrize("after", [0, 30_000])
def test_an_error_of_reading_is_raised_unchanged(after: int) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= after:
                raise ClipDamaged("the seal is broken")
            return super().read(min(size or 0, 1_000))

    with pytest.raises(ClipDamaged, match="the seal is broken"):
        written(Broken(CLIP))


@pytest.mark.parametrize("redact", [False, True])
def test_packets_that_an_edit_list_hides_do_not_leave(redact: bool) -> None:
    hidden = with_edit_list(record(4, keyframe_every=100), from_seconds=2, seconds=2)
    boxes = [Redaction.still(x=0.5, y=0.5, width=0.5, height=0.5)] if redact else []
    left = prepared(hidden, None, *boxes)
    with av.open(io.BytesIO(left), mode="r") as shown:
        assert len(list(shown.decode(video=0))) == 20


# What the header hides


def with_box(content: bytes, entry: bytes, box: bytes) -> bytes:
    """The MP4 ``content`` with ``box`` at the end of its sample entry ``entry``."""
    data = bytearray(content)
    places = [
        content.index(name) - 4
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry)
    ]
    end = places[-1] + int.from_bytes(data[places[-1] :][:4], "big")
    for place in places:
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data[place : place + 4] = size.to_bytes(4, "big")
    data[end:end] = box
    return bytes(data)


def test_a_crop_in_the_files_header_does_not_leave() -> None:
    """Some players obey it and some do not: the owner might see less than the requester."""
    numbers = (160, 1, 90, 1, 0, 1, 0, 1)  # half the picture (ISO/IEC 14496-12, 12.1.4)
    clap = b"\0\0\0\x28clap" + b"".join(one.to_bytes(4, "big") for one in numbers)
    hiding = with_box(CLIP, b"avc1", clap)
    assert b"clap" in hiding and len(pictures(hiding)) == 40
    assert prepared(hiding) == prepared(CLIP)


def cropped(clip: bytes, change: str, after: int = 0) -> bytes:
    """``clip`` whose packets from number ``after`` on bring sets that crop the picture."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(io.BytesIO(clip), "r") as recorded,
        av.open(memory, "w", format="mp4", options=options) as container,
    ):
        source = recorded.streams.video[0]
        target = container.add_stream_from_template(source)
        name = {"h264": "h264_metadata", "hevc": "hevc_metadata"}[source.codec_context.name]
        changing = BitStreamFilterContext(f"{name}={change}", source, None if after else target)
        number = 0
        for packet in recorded.demux(source):
            plain = av.Packet(bytes(packet))  # the filter takes the packet's data away
            plain.pts, plain.dts, plain.time_base = packet.pts, packet.dts, packet.time_base
            plain.is_keyframe = packet.is_keyframe
            for changed in changing.filter(packet if packet.size else None):
                copy = changed if number >= after else plain
                number += 1
                copy.stream = target
                container.mux(copy)
    return memory.getvalue()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("change", ["crop_right=64", "crop_left=32", "crop_top=2:crop_bottom=40"])
def test_a_picture_that_its_sets_crop_leaves_without_what_they_hide(
    codec: Literal["libx264", "libx265"], change: str
) -> None:
    clip = record(1, codec=codec, params="log-level=none" if codec == "libx265" else "")
    hiding = cropped(clip, change)
    shown, expected = pictures(prepared(hiding)), pictures(hiding)
    assert len(shown) == len(expected) == 10
    assert shown[0].shape == expected[0].shape  # FFmpeg shows some of what is cropped
    assert all(difference_of(*pair) < 6 for pair in zip(shown, expected, strict=True))
    with av.open(io.BytesIO(prepared(hiding)), "r") as container:
        next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert context.coded_width - context.width < 16
        assert context.coded_height - context.height < 16


def difference_of(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_copy_ends_where_pictures_begin_that_are_partly_hidden() -> None:
    """A camera that means well does not change its crop in the middle of a clip."""
    repeating = record(4, params="repeat-headers=1")
    assert len(pictures(prepared(repeating))) == 40
    hiding = cropped(repeating, "crop_right=64", after=20)
    assert numbers(prepared(hiding)) == list(range(20))


# Files of which nothing is known to leave


def in_mp4(*codecs: str) -> bytes:
    """An MP4 with one video of each of ``codecs``."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(memory, "w", format="mp4", options=options) as container:
        streams = [container.add_stream(codec, rate=RATE) for codec in codecs]
        for stream in streams:
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for stream in streams:
            assert isinstance(stream, VideoStream)
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = 0
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return memory.getvalue()


def with_record(place: int, value: int) -> bytes:
    """The clip with another byte in its ``avcC`` record (ISO/IEC 14496-15, 5.3.3.1)."""
    data = bytearray(CLIP)
    data[data.index(b"avcC") + 4 + place] = value
    return bytes(data)


@pytest.mark.traced  # each row is another refusal
@pytest.mark.parametrize(
    ("clip", "why"),
    [
        (in_mp4("libx264", "libx264"), "the clip has 2 video streams, not one"),
        (in_mp4("mpeg4"), "the clip's header does not tell how to play it"),
        (CLIP.replace(b"SECRET-COMMENT", b"\xff" * 14), "its metadata is not text"),
        (with_record(6, 0xFF), "the clip's header does not tell how to play it"),
        (with_record(5, 0xE0), "the clip's header does not tell how to play it"),
    ],
    ids=["two videos", "MPEG-4 part 2", "metadata", "a set beyond the record", "no set"],
)
def test_a_clip_that_does_not_tell_how_to_play_it_is_called_damaged(clip: bytes, why: str) -> None:
    with pytest.raises(ClipDamaged, match=why):
        prepared(clip)
