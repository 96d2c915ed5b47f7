"""Reader of sealed clips, for a process that may not change them.

The camera's process, which writes them, may have been taken over: links and files of any size
are refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent import files
from agent.errors import ClipDamaged
from agent.vault.clips import sidecar
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Sidecar

_MAX_BYTES = 2**32  # twice what the longest clip takes; a file with holes has any size


@dataclass(eq=False)
class ClipReader:
    """The clips below ``state_dir``."""

    state_dir: Path

    def path(self, clip_id: str) -> Path:
        """The path of the sealed recording, which need not exist."""
        return ClipFiles.of(self.state_dir, clip_id).media

    def open_sealed(self, clip_id: str) -> BinaryIO:
        """The ciphertext of a clip; :class:`ClipDamaged` if there is no such file."""
        path = self.path(clip_id)
        sealed = files.open_regular(path)
        if os.fstat(sealed.fileno()).st_size > _MAX_BYTES:
            sealed.close()
            raise ClipDamaged(f"{path}: it is larger than any clip")
        return sealed

    def sha256_on_disk(
        self, clip_id: str, *, meanwhile: Callable[[], object] = lambda: None
    ) -> str | None:
        """The digest of the file on the disk; None if it is gone.

        ``meanwhile`` is called after each MiB: a long clip takes seconds.
        """
        path = self.path(clip_id)
        if not files.exists(path):
            return None
        with self.open_sealed(clip_id) as sealed, files.faults(path):
            return files.sha256_of(sealed, meanwhile)

    def read_sidecar(self, clip_id: str) -> Sidecar:
        """The sidecar of a clip; :class:`ClipDamaged` if it cannot be read."""
        return sidecar.read(ClipFiles.of(self.state_dir, clip_id).sidecar, Sidecar, clip_id)
