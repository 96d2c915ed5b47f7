"""Paths of a clip's files.

The clip ``20240124-183015-3f9a2c`` has its files in ``camera/clips/2024-01-24/``::

    183015-3f9a2c.mp4.age         the sealed recording
    183015-3f9a2c.json            its sidecar
    183015-3f9a2c.mp4.age.part    the same while it is being recorded
    183015-3f9a2c.json.part       its opening sidecar: what is known when the recording begins
    183015-3f9a2c.json.new        a sidecar about to replace another; never read
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import files
from agent.errors import InternalFault

_ID = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{6}-[0-9a-f]{6})", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
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
        return self.directory / f"{self.stem}.mp4.age"

    @property
    def media_part(self) -> Path:
        """The sealed recording while it grows."""
        return self.directory / f"{self.stem}.mp4.age.part"

    @property
    def sidecar(self) -> Path:
        """The sidecar of the finished clip."""
        return self.directory / f"{self.stem}.json"

    @property
    def opening(self) -> Path:
        """The sidecar of a clip that is being recorded."""
        return self.directory / f"{self.stem}.json.part"

    @property
    def replacement(self) -> Path:
        """A sidecar about to replace another."""
        return self.directory / f"{self.stem}.json.new"


Found = tuple[ClipFiles, frozenset[Path]]  # a clip, and its files that exist


def scan(state_dir: Path) -> Iterator[Found]:
    """Each clip of which any file exists, in the order of their ids.

    Other files are ignored.
    """
    for day in days(state_dir):
        yield from clips_of(day)


def days(state_dir: Path) -> list[Path]:
    """The folders of clips, the oldest first."""
    folder = folder_of(state_dir)
    with files.faults(folder):
        return sorted(entry for entry in _entries(folder) if DAY.fullmatch(entry.name))


def clips_of(day: Path) -> list[Found]:
    """The clips of one folder, as :func:`scan` gives them."""
    found: dict[str, set[Path]] = {}
    with files.faults(day):
        for path in _entries(day):
            if match := NAME.fullmatch(path.name):
                found.setdefault(match[1] or match[4], set()).add(path)
    return [(ClipFiles(day, stem), frozenset(found[stem])) for stem in sorted(found)]


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
