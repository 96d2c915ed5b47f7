"""Thumbnails that were fetched before, in the owner's folder, sealed as the camera sealed them.

::

    thumbnails/<device>/<clip>.age

A file that a power cut spoiled opens to nothing, and is fetched again; so nothing is synced. The
oldest files go when there are more than a bound.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from agent import files

FOLDER: Final = "thumbnails"
_MOST_FILES: Final = 10_000
_MOST_BYTES: Final = 131_072  # of a file


class ThumbnailCache:
    """The sealed thumbnails below an owner's folder; at most ``most`` are kept."""

    def __init__(self, owner_folder: Path, *, most: int = _MOST_FILES) -> None:
        self._folder = owner_folder / FOLDER
        self._most = most

    def get(self, device: str, clip: str) -> bytes | None:
        """The sealed thumbnail, empty if the clip has none, None if it was not fetched."""
        try:
            with self._path(device, clip).open("rb") as file:
                return file.read(_MOST_BYTES)
        except OSError:
            return None

    def put(self, device: str, clip: str, sealed: bytes) -> None:
        """Keep a sealed thumbnail, or nothing for a clip without one."""
        path = self._path(device, clip)
        draft = path.with_suffix(".new")
        with files.faults(path):
            path.parent.mkdir(mode=files.PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
            draft.write_bytes(sealed)
            with contextlib.suppress(FileNotFoundError):  # another page has put the same meanwhile
                draft.replace(path)

    def drop(self, device: str, clip: str) -> None:
        """Forget the thumbnail of a clip."""
        files.remove(self._path(device, clip))

    def trim(self) -> None:
        """Delete the files that were written first, until no more than the bound are left."""
        with files.faults(self._folder):
            found = [(path.stat().st_mtime_ns, path) for path in self._folder.glob("*/*.age")]
            for _, path in sorted(found)[: max(0, len(found) - self._most)]:
                path.unlink(missing_ok=True)

    def _path(self, device: str, clip: str) -> Path:
        return self._folder / device / f"{clip}.age"
