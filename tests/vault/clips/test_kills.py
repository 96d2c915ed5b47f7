"""A kill at each step of creating, deleting and recovering a clip, and at each byte of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vault.clips.seal import CHUNK_BYTES, open_key
from agent.vault.clips.store import Recovery
from tests.peers.requirements import ROOT
from tests.vault.clips.conftest import PLAIN, check_whole, create, lay_out
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


def delete(vault: Vault) -> None:
    (clip,) = vault.index.clips()
    vault.store.delete(clip.id)


def recover(vault: Vault) -> None:
    vault.store.recover()


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
