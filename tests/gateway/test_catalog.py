"""The catalog of the camera's clips: in step with the files, idle when they are."""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path

import pytest

from agent.gateway import catalog
from agent.gateway.catalog import Catalog
from agent.vault.clips import sidecar
from agent.vault.clips.paths import ClipFiles
from tests.vault.support import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state")


@pytest.fixture
def looking(vault: Vault) -> Catalog:
    return Catalog(vault.database, vault.state_dir)


def settle(vault: Vault) -> None:
    """Let the folders' last change be long ago."""
    for day in (vault.state_dir / "camera" / "clips").iterdir():
        os.utime(day, (1.7e9, 1.7e9))


def ids(vault: Vault) -> list[str]:
    return [clip.id for clip in vault.database.clips()]


def test_clips_come_change_and_go_with_their_files(vault: Vault, looking: Catalog) -> None:
    first, second = vault.record(), vault.record()
    assert looking.look()
    assert vault.database.clips() == [first, second]
    assert looking.totals.count == 2
    known = vault.store.read_sidecar(first.id)
    files = ClipFiles.of(vault.state_dir, first.id)
    text = sidecar.encode(known).replace(b'"clock_synced": true', b'"clock_synced": false')
    files.replacement.write_bytes(text)
    files.replacement.rename(files.sidecar)
    assert looking.look()
    assert [clip.clock_synced for clip in vault.database.clips()] == [False, True]
    vault.store.delete(first.id)
    assert looking.look()
    assert ids(vault) == [second.id]
    vault.store.delete(second.id)
    assert looking.look()
    assert ids(vault) == [] and looking.totals.count == 0


def test_an_idle_look_reads_no_file_and_writes_nothing(
    vault: Vault, looking: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.record()
    settle(vault)
    looking.look()
    read: list[Path] = []
    monkeypatch.setattr(sidecar, "read", lambda path, *_: read.append(path))
    monkeypatch.setattr(catalog, "_sidecars", lambda *_: read.append(Path("a folder")))
    written = vault.database.connection.total_changes
    for _ in range(10):
        assert not looking.look()
    assert read == []
    assert vault.database.connection.total_changes == written


def test_a_restart_reads_only_the_sidecars_that_changed(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [vault.record() for _ in range(3)]
    Catalog(vault.database, vault.state_dir).look()
    fresh = vault.record()
    read: list[str] = []
    real = sidecar.read

    def counted(path: Path, kind: type[sidecar.Sidecar], clip_id: str) -> sidecar.Sidecar:
        read.append(clip_id)
        return real(path, kind, clip_id)

    monkeypatch.setattr(sidecar, "read", counted)
    Catalog(vault.database, vault.state_dir).look()
    assert read == [fresh.id]
    assert ids(vault) == [*(clip.id for clip in clips), fresh.id]


def test_many_clips_at_once_keep_no_look_long(
    vault: Vault, looking: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_READ_A_LOOK", 2)
    clips = []
    for _ in range(3):  # days
        clips += [vault.record() for _ in range(2)]
        vault.clock.advance(86_400)
    counts = []
    while looking.look():
        counts.append(looking.totals.count)
    assert counts == [2, 4, 6]
    assert ids(vault) == [clip.id for clip in clips]


def test_a_change_in_the_same_tick_of_the_clock_is_not_missed(
    vault: Vault, looking: Catalog
) -> None:
    vault.record()
    looking.look()
    (day,) = (vault.state_dir / "camera" / "clips").iterdir()
    stamp = time.time_ns()
    os.utime(day, ns=(stamp, stamp))
    looking.look()
    clip = vault.record()
    os.utime(day, ns=(stamp, stamp))
    assert looking.look()
    assert clip.id in ids(vault)


def test_what_no_camera_writes_is_ignored_with_one_warning(
    vault: Vault, looking: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    sound, short, linked, absurd = (vault.record() for _ in range(4))
    files = {one.id: ClipFiles.of(vault.state_dir, one.id) for one in (short, linked, absurd)}
    files[short.id].media.write_bytes(b"cut")
    files[linked.id].media.unlink()
    files[linked.id].media.symlink_to(ClipFiles.of(vault.state_dir, sound.id).media)
    text = sidecar.encode(vault.store.read_sidecar(absurd.id))
    long = re.sub(rb'"duration_seconds": [0-9.]+', b'"duration_seconds": 1e9', text)
    assert long != text
    files[absurd.id].sidecar.write_bytes(long)
    assert looking.look()
    assert ids(vault) == [sound.id]
    assert not looking.look()
    assert caplog.text.count("is ignored") == 1


def test_a_folder_that_cannot_be_listed_keeps_what_is_known(
    vault: Vault, looking: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """The camera's process was taken over, and put links in place of its folders."""
    first = vault.record()
    assert looking.look()
    clips = vault.state_dir / "camera" / "clips"
    (day,) = clips.iterdir()
    clips.rename(aside := clips.with_name("aside"))
    clips.symlink_to(aside)
    assert not looking.look()
    assert "the camera's clips cannot be listed: " in caplog.text
    assert ids(vault) == [first.id]
    clips.unlink()
    aside.rename(clips)
    vault.record()
    assert looking.look()
    assert len(ids(vault)) == 2
    assert day.is_dir()


def test_a_day_that_cannot_be_read_keeps_what_is_known(
    vault: Vault,
    looking: Catalog,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = vault.record()
    assert looking.look()
    second = vault.record()

    def fails(folder: int, day: str) -> dict[str, int]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as failing:
        failing.setattr(catalog, "_sidecars", fails)
        assert not looking.look()
    assert "cannot be read: Input/output error" in caplog.text
    assert ids(vault) == [first.id]
    assert looking.look()
    assert ids(vault) == [first.id, second.id]


def test_only_so_many_ignored_clips_are_remembered_and_all_stay_ignored(
    vault: Vault, looking: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_MAX_REFUSED", 2)
    clips = [vault.record() for _ in range(4)]
    for one in clips[:3]:
        ClipFiles.of(vault.state_dir, one.id).media.write_bytes(b"cut")
    for _ in range(3):
        looking.look()
        assert ids(vault) == [clips[3].id]


def test_totals_are_those_of_the_rows_whatever_comes_and_goes(
    vault: Vault, looking: Catalog
) -> None:
    clips = [vault.record(b"x" * size) for size in (100, 5_000, 20)]
    for act in (
        lambda: None,
        lambda: vault.store.keep(clips[1].id, keep=True),
        lambda: vault.store.delete(clips[0].id),
        lambda: vault.record(),
        lambda: vault.store.keep(clips[1].id, keep=False),
        lambda: [vault.store.delete(clip.id) for clip in clips[1:]],
    ):
        act()
        assert looking.look()
        assert looking.totals == vault.database.totals()
    assert looking.totals.count == 1
