"""A backup of sealed clips by a stock tool, made while the camera records."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.vault.clips.store import Reindexed, reindex
from tests.vault.support import RECOVERY, Vault, pattern

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="apt-get install restic")


def restic(folder: Path, *arguments: str | Path) -> None:
    """Run Debian's restic on the repository in ``folder``."""
    named = {
        "RESTIC_REPOSITORY": str(folder / "repository"),
        "RESTIC_PASSWORD": "a password of the tests",
        "RESTIC_CACHE_DIR": str(folder / "cache"),
    }
    done = subprocess.run(
        ["restic", *arguments], env=os.environ | named, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_clips_restored_from_restic_open_with_the_owners_keys(tmp_path: Path) -> None:
    """Two backups, one of them while a clip is written; then another card, without an index."""
    vault = Vault(tmp_path / "state")
    plain = [pattern(100_000 + number) for number in range(3)]
    clips = [vault.record(plain[0])]
    restic(tmp_path, "init")
    running = vault.begin()
    running.write(plain[1])
    restic(tmp_path, "backup", vault.state_dir / "camera" / "clips")
    vault.clock.advance(10)
    clips.append(running.finish(duration_seconds=10))
    clips.append(vault.record(plain[2]))
    restic(tmp_path, "backup", vault.state_dir / "camera" / "clips")
    vault.close()
    shutil.rmtree(vault.state_dir)

    restic(tmp_path, "restore", "latest", "--target", "/")
    assert reindex(vault.state_dir) == Reindexed(clips=3)
    again = Vault(vault.state_dir)
    assert again.index.clips() == clips
    assert [again.plain(clip.id) for clip in clips] == plain
    assert [again.plain(clip.id, RECOVERY) for clip in clips] == plain
    assert not again.store.recover().acted
    again.close()
