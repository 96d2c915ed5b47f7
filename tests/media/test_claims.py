"""A clip whose index claims more than it holds is refused before FFmpeg takes memory for it."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ClipDamaged
from agent.media.claims import MOST_PICTURES, BoundedIndex
from agent.media.editing.recording import open_recording
from tests.support.footage import prepared, record

CLIP = record(2)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


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


def test_pictures_larger_than_any_cameras_are_refused() -> None:
    """The header claims them; no decoder is opened."""
    at = CLIP.index(b"avc1") + 4 + 24
    huge = CLIP[:at] + struct.pack(">HH", 60_000, 60_000) + CLIP[at + 4 :]
    with open_recording(io.BytesIO(CLIP)) as recording:
        assert (recording.stream.width, recording.rotation) == (320, 0)
    with pytest.raises(ClipDamaged), open_recording(io.BytesIO(huge)) as recording:
        assert recording.stream.width == 320, "the parameter sets count"
        raise ClipDamaged("not fooled")
