"""The gateway's catalog of the camera's clips, kept in step with their sidecars.

A file that comes, goes or is replaced changes the time of the day's folder, so an idle look
reads no file and writes nothing: only a folder that changed is listed, and of it only the
sidecars that changed are read.

The camera's process may have been taken over. Its folders hold whatever it likes: no link is
followed, a sidecar is decoded strictly, and one that tells what no camera of ours would write,
or that does not fit its recording, is ignored. Names and bytes that are looked at are bounded.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from agent.errors import ClipDamaged
from agent.vault.clips import paths, sidecar
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Sidecar
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.rows import Clip, Totals

log = logging.getLogger(__name__)

_MAX_DAYS = 5_000
_MAX_NAMES = 400_000  # of one day's folder
_MAX_REFUSED = 10_000
_READ_A_LOOK = 500  # sidecars: the next look goes on
# Two changes within a tick of the kernel's clock give a folder the same time: one that changed
# so lately is looked at again.
_UNSETTLED_NANOSECONDS = 2_000_000_000
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Catalog:
    """Keeps the table ``clip`` of ``database``; ``totals`` are those of its rows.

    They are kept along: to sum up a hundred thousand rows takes longer than to change one.
    """

    def __init__(self, database: GatewayDatabase, state_dir: Path) -> None:
        self._database = database
        self._state_dir = state_dir
        self._folder = paths.folder_of(state_dir)
        self._settled: dict[str, int] = {}  # folder of a day: its time when it was listed
        self._known_days = database.days()
        self._refused: dict[str, int] = {}  # clip: stamp of its sidecar
        self._warned = False
        self._left = 0  # sidecars that this look may still read
        self.totals: Totals = database.totals()

    def look(self) -> bool:
        """Take over the camera's changes; True if there were any."""
        changed = False
        try:
            days = self._days()
        except OSError as error:
            self._warn("the camera's clips cannot be listed: %s", error.strerror)
            return False
        for day in self._known_days - {name.replace("-", "") for name in days}:
            changed |= self._write(list(self._database.clip_stamps(day)), [])
            self._known_days.discard(day)
        self._left = _READ_A_LOOK
        for name, stamp in sorted(days.items(), reverse=True):
            if self._settled.get(name) != stamp and self._left:
                changed |= self._look_at(name, stamp)
        self._settled = {name: self._settled[name] for name in days if name in self._settled}
        return changed

    def _days(self) -> dict[str, int]:
        """The folders of clips, each with its time."""
        found = {}
        with (
            suppress(FileNotFoundError),
            _opened(self._folder) as clips,
            os.scandir(clips) as entries,
        ):
            for entry in islice(entries, _MAX_DAYS):
                if paths.DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_mtime_ns
        return found

    def _look_at(self, name: str, stamp: int) -> bool:
        day = name.replace("-", "")
        try:
            with _opened(self._folder) as clips, _opened(name, within=clips) as folder:
                there = _sidecars(folder, day)
                known = self._database.clip_stamps(day)
                news = {
                    clip_id: stamp
                    for clip_id, stamp in there.items()
                    if stamp not in (known.get(clip_id), self._refused.get(clip_id))
                }
                fresh = list(self._read(folder, list(news.items())[: self._left]))
        except OSError as error:
            self._warn("the clips of %s cannot be read: %s", name, error.strerror)
            return False
        gone = [clip_id for clip_id in known if clip_id not in there or clip_id in self._refused]
        self._known_days.add(day)
        is_read, self._left = len(news) <= self._left, max(0, self._left - len(news))
        if is_read and abs(time.time_ns() - stamp) > _UNSETTLED_NANOSECONDS:
            self._settled[name] = stamp
        return self._write(gone, fresh)

    def _read(self, folder: int, news: list[tuple[str, int]]) -> Iterator[tuple[Clip, int]]:
        for clip_id, stamp in news:
            try:
                clip = self._clip(folder, clip_id)
            except (ClipDamaged, OSError) as error:
                if len(self._refused) >= _MAX_REFUSED:
                    self._refused.clear()
                self._refused[clip_id] = stamp
                self._warn("clip %s is ignored: %s", clip_id, error)
            else:
                self._refused.pop(clip_id, None)
                yield clip, stamp

    def _clip(self, folder: int, clip_id: str) -> Clip:
        place = ClipFiles.of(self._state_dir, clip_id)
        clip = sidecar.read(place.sidecar, Sidecar, clip_id).clip
        media = os.stat(place.media.name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(media.st_mode) or media.st_size != clip.bytes:
            raise ClipDamaged("its recording does not fit its sidecar")
        if not clip.is_sound:
            raise ClipDamaged("no camera writes such a sidecar")
        return clip

    def _warn(self, text: str, *values: object) -> None:
        """Warn once: a folder is looked at twice a second, and the log is on the card."""
        if not self._warned:
            self._warned = True
            log.warning(text, *values)

    def _write(self, gone: list[str], fresh: list[tuple[Clip, int]]) -> bool:
        if not (gone or fresh):
            return False
        before = self._database.totals([*gone, *(clip.id for clip, _ in fresh)])
        with self._database.transaction():
            for clip_id in gone:
                self._database.drop_clip(clip_id)
            for clip, stamp in fresh:
                self._database.put_clip(clip, stamp=stamp)
        self.totals = Totals(
            count=self.totals.count + len(fresh) - before.count,
            bytes=self.totals.bytes + sum(clip.bytes for clip, _ in fresh) - before.bytes,
            oldest=self._database.oldest(),
            kept=self.totals.kept + sum(clip.kept for clip, _ in fresh) - before.kept,
        )
        return True


@contextmanager
def _opened(path: Path | str, *, within: int | None = None) -> Iterator[int]:
    """A descriptor of a folder that is no link."""
    descriptor = os.open(path, _FLAGS, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sidecars(folder: int, day: str) -> dict[str, int]:
    """The clips of a day whose recording and sidecar are there, each with the sidecar's stamp."""
    recordings: set[str] = set()
    sidecars: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MAX_NAMES):
            match = paths.NAME.fullmatch(entry.name)
            if match and match[1] and not match[3]:
                (recordings if match[2] == "mp4.age" else sidecars).add(match[1])
    stamps = {}
    for stem in sorted(recordings & sidecars, reverse=True):  # the newest first
        found = os.stat(f"{stem}.json", dir_fd=folder, follow_symlinks=False)
        stamps[f"{day}-{stem}"] = found.st_mtime_ns
    return stamps
