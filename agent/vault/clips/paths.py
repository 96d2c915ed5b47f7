"""Paths of a clip's files.

The clip ``20240124-183015-3f9a2c`` has its files in ``camera/clips/2024-01-24/``::

    183015-3f9a2c.mp4.age         the sealed recording
    183015-3f9a2c.json            its sidecar
    183015-3f9a2c.mp4.age.part    the same while it is being recorded
    183015-3f9a2c.json.part       its opening sidecar: what is known when the recording begins
    183015-3f9a2c.json.new        a sidecar about to replace another; never read
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from agent import files
from agent.errors import InternalFault

_ID = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{6}-[0-9a-f]{6})", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MEDIA, MEDIA_PART = ".mp4.age", ".mp4.age.part"
SIDECAR, OPENING, REPLACEMENT = ".json", ".json.part", ".json.new"
NAME = re.compile(r"(\d{6}-[0-9a-f]{6})\.(mp4\.age|json)(\.part)?|(\d{6}-[0-9a-f]{6})\.json\.new")


def folder_of(state_dir: Path) -> Path:
    """The folder of the clips below ``state_dir``."""
    return state_dir / "camera" / "clips"


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The paths of one clip, whose files may or may not exist."""

    directory: Path
    stem: str

    @classmethod
    def of(cls, state_dir: Path, clip_id: str) -> ClipFiles:
        """The paths of ``clip_id``, whose form the caller has checked."""
        match = _ID.fullmatch(clip_id)
        if match is None:
            raise InternalFault(f"{clip_id[:64]!r} is not a clip id")
        year, month, day, stem = match.groups()
        return cls(folder_of(state_dir) / f"{year}-{month}-{day}", stem)

    @property
    def id(self) -> str:
        """The clip's id."""
        return f"{self.directory.name.replace('-', '')}-{self.stem}"

    @property
    def media(self) -> Path:
        """The sealed recording."""
        return self.directory / f"{self.stem}{MEDIA}"

    @property
    def media_part(self) -> Path:
        """The sealed recording while it grows."""
        return self.directory / f"{self.stem}{MEDIA_PART}"

    @property
    def sidecar(self) -> Path:
        """The sidecar of the finished clip."""
        return self.directory / f"{self.stem}{SIDECAR}"

    @property
    def opening(self) -> Path:
        """The sidecar of a clip that is being recorded."""
        return self.directory / f"{self.stem}{OPENING}"

    @property
    def replacement(self) -> Path:
        """A sidecar about to replace another."""
        return self.directory / f"{self.stem}{REPLACEMENT}"


def days(state_dir: Path) -> list[Path]:
    """The folders of clips, the oldest first."""
    folder = folder_of(state_dir)
    with files.faults(folder):
        return sorted(folder / name for name in _names(folder) if DAY.fullmatch(name))


def day_of(folder: Path) -> str:
    """The first digits of the ids of all clips in the folder of a day."""
    return folder.name.replace("-", "")


def clips_of(day: Path) -> dict[str, frozenset[str]]:
    """The clips of one folder: the endings of the files that exist, by stem in their order.

    Other files are ignored. There may be a hundred thousand names: no path is made of any.
    """
    found: dict[str, set[str]] = {}
    with files.faults(day):
        for name in _names(day):
            if match := NAME.fullmatch(name):
                stem = match[1] or match[4]
                found.setdefault(stem, set()).add(name[len(stem) :])
    return {stem: frozenset(found[stem]) for stem in sorted(found)}


def _names(directory: Path) -> list[str]:
    return os.listdir(directory) if directory.is_dir() else []  # noqa: PTH208 - no paths
