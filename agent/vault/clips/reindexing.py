"""Reindexing: the rows of clips come back from the sidecars, one day of clips at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from agent import files
from agent.errors import ClipDamaged, StorageFault
from agent.vault.clips import paths, sidecar
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Sidecar
from agent.vault.database.index import Index, path_of


@dataclass(frozen=True, slots=True)
class Reindexed:
    """The report of :func:`reindex`: the number of clips, and the rows and files at fault."""

    clips: int
    dropped: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f"{self.clips} clips indexed, {len(self.dropped)} rows without files dropped"
        return "\n".join([f"{counts}, {len(self.damaged)} damaged", *self.damaged])


def reindex(state_dir: Path) -> Reindexed:
    """Rebuild the rows of clips from the sidecars, in one transaction.

    A clip whose sidecar is damaged or does not fit its recording is reported by name; its
    row, if any, stays, as the last copy. Running recordings and deletions that were cut off
    are left to a recovery.
    """
    with Index.open(path_of(state_dir)) as index, index.transaction():
        return _Reindexer(state_dir, index).run()


@dataclass
class _Reindexer:
    state_dir: Path
    index: Index
    clips: int = 0
    dropped: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def run(self) -> Reindexed:
        last = self.index.last_recorded()
        days = paths.days(self.state_dir)
        gone = self.index.days() - {paths.day_of(day) for day in days}
        for day in days:
            self._read_day(day)
        for name in sorted(gone):
            self._drop(self.index.ids_of(name))
        self.index.order_by_time(after=last)
        return Reindexed(self.clips, tuple(sorted(self.dropped)), tuple(self.damaged))

    def _read_day(self, day: Path) -> None:
        prefix = paths.day_of(day)
        rows, deleting = self.index.ids_of(prefix), set(self.index.deleting_clips())
        present = paths.clips_of(day)
        with files.opened_folder(day) as folder:
            for clip in (ClipFiles(day, stem) for stem in present if paths.MEDIA in present[stem]):
                rows.discard(clip.id)
                try:
                    known = _read(clip, folder)
                except StorageFault as error:
                    self.damaged.append(str(error))
                    continue
                if known.id not in deleting:
                    self.index.put_clip(known.clip)
                    self.clips += 1
        self._drop(rows)

    def _drop(self, clip_ids: set[str]) -> None:
        for clip_id in clip_ids:
            self.index.drop_clip(clip_id)
        self.dropped += clip_ids


def _read(clip: ClipFiles, folder: int) -> Sidecar:
    known = sidecar.read(clip.sidecar, Sidecar, clip.id, folder=folder)
    with files.faults(clip.media):
        if os.stat(clip.media.name, dir_fd=folder).st_size != known.bytes:
            raise ClipDamaged(f"{clip.media}: its size differs from its sidecar")
    return known
