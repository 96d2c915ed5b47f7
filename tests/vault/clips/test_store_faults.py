"""Power cuts and failing disks while a clip is recorded."""

from __future__ import annotations

import errno
import io
import os
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agent.errors import StorageFault
from agent.vault.clips import seal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.seal import CHUNK_BYTES
from agent.vault.clips.store import Recovery
from agent.vault.clips.unseal import whole_chunks
from tests.vault.support import (
    OWNER,
    Vault,
    pattern,
)


class SyncedPrefix:
    """The recordings as a power cut would leave them: only synced bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        real = os.fsync

        def watched_fsync(descriptor: int) -> None:
            name = Path(f"/proc/self/fd/{descriptor}").readlink().name
            size = os.fstat(descriptor).st_size
            real(descriptor)
            if name.endswith(".mp4.age.part"):
                self.bytes = size

        monkeypatch.setattr(os, "fsync", watched_fsync)

    def plain(self, part: Path) -> bytes:
        left = io.BytesIO(part.read_bytes()[: self.bytes])
        if whole_chunks(left) == 0:
            return b""
        with seal.open_stream(left, str(OWNER), truncated=True) as plain:
            return plain.read()

    def keeps(self, part: Path, fragments: bytes) -> bool:
        boxes = _boxes(self.plain(part))
        return b"".join(box for kind, box in boxes if kind == b"mdat").startswith(fragments)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the sealing thread; its work takes no time on the simulated clock."""
    pause = threading.Event()
    for _ in range(5_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("the sealing thread did not get there")


@pytest.mark.parametrize("interval", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("size", [100, 2_000, 30_000, CHUNK_BYTES - 9, CHUNK_BYTES, 300_000])
def test_a_power_cut_costs_one_fragment_besides_what_the_muxer_holds(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, size: int, interval: float
) -> None:
    synced = SyncedPrefix(monkeypatch)
    draft = vault.begin()
    part = ClipFiles.of(vault.state_dir, draft.id).media_part
    fragments = []
    for number in range(12):
        fragments.append(_box(b"mdat", pattern(size - 8)[: size - 13] + b"%05d" % number))
        draft.write(fragments[-1])
        draft.pad_if_stale()
        wanted = b"".join(fragments[:-1])
        wait_until(partial(synced.keeps, part, wanted))
        vault.clock.advance(interval)
    clip = draft.finish(duration_seconds=12.0)
    boxes = _boxes(vault.plain(clip.id))
    assert b"".join(box for kind, box in boxes if kind == b"mdat") == b"".join(fragments)
    padding = sum(len(box) for kind, box in boxes if kind == b"free")
    assert padding <= 6 * (CHUNK_BYTES + 1)  # one chunk in two fragments at most
    assert size < CHUNK_BYTES or padding == 0


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes in ``data``; the last may be cut off."""
    boxes = []
    while len(data) >= 8:
        size, kind = struct.unpack(">I4s", data[:8])
        assert size >= 8
        boxes.append((kind, data[:size]))
        data = data[size:]
    return boxes


def test_an_empty_chunk_is_not_padded(vault: Vault) -> None:
    draft = vault.begin()
    vault.clock.advance(60)
    draft.pad_if_stale()
    draft.write(b"x")
    draft.pad_if_stale()
    clip = draft.finish(duration_seconds=1.0)
    assert vault.plain(clip.id) == b"x"


@pytest.mark.parametrize("short_by", range(12))
def test_padding_is_a_whole_box_also_close_to_the_end_of_a_chunk(
    vault: Vault, short_by: int
) -> None:
    draft = vault.begin()
    fragment = _box(b"mdat", pattern(CHUNK_BYTES - short_by - 8))
    draft.write(fragment)
    vault.clock.advance(1)
    draft.pad_if_stale()
    draft.abandon()
    vault.store.recover()
    assert vault.plain(draft.id, truncated=True)[: len(fragment)] == fragment
    assert len(vault.plain(draft.id, truncated=True)) == CHUNK_BYTES


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_disk_that_fails_while_recording_is_told_and_keeps_what_there_is(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = vault.begin()
    plain = pattern(3 * CHUNK_BYTES + 10)
    draft.write(plain)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFault, match="the disk is full"):
            draft.finish(duration_seconds=1.0)
    assert vault.index.clips() == []
    assert vault.store.recover() == Recovery(closed=(draft.id,))
    assert vault.plain(draft.id, truncated=True) == plain


def test_a_clip_whose_row_could_not_be_written_is_adopted_later(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = vault.begin()
    draft.write(b"video")

    def full(_: object) -> None:
        raise StorageFault("index.sqlite: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(vault.index, "put_clip", full)
        with pytest.raises(StorageFault):
            draft.finish(duration_seconds=1.0)
    assert vault.index.clips() == []
    assert vault.store.recover() == Recovery(adopted=(draft.id,))
    assert not vault.index.clips()[0].truncated


def test_a_failed_create_leaves_no_descriptor_open(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.record()
    open_before = open_descriptors()

    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        for _ in range(3):
            with pytest.raises(StorageFault):
                vault.begin()
    assert open_descriptors() == open_before
    assert len(vault.store.recover().discarded) == 3


def test_fifty_clips_leak_neither_descriptors_nor_threads(vault: Vault) -> None:
    vault.record()
    threads, descriptors = threading.active_count(), open_descriptors()
    for number in range(50):
        draft = vault.begin()
        draft.write(pattern(CHUNK_BYTES + 1))
        if number % 5 == 0:
            draft.abandon()
        else:
            clip = draft.finish(duration_seconds=1.0)
            assert vault.plain(clip.id)
    vault.store.recover()
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors
    assert vault.index.totals().count == 51
