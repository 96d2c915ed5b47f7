"""Recordings that were cut off on a board whose clock was not set, or was set meanwhile.

Nobody there can open them to see how long they are. What can be known is kept; what cannot
stands there as 0 in a truncated clip, which says ``unknown`` and is missed by no request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import files
from agent.errors import DiskFull
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.store import Clip, ClipDraft, reindex
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS
from tests.support.clock import SimulatedClock
from tests.vault.support import Vault

PLAIN = bytes(200_000)
OLD = 1_706_000_000.0  # what the board believes after its start
STEP = 500_000.0  # how far behind that is
NEXT_BOOT = "00000000-0000-0000-0000-000000000002"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = Vault(tmp_path / "state", SimulatedClock(wall_seconds=OLD, is_synced=False))
    yield vault
    vault.close()


def set_clock(vault: Vault) -> None:
    vault.clock.step_wall(STEP)
    vault.clock.is_synced = True


def cut_off(vault: Vault, draft: ClipDraft) -> None:
    """The process dies, having just written something."""
    draft.abandon()
    part = ClipFiles.of(vault.state_dir, draft.id).media_part
    os.utime(part, (vault.clock.now(), vault.clock.now()))


def begun(vault: Vault) -> ClipDraft:
    draft = vault.begin()
    draft.write(PLAIN)
    return draft


def only_clip(vault: Vault) -> Clip:
    (clip,) = vault.index.clips()
    assert clip.truncated
    assert vault.store.read_sidecar(clip.id).clip == clip
    return clip


def test_a_crash_after_the_clock_was_set_costs_neither_length_nor_time(vault: Vault) -> None:
    draft = begun(vault)
    vault.clock.advance(20)
    set_clock(vault)
    vault.clock.advance(10)
    cut_off(vault, draft)
    vault.store.recover()
    assert only_clip(vault).duration_seconds == 30
    assert vault.store.correct_times() == [draft.id]
    clip = only_clip(vault)
    assert (clip.started_at, clip.duration_seconds) == (OLD + STEP, 30)


def test_a_crash_before_the_clock_was_set_costs_neither_length_nor_time(vault: Vault) -> None:
    draft = begun(vault)
    vault.clock.advance(20)
    cut_off(vault, draft)
    vault.store.recover()
    assert only_clip(vault).duration_seconds == 20
    set_clock(vault)
    assert vault.store.correct_times() == [draft.id]
    clip = only_clip(vault)
    assert (clip.started_at, clip.duration_seconds) == (OLD + STEP, 20)


def test_an_unknown_length_is_computed_once_the_clock_is_set(
    vault: Vault,
) -> None:
    """The clock is set, and a moment later its marker is there."""
    draft = begun(vault)
    vault.clock.advance(20)
    vault.clock.step_wall(STEP)
    vault.clock.advance(1)
    cut_off(vault, draft)
    vault.store.recover()
    assert only_clip(vault).duration_seconds == 0
    assert not only_clip(vault).length_is_known
    vault.clock.is_synced = True
    vault.store.correct_times()
    clip = only_clip(vault)
    assert (clip.started_at, clip.duration_seconds) == (OLD + STEP, 21)
    reindex(vault.state_dir)
    assert only_clip(vault) == clip


def test_a_power_cut_after_the_clock_was_set_costs_neither_length_nor_time(vault: Vault) -> None:
    draft = begun(vault)
    vault.clock.advance(20)
    draft.correct_time()
    set_clock(vault)
    vault.clock.advance(10)
    draft.correct_time()
    vault.clock.advance(1)
    cut_off(vault, draft)
    vault.clock.boot, vault.clock.is_synced = NEXT_BOOT, False
    vault.store.recover()
    clip = only_clip(vault)
    assert (clip.started_at, clip.duration_seconds) == (OLD + STEP, 31)
    assert clip.clock_synced


def test_a_clip_whose_clock_is_set_while_it_records_ends_with_its_true_time(vault: Vault) -> None:
    draft = begun(vault)
    set_clock(vault)
    vault.clock.advance(10)
    draft.correct_time()
    clip = draft.finish(duration_seconds=10)
    assert (clip.started_at, clip.clock_synced) == (OLD + STEP, True)
    assert not ClipFiles.of(vault.state_dir, clip.id).opening.exists()
    assert not vault.store.recover().acted


def test_a_disk_without_room_for_the_time_ends_no_recording(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = begun(vault)
    set_clock(vault)

    def full(path: Path, _: bytes, **__: object) -> None:
        raise DiskFull(f"{path}: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_synced", full)
        draft.correct_time()
    draft.write(PLAIN)
    draft.finish(duration_seconds=10)
    assert vault.store.correct_times() == [draft.id]
    assert vault.index.clips()[0].started_at == OLD + STEP


def test_a_clip_of_unknown_length_matches_every_window_it_may_reach(vault: Vault) -> None:
    draft = begun(vault)
    vault.clock.step_wall(STEP)
    cut_off(vault, draft)
    vault.clock.boot = NEXT_BOOT
    vault.store.recover()
    clip = only_clip(vault)
    assert not clip.length_is_known
    with vault.database.transaction():
        vault.database.put_clip(clip, stamp=1)
    for late, found in ((60, True), (LONGEST_RECORDING_SECONDS, True), (700, False)):
        start, end = clip.started_at + late, clip.started_at + 3_600
        assert bool(vault.index.clips(start=start, end=end)) is found
        assert bool(vault.database.unmatched_clips("x", start=start, end=end)) is found
        assert bool(vault.database.newest_clips(start=start, end=end, at_most=5)[0]) is found
