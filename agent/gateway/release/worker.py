"""Release worker: seals accepted clips for their recipient and uploads them.

After an approval was accepted only the thread of :class:`ReleaseWorker` moves a release
along the table of :mod:`agent.consent.lifecycle`. Others ask for its stop by writing
``stop`` into its row, which is obeyed before each chunk. A turn gives each release one
piece of work, such as a chunk of its upload, so none waits for another; sealing takes
longest, so each turn seals one bundle at most. Every piece commits state, ledger line and the
owner's letter together; a restart goes on from the last commit:

- PROPOSED: handled by :mod:`agent.gateway.decisions.approvals`.
- APPROVED: needs the clip keys, which are in memory only. After a restart the broker
  sends the approval again (it was not acknowledged), or it expires.
- SEALED: the bundle is in ``outbox/``; the upload resumes at the receiver's offset.
- SENT: the bundle is removed, and the recipient's receipt is asked for (:mod:`.receipts`).
- DELIVERED, REJECTED, FAILED, REVOKED: finished. The receiver is asked to delete its part of a
  release that was stopped (:mod:`.removal`).

Nothing is sent before the owners were heard after each connection (:mod:`.last_word`),
nothing that is held (:mod:`.holds`), and nothing after the approval's end. An unsynced clock
cannot judge it, so releases wait for a synced one; a stop is obeyed by any clock.

Each step verifies the statements of the release again (:mod:`.authorization`): the disk may have
been edited or restored.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent import files
from agent.backoff import pause_seconds
from agent.errors import (
    ClipDamaged,
    EnvironmentFault,
    NetworkFault,
    ReceiverFault,
    Refused,
    StorageFault,
)
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.bundle.contents import BundleContents
from agent.gateway.release.receipts import FIRST_PAUSE_SECONDS, Receipts
from agent.gateway.release.removal import Removals
from agent.gateway.release.upload import Uploader
from agent.gateway.unit_of_work import Change, UnitOfWork
from agent.vault.records.releases import ReleaseRow

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 4.0
_LONGEST_RETRY_AFTER_SECONDS = 3_600.0  # a receiver may ask for so long a pause
_TOLD_FROM_SECONDS = 20.0  # the owners are told of pauses as long as this
_MAX_DEATHS = 5  # a release that killed the process so often is given up


@dataclass(frozen=True)
class SealJob:
    """The keys of an accepted approval; ``done`` is called when they are no longer needed."""

    release_id: str
    keys: Mapping[str, str] = field(repr=False)
    done: Callable[[], None]


@dataclass(eq=False)
class ReleaseWorker:
    """Takes releases from APPROVED to their end, on one thread."""

    _: KW_ONLY
    work: UnitOfWork
    contents: BundleContents
    authorizer: Authorizer
    uploader: Uploader
    removals: Removals
    receipts: Receipts
    random: Callable[[int], bytes]
    outbox_dir: Path
    max_backoff_seconds: float
    sealed: int = field(default=0, init=False)  # bundles since the start
    _arrived: queue.SimpleQueue[SealJob] = field(default_factory=queue.SimpleQueue)
    _awake: threading.Event = field(default_factory=threading.Event)
    _jobs: dict[str, SealJob] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)  # what the owners know a release waits for

    def start(self, job: SealJob) -> None:
        """Hand over the keys of an accepted approval, from any thread."""
        self._arrived.put(job)
        self.wake()

    def wake(self) -> None:
        """End :meth:`wait`, from any thread: the owners said something."""
        self._awake.set()

    def wait(self, seconds: float) -> None:
        """Wait for something to do."""
        self._awake.wait(seconds)
        self._awake.clear()

    def recover(self) -> None:
        """Remove bundles that no SEALED release needs; call at start.

        A half-written bundle shows that the process was killed while sealing, perhaps for
        want of memory. The letter comes again, so the number of tries is limited.
        """
        wanted = {f"{row.id}.age" for row in self.work.releases.all("SEALED")}
        sealing = {f"{row.id}.age.part": row for row in self.work.releases.all("APPROVED")}
        for path in self.outbox_dir.iterdir():
            if path.name in wanted:
                continue
            log.info("outbox: removing %s, which no release needs", path.name)
            if _removed(path) and path.name in sealing:  # else it would count at each start
                self._note_death(sealing[path.name])

    def _note_death(self, row: ReleaseRow) -> None:
        deaths = row.deaths + 1
        if deaths >= _MAX_DEATHS:
            self._finish(row, "fail", "the gateway was killed each time it prepared these clips")
            return
        with self.work.transaction() as change:
            change.releases.set(row.id, deaths=deaths)
        self._retry_later(row, StorageFault("the gateway was killed while it was sealing"))

    def step(self) -> bool:
        """Do the next piece of work of every release, but seal one only; True if there was any."""
        self._take_jobs()
        worked, sealed = self.removals.step(idle=False), False
        for listed in self.work.releases.all("APPROVED") + self.work.releases.all("SEALED"):
            row = self.work.releases.get(listed.id)
            if row is None or row.state != listed.state:
                continue  # it moved on during this turn
            if self._stopped(row):  # perhaps since this turn began: other pieces take long
                worked = True
            elif self.work.clock.synced():
                if self._expired(row):
                    worked = True
                elif not (sealed and row.state == "APPROVED") and self._due(row):
                    advanced = self._advance(row)
                    sealed |= advanced and row.state == "APPROVED"
                    worked |= advanced
        # Asking a receiver that is gone may take a minute, so uploads go first.
        return (
            worked
            or self.removals.step(idle=True)
            or (self.work.clock.synced() and self.receipts.step())
        )

    def _take_jobs(self) -> None:
        """Take over the keys that arrived, unless they are no longer needed."""
        while not self._arrived.empty():
            job = self._arrived.get()
            row = self.work.releases.get(job.release_id)
            if row is None or row.state != "APPROVED":
                job.done()  # the letter came twice
                continue
            self._forget_keys(row)
            self._jobs[job.release_id] = job

    def _stopped(self, row: ReleaseRow) -> bool:
        if not row.stop:
            return False
        self._finish(row, "revoke", row.stop, _so_far(row))
        return True

    def _expired(self, row: ReleaseRow) -> bool:
        if self.work.clock.now() < row.expires_at:
            return False
        why = f"the approval ended while the release was {row.state}"
        self._finish(row, "fail", why, _so_far(row))
        return True

    def _due(self, row: ReleaseRow) -> bool:
        """True if its pause is over. A clock far ahead may have set one longer than any."""
        pause = row.not_before - self.work.clock.now()
        return pause <= 0 or pause > max(self.max_backoff_seconds, _LONGEST_RETRY_AFTER_SECONDS)

    def _advance(self, row: ReleaseRow) -> bool:
        """Seal, or send a chunk; faults that may pass are tried again later."""
        try:
            if row.state == "APPROVED":
                return self._seal(row)
            return self._send(row)
        except ClipDamaged as error:
            self._finish(row, "fail", error.message)
        except EnvironmentFault as error:
            self._retry_later(row, error)
        except Refused as error:
            self._finish(row, "fail", f"{error.rule}: {error.message}")
        return True

    # APPROVED -> SEALED

    def _seal(self, row: ReleaseRow) -> bool:
        job = self._jobs.get(row.id)
        if job is None:
            return False  # the broker sends the approval, with the keys, again
        authorization = self.authorizer.of(row)
        self.uploader.owner_heard()  # the broker is asked while the bundle is made
        bundle = self.contents.seal(
            self._path(row), authorization, keys=job.keys, at=self.work.clock.now()
        )
        self.sealed += 1
        sealed: dict[str, str | int] = {"bytes": bundle.bytes, "sha256": bundle.sha256}
        with self.work.transaction() as change:
            change.releases.set(
                row.id,
                bundle_bytes=bundle.bytes,
                bundle_sha256=bundle.sha256,
                upload_url=None,
                sent_bytes=0,
                attempts=0,
                not_before=0.0,
            )
            change.releases.keep_files(row.id, bundle.files)
            change.receipts.expect(row.id, bundle.release_sha256)
            change.advance(row, "seal", sealed)
        self.uploader.sealed(row.id)
        self._forget_keys(row)
        return True

    # SEALED -> SENT

    def _send(self, row: ReleaseRow) -> bool:
        if not self.uploader.owner_heard() or self.work.holds.why(row.id):
            return False
        upload_url = self.authorizer.of(row).upload_url
        if self.uploader.send(row, self._path(row), to=upload_url):
            where: dict[str, str | int] = {
                "bytes": row.bundle_bytes or 0,
                "url": row.upload_url or "",
            }
            self._finish(row, "send", "", where)
        elif self._told.pop(row.id, ""):
            with self.work.transaction() as change:
                change.tell(row.id, row.state, request=row.request)
        return True

    # Ends and retries

    def _retry_later(self, row: ReleaseRow, error: EnvironmentFault) -> None:
        now = self.work.releases.get(row.id) or row  # progress may have reset the count
        attempts = now.attempts + 1
        share = int.from_bytes(self.random(2)) / 0xFFFF
        longest = self.max_backoff_seconds
        pause = pause_seconds(attempts, first=_FIRST_BACKOFF_SECONDS, longest=longest, share=share)
        if isinstance(error, ReceiverFault):
            asked = min(error.retry_after_seconds, _LONGEST_RETRY_AFTER_SECONDS)
            pause = max(pause, asked)
        due = self.work.clock.now() + pause
        kind = "receiver" if isinstance(error, NetworkFault) else "device"
        with self.work.transaction() as change:
            change.releases.set(row.id, attempts=attempts, not_before=due)
            if pause >= _TOLD_FROM_SECONDS:
                self._tell_wait(change, now, error, due)
        subjects = {"release": row.id, "request": row.request}
        log.warning("release %s waits %.0f s (%s: %s)", row.id, pause, kind, error, extra=subjects)

    def _tell_wait(
        self, change: Change, row: ReleaseRow, error: EnvironmentFault, due: float
    ) -> None:
        """Tell the owners why a release waits, and until when: each cause once an hour."""
        at = datetime.fromtimestamp(due, tz=UTC)
        told = f"{error.message} {at:%Y-%m-%d %H}"
        if self._told.get(row.id) != told:
            self._told[row.id] = told
            detail = f"waits: {error.message[:120]}; next try {at:%H:%M} UTC"
            change.tell(row.id, row.state, detail, request=row.request)

    def _finish(
        self,
        row: ReleaseRow,
        event: str,
        detail: str,
        more: Mapping[str, str | int] | None = None,
    ) -> None:
        """End a release: first its row, ledger line and letter, then the bundle's file."""
        line: dict[str, str | int] = {"why": detail} if detail else {}
        with self.work.transaction() as change:
            if event == "send":
                change.receipts.sent(row.id, at=change.now, first_pause=FIRST_PAUSE_SECONDS)
            else:
                change.receipts.drop(row.id)
            change.advance(row, event, {**line, **(more or {})}, detail=detail)
            change.releases.set(row.id, attempts=0, not_before=0.0)  # they count removals now
        self.uploader.forget(row.id)
        self.removals.expect()
        self._told.pop(row.id, None)
        _removed(self._path(row))
        self._forget_keys(row)

    def _forget_keys(self, row: ReleaseRow) -> None:
        job = self._jobs.pop(row.id, None)
        if job is not None:
            job.done()

    def _path(self, row: ReleaseRow) -> Path:
        return self.outbox_dir / f"{row.id}.age"


def _removed(path: Path) -> bool:
    """Remove ``path`` from the outbox; False, and a warning, if that fails."""
    try:
        files.remove(path)
    except StorageFault as error:
        log.warning("outbox: a bundle that no release needs cannot be removed (%s)", error)
        return False
    return True


def _so_far(row: ReleaseRow) -> dict[str, str | int]:
    """The bytes that the receiver has confirmed; it may have more of the last chunk."""
    if row.bundle_bytes is None:
        return {}
    return {"confirmed_bytes": row.sent_bytes, "bytes": row.bundle_bytes}
