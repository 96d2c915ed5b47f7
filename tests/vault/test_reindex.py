"""The index is a cache: what the sidecars say comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import StorageFault
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.store import Reindexed, reindex
from agent.vault.database.index import Index, path_of
from tests.vault.support import Vault, as_recorded, clip_files, pattern


def files_of(vault: Vault, clip_id: str) -> ClipFiles:
    return ClipFiles.of(vault.state_dir, clip_id)


def test_a_lost_index_comes_back_from_the_sidecars(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "state")
    clips = [vault.record(pattern(100 * number)) for number in range(1, 5)]
    vault.clock.is_synced = False
    clips.append(vault.record())
    vault.close()
    for path in (vault.state_dir / "camera").glob("index.sqlite*"):
        path.unlink()
    assert reindex(vault.state_dir) == Reindexed(clips=5)
    again = Vault(vault.state_dir)
    assert again.index.clips() == clips
    assert not again.store.recover().acted
    again.close()


def test_clips_come_back_in_the_order_of_their_dates(tmp_path: Path) -> None:
    """A clip that got its true time later has an id, and a folder, of 1970."""
    vault = Vault(tmp_path / "state")
    early = [vault.record() for _ in range(2)]
    years = vault.clock.now() - 30
    vault.clock.is_synced = False
    vault.clock.step_wall(-years)
    late = vault.record()
    vault.clock.step_wall(years)
    vault.clock.is_synced = True
    assert vault.store.correct_times() == [late.id]
    assert late.id < early[0].id
    vault.close()
    for path in (vault.state_dir / "camera").glob("index.sqlite*"):
        path.unlink()
    assert reindex(vault.state_dir) == Reindexed(clips=3)
    again = Vault(vault.state_dir)
    found = [clip.id for clip in as_recorded(again.index)]
    assert found == [early[0].id, early[1].id, late.id]
    again.close()


def test_a_link_in_place_of_the_index_leads_to_no_other_file(tmp_path: Path) -> None:
    """The camera's process may write to the folder, and somebody runs `clip-agent reindex`."""
    state = tmp_path / "state"
    (state / "camera").mkdir(parents=True)
    new, other = tmp_path / "nologin", tmp_path / "other.sqlite"
    Index.open(other).close()
    before = other.read_bytes()
    for target in (new, other):
        (state / "camera" / "index.sqlite").symlink_to(target)
        with pytest.raises(StorageFault):
            reindex(state)
        (state / "camera" / "index.sqlite").unlink()
    assert not new.exists()
    assert other.read_bytes() == before


def test_a_state_folder_that_is_a_link_will_do(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    assert reindex(tmp_path / "state") == Reindexed(clips=0)


def test_an_index_that_is_right_stays_as_it_is(vault: Vault) -> None:
    clips = [vault.record() for _ in range(3)]
    for _ in range(2):
        assert reindex(vault.state_dir) == Reindexed(clips=3)
    assert vault.index.clips() == clips


def test_rows_that_are_wrong_or_without_files_are_set_right(vault: Vault) -> None:
    clip, gone = vault.record(), vault.record()
    with vault.index.transaction() as db:
        db.execute("UPDATE clip SET bytes = 1, started_at = 2")
    vault.store.path(gone.id).unlink()
    assert reindex(vault.state_dir) == Reindexed(clips=1, dropped=(gone.id,))
    assert vault.index.clips() == [clip]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 100])
def test_a_damaged_sidecar_is_named_and_the_others_kept(vault: Vault, damage: bytes) -> None:
    first, second, third = (vault.record() for _ in range(3))
    with vault.index.transaction():
        vault.index.drop_clip(second.id)
    for clip in (first, second):
        files_of(vault, clip.id).sidecar.write_bytes(damage)
    report = reindex(vault.state_dir)
    assert report.clips == 1
    assert len(report.damaged) == 2
    for clip, sentence in zip((first, second), report.damaged, strict=True):
        assert str(files_of(vault, clip.id).sidecar) in sentence
        assert sentence in str(report)
    # The row of the first is the last copy of what was known: it stays.
    assert vault.index.clips() == [first, third]


def test_a_missing_sidecar_and_a_recording_of_another_size_are_named(vault: Vault) -> None:
    first, second = vault.record(), vault.record()
    files_of(vault, first.id).sidecar.unlink()
    vault.store.path(second.id).write_bytes(b"short")
    report = reindex(vault.state_dir)
    assert report.clips == 0
    assert "No such file" in report.damaged[0]
    assert "size" in report.damaged[1]


def test_what_is_being_recorded_or_deleted_is_left_to_the_store(vault: Vault) -> None:
    clip = vault.record()
    with vault.index.transaction():
        vault.index.mark_deleting(clip.id)
    draft = vault.begin()
    draft.write(b"video")
    assert reindex(vault.state_dir) == Reindexed(clips=0)
    assert vault.index.deleting_clips() == [clip.id]
    finished = draft.finish(duration_seconds=1.0)
    vault.store.recover()
    assert vault.index.clips() == [finished]
    assert len(clip_files(vault.state_dir)) == 2


def test_a_foreign_file_in_place_of_the_index_is_not_touched(tmp_path: Path) -> None:
    path_of(tmp_path).parent.mkdir()
    path_of(tmp_path).write_bytes(b"something else entirely, not SQLite" * 50)
    with pytest.raises(StorageFault):
        reindex(tmp_path)
