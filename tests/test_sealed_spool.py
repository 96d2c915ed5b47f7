"""The sealed spool: a file like any other, of which the disk learns nothing but its size."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.errors import StorageFault
from agent.sealed_spool import BLOCK_BYTES, SealedSpool, new_spool

PLACE = Path("/outbox/spool")
SECRET = b"the face of a person " * 20_000


def spool(file: io.BytesIO | None = None, blocks: int = 2) -> tuple[SealedSpool, Any]:
    """A spool over a file in memory that knows its own descriptor."""
    disk = Disk() if file is None else file
    return SealedSpool(disk, PLACE, blocks_in_memory=blocks), disk


class Disk(io.FileIO):
    """An unnamed file that can be looked at."""

    def __init__(self) -> None:
        super().__init__(os.memfd_create("disk"), "r+b")

    @property
    def content(self) -> bytes:
        return os.pread(self.fileno(), 1 << 30, 0)

    def put(self, at: int, data: bytes) -> None:
        os.pwrite(self.fileno(), data, at)


places = st.one_of(
    st.integers(0, 3 * BLOCK_BYTES), st.integers(-3, 3).map(lambda n: BLOCK_BYTES + n)
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), places),
        st.tuples(st.just("write"), st.integers(0, 2 * BLOCK_BYTES)),
        st.tuples(st.just("read"), st.integers(0, 2 * BLOCK_BYTES)),
        st.tuples(st.just("end"), st.integers(-100, 100)),
        st.tuples(st.just("truncate"), places),
    ),
    max_size=12,
)


@given(st.data(), st.integers(0, 3 * BLOCK_BYTES), st.binary(min_size=1, max_size=100))
def test_inserted_bytes_are_read_between_the_others(
    data: st.DataObject, length: int, inserted: bytes
) -> None:
    text = os.urandom(length)
    at = data.draw(st.integers(0, length))
    ours, _ = spool()
    with ours:
        ours.write(text)
        ours.insert(at, inserted)
        whole = io.BytesIO(text[:at] + inserted + text[at:])
        assert ours.seek(0, os.SEEK_END) == whole.seek(0, os.SEEK_END)
        around = st.integers(max(0, at - 5), at + len(inserted) + 5)
        for _ in range(5):
            place, count = data.draw(around), data.draw(st.integers(0, 200))
            assert ours.seek(place) == whole.seek(place)
            assert ours.read(count) == whole.read(count)
        ours.seek(0)
        assert ours.read() == whole.getvalue()
        with pytest.raises(io.UnsupportedOperation):
            ours.write(b"x")


@given(steps, st.integers(1, 3))
@example([("end", 1), ("write", 0)], 1)
def test_it_reads_and_writes_as_a_file_in_memory_does(
    done: list[tuple[str, int]], blocks: int
) -> None:
    ours, _ = spool(blocks=blocks)
    plain = io.BytesIO()
    with ours:
        for number, (what, count) in enumerate(done):
            match what:
                case "seek":
                    assert ours.seek(count) == plain.seek(count)
                case "end":
                    end = max(0, len(plain.getvalue()) + count)
                    assert ours.seek(end - len(plain.getvalue()), os.SEEK_END) == plain.seek(end)
                case "write":
                    data = bytes([number + 1]) * count
                    assert ours.write(data) == plain.write(data)
                case "read":
                    assert ours.read(count) == plain.read(count)
                case "truncate" if count <= len(plain.getvalue()):
                    assert ours.truncate(count) == plain.truncate(count)
            assert ours.tell() == plain.tell()
        ours.seek(0)
        assert ours.read() == plain.getvalue()


def test_the_disk_learns_neither_plaintext_nor_the_difference_of_two_versions() -> None:
    """A flash card keeps what was overwritten, and whoever takes the card has both."""
    ours, disk = spool(blocks=1)
    versions = []
    for text in (SECRET, bytes(len(SECRET)), SECRET):
        ours.seek(0)
        ours.write(text)
        ours.seek(0)
        assert ours.read() == text
        versions.append(disk.content)
    assert all(SECRET[:21] not in version for version in versions)
    first, second, third = versions
    both = bytes(a ^ b for a, b in zip(first[:1000], second[:1000], strict=True))
    assert SECRET[:21] not in both, "the same key stream was used twice"
    assert first[:1000] != third[:1000]


def test_each_spool_has_a_key_of_its_own() -> None:
    contents = []
    for _ in range(2):
        ours, disk = spool(blocks=1)
        ours.write(SECRET)
        contents.append(disk.content[:1000])
    assert contents[0] != contents[1]


def test_a_small_file_is_never_on_the_disk() -> None:
    ours, disk = spool(blocks=4)
    ours.write(SECRET[: 4 * BLOCK_BYTES])
    ours.seek(0)
    assert ours.read() == SECRET[: 4 * BLOCK_BYTES]
    assert disk.content == b""


@pytest.mark.parametrize("damage", ["a bit", "an older version", "another block", "the end"])
def test_what_the_disk_gives_back_changed_is_refused(damage: str) -> None:
    ours, disk = spool(blocks=1)
    text = os.urandom(3 * BLOCK_BYTES)
    ours.write(text)
    before, size = disk.content, BLOCK_BYTES + 16
    ours.seek(0)
    ours.write(text[::-1])
    ours.seek(2 * BLOCK_BYTES)
    ours.read(1)
    match damage:
        case "a bit":
            disk.put(100, bytes([disk.content[100] ^ 1]))
        case "an older version":
            disk.put(0, before[:size])
        case "another block":
            disk.put(0, disk.content[size : 2 * size])
        case "the end":
            os.truncate(disk.fileno(), 1000)
    ours.seek(0)
    with pytest.raises(StorageFault, match="/outbox/spool: the disk gave back other bytes"):
        ours.read(1)


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = spool(blocks=1)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("agent.files.os.write", full)
    with pytest.raises(StorageFault, match="/outbox/spool: cannot be written, the disk is full"):
        ours.write(SECRET)


def test_its_file_has_no_name_so_a_killed_process_leaves_none(tmp_path: Path) -> None:
    with new_spool(tmp_path) as ours:
        for _ in range(20):
            ours.write(SECRET)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="spool: cannot be created"):
        new_spool(tmp_path / "gone")


def test_a_closed_one_forgets_and_refuses() -> None:
    ours, disk = spool()
    ours.write(SECRET)
    ours.close()
    ours.close()
    assert disk.closed
    ours.seek(0)
    with pytest.raises(ValueError, match="closed"):
        ours.read(1)


def test_no_place_lies_before_the_beginning() -> None:
    ours, _ = spool()
    with pytest.raises(ValueError, match="before its beginning"):
        ours.seek(-1)
