"""The clip store creates, reads and deletes clips. Files are the truth, the index a cache.

Invariants, also after a power cut and a restart:

1. Plaintext is never on the disk, and a clip's identity is there only sealed.
2. A row of the index belongs to a whole, synced file whose digest it holds.
3. Only :meth:`ClipStore.delete` loses a clip; a recording that is cut off
   keeps all but the last two seconds.
4. A clip whose deletion began is offered to nobody, and its files are removed in the end.

**Create**

1. opening sidecar (key, start, boot id) written and synced, ``.json.part``;
2. the recording is opened, ``.mp4.age.part``; directory synced;
3. ciphertext streams in and is synced (:mod:`agent.vault.clips.seal`); if the clock is set
   meanwhile, the opening sidecar is replaced by one with the true start;
4. last chunk, file synced; the key is sealed anew, with the digests, start and length;
5. sidecar written and synced as ``.json.new``, renamed to ``.json``;
6. recording renamed to ``.mp4.age``, opening sidecar removed, directory synced;
7. row inserted and committed.

**Delete**

1. row marked and committed; 2. recording removed; 3. sidecar removed; 4. directory
synced, and removed if it is empty; 5. row dropped and committed. On a full disk step 2
makes room for step 1.

:mod:`agent.vault.clips.recovery` goes on after any of these steps;
:mod:`agent.vault.clips.retention` decides which clips to delete.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from agent import files
from agent.clock import Clock
from agent.errors import ClipDamaged, DiskFull, InternalFault, StorageFault
from agent.vault.clips import recovery, seal, sidecar
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.reader import ClipReader
from agent.vault.clips.recovery import Recovery
from agent.vault.clips.reindexing import Reindexed, reindex
from agent.vault.clips.seal import ClipIdentity, Recorded, SealedWriter
from agent.vault.clips.sidecar import Codec, Opening, Sidecar
from agent.vault.database.index import Clip, Index

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Clip", "ClipDraft", "ClipStore", "Recovery", "Reindexed", "Sidecar", "reindex"]

_BOX_HEADER_BYTES = 8
_ID_TRIES = 16

log = logging.getLogger(__name__)


@dataclass(eq=False)
class ClipDraft:
    """A clip that is being recorded: a file to write to, without seeking."""

    paths: ClipFiles
    opening: Opening
    writer: SealedWriter
    index: Index
    owners: Sequence[str]
    clock: Clock
    identity: ClipIdentity
    _corrected: bool = False  # or not, on a full disk: one try is enough

    @property
    def id(self) -> str:
        """The clip's id."""
        return self.paths.id

    def write(self, data: ReadableBuffer) -> int:
        """Seal ``data``; :class:`StorageFault` when the disk does not take it."""
        return self.writer.write(data)

    def pad_if_stale(self) -> None:
        """Limit the loss of a power cut; call between two fragments.

        At a low bit-rate a chunk of 64 KiB fills slowly. Before its first byte has waited
        too long, a ``free`` box fills it (ISO/IEC 14496-12, 8.1.2), which players skip.
        """
        if self.writer.overdue:
            self.writer.fill(_free_box(self.writer.missing))

    def correct_time(self) -> None:
        """Store the true start once the clock is set; call now and then.

        After a power cut it could no longer be computed: another boot has other monotonic times.
        """
        if self.opening.clock_synced or self._corrected:
            return
        started_at = recovery.true_start(self.opening, self.clock)
        if started_at is None:
            return
        self._corrected = True
        corrected = msgspec.structs.replace(self.opening, started_at=started_at, clock_synced=True)
        try:
            data = sidecar.encode(corrected)
            files.replace(self.paths.opening, data, draft=self.paths.replacement)
        except StorageFault as error:
            log.warning("the true start of a running clip is not stored: %s", error)
        else:
            self.opening = corrected

    def finish(
        self, *, duration_seconds: float, thumbnail: bytes | None = None, truncated: bool = False
    ) -> Clip:
        """Do steps 4 to 7 of create. ``thumbnail`` is a small JPEG, sealed to the owners alone.

        ``truncated``: the end is missing. After a :class:`StorageFault` a recovery finishes
        the recording.
        """
        written = self.writer.close()
        if not thumbnail or len(thumbnail) > sidecar.MAX_THUMBNAIL_BYTES:
            thumbnail = None  # a clip without a picture is still a clip
        sealed = None if thumbnail is None else seal.seal_bytes(thumbnail, self.owners)
        known = sidecar.finished(
            self._vouched(written.sha256, duration_seconds, thumbnail, truncated=truncated),
            written,
            duration_seconds=duration_seconds,
            truncated=truncated,
            sealed_thumbnail=sealed,
        )
        sidecar.replace(self.paths, known)
        recovery.put_in_place(self.paths)
        with self.index.transaction():
            self.index.put_clip(known.clip)
        return known.clip

    def _vouched(
        self, sha256: str, seconds: float, thumbnail: bytes | None, *, truncated: bool
    ) -> Opening:
        """The opening sidecar with a key that names the recording, if its length is known."""
        if truncated and seconds == 0:
            return self.opening
        start, synced = self.opening.started_at, self.opening.clock_synced
        recorded = Recorded.of(sha256, start, seconds, synced=synced, thumbnail=thumbnail)
        key = seal.seal_key(self.identity.text, self.owners, clip_id=self.id, recorded=recorded)
        return msgspec.structs.replace(self.opening, sealed_key=key)

    def abandon(self) -> None:
        """Stop recording and leave what is on the disk to a recovery."""
        self.writer.abandon()


@dataclass(eq=False)
class ClipStore(ClipReader):
    """The clips below ``state_dir``, sealed to ``recipients``.

    ``random`` draws the last part of ids.
    """

    index: Index
    _: KW_ONLY
    recipients: Sequence[str]
    clock: Clock
    random: Callable[[int], bytes] = os.urandom

    def create(
        self,
        *,
        started_at: float,
        monotonic_seconds: float,
        codec: Codec,
        width: int,
        height: int,
        clock_synced: bool | None = None,
    ) -> ClipDraft:
        """Do steps 1 and 2 of create. Both times are those of the first frame.

        ``clock_synced``: ``started_at`` comes from a synced clock. Without it the clock is
        asked now, which is too late if it may have been set in between.
        """
        identity = ClipIdentity()
        clip = self._unused(started_at)
        opening = Opening(
            id=clip.id,
            started_at=started_at,
            monotonic_seconds=monotonic_seconds,
            boot_id=self.clock.boot_id(),
            clock_synced=self.clock.synced() if clock_synced is None else clock_synced,
            sealed_key=seal.seal_key(identity.text, self.recipients, clip_id=clip.id),
            codec=codec,
            width=width,
            height=height,
        )
        files.make_directory(clip.directory)
        files.write_synced(clip.opening, sidecar.encode(opening))
        readers = [*self.recipients, identity.recipient]
        writer = SealedWriter(clip.media_part, readers, clock=self.clock)
        try:
            files.sync_directory(clip.directory)
        except BaseException:
            writer.abandon()
            raise
        return ClipDraft(clip, opening, writer, self.index, self.recipients, self.clock, identity)

    def _unused(self, started_at: float) -> ClipFiles:
        stamp = datetime.fromtimestamp(started_at, tz=UTC).strftime("%Y%m%d-%H%M%S")
        for _ in range(_ID_TRIES):
            clip = ClipFiles.of(self.state_dir, f"{stamp}-{self.random(3).hex()}")
            taken = (clip.media, clip.media_part, clip.sidecar, clip.opening)
            if not any(path.exists() for path in taken) and self.index.clip(clip.id) is None:
                return clip
        raise InternalFault(f"no free clip id at {stamp}: is the random source one?")

    def delete(self, clip_id: str) -> bool:
        """Delete a clip for good; False if there is none of this id."""
        clip = ClipFiles.of(self.state_dir, clip_id)
        try:
            found = self._mark_deleting(clip_id)
        except DiskFull:  # after a cut here a recovery drops the row, which has no recording
            files.remove(clip.media)
            found = self._mark_deleting(clip_id)
        if found:
            recovery.finish_delete(clip, self.index)
        return found

    def keep(self, clip_id: str, *, keep: bool) -> None:
        """Spare a clip from retention, or no longer; :class:`ClipDamaged` without a sidecar."""
        paths, known = ClipFiles.of(self.state_dir, clip_id), self.read_sidecar(clip_id)
        sidecar.replace(paths, msgspec.structs.replace(known, kept=keep))
        files.sync_directory(paths.directory)
        with self.index.transaction():
            self.index.set_kept(clip_id, keep)

    def _mark_deleting(self, clip_id: str) -> bool:
        with self.index.transaction():
            return self.index.mark_deleting(clip_id)

    def recover(self) -> Recovery:
        """Reconcile files and rows; running recordings are left alone."""
        return recovery.recover(self.state_dir, self.index, self.clock)

    def correct_times(self, *, at_most: int | None = None) -> list[str]:
        """Correct the start of this boot's clips that were recorded before the clock was set.

        Returns the ids of at most ``at_most`` clips, none while the clock is not synced.
        Their ids and names stay.
        """
        if not self.clock.synced():
            return []
        clips = self.index.unsynced_clips(self.clock.boot_id(), at_most=at_most)
        for clip in clips:
            if (started_at := recovery.true_start(clip, self.clock)) is not None:
                self._correct(clip, started_at=started_at)
        return [clip.id for clip in clips]

    def _correct(self, clip: Clip, *, started_at: float) -> None:
        paths = ClipFiles.of(self.state_dir, clip.id)
        seconds = clip.duration_seconds
        if not clip.length_is_known and files.exists(paths.media):
            seconds = recovery.seconds_until_cut_off(paths.media, [started_at])
        corrected = {"started_at": started_at, "clock_synced": True, "duration_seconds": seconds}
        try:
            known = self.read_sidecar(clip.id)
        except ClipDamaged as error:
            log.warning("the corrected time of a clip is in the index alone: %s", error)
        else:
            sidecar.replace(paths, msgspec.structs.replace(known, **corrected))
            files.sync_directory(paths.directory)
        with self.index.transaction():
            self.index.correct_start(clip.id, started_at, duration_seconds=seconds)


def _free_box(size: int) -> bytes:
    """An empty box of ``size`` bytes, or of its own header's size if that is larger."""
    size = max(size, _BOX_HEADER_BYTES)
    return struct.pack(">I4s", size, b"free") + bytes(size - _BOX_HEADER_BYTES)
