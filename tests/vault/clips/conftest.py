"""Recordings, whole and cut off, and a check that nothing is left over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.seal import CHUNK_BYTES, open_key
from agent.vault.clips.store import Recovery
from tests.vault.support import (
    OWNER,
    Vault,
    clip_files,
    pattern,
    whole,
)

PLAIN = pattern(3 * CHUNK_BYTES + 1_234)


def create(vault: Vault) -> None:
    draft = vault.begin()
    draft.write(PLAIN)
    draft.finish(duration_seconds=10.0)


def check_whole(vault: Vault) -> None:
    """Rows and files fit each other, nothing is left over, and a recovery finds nothing to do."""
    clips = vault.index.clips()
    expected = {
        path
        for clip in clips
        for path in (vault.store.path(clip.id), files_of(vault, clip.id).sidecar)
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


def files_of(vault: Vault, clip_id: str) -> ClipFiles:
    return ClipFiles.of(vault.state_dir, clip_id)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A complete recording and its opening sidecar, of the clip 20240124-183000-000001."""
    vault = Vault(tmp_path_factory.mktemp("part"))
    draft = vault.begin()
    opening = files_of(vault, draft.id).opening.read_bytes()
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
