"""Recording, padding, deleting, and setting times right."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import msgspec
import pyrage
import pytest

from agent.errors import ClipDamaged, InternalFault, StorageFault
from agent.vault.clips import seal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.seal import CHUNK_BYTES, ClipIdentity, open_key
from agent.vault.clips.sidecar import MAX_THUMBNAIL_BYTES
from agent.vault.clips.store import ClipStore
from tests.support.clock import SimulatedClock
from tests.vault.support import (
    OWNER,
    RECIPIENTS,
    RECOVERY,
    Vault,
    clip_files,
    pattern,
    stock_age,
)

MARKER = b"nobody but the owner may read this line"


def test_a_clip_is_opened_by_owner_recovery_and_its_own_key(vault: Vault, tmp_path: Path) -> None:
    plain = pattern(2 * CHUNK_BYTES + 5)
    clip = vault.record(plain)
    path = vault.store.path(clip.id)
    assert path == vault.state_dir / "camera" / "clips" / "2024-01-24" / "183000-000001.mp4.age"
    for reader in (
        OWNER,
        RECOVERY,
        open_key(clip.sealed_key, str(OWNER), clip_id=clip.id).identity,
    ):
        assert stock_age(path, reader, tmp_path) == (plain, 0)


def test_row_and_sidecar_describe_the_recording(vault: Vault) -> None:
    vault.clock.is_synced = False
    started, monotonic = vault.clock.now(), vault.clock.monotonic()
    clip = vault.record(pattern(100), seconds=12.5)
    assert clip.id == "20240124-183000-000001"
    assert vault.index.clips() == [clip]
    assert (clip.started_at, clip.duration_seconds) == (started, 12.5)
    assert (clip.started_at + clip.duration_seconds) == started + 12.5
    assert (clip.monotonic_seconds, clip.boot_id) == (monotonic, vault.clock.boot)
    assert (clip.clock_synced, clip.truncated) == (False, False)
    assert clip.bytes == vault.store.path(clip.id).stat().st_size
    assert clip.sha256 == vault.store.sha256_on_disk(clip.id)
    known = vault.store.read_sidecar(clip.id)
    assert known.clip == clip
    assert (known.codec, known.width, known.height) == ("h264", 640, 360)


@pytest.mark.parametrize("synced", [True, False])
def test_a_finished_clip_s_key_is_sealed_with_its_digest_start_and_length(
    vault: Vault, synced: bool
) -> None:
    vault.clock.is_synced = synced
    clip = vault.record(pattern(100), seconds=12.34567)
    recorded = open_key(clip.sealed_key, str(OWNER), clip_id=clip.id).recorded
    assert recorded is not None
    assert (recorded.sha256, recorded.seconds) == (clip.sha256, 12.346)
    assert recorded.started_at == (int(clip.started_at) if synced else None)


def test_each_clip_has_a_key_that_opens_no_other(vault: Vault) -> None:
    clips = [vault.record(b"some video") for _ in range(4)]
    keys = [open_key(clip.sealed_key, str(OWNER), clip_id=clip.id).identity for clip in clips]
    assert len(set(keys)) == 4
    for clip in clips:
        for key, other in zip(keys, clips, strict=True):
            with vault.store.open_sealed(clip.id) as sealed:
                assert seal.opens(sealed, key) == (clip is other)


def test_plaintext_and_clip_keys_never_reach_the_disk(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities: list[ClipIdentity] = []

    def remembered() -> ClipIdentity:
        identities.append(ClipIdentity())
        return identities[-1]

    monkeypatch.setattr("agent.vault.clips.store.ClipIdentity", remembered)

    def check() -> None:
        for path in vault.state_dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert MARKER not in content, path
                assert b"AGE-SECRET-KEY" not in content, path
                for identity in identities:
                    assert identity.text.encode() not in content, path

    for _ in range(3):
        draft = vault.begin()
        for _ in range(60):
            draft.write(MARKER * 200)
            check()
        draft.finish(duration_seconds=1.0, thumbnail=MARKER)
        check()
    abandoned = vault.begin()
    abandoned.write(MARKER * 10_000)
    abandoned.abandon()
    vault.store.recover()
    vault.store.delete(vault.index.clips()[0].id)
    check()
    assert len(identities) == 4


def test_a_thumbnail_is_sealed_to_the_owners_alone(vault: Vault) -> None:
    draft = vault.begin()
    draft.write(b"video")
    clip = draft.finish(duration_seconds=1.0, thumbnail=b"\xff\xd8 picture")
    sealed = vault.store.read_sidecar(clip.id).sealed_thumbnail
    assert sealed is not None
    for reader in (OWNER, RECOVERY):
        assert _unsealed(sealed, str(reader)) == b"\xff\xd8 picture"
    with pytest.raises(Exception, match="No matching keys"):
        _unsealed(sealed, open_key(clip.sealed_key, str(OWNER), clip_id=clip.id).identity)


def _unsealed(sealed: str, identity: str) -> bytes:
    plain: bytes = pyrage.decrypt(
        base64.b64decode(sealed), [pyrage.x25519.Identity.from_str(identity)]
    )
    return plain


def test_a_thumbnail_that_is_too_large_is_left_out_and_the_clip_kept(vault: Vault) -> None:
    for size, kept in ((MAX_THUMBNAIL_BYTES, True), (MAX_THUMBNAIL_BYTES + 1, False)):
        draft = vault.begin()
        draft.write(b"video")
        clip = draft.finish(duration_seconds=1.0, thumbnail=bytes(size))
        assert (vault.store.read_sidecar(clip.id).sealed_thumbnail is not None) == kept


def test_ids_that_are_taken_are_not_given_again(vault: Vault) -> None:
    draws = iter([b"\0\0\1", b"\0\0\1", b"\0\0\2", *[b"\0\0\1"] * 16])
    store = ClipStore(
        vault.state_dir,
        vault.index,
        recipients=RECIPIENTS,
        clock=vault.clock,
        random=lambda _: next(draws),
    )
    vault.store = store
    first, second = vault.begin(), vault.begin()
    assert (first.id[-6:], second.id[-6:]) == ("000001", "000002")
    with pytest.raises(InternalFault):
        vault.begin()
    first.abandon()
    second.abandon()


def test_files_and_folders_are_for_the_group_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        vault = Vault(tmp_path / "state")
        os.umask(0o027)  # the unit's
        clip = vault.record()
    finally:
        os.umask(before)
    for folder in (
        vault.state_dir / "camera" / "clips",
        vault.state_dir / "camera" / "clips" / "2024-01-24",
    ):
        assert folder.stat().st_mode & 0o7777 == 0o2750
    for path in (vault.store.path(clip.id), ClipFiles.of(vault.state_dir, clip.id).sidecar):
        assert path.stat().st_mode & 0o777 == 0o640
    for suffix in ("", "-wal", "-shm"):
        index = vault.state_dir / "camera" / f"index.sqlite{suffix}"
        assert index.stat().st_mode & 0o777 == 0o600
    vault.close()


def test_a_deleted_clip_is_gone_from_disk_and_index(vault: Vault) -> None:
    kept, gone = vault.record(b"kept"), vault.record(b"gone")
    assert vault.store.delete(gone.id)
    assert vault.index.clips() == [kept]
    assert set(clip_files(vault.state_dir)) == {
        "2024-01-24/183000-000001.json",
        "2024-01-24/183000-000001.mp4.age",
    }
    assert not vault.store.delete(gone.id)
    assert vault.store.sha256_on_disk(gone.id) is None
    with pytest.raises(ClipDamaged, match="No such file"):
        vault.store.open_sealed(gone.id)


def test_a_clip_may_be_deleted_while_it_is_being_read(vault: Vault) -> None:
    plain = pattern(5 * CHUNK_BYTES)
    clip = vault.record(plain)
    with (
        vault.store.open_sealed(clip.id) as sealed,
        seal.open_stream(sealed, str(OWNER)) as opened,
    ):
        first = opened.read(10)
        vault.store.delete(clip.id)
        assert first + opened.read() == plain


def test_a_clip_changed_on_disk_has_another_digest(vault: Vault) -> None:
    clip = vault.record(pattern(1_000))
    path = vault.store.path(clip.id)
    content = bytearray(path.read_bytes())
    for change in (content[:-1], content + b"x", content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(change)
        assert vault.store.sha256_on_disk(clip.id) not in (None, clip.sha256)
    path.write_bytes(content)
    assert vault.store.sha256_on_disk(clip.id) == clip.sha256


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "20240124-183000-00000G", "20240124"])
def test_a_malformed_id_never_becomes_a_path(vault: Vault, bad: str) -> None:
    with pytest.raises(InternalFault):
        vault.store.path(bad)


def test_a_sidecar_is_decoded_strictly(vault: Vault) -> None:
    clip = vault.record()
    path = ClipFiles.of(vault.state_dir, clip.id).sidecar
    good = json.loads(path.read_bytes())
    for change in ({"bytes": -1}, {"extra": 1}, {"sha256": "0"}, {"started_at": "now"}):
        path.write_text(json.dumps(good | change))
        with pytest.raises(ClipDamaged, match=str(path)):
            vault.store.read_sidecar(clip.id)
    path.write_text(json.dumps(good))
    assert vault.store.read_sidecar(clip.id).clip == clip


def test_clips_of_this_boot_get_their_time_once_the_clock_is_set(vault: Vault) -> None:
    vault.clock = clock = SimulatedClock(wall_seconds=1_000.0, is_synced=False)
    vault.store.clock = clock
    early = vault.record(b"early", seconds=20.0)
    late = vault.record(b"late", seconds=20.0)
    assert vault.store.correct_times() == []  # not yet
    clock.step_wall(1_706_121_000.0)
    clock.is_synced = True
    right = vault.record(b"right", seconds=20.0)
    assert vault.store.correct_times() == [early.id, late.id]
    corrected = vault.index.clips()
    assert [clip.id for clip in corrected] == [early.id, late.id, right.id]
    assert [clip.started_at for clip in corrected] == [
        1_706_122_000.0,
        1_706_122_020.0,
        1_706_122_040.0,
    ]
    assert all(clip.clock_synced for clip in corrected)
    assert [vault.store.read_sidecar(clip.id).clip for clip in corrected] == corrected
    assert vault.store.correct_times() == []


def test_clips_of_another_boot_keep_their_uncertain_time(vault: Vault) -> None:
    vault.clock.is_synced = False
    clip = vault.record()
    vault.clock.boot = "00000000-0000-0000-0000-000000000002"
    vault.clock.is_synced = True
    assert vault.store.correct_times() == []
    assert vault.index.clips() == [clip]


def test_a_correction_that_is_cut_off_is_done_again(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.clock.is_synced = False
    clip = vault.record()
    vault.clock.is_synced = True
    vault.clock.step_wall(3_600)

    def fail(*_: object, **__: object) -> None:
        raise StorageFault("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(vault.index, "correct_start", fail)
        with pytest.raises(StorageFault):
            vault.store.correct_times()
    assert not vault.index.clips()[0].clock_synced
    assert vault.store.correct_times() == [clip.id]
    assert vault.index.clips()[0].started_at == clip.started_at + 3_600
    expected = msgspec.structs.asdict(vault.store.read_sidecar(clip.id))
    assert expected["started_at"] == clip.started_at + 3_600


def test_a_damaged_sidecar_does_not_keep_the_time_wrong(vault: Vault) -> None:
    vault.clock.is_synced = False
    clip = vault.record()
    ClipFiles.of(vault.state_dir, clip.id).sidecar.write_text("{")
    vault.clock.is_synced = True
    assert vault.store.correct_times() == [clip.id]
    assert vault.index.clips()[0].clock_synced
