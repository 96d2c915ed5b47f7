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
from agent.vault.database.index import Index, path_of
from agent.vault.database.rows import LONGEST_RECORDING_SECONDS, Clip

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


@dataclass(frozen=True, slots=True)
class Reindexed:
    """The report of :func:`reindex`: the number of clips, and the rows and files at fault."""

    clips: int
    dropped: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f"{self.clips} clips indexed, {len(self.dropped)} rows without files dropped"
        return "\n".join([f"{counts}, {len(self.damaged)} damaged", *self.damaged])


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
    found: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> Recovery:
        for clip_id in self.index.deleting_clips():
            finish_delete(ClipFiles.of(self.state_dir, clip_id), self.index)
            self.found["deleted"].append(clip_id)
        self._correct_rows()
        rows = {clip.id for clip in self.index.clips()}
        for day in paths.days(self.state_dir):
            with self._reporting():
                for clip, present in paths.clips_of(day):
                    with self._reporting():
                        self._settle(clip, present, has_row=clip.id in rows)
        for clip_id in sorted(rows):
            with self._reporting():
                self._drop_if_lost(clip_id)
        return Recovery(**{report: tuple(clips) for report, clips in self.found.items()})

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

    def _settle(self, clip: ClipFiles, present: Set[Path], *, has_row: bool) -> None:
        if clip.media_part in present:
            if not new_files.being_written(clip.media_part):
                self._settle_part(clip, present)
        elif clip.media in present:
            self._settle_media(clip, present, has_row=has_row)
        else:
            _remove_files(clip)
            if not has_row:
                self.found["discarded"].append(clip.id)

    def _settle_part(self, clip: ClipFiles, present: Set[Path]) -> None:
        if clip.sidecar in present:
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

    def _settle_media(self, clip: ClipFiles, present: Set[Path], *, has_row: bool) -> None:
        if clip.sidecar not in present and clip.opening in present:
            self._close(clip, clip.media)
            return
        leftovers = present & {clip.opening, clip.replacement}
        for path in leftovers:
            files.remove(path)
        if leftovers:
            files.sync_directory(clip.directory)
        if has_row and clip.sidecar in present:
            return
        self._insert(sidecar.read(clip.sidecar, Sidecar, clip.id))
        self.found["adopted"].append(clip.id)

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
        """Copy corrected times that are in the sidecar and not in the row."""
        for clip in self.index.unsynced_clips():
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


def reindex(state_dir: Path) -> Reindexed:
    """Rebuild the rows of clips from the sidecars, in one transaction.

    A clip whose sidecar is damaged or does not fit its recording is reported by name; its
    row, if any, stays, as the last copy. Running recordings and deletions that were cut off
    are left to a recovery.
    """
    with Index.open(path_of(state_dir)) as index:
        found: list[Sidecar] = []
        damaged: list[str] = []
        with_media: set[str] = set()
        for clip, present in paths.scan(state_dir):
            if clip.media not in present:
                continue
            with_media.add(clip.id)
            try:
                found.append(_read_for_index(clip))
            except StorageFault as error:
                damaged.append(str(error))
        deleting = set(index.deleting_clips())
        kept = sorted(found, key=lambda known: (known.started_at, known.id))
        kept = [known for known in kept if known.id not in deleting]
        dropped = sorted({clip.id for clip in index.clips()} - with_media)
        with index.transaction():
            for clip_id in dropped:
                index.drop_clip(clip_id)
            for known in kept:
                index.put_clip(known.clip)
        return Reindexed(clips=len(kept), dropped=tuple(dropped), damaged=tuple(damaged))


def _read_for_index(clip: ClipFiles) -> Sidecar:
    known = sidecar.read(clip.sidecar, Sidecar, clip.id)
    if files.size(clip.media) != known.bytes:
        raise ClipDamaged(f"{clip.media}: its size differs from its sidecar")
    return known
