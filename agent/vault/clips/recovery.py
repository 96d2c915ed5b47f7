"""Recovery: reconcile files and rows after the end of a process or of the power.

For each clip of which a file is left, the first line that fits applies:

====================================  ==========================================
found                                 action
====================================  ==========================================
its row is marked as deleting         the deletion is finished
recording still being written         none: its process lives
``.part`` that matches its sidecar    renamed, row inserted: it was whole
``.part`` with a whole age chunk      closed as a clip marked truncated
``.part`` with less                   removed: no chunk of it opens
recording and sidecar, no row         row inserted
recording, opening sidecar only       closed as a clip marked truncated
recording, no readable sidecar        reported by name and left; its row stays
anything unreadable                   the same
sidecars only                         removed, and with them the row, if any
====================================  ==========================================

Each action may be cut off anywhere, and a second run of it does nothing.

All names are listed at each start and compared with the rows, so foreign, missing and damaged
files are found whatever happened meanwhile. The contents of a clip with a row are not read.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent import files, new_files
from agent.clock import Clock
from agent.errors import ClipDamaged, DiskFull, StorageFault
from agent.vault.clips import paths, sidecar, unseal
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.sidecar import Opening, Sidecar
from agent.vault.database.index import Index
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip

_MEDIA = frozenset({paths.MEDIA, paths.MEDIA_PART})
_WHOLE = frozenset({paths.MEDIA, paths.SIDECAR})
_ADOPTED_AT_ONCE = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The report of a recovery, by clip id."""

    closed: tuple[str, ...] = ()  # recordings that were cut off, now clips marked truncated
    adopted: tuple[str, ...] = ()  # whole clips that had no row
    deleted: tuple[str, ...] = ()  # deletions finished
    discarded: tuple[str, ...] = ()  # recordings without a chunk that opens
    lost: tuple[str, ...] = ()  # rows whose recording somebody else removed
    damaged: tuple[str, ...] = ()  # left unchanged; a sentence that names the file

    @property
    def acted(self) -> bool:
        """True if anything was changed."""
        return any((self.closed, self.adopted, self.deleted, self.discarded, self.lost))

    def __str__(self) -> str:
        counts = (
            f"{len(self.closed)} cut-off recordings closed",
            f"{len(self.adopted)} clips adopted",
            f"{len(self.deleted)} deletions finished",
            f"{len(self.discarded)} empty beginnings discarded",
            f"{len(self.lost)} rows without a recording dropped",
            f"{len(self.damaged)} damaged",
        )
        return "\n".join([", ".join(counts), *self.damaged])


def put_in_place(clip: ClipFiles) -> None:
    """Do step 6 of create: give the recording its name and sync the names."""
    with files.faults(clip.media_part):
        clip.media_part.chmod(files.FILE_MODE)
    files.rename(clip.media_part, clip.media)
    files.remove(clip.opening)
    files.sync_directory(clip.directory)


def finish_delete(clip: ClipFiles, index: Index) -> None:
    """Do steps 2 to 5 of delete. The recording goes first, so it never lacks its sidecar."""
    _remove_files(clip)
    with index.transaction():
        index.drop_clip(clip.id)


def _remove_files(clip: ClipFiles) -> None:
    if not clip.directory.is_dir():
        return
    for path in (clip.media_part, clip.media, clip.sidecar, clip.opening, clip.replacement):
        files.remove(path)
    files.sync_directory(clip.directory)
    files.remove_if_empty(clip.directory)


def recover(state_dir: Path, index: Index, clock: Clock) -> Recovery:
    """Act on the table above. A clip that cannot be read is reported and the rest goes on.

    Raises :class:`DiskFull` when there is no room for what must be written.
    """
    return _Recoverer(state_dir, index, clock).run()


@dataclass
class _Recoverer:
    state_dir: Path
    index: Index
    clock: Clock
    adopted: list[Clip] = field(default_factory=list)  # whole clips whose rows come next
    found: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> Recovery:
        for clip_id in self.index.deleting_clips():
            finish_delete(ClipFiles.of(self.state_dir, clip_id), self.index)
            self.found["deleted"].append(clip_id)
        self._correct_rows()
        days = paths.days(self.state_dir)
        gone = self.index.days() - {paths.day_of(day) for day in days}
        for day in days:
            with self._reporting():
                self._settle_day(day)
        for name in sorted(gone):
            self._drop_lost(self.index.ids_of(name))
        return Recovery(**{report: tuple(clips) for report, clips in self.found.items()})

    def _settle_day(self, day: Path) -> None:
        """Compare the names of a day with its rows, and act only where they differ."""
        prefix = paths.day_of(day)
        rows = self.index.ids_of(prefix)
        without_media = set(rows)
        for stem, present in paths.clips_of(day).items():
            clip_id = f"{prefix}-{stem}"
            if present & _MEDIA:
                without_media.discard(clip_id)
            if present != _WHOLE or clip_id not in rows:
                with self._reporting():
                    self._settle(ClipFiles(day, stem), present, has_row=clip_id in rows)
        self._insert_adopted()
        self._drop_lost(without_media)

    def _drop_lost(self, clip_ids: Set[str]) -> None:
        for clip_id in sorted(clip_ids):
            with self._reporting():
                self._drop_if_lost(clip_id)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report a clip that cannot be read, and go on with the others."""
        try:
            yield
        except DiskFull:
            raise
        except StorageFault as error:
            self.found["damaged"].append(str(error))

    def _drop_if_lost(self, clip_id: str) -> None:
        clip = ClipFiles.of(self.state_dir, clip_id)
        if not (files.exists(clip.media) or files.exists(clip.media_part)):
            with self.index.transaction():
                self.index.drop_clip(clip_id)
            self.found["lost"].append(clip_id)

    def _settle(self, clip: ClipFiles, present: Set[str], *, has_row: bool) -> None:
        """Act on a clip of which there are files with the endings ``present``."""
        if paths.MEDIA_PART in present:
            if not new_files.being_written(clip.media_part):
                self._settle_part(clip, present)
        elif paths.MEDIA in present:
            self._settle_media(clip, present, has_row=has_row)
        else:
            _remove_files(clip)
            if not has_row:
                self.found["discarded"].append(clip.id)

    def _settle_part(self, clip: ClipFiles, present: Set[str]) -> None:
        if paths.SIDECAR in present:
            try:
                known = sidecar.read(clip.sidecar, Sidecar, clip.id)
            except ClipDamaged as error:
                log.warning("a recording is closed without its sidecar: %s", error)
            else:
                if _written(clip.media_part) == new_files.WrittenFile(known.sha256, known.bytes):
                    put_in_place(clip)
                    self._insert(known)
                    self.found["adopted"].append(clip.id)
                    return
        with files.open_regular(clip.media_part) as sealed, files.faults(clip.media_part):
            chunks = unseal.whole_chunks(sealed)
        if chunks == 0:
            _remove_files(clip)
            self.found["discarded"].append(clip.id)
            return
        self._close(clip, clip.media_part)

    def _settle_media(self, clip: ClipFiles, present: Set[str], *, has_row: bool) -> None:
        if paths.SIDECAR not in present and paths.OPENING in present:
            self._close(clip, clip.media)
            return
        if present & {paths.OPENING, paths.REPLACEMENT}:
            for path in (clip.opening, clip.replacement):
                files.remove(path)
            files.sync_directory(clip.directory)
        if has_row and paths.SIDECAR in present:
            return
        self.adopted.append(sidecar.read(clip.sidecar, Sidecar, clip.id).clip)
        if len(self.adopted) >= _ADOPTED_AT_ONCE:
            self._insert_adopted()

    def _insert_adopted(self) -> None:
        """Insert the rows of whole clips together: after the loss of the index there are many."""
        if not self.adopted:
            return
        with self.index.transaction():
            for clip in self.adopted:
                self.index.put_clip(clip)
        self.found["adopted"] += [clip.id for clip in self.adopted]
        self.adopted.clear()

    def _close(self, clip: ClipFiles, media: Path) -> None:
        """Make a truncated clip of ``media``, a recording that was cut off."""
        opening = sidecar.read(clip.opening, Opening, clip.id)
        known = sidecar.finished(
            opening,
            _written(media),
            duration_seconds=seconds_until_cut_off(media, self._starts(opening)),
            truncated=True,
        )
        sidecar.replace(clip, known)
        if media == clip.media:
            files.remove(clip.opening)
            files.sync_directory(clip.directory)
        else:
            put_in_place(clip)
        self._insert(known)
        self.found["closed"].append(clip.id)

    def _starts(self, opening: Opening) -> list[float]:
        """The start of a recording by the clock at that time and, if it differs, by today's."""
        true = true_start(opening, self.clock)
        if opening.clock_synced or true is None:
            return [opening.started_at]
        return [opening.started_at, true]

    def _insert(self, known: Sidecar) -> None:
        with self.index.transaction():
            self.index.put_clip(known.clip)

    def _correct_rows(self) -> None:
        """Copy a corrected time that is in the sidecar and not in the row.

        The clips of a boot are corrected one by one in the order of recording, so only the first
        that is left can be one whose correction was cut off.
        """
        for clip in self.index.first_unsynced_of_each_boot():
            try:
                path = ClipFiles.of(self.state_dir, clip.id).sidecar
                known = sidecar.read(path, Sidecar, clip.id)
            except ClipDamaged as error:
                log.warning("the time of a clip cannot be checked: %s", error)
                continue
            if known.clock_synced:
                with self.index.transaction():
                    self.index.correct_start(
                        clip.id, known.started_at, duration_seconds=known.duration_seconds
                    )


def _written(media: Path) -> new_files.WrittenFile:
    with files.open_regular(media) as sealed, files.faults(media):
        return new_files.WrittenFile(files.sha256_of(sealed), files.size(media))


def true_start(clip: Clip | Opening, clock: Clock) -> float | None:
    """The start of a recording by a clock that is set now; None if it cannot be computed."""
    if not clock.synced() or clip.boot_id != clock.boot_id():
        return None
    return clock.now() - clock.monotonic() + clip.monotonic_seconds


def seconds_until_cut_off(media: Path, starts: Iterable[float]) -> float:
    """The length of a recording, from its possible ``starts`` to the last change of its file.

    If the clock was set in between, one of the starts makes no sense: the longest plausible
    length counts, so that no window is missed. 0, the mark of an unknown length in a
    truncated clip, if none is plausible.
    """
    with files.faults(media):
        last_write = media.stat().st_mtime
    lengths = [last_write - start for start in starts]
    return max((s for s in lengths if 0 < s <= LONGEST_RECORDING_SECONDS), default=0.0)
