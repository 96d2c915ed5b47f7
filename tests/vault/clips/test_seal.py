"""Sealing while recording: what comes out, what reaches the disk when, and what fails how."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import new_files
from agent.errors import (
    ClipDamaged,
    InternalFault,
    KeyFileError,
    StorageFault,
    UnreadableLetter,
)
from agent.vault.clips.seal import (
    CHUNK_BYTES,
    ClipIdentity,
    SealedWriter,
    open_key,
    open_stream,
    opens,
    seal_bytes,
    seal_key,
)
from agent.vault.clips.unseal import whole_chunks
from tests.support.clock import SimulatedClock
from tests.vault.support import (
    OWNER,
    RECIPIENTS,
    RECOVERY,
    folder_in_memory,
    pattern,
    stock_age,
    whole,
)


def seal(path: Path, plain: bytes, *pieces: int) -> SealedWriter:
    """A writer that was given ``plain``, cut at ``pieces``."""
    writer = SealedWriter(path, RECIPIENTS, clock=SimulatedClock())
    start = 0
    for end in [*sorted(pieces), len(plain)]:
        assert writer.write(plain[start:end]) == end - start
        start = end
    return writer


@pytest.fixture(scope="module")
def sealed_pattern(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Plaintext of four chunks and a bit, and its age file."""
    plain = pattern(4 * CHUNK_BYTES + 5_000)
    path = tmp_path_factory.mktemp("sealed") / "x.age"
    seal(path, plain).close()
    return plain, path.read_bytes()


@pytest.mark.parametrize("reader", [OWNER, RECOVERY], ids=["owner", "recovery"])
@pytest.mark.parametrize(
    "length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 77]
)
def test_stock_age_opens_what_was_sealed(
    tmp_path: Path, reader: pyrage.x25519.Identity, length: int
) -> None:
    path, plain = tmp_path / "x.age", pattern(length)
    seal(path, plain).close()
    assert stock_age(path, reader, tmp_path) == (plain, 0)


def test_another_identity_opens_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "x.age"
    seal(path, b"private").close()
    stranger = pyrage.x25519.Identity.generate()
    opened, status = stock_age(path, stranger, tmp_path)
    assert opened == b""
    assert status != 0
    with path.open("rb") as sealed:
        assert not opens(sealed, str(stranger))
        assert not opens(sealed, "AGE-SECRET-KEY-1" + "Q" * 58)
        assert opens(sealed, str(OWNER))


@settings(max_examples=25, deadline=None)
@given(pieces=st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=20))
def test_plaintext_may_be_written_in_any_pieces(pieces: list[int]) -> None:
    plain = pattern(3 * CHUNK_BYTES)
    with folder_in_memory() as folder:
        writer = seal(folder / "x.age", plain, *pieces)
        assert writer.position == len(plain)
        done = writer.close()
        on_disk = (folder / "x.age").read_bytes()
    assert done.bytes == len(on_disk)
    assert done.sha256 == hashlib.sha256(on_disk).hexdigest()
    assert pyrage.decrypt(on_disk, [OWNER]) == plain


def test_any_buffer_may_be_written(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=SimulatedClock())
    writer.write(bytearray(b"ab"))
    writer.write(memoryview(b"cd"))
    writer.write(b"")
    writer.close()
    assert pyrage.decrypt((tmp_path / "x.age").read_bytes(), [OWNER]) == b"abcd"


def test_a_path_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.age"
    path.write_bytes(b"something")
    with pytest.raises(StorageFault, match=r"x\.age"):
        SealedWriter(path, RECIPIENTS, clock=SimulatedClock())
    assert path.read_bytes() == b"something"


def test_the_file_is_private_and_locked_until_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.age"
    writer = SealedWriter(path, RECIPIENTS, clock=SimulatedClock())
    assert path.stat().st_mode & 0o777 == 0o600
    assert new_files.being_written(path)
    writer.close()
    assert not new_files.being_written(path)


def test_writing_after_the_end_is_our_mistake(tmp_path: Path) -> None:
    writer = seal(tmp_path / "x.age", b"abc")
    writer.close()
    with pytest.raises(InternalFault):
        writer.write(b"d")


# What is waiting, and since when


def test_stale_counts_from_the_oldest_byte_that_is_in_no_whole_chunk(tmp_path: Path) -> None:
    clock = SimulatedClock()
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=clock)
    assert writer.stale_seconds == 0
    writer.write(b"a" * 100)
    clock.advance(3)
    assert writer.stale_seconds == 3
    writer.write(b"b" * CHUNK_BYTES)  # the first chunk leaves; 100 bytes wait from now on
    assert writer.stale_seconds == 0
    clock.advance(2)
    assert writer.stale_seconds == 2
    writer.close()


def test_a_chunk_leaves_with_the_first_byte_after_it(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=SimulatedClock())
    assert writer.missing == CHUNK_BYTES + 1
    writer.write(b"a" * CHUNK_BYTES)
    assert writer.missing == 1
    writer.write(b"a")
    assert writer.missing == CHUNK_BYTES
    writer.abandon()
    assert len(pyrage_prefix(tmp_path / "x.age")) == CHUNK_BYTES


def pyrage_prefix(path: Path) -> bytes:
    """The plaintext that pyrage itself gives of a cut-off file."""
    plain = io.BytesIO()
    try:
        pyrage.decrypt_io(io.BytesIO(path.read_bytes()), plain, [OWNER])
    except (OSError, pyrage.DecryptError):
        return plain.getvalue()
    return plain.getvalue()


def test_filler_does_not_wait(tmp_path: Path) -> None:
    clock = SimulatedClock()
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=clock)
    writer.write(b"a")
    writer.fill(bytes(writer.missing))
    clock.advance(5)
    assert writer.stale_seconds == 0
    assert not writer.overdue
    writer.abandon()
    assert pyrage_prefix(tmp_path / "x.age") == b"a" + bytes(CHUNK_BYTES - 1)


def test_a_due_chunk_is_synced_and_a_fresh_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    real = os.fsync

    def counting_fsync(descriptor: int) -> None:
        syncs.append(os.fstat(descriptor).st_size // CHUNK_BYTES)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counting_fsync)
    clock = _AskedClock(tmp_path / "x.age")
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=clock)
    writer.write(b"a" * CHUNK_BYTES)
    writer.write(b"b")
    assert clock.asked_with_a_chunk.wait(30), "nobody looked whether the first chunk is due"
    clock.advance(1)
    writer.write(b"c" * CHUNK_BYTES)
    writer.abandon()
    assert syncs == [2]  # the second chunk came when the first had waited for a second


class _AskedClock(SimulatedClock):
    """Knows when the sealing thread has asked it with a chunk at ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._test = threading.current_thread()
        self.asked_with_a_chunk = threading.Event()

    def monotonic(self) -> float:
        now = super().monotonic()
        asks = threading.current_thread() is not self._test
        if asks and self._path.stat().st_size > CHUNK_BYTES:
            self.asked_with_a_chunk.set()
        return now


# Faults


@contextmanager
def disk_with(free_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond ``free_bytes``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_reaches_the_writer_and_nothing_hangs(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=SimulatedClock())
    plain = pattern(40 * CHUNK_BYTES)  # more than the pipe takes
    with (
        disk_with(3 * CHUNK_BYTES),
        pytest.raises(StorageFault, match="the disk is full") as caught,
    ):
        writer.write(plain)
    assert caught.value.advice
    with pytest.raises(StorageFault):
        writer.write(b"more")
    with pytest.raises(StorageFault):
        writer.close()
    assert pyrage_prefix(tmp_path / "x.age") == plain[: 2 * CHUNK_BYTES]


def test_a_full_disk_at_the_last_chunk_reaches_close(tmp_path: Path) -> None:
    writer = SealedWriter(tmp_path / "x.age", RECIPIENTS, clock=SimulatedClock())
    with disk_with(10):
        writer.write(b"short")
        with pytest.raises(StorageFault, match="the disk is full"):
            writer.close()


def test_a_disk_that_fails_to_sync_reaches_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing_fsync)
    writer = seal(tmp_path / "x.age", b"short")
    with pytest.raises(StorageFault, match=r"x\.age.*Input/output error"):
        writer.close()


def test_abandoning_leaves_every_whole_chunk_and_no_proper_end(tmp_path: Path) -> None:
    plain = pattern(2 * CHUNK_BYTES + 9)
    writer = seal(tmp_path / "x.age", plain)
    writer.abandon()
    writer.abandon()  # once more does no harm
    opened, status = stock_age(tmp_path / "x.age", OWNER, tmp_path)
    assert opened == whole(plain)
    assert status != 0
    with pytest.raises(StorageFault):
        writer.close()


# Opening


def test_open_stream_gives_the_plaintext_in_pieces(sealed_pattern: tuple[bytes, bytes]) -> None:
    plain, sealed = sealed_pattern
    with open_stream(io.BytesIO(sealed), str(OWNER)) as opened:
        pieces = list(iter(lambda: opened.read(10_000), b""))
    assert b"".join(pieces) == plain


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_off_file_gives_every_whole_chunk_and_then_is_damage_unless_expected(
    sealed_pattern: tuple[bytes, bytes], data: st.DataObject
) -> None:
    plain, sealed = sealed_pattern
    header = len(sealed) - len(plain) - 5 * 16
    boundary = st.integers(0, 4).map(lambda count: header + count * (CHUNK_BYTES + 16))
    cut = data.draw(st.one_of(boundary, st.integers(0, len(sealed) - 1)))
    chunks = max(0, cut - header) // (CHUNK_BYTES + 16)
    part = io.BytesIO(sealed[:cut])
    assert whole_chunks(part) == chunks
    expected = plain[: chunks * CHUNK_BYTES]
    with open_stream(part, str(OWNER), truncated=True) as opened:
        assert opened.read() == expected
    with open_stream(part, str(OWNER)) as opened, pytest.raises(ClipDamaged):
        opened.read()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), truncated=st.booleans())
def test_a_changed_byte_is_detected_in_a_truncated_clip(
    sealed_pattern: tuple[bytes, bytes], data: st.DataObject, truncated: bool
) -> None:
    plain, sealed = sealed_pattern
    header = len(sealed) - len(plain) - 5 * 16
    body_end = header + 4 * (CHUNK_BYTES + 16)
    at = data.draw(st.integers(header, body_end - 1))
    changed = bytearray(sealed)
    changed[at] ^= data.draw(st.integers(1, 255))
    got = io.BytesIO()
    with (
        open_stream(io.BytesIO(changed), str(OWNER), truncated=truncated) as opened,
        pytest.raises(ClipDamaged),
    ):
        while piece := opened.read(4_096):
            got.write(piece)
    assert plain.startswith(got.getvalue())


class Panic(BaseException):
    """As what a panic of the age library comes out: no Exception."""


@pytest.mark.parametrize("end", [Panic("boom"), MemoryError(), RuntimeError("never expected")])
@pytest.mark.parametrize("truncated", [False, True])
def test_an_unexpected_exception_is_not_taken_for_the_end_of_the_clip(
    sealed_pattern: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
    end: BaseException,
    truncated: bool,
) -> None:
    """Half a clip would be released, or kept, as a whole one; even where a chunk ends."""
    plain, sealed = sealed_pattern
    cut_off = sealed[: len(sealed) - CHUNK_BYTES]
    chunks = whole_chunks(io.BytesIO(cut_off))
    assert chunks == 3

    def opens_in_part(_: BinaryIO, pipe: BinaryIO, __: object) -> None:
        pipe.write(plain[: chunks * CHUNK_BYTES])
        raise end

    monkeypatch.setattr("pyrage.decrypt_io", opens_in_part)
    with (
        open_stream(io.BytesIO(cut_off), str(OWNER), truncated=truncated) as opened,
        pytest.raises(ClipDamaged),
    ):
        opened.read()


def test_a_reader_may_stop_early(sealed_pattern: tuple[bytes, bytes]) -> None:
    threads = threading.active_count()
    with open_stream(io.BytesIO(sealed_pattern[1]), str(OWNER)) as opened:
        assert len(opened.read(10)) == 10
    assert threading.active_count() == threads


def test_a_file_that_is_not_age_has_no_chunks_and_does_not_open() -> None:
    for junk in (b"", b"age-encryption.org/v1\n", b"junk" * 50_000):
        assert whole_chunks(io.BytesIO(junk)) == 0
        with open_stream(io.BytesIO(junk), str(OWNER)) as opened, pytest.raises(ClipDamaged):
            opened.read()


def test_a_damaged_identity_is_named_at_once() -> None:
    with pytest.raises(KeyFileError):
        open_stream(io.BytesIO(b""), "AGE-SECRET-KEY-1NONSENSE")


# The key of a clip

CLIP = "20240124-183000-000001"


def test_a_clip_key_is_opened_by_each_owner_and_by_nobody_else() -> None:
    identity = ClipIdentity()
    sealed = seal_key(identity.text, RECIPIENTS, clip_id=CLIP)
    assert open_key(sealed, str(OWNER), clip_id=CLIP).identity == identity.text
    assert open_key(sealed, str(RECOVERY), clip_id=CLIP).identity == identity.text
    with pytest.raises(UnreadableLetter) as caught:
        open_key(sealed, identity.text, clip_id=CLIP)
    assert caught.value.rule == "not-sealed-to-us"


@pytest.mark.parametrize("sealed", ["", "not base64!", base64.b64encode(b"junk").decode()])
def test_a_damaged_clip_key_is_refused(sealed: str) -> None:
    with pytest.raises(UnreadableLetter) as caught:
        open_key(sealed, str(OWNER), clip_id=CLIP)
    assert caught.value.rule == "not-sealed-to-us"


_NO_KEY = f"# clip {CLIP}\nAGE-SECRET-KEY-1{'Q' * 58}\n".encode()  # its checksum is wrong


@pytest.mark.parametrize("inside", [b"hello", b"\xff\xfe", b"", _NO_KEY])
def test_something_else_in_place_of_a_clip_key_is_refused(inside: bytes) -> None:
    with pytest.raises(UnreadableLetter) as caught:
        open_key(seal_bytes(inside, RECIPIENTS), str(OWNER), clip_id=CLIP)
    assert caught.value.rule == "not-a-clip-key"


def test_the_key_of_another_clip_is_refused() -> None:
    """Else whoever offers clips could have the owner open the key of one never approved."""
    sealed = seal_key(ClipIdentity().text, RECIPIENTS, clip_id="20240124-183000-000002")
    with pytest.raises(UnreadableLetter) as caught:
        open_key(sealed, str(OWNER), clip_id=CLIP)
    assert caught.value.rule == "key-of-another-clip"


def test_identities_are_fresh() -> None:
    assert len({ClipIdentity().text for _ in range(20)}) == 20
