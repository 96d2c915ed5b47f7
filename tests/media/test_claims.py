"""A clip whose index claims more than it holds is refused before FFmpeg takes memory for it."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consent.statements import Redaction
from agent.errors import ClipDamaged
from agent.media.claims import MOST_PICTURES, BoundedIndex
from agent.media.editing import recording
from agent.media.editing.span import decoded
from agent.media.set_records import record_sets
from tests.support.footage import packet_of, prepared, record

CLIP = record(2)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def widths(clip: bytes) -> list[int]:
    with recording.open_recording(io.BytesIO(clip)) as opened:
        frames = decoded(opened.stream.codec_context, opened.packets)
        return [frame.width for frame in frames]


def joined(first: bytes, then: bytes) -> bytes:
    """A recording whose header is that of ``first``; ``then`` has its sets among its pictures."""
    memory = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(io.BytesIO(first), "r") as one,
        av.open(io.BytesIO(then), "r") as other,
        av.open(memory, "w", format="mp4", options=options) as target,
    ):
        stream = target.add_stream_from_template(one.streams.video[0])
        _, sets = record_sets("h264", other.streams.video[0].codec_context.extradata or b"")
        late = 0
        for source, before in ((one, b""), (other, packet_of(sets))):
            for packet in source.demux(video=0):
                if packet.dts is None or packet.pts is None:
                    continue
                made = av.Packet(before + bytes(packet))
                made.pts, made.dts, made.time_base = (
                    packet.pts + late,
                    packet.dts + late,
                    packet.time_base,
                )
                made.is_keyframe, made.stream = packet.is_keyframe, stream
                target.mux(made)
            late = round(1 / (stream.time_base or 1))
    return memory.getvalue()


def read(content: bytes, *, size: int = 32_768, most: int = MOST_PICTURES) -> bytes:
    reader = BoundedIndex(io.BytesIO(content), most_pictures=most)
    return b"".join(iter(lambda: reader.read(size), b""))


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_a_recording_is_read_as_it_is(size: int) -> None:
    assert read(CLIP, size=size) == CLIP


@given(st.integers(0, len(CLIP)))
def test_a_recording_that_was_cut_off_is_read_to_its_end(end: int) -> None:
    assert read(CLIP[:end]) == CLIP[:end]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_read_as_they_are_or_refused(content: bytes, size: int) -> None:
    with contextlib.suppress(ClipDamaged):
        assert read(content, size=size) == content


@pytest.mark.parametrize(
    "claim",
    [
        b"stsz" + struct.pack(">III", 0, 1, 100_000_000),
        b"stz2" + struct.pack(">III", 0, 8, 100_000_000),
        b"trun" + struct.pack(">II", 0, 100_000_000),
        b"elst" + struct.pack(">II", 0, 2) + b"stsz" + struct.pack(">III", 0, 1, MOST_PICTURES),
        b"elst" + struct.pack(">II", 0, 1000) + b"trun" + struct.pack(">II", 0, 1000),
    ],
)
@pytest.mark.parametrize("kind", [b"moov", b"moof", b"trak", b"xxxx"])
def test_an_index_of_too_many_pictures_is_refused(claim: bytes, kind: bytes) -> None:
    with pytest.raises(ClipDamaged, match="claims more pictures"):
        read(CLIP + box(kind, claim))


def test_many_small_claims_add_up() -> None:
    part = box(b"moof", b"trun" + struct.pack(">II", 0, 1000))
    read(part * 5, most=5000)
    with pytest.raises(ClipDamaged):
        read(part * 6, most=5000)


@pytest.mark.parametrize("length", [2, 7, 1 << 30])
def test_an_index_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ClipDamaged, match="wrong length"):
        read(struct.pack(">I4s", length, b"moov"))


def test_pictures_are_passed_on_without_being_kept() -> None:
    class Pictures(io.RawIOBase):
        def __init__(self) -> None:
            self.left = 1 << 28

        def read(self, size: int = -1, /) -> bytes:
            given = min(size, self.left)
            self.left -= given
            return bytes(given)

    class Whole:
        def __init__(self) -> None:
            self.head, self.rest = struct.pack(">I4s", (1 << 28) + 8, b"mdat"), Pictures()

        def read(self, size: int, /) -> bytes:
            given, self.head = self.head[:size], self.head[size:]
            return given or self.rest.read(size)

    tracemalloc.start()
    reader = BoundedIndex(Whole())
    while reader.read(1 << 16):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_the_release_refuses_such_a_clip_too() -> None:
    with pytest.raises(ClipDamaged, match="claims more pictures"):
        prepared(CLIP + box(b"moof", b"trun" + struct.pack(">II", 0, 100_000_000)))


SMALL, LARGE = record(1, width=640, height=360), record(1, width=1280, height=720)


def test_pictures_that_grow_within_the_bound_are_decoded() -> None:
    assert widths(joined(SMALL, LARGE)) == [640] * 10 + [1280] * 10


@pytest.mark.parametrize("clip", [LARGE, joined(SMALL, LARGE)], ids=["header", "later"])
def test_pictures_larger_than_any_cameras_are_refused(
    monkeypatch: pytest.MonkeyPatch, clip: bytes
) -> None:
    """By the header, and by the decoder where parameter sets among the pictures say more."""
    monkeypatch.setattr(recording, "_MOST_PIXELS", 640 * 368)  # coded in whole blocks of 16
    assert widths(SMALL) == [640] * 10
    with pytest.raises(ClipDamaged):
        widths(clip)
    with pytest.raises(ClipDamaged):
        prepared(clip, None, Redaction.still(0, 0, 0.5, 0.5))


@pytest.mark.parametrize("name", [b"stsz", b"stz2"])
@pytest.mark.parametrize("decoy", [b"stsz", b"stz2", b"trun"])
@pytest.mark.parametrize("gap", range(16))
def test_a_decoy_right_before_an_index_does_not_hide_it(
    name: bytes, decoy: bytes, gap: int
) -> None:
    """The search took the decoy for a box that claims nothing, and read on behind the true one."""
    true = box(name, struct.pack(">III", 0, 1, 100_000_000))
    with pytest.raises(ClipDamaged, match="claims more pictures"):
        read(box(b"moov", box(b"free", decoy + bytes(gap)) + true))


def test_a_compressed_index_is_refused() -> None:
    """FFmpeg inflates QuickTime's ``cmov``; nothing of it would have been counted."""
    packed = zlib.compress(box(b"moov", b"stsz" + struct.pack(">III", 0, 1, 100_000_000)))
    compressed = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", 1_000) + packed)
    with pytest.raises(ClipDamaged, match="compressed"):
        read(box(b"moov", box(b"cmov", compressed)))


def sound(chunks: int, samples_each: int) -> bytes:
    """The index of a sound: its ``stsz`` claims one sample, and its chunks any number."""
    parts = {
        b"stsz": struct.pack(">III", 0, 2, 1),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, samples_each, 1),
        b"stco": struct.pack(">II", 0, chunks) + bytes(4 * chunks),
    }
    return box(b"moov", b"".join(box(*part) for part in parts.items()))


def test_a_sound_that_claims_by_its_chunks_is_refused() -> None:
    """FFmpeg made two million entries of each chunk: four of them took 200 MB."""
    with pytest.raises(ClipDamaged, match="claims more pictures"):
        read(sound(4, 0x7FFF_FFF0))
    read(sound(4, 1_000))


def test_names_that_lie_inside_each_other_cost_no_time() -> None:
    """Each ``stsc`` claims all that follows: to read them all would take hours."""
    nested = (b"stsc" + struct.pack(">II", 0, 1 << 24)) * 100_000
    with pytest.raises(ClipDamaged, match="wrong length"):
        read(box(b"moov", nested))


def test_edits_and_claims_without_number_cost_no_time() -> None:
    many = (b"elst" + bytes(8) + b"trun" + bytes(8)) * 50_000
    assert read(box(b"moov", many))
