"""Ends of every kind, and what a start makes of them."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from agent import files
from agent.errors import DiskFull
from agent.vault.clips import paths
from agent.vault.clips.store import Recovery, reindex
from agent.vault.database.index import Index
from tests.support.alarm import hanging_fails
from tests.vault.clips.conftest import PLAIN, check_whole, create, files_of, lay_out
from tests.vault.support import (
    Vault,
    clip_files,
    whole,
)


@pytest.mark.parametrize("leads_to", ["/proc/self/mem", "/nowhere"])
def test_a_recording_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    part: tuple[bytes, bytes], vault: Vault, leads_to: str
) -> None:
    bad = vault.state_dir / "camera/clips/2024-01-23/183015-aaaaaa.mp4.age.part"
    bad.parent.mkdir(parents=True)
    bad.symlink_to(leads_to)  # one cannot be read, the other not even be opened
    clip = lay_out(vault.state_dir, *part)
    report = vault.store.recover()
    assert report.closed == (clip.id,)
    (said,) = report.damaged
    assert said.startswith(f"{bad}: ")


@pytest.mark.parametrize("name", ["media", "media_part", "sidecar", "opening"])
@pytest.mark.parametrize("leads_to", ["", "/dev/zero"], ids=["a pipe", "endless"])
def test_a_pipe_among_the_clips_does_not_block_a_recovery(
    part: tuple[bytes, bytes], vault: Vault, name: str, leads_to: str
) -> None:
    """A camera process that was taken over could leave it there."""
    clip = lay_out(vault.state_dir, *part)
    if name in ("media", "sidecar"):
        clip.media_part.rename(clip.media)
    trap: Path = getattr(clip, name)
    trap.unlink(missing_ok=True)
    if leads_to:
        trap.symlink_to(leads_to)
    else:
        os.mkfifo(trap)
    with hanging_fails():
        report = vault.store.recover()
        reindex(vault.state_dir)
    (said,) = report.damaged
    assert said.startswith(f"{trap}: ")
    vault.record()


def test_a_folder_that_cannot_be_read_is_reported_and_its_rows_stay(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(vault)
    (clip,) = vault.index.clips()

    def unreadable(day: Path) -> dict[str, frozenset[str]]:
        with files.faults(day):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(paths, "clips_of", unreadable)
    report = vault.store.recover()
    assert "2024-01-24: Input/output error" in report.damaged[0]
    assert report.lost == ()
    assert vault.index.clips() == [clip]


def test_a_disk_that_is_full_is_not_a_damaged_clip(
    part: tuple[bytes, bytes], vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(vault.state_dir, *part)

    def full(path: Path, data: bytes, **_: object) -> None:
        raise files.disk_full(path)

    monkeypatch.setattr(files, "write_synced", full)
    with pytest.raises(DiskFull):
        vault.store.recover()


def test_on_a_full_disk_delete_removes_the_recording_before_the_mark(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(vault)
    (clip,) = vault.index.clips()
    media, real = vault.store.path(clip.id), Index.mark_deleting

    def marks_with_room(index: Index, clip_id: str) -> bool:
        if media.exists():
            raise files.disk_full(vault.state_dir / "camera" / "index.sqlite")
        return real(index, clip_id)

    monkeypatch.setattr(Index, "mark_deleting", marks_with_room)
    assert vault.store.delete(clip.id)
    assert vault.index.clips() == []
    assert clip_files(vault.state_dir) == {}


def test_the_folder_of_a_day_goes_with_its_last_clip(vault: Vault) -> None:
    first, second = vault.record(), vault.record()
    vault.store.delete(first.id)
    assert vault.store.path(first.id).parent.is_dir()
    vault.store.delete(second.id)
    assert list((vault.state_dir / "camera" / "clips").iterdir()) == []


def test_a_whole_clip_without_a_row_is_adopted(vault: Vault) -> None:
    create(vault)
    (clip,) = vault.index.clips()
    with vault.index.transaction():
        vault.index.drop_clip(clip.id)
    assert vault.store.recover() == Recovery(adopted=(clip.id,))
    assert vault.index.clips() == [clip]
    check_whole(vault)


def test_a_row_without_a_recording_is_dropped_and_reported(vault: Vault) -> None:
    create(vault)
    (clip,) = vault.index.clips()
    vault.store.path(clip.id).unlink()
    assert vault.store.recover() == Recovery(lost=(clip.id,))
    check_whole(vault)
    create(vault)
    (clip,) = vault.index.clips()
    shutil.rmtree(vault.state_dir / "camera" / "clips")
    assert vault.store.recover() == Recovery(lost=(clip.id,))
    check_whole(vault)


@pytest.mark.parametrize("junk", [b"", b"{", b'{"id": 1}', b"\xff" * 10, b"[" * 200_000])
def test_a_damaged_sidecar_is_named_and_everything_else_goes_on(vault: Vault, junk: bytes) -> None:
    first, second = vault.record(PLAIN), vault.record(PLAIN)
    for clip in (first, second):
        with vault.index.transaction():
            vault.index.drop_clip(clip.id)
    path = files_of(vault, first.id).sidecar
    path.write_bytes(junk)
    report = vault.store.recover()
    assert report.adopted == (second.id,)
    (sentence,) = report.damaged
    assert str(path) in sentence
    assert path.read_bytes() == junk
    assert vault.store.path(first.id).exists()
    assert sentence in str(report)


def test_a_sidecar_of_another_clip_is_damage(vault: Vault) -> None:
    first, second = vault.record(PLAIN), vault.record(PLAIN)
    with vault.index.transaction():
        vault.index.drop_clip(first.id)
    shutil.copy(files_of(vault, second.id).sidecar, files_of(vault, first.id).sidecar)
    assert "another clip" in vault.store.recover().damaged[0]


def test_a_recording_without_any_sidecar_is_named_and_left(
    part: tuple[bytes, bytes], vault: Vault
) -> None:
    clip = lay_out(vault.state_dir, *part)
    clip.opening.unlink()
    for _ in range(2):
        report = vault.store.recover()
        assert not report.acted
        assert str(clip.opening) in report.damaged[0]
    assert clip.media_part.read_bytes() == part[0]


def test_a_recording_unlike_its_final_sidecar_is_closed_as_truncated(
    part: tuple[bytes, bytes], vault: Vault
) -> None:
    create(vault)
    (clip,) = vault.index.clips()
    final = files_of(vault, clip.id).sidecar.read_bytes()
    vault.store.delete(clip.id)
    paths = files_of(vault, clip.id)
    for said in (final, b"junk"):
        lay_out(vault.state_dir, part[0][:-1], part[1])
        paths.sidecar.write_bytes(said)
        assert vault.store.recover() == Recovery(closed=(clip.id,))
        assert vault.plain(clip.id, truncated=True) == whole(PLAIN)
        vault.store.delete(clip.id)


def test_leftovers_beside_a_finished_clip_are_removed(vault: Vault) -> None:
    clip = vault.record(PLAIN)
    paths = files_of(vault, clip.id)
    paths.opening.write_bytes(b"{}")
    paths.replacement.write_bytes(b"half a side")
    assert not vault.store.recover().acted
    assert not paths.opening.exists()
    assert not paths.replacement.exists()
    check_whole(vault)


def test_other_files_are_ignored(vault: Vault) -> None:
    clip = vault.record(PLAIN)
    strange = [
        vault.state_dir / "camera" / "clips" / "notes.txt",
        vault.store.path(clip.id).with_name("lost+found"),
        vault.store.path(clip.id).with_name("183000-xyz.mp4.age"),
        vault.store.path(clip.id).with_name("183000-000009.mp4.age.bak"),
    ]
    for path in strange:
        path.write_text("mine")
    assert vault.store.recover() == Recovery()
    assert all(path.read_text() == "mine" for path in strange)


def test_a_corrected_time_that_reached_the_sidecar_alone_reaches_the_row(vault: Vault) -> None:
    vault.clock.is_synced = False
    clip = vault.record(PLAIN)
    path = files_of(vault, clip.id).sidecar
    known = json.loads(path.read_bytes()) | {"started_at": 1_800_000_000.0, "clock_synced": True}
    path.write_text(json.dumps(known))
    vault.store.recover()
    (row,) = vault.index.clips()
    assert (row.started_at, row.clock_synced) == (1_800_000_000.0, True)


def test_an_empty_state_folder_needs_no_recovery(vault: Vault) -> None:
    assert vault.store.recover() == Recovery()
    assert str(vault.store.recover()).count("0 ") == 6
