"""A clip's way out: sealed for the requester, then uploaded, until it is there.

One thread owns this way (one worry, one machine): after an approval was accepted
only :class:`ReleaseWorker` moves a release along the table of
:mod:`agent.consent.lifecycle`. Others ask it to stop by writing ``stop`` into its
row, which is obeyed before each chunk. A turn gives each release one piece of work,
a chunk of its upload, say, so that none waits for the end of another. Every piece
commits state, ledger line and the owner's letter together, and a restart goes on
from the last commit:

- PROPOSED: no concern of this thread; see :mod:`.proposals`.
- APPROVED: needs the clip keys, which live in memory only. After a restart the
  broker brings the approval again (it was not acknowledged) or it expires.
- SEALED: the bundle lies in ``outbox/``; the upload resumes where the receiver is.
- SENT, FAILED, REVOKED: over; the bundle is removed.

Nothing is sent after the approval's end. An unsynced clock does not know it, so
releases wait for a synced one; a stop is obeyed by any clock.

The camera's process writes to the same index, so a row is not believed: before each
step it is held against the papers of its release (:mod:`.papers`). How bytes get to
the receiver is in :mod:`.upload`, what is in a bundle in :mod:`.sealing`.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent import files
from agent.errors import (
    ClipDamaged,
    EnvironmentFault,
    NetworkFault,
    Refused,
    StorageFault,
)
from agent.gateway.release.authorization import Authorizer
from agent.gateway.release.contents import BundleContents
from agent.gateway.release.upload import Uploader
from agent.gateway.unit_of_work import UnitOfWork, is_release_id
from agent.vault.database.rows import clamp_count
from agent.vault.records.releases import ReleaseRow

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 2.0
_MAX_ATTEMPTS = 1_000_000  # are counted
_MAX_DEATHS = 5  # a release that has the process killed so often is given up


@dataclass(frozen=True)
class SealJob:
    """An accepted approval's keys on their way; ``done`` once they are of no more use."""

    release_id: str
    keys: Mapping[str, str] = field(repr=False)
    done: Callable[[], None]


class ReleaseWorker:
    """Takes releases from APPROVED to their end. Use from one thread, with its own index."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        sealer: BundleContents,
        authorizer: Authorizer,
        uploader: Uploader,
        random: Callable[[int], bytes],
        outbox_dir: Path,
        max_backoff_seconds: float,
    ) -> None:
        self._work = work
        self._sealer = sealer
        self._authorizer = authorizer
        self._uploader = uploader
        self._random = random
        self._outbox_dir = outbox_dir
        self._max_backoff_seconds = max_backoff_seconds
        self._arrived: queue.SimpleQueue[SealJob] = queue.SimpleQueue()
        self._jobs: dict[str, SealJob] = {}

    def start(self, job: SealJob) -> None:
        """Hand over the keys of an accepted approval; any thread may."""
        self._arrived.put(job)

    def recover(self) -> None:
        """At start: remove bundles that no SEALED release waits for.

        A half-written one says that the process was killed while it was sealing, for
        want of memory perhaps. The letter comes again, so this must not go on for ever.
        """
        wanted = {f"{case.id}.age" for case in self._work.releases.all("SEALED")}
        sealing = {f"{case.id}.age.part": case for case in self._work.releases.all("APPROVED")}
        for path in self._outbox_dir.iterdir():
            if path.name in wanted:
                continue
            log.info("outbox: removing %s, which nothing waits for", path.name)
            if _removed(path) and path.name in sealing:  # else it would count at each start
                self._note_death(sealing[path.name])

    def _note_death(self, case: ReleaseRow) -> None:
        deaths = case.deaths + 1
        if deaths >= _MAX_DEATHS:
            self._finish(case, "fail", "the gateway was killed each time it prepared these clips")
            return
        with self._work.transaction() as change:
            change.releases.set(case.id, deaths=deaths)
        self._retry_later(case, StorageFault("the gateway was killed while it was sealing"))

    def step(self) -> bool:
        """One turn: the next piece of work of every release; whether there was any."""
        self._take_jobs()
        worked = False
        for listed in self._work.releases.all("APPROVED") + self._work.releases.all("SEALED"):
            if not is_release_id(listed.id):
                continue  # no approval has such a name: a row that the camera's side wrote
            case = self._work.releases.get(listed.id)
            if case is None or case.state != listed.state:
                continue  # the camera's side wrote again
            if self._stopped(case):  # perhaps since this turn began: the others' pieces take long
                worked = True
            elif self._work.clock.synced():
                worked = self._expired(case) or (self._due(case) and self._advance(case)) or worked
        return worked

    def _take_jobs(self) -> None:
        """Take over the keys that arrived, unless they are of no more use."""
        while not self._arrived.empty():
            job = self._arrived.get()
            case = self._work.releases.get(job.release_id)
            if case is None or case.state != "APPROVED":
                job.done()  # the letter came twice, and the first was enough
                continue
            self._forget_keys(case)
            self._jobs[job.release_id] = job

    def _stopped(self, case: ReleaseRow) -> bool:
        if not case.stop:
            return False
        self._finish(case, "revoke", case.stop, _so_far(case))
        return True

    def _expired(self, case: ReleaseRow) -> bool:
        if self._work.clock.now() < case.expires_at:
            return False
        why = f"the approval ended while the release was {case.state}"
        self._finish(case, "fail", why, _so_far(case))
        return True

    def _due(self, case: ReleaseRow) -> bool:
        """Whether its pause is over; one longer than any was noted by a clock far ahead."""
        pause = case.not_before - self._work.clock.now()
        return pause <= 0 or pause > self._max_backoff_seconds

    def _advance(self, case: ReleaseRow) -> bool:
        """Seal or send one step; faults that may pass are noted and tried again later."""
        try:
            if case.state == "APPROVED":
                return self._seal(case)
            return self._send(case)
        except ClipDamaged as error:
            self._finish(case, "fail", error.message)
        except EnvironmentFault as error:
            self._retry_later(case, error)
        except Refused as error:
            self._finish(case, "fail", f"{error.rule}: {error.message}")
        return True

    # APPROVED -> SEALED

    def _seal(self, case: ReleaseRow) -> bool:
        job = self._jobs.get(case.id)
        if job is None:
            return False  # the broker brings the approval, and with it the keys, again
        papers = self._authorizer.of(case)
        bundle = self._sealer.seal(
            self._path(case), papers=papers, keys=job.keys, at=self._work.clock.now()
        )
        sealed: dict[str, str | int] = {"bytes": bundle.bytes, "sha256": bundle.sha256}
        with self._work.transaction() as change:
            change.releases.set(
                case.id,
                bundle_bytes=bundle.bytes,
                bundle_sha256=bundle.sha256,
                upload_url=None,
                sent_bytes=0,
                attempts=0,
                not_before=0.0,
            )
            change.advance(case, "seal", sealed)
        self._forget_keys(case)
        return True

    # SEALED -> SENT

    def _send(self, case: ReleaseRow) -> bool:
        papers = self._authorizer.of(case)
        if self._uploader.send(case, self._path(case), to=papers.upload_url):
            where: dict[str, str | int] = {
                "bytes": case.bundle_bytes or 0,
                "url": case.upload_url or "",
            }
            self._finish(case, "deliver", "", where)
        return True

    # Ends and retries

    def _retry_later(self, case: ReleaseRow, error: EnvironmentFault) -> None:
        """Exponential back-off with full jitter between half and the whole of the pause."""
        now = self._work.releases.get(case.id) or case  # what was tried may have got forward
        attempts = clamp_count(now.attempts, most=_MAX_ATTEMPTS) + 1
        ceiling = min(self._max_backoff_seconds, _FIRST_BACKOFF_SECONDS * 2 ** min(attempts, 30))
        share = int.from_bytes(self._random(2)) / 0xFFFF
        pause = ceiling * (0.5 + 0.5 * share)
        due = self._work.clock.now() + pause
        with self._work.transaction() as change:
            change.releases.set(case.id, attempts=attempts, not_before=due)
        kind = "receiver" if isinstance(error, NetworkFault) else "device"
        log.warning("release %s waits %.0f s (%s: %s)", case.id, pause, kind, error)

    def _finish(
        self,
        case: ReleaseRow,
        event: str,
        detail: str,
        more: Mapping[str, str | int] | None = None,
    ) -> None:
        """End a release: the row, the ledger line and the letter, then the bundle's file."""
        line: dict[str, str | int] = {"why": detail} if detail else {}
        with self._work.transaction() as change:
            change.advance(case, event, {**line, **(more or {})}, detail=detail)
        self._uploader.forget(case.id)
        _removed(self._path(case))
        self._forget_keys(case)

    def _forget_keys(self, case: ReleaseRow) -> None:
        job = self._jobs.pop(case.id, None)
        if job is not None:
            job.done()

    def _path(self, case: ReleaseRow) -> Path:
        return self._outbox_dir / f"{case.id}.age"


def _removed(path: Path) -> bool:
    """Remove ``path`` from the outbox. One that stays is reported: nothing hangs on it."""
    try:
        files.remove(path)
    except StorageFault as error:
        log.warning("outbox: a bundle that nothing waits for cannot be removed (%s)", error)
        return False
    return True


def _so_far(case: ReleaseRow) -> dict[str, str | int]:
    """How much of a bundle the receiver has confirmed; of the last chunk it may have more."""
    if case.bundle_bytes is None:
        return {}
    return {"confirmed_bytes": case.sent_bytes, "bytes": case.bundle_bytes}
