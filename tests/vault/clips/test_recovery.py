"""Ends of every kind, and what a start makes of them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import files
from agent.errors import DiskFull
from agent.vault.clips import paths
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.seal import CHUNK_BYTES, open_key
from agent.vault.clips.store import Recovery, reindex
from agent.vault.database.index import Index
from tests.peers.requirements import ROOT
from tests.support.alarm import hanging_fails
from tests.vault.support import (
    OWNER,
    RECIPIENTS,
    RECOVERY,
    Vault,
    clip_files,
    folder_in_memory,
    kill_before_step,
    pattern,
    steps_of,
    stock_age,
    whole,
)

PLAIN = pattern(3 * CHUNK_BYTES + 1_234)


def create(vault: Vault) -> None:
    draft = vault.begin()
    draft.write(PLAIN)
    draft.finish(duration_seconds=10.0)


def delete(vault: Vault) -> None:
    (clip,) = vault.index.clips()
    vault.store.delete(clip.id)


def recover(vault: Vault) -> None:
    vault.store.recover()


def check_whole(vault: Vault) -> None:
    """Rows and files fit each other, nothing is left over, and a recovery finds nothing to do."""
    clips = vault.index.clips()
    expected = {
        path
        for clip in clips
        for path in (vault.store.path(clip.id), _files(vault, clip.id).sidecar)
    }
    found = {vault.state_dir / "camera" / "clips" / name for name in clip_files(vault.state_dir)}
    assert found == expected
    for clip in clips:
        assert vault.store.sha256_on_disk(clip.id) == clip.sha256
        assert vault.store.read_sidecar(clip.id).clip == clip
        plain = vault.plain(clip.id, truncated=clip.truncated)
        assert plain == PLAIN or (clip.truncated and plain == whole(PLAIN))
        with vault.store.open_sealed(clip.id) as sealed:
            assert sealed.read(21) == b"age-encryption.org/v1"
        key = open_key(clip.sealed_key, str(OWNER), clip_id=clip.id)
        assert (key.recorded is None) == clip.truncated
        assert key.recorded is None or key.recorded.sha256 == clip.sha256
        assert vault.plain(clip.id, key.identity, truncated=clip.truncated) == plain
    assert not vault.index.deleting_clips()
    again = vault.store.recover()
    assert again == Recovery()
    assert not again.acted


def _files(vault: Vault, clip_id: str) -> ClipFiles:
    return ClipFiles.of(vault.state_dir, clip_id)


# The steps, and a kill at each of them


def test_create_takes_the_steps_of_the_design_in_their_order(tmp_path: Path) -> None:
    assert steps_of(tmp_path / "state", create) == [
        "mkdir clips",
        "sync camera",
        "mkdir 2024-01-24",
        "sync clips",
        "create 183000-000001.json.part",
        "sync 183000-000001.json.part",
        "create 183000-000001.mp4.age.part",
        "sync 2024-01-24",
        "sync 183000-000001.mp4.age.part",
        "create 183000-000001.json.new",
        "sync 183000-000001.json.new",
        "rename 183000-000001.json.new",
        "rename 183000-000001.mp4.age.part",
        "remove 183000-000001.json.part",
        "sync 2024-01-24",
        "commit",
    ]


def test_delete_takes_the_steps_of_the_design_in_their_order(tmp_path: Path, vault: Vault) -> None:
    create(vault)
    assert steps_of(vault.state_dir, delete) == [
        "commit",
        "remove 183000-000001.mp4.age",
        "remove 183000-000001.json",
        "sync 2024-01-24",
        "remove 2024-01-24",
        "sync clips",
        "commit",
    ]


def test_killed_at_any_step_of_create_no_clip_is_lost_and_no_file_left_over(
    tmp_path: Path,
) -> None:
    outcomes = []
    step = 1
    while True:
        state = tmp_path / f"killed-{step}"
        killed = kill_before_step(step, state, create)
        vault = Vault(state)
        vault.store.recover()
        check_whole(vault)
        outcomes.append([clip.truncated for clip in vault.index.clips()])
        vault.close()
        if not killed:
            break
        step += 1
    sealed, told = outcomes.index([True]), outcomes.index([False])
    assert sealed < told
    assert outcomes[:sealed] == [[]] * sealed  # nothing was sealed yet
    assert outcomes[sealed:told] == [[True]] * (told - sealed)  # no sidecar yet
    assert outcomes[told:] == [[False]] * (len(outcomes) - told)
    assert len(outcomes) == 17


def test_killed_at_any_step_of_delete_the_clip_is_there_or_gone(tmp_path: Path) -> None:
    step, outcomes = 1, []
    while True:
        state = tmp_path / f"killed-{step}"
        vault = Vault(state)
        create(vault)
        vault.close()
        killed = kill_before_step(step, state, delete)
        vault = Vault(state)
        before = vault.index.clips()
        report = vault.store.recover()
        assert vault.index.clips() == before  # what was marked was gone for everybody already
        assert len(report.deleted) == (1 if killed and not before else 0)
        check_whole(vault)
        outcomes.append(len(before))
        vault.close()
        if not killed:
            break
        step += 1
    assert outcomes == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("first_kill", range(1, 18))
def test_a_recovery_may_itself_be_killed_at_any_step(tmp_path: Path, first_kill: int) -> None:
    state = tmp_path / "state"
    kill_before_step(first_kill, state, create)
    untouched = tmp_path / "untouched"
    shutil.copytree(state, untouched)
    step = 1
    while kill_before_step(step, state, recover):
        step += 1
    vault, reference = Vault(state), Vault(untouched)
    reference.store.recover()
    vault.store.recover()
    check_whole(vault)
    assert [clip.id for clip in vault.index.clips()] == [
        clip.id for clip in reference.index.clips()
    ]
    vault.close()
    reference.close()


# Recordings that were cut off


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A complete recording and its opening sidecar, of the clip 20240124-183000-000001."""
    vault = Vault(tmp_path_factory.mktemp("part"))
    draft = vault.begin()
    opening = _files(vault, draft.id).opening.read_bytes()
    draft.write(PLAIN)
    clip = draft.finish(duration_seconds=10.0)
    sealed = vault.store.path(clip.id).read_bytes()
    vault.close()
    return sealed, opening


def lay_out(state_dir: Path, sealed: bytes, opening: bytes) -> ClipFiles:
    clip = ClipFiles.of(state_dir, "20240124-183000-000001")
    clip.directory.mkdir(parents=True)
    clip.opening.write_bytes(opening)
    clip.media_part.write_bytes(sealed)
    os.utime(clip.media_part, (1_706_121_007.5, 1_706_121_007.5))
    return clip


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_recording_cut_off_at_any_byte_comes_back_up_to_its_last_whole_chunk(
    part: tuple[bytes, bytes], data: st.DataObject
) -> None:
    sealed, opening = part
    header = len(sealed) - len(PLAIN) - 4 * 16
    cut = data.draw(st.integers(0, len(sealed)))
    chunks = max(0, cut - header) // (CHUNK_BYTES + 16)
    expected = PLAIN if cut == len(sealed) else PLAIN[: chunks * CHUNK_BYTES]
    with folder_in_memory() as folder:
        vault = Vault(folder / "state")
        lay_out(vault.state_dir, sealed[:cut], opening)
        report = vault.store.recover()
        if chunks == 0:
            assert report == Recovery(discarded=("20240124-183000-000001",))
            assert clip_files(vault.state_dir) == {}
            assert vault.index.clips() == []
        else:
            assert report == Recovery(closed=("20240124-183000-000001",))
            (clip,) = vault.index.clips()
            assert (clip.truncated, clip.bytes, clip.duration_seconds) == (True, cut, 7.5)
            assert clip.sha256 == hashlib.sha256(sealed[:cut]).hexdigest()
            path = vault.store.path(clip.id)
            for reader in (OWNER, RECOVERY):
                assert stock_age(path, reader, folder)[0] == expected
            key = open_key(clip.sealed_key, str(RECOVERY), clip_id=clip.id).identity
            assert vault.plain(clip.id, key, truncated=True) == expected
        assert not vault.store.recover().acted
        vault.close()


_RECORDER = """
import itertools, sys
from pathlib import Path
from agent.clock import SystemClock
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index
from tests.vault.support import pattern

state = Path(sys.argv[1])
index = Index.open(state / "camera" / "index.sqlite")
store = ClipStore(state, index, recipients=sys.argv[2:], clock=SystemClock(None))
draft = store.create(
    started_at=1_706_121_000.0, monotonic_seconds=1.0, codec="h264", width=640, height=360
)
plain = pattern(8_000_000)
for start in itertools.count(0, 50_000):
    draft.write(plain[start : start + 50_000])
    print(start + 50_000, flush=True)
"""


def test_a_process_killed_while_sealing_loses_only_its_last_chunk(tmp_path: Path) -> None:
    state = tmp_path / "state"
    recorder = subprocess.Popen(
        [sys.executable, "-c", _RECORDER, state, *RECIPIENTS],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert recorder.stdout is not None
    with recorder.stdout:
        for line in recorder.stdout:
            if int(line) >= 1_500_000:
                break
        vault = Vault(state)
        assert vault.store.recover() == Recovery()  # it lives: hands off
        recorder.send_signal(signal.SIGKILL)
        assert recorder.wait() == -signal.SIGKILL
    (name,) = [name for name in clip_files(state) if name.endswith(".mp4.age.part")]
    size = clip_files(state)[name]
    report = vault.store.recover()
    (clip,) = vault.index.clips()
    assert report == Recovery(closed=(clip.id,))
    opened, status = stock_age(vault.store.path(clip.id), OWNER, tmp_path)
    assert status != 0
    assert opened == whole(opened)
    assert opened == pattern(8_000_000)[: len(opened)]
    assert size - len(opened) < 2 * CHUNK_BYTES  # header, tags, and less than a chunk
    assert opened
    assert vault.plain(clip.id, truncated=True) == opened
    assert not vault.store.recover().acted
    vault.close()


def test_an_abandoned_clip_waits_for_a_recovery_and_the_next_one_is_left_alone(
    vault: Vault,
) -> None:
    draft = vault.begin()
    draft.write(PLAIN)
    draft.abandon()
    recording = vault.begin()
    recording.write(PLAIN)
    assert vault.store.recover() == Recovery(closed=(draft.id,))
    clip = recording.finish(duration_seconds=5.0)
    assert vault.plain(draft.id, truncated=True) == whole(PLAIN)
    assert vault.plain(clip.id) == PLAIN
    check_whole(vault)


def test_the_length_of_a_cut_off_clip_is_unknown_after_the_clock_was_set(
    part: tuple[bytes, bytes], vault: Vault
) -> None:
    for moment in (0.0, 1_706_120_000.0, 1_800_000_000.0):
        clip = lay_out(vault.state_dir, *part)
        os.utime(clip.media_part, (moment, moment))
        vault.store.recover()
        assert vault.index.clips()[0].duration_seconds == 0.0
        vault.store.delete(clip.id)


# What somebody else did to the files


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

    def unreadable(day: Path) -> list[paths.Found]:
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
    path = _files(vault, first.id).sidecar
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
    shutil.copy(_files(vault, second.id).sidecar, _files(vault, first.id).sidecar)
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
    final = _files(vault, clip.id).sidecar.read_bytes()
    vault.store.delete(clip.id)
    paths = _files(vault, clip.id)
    for said in (final, b"junk"):
        lay_out(vault.state_dir, part[0][:-1], part[1])
        paths.sidecar.write_bytes(said)
        assert vault.store.recover() == Recovery(closed=(clip.id,))
        assert vault.plain(clip.id, truncated=True) == whole(PLAIN)
        vault.store.delete(clip.id)


def test_leftovers_beside_a_finished_clip_are_removed(vault: Vault) -> None:
    clip = vault.record(PLAIN)
    paths = _files(vault, clip.id)
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
    path = _files(vault, clip.id).sidecar
    known = json.loads(path.read_bytes()) | {"started_at": 1_800_000_000.0, "clock_synced": True}
    path.write_text(json.dumps(known))
    vault.store.recover()
    (row,) = vault.index.clips()
    assert (row.started_at, row.clock_synced) == (1_800_000_000.0, True)


def test_an_empty_state_folder_needs_no_recovery(vault: Vault) -> None:
    assert vault.store.recover() == Recovery()
    assert str(vault.store.recover()).count("0 ") == 6
