"""From the outbox to the receiver: a chunk a turn, from wherever the receiver is.

Progress is written down before more is sent, so that after any end a receiver can
have one chunk beyond our note, not more. ``stop``, the approval's end and the
clock are asked before the receiver hears anything. Before the first chunk that a
process sends, the bundle is held against the digest it was sealed with: disks change.

One thread sends for everybody, so nobody may keep it: each call is one request to
announce, or one chunk, and before it, if the last one failed, one request for the
offset. A receiver that takes almost nothing of a chunk is a :class:`NetworkFault` like
one that cannot be reached, and only what is worth the name clears earlier failures.
How the receiver is spoken to is for :mod:`.tus`, when to try again and what an end
means for :mod:`.release`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from agent import files
from agent.errors import ClipDamaged, NetworkFault, Refused, StorageFault
from agent.gateway.release.tus_client import same_origin
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.releases import ReleaseRow

_LEAST_PROGRESS = 65_536  # bytes of a chunk, or all of a smaller one: less is a failure


class Receiver(Protocol):
    """A client of an upload receiver; :class:`.tus_client.TusClient` is the real one."""

    def create(self, url: str, *, size: int, metadata: Mapping[str, str]) -> str:
        """Announce an upload of ``size`` bytes; returns where it is kept."""

    def offset(self, upload_url: str, *, size: int, sent: int) -> int | None:
        """How many bytes the receiver has, of the ``sent`` it may have; None if it forgot."""

    def send(self, upload_url: str, *, offset: int, chunk: bytes, size: int) -> int:
        """Send ``chunk`` at ``offset``; returns the receiver's new offset."""


class Uploader:
    """Sends sealed bundles. Use from the thread of releases, with its index."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        receiver: Receiver,
        chunk_bytes: int,
    ) -> None:
        self._work = work
        self._receiver = receiver
        self._chunk_bytes = chunk_bytes
        self._intact: set[str] = set()  # bundles that this process found to be what was sealed
        self._reached: dict[str, int] = {}  # offsets, from the last answers of receivers

    def send(self, case: ReleaseRow, bundle: Path, *, to: str) -> bool:
        """Announce the bundle at ``to``, or send the next chunk that the receiver lacks.

        True once the receiver has all of it. Raises :class:`NetworkFault` and
        :class:`StorageFault` for what may pass, :class:`ClipDamaged` for a bundle that
        is gone or was changed, and :class:`Refused` for a receiver that breaks the rules.
        """
        size = case.bundle_bytes
        if size is None:
            raise ClipDamaged("how large the sealed bundle was is not on record any more")
        self._check(case, bundle)
        if self._must_stop(case):
            return False
        if case.upload_url is None:
            metadata = {"filename": bundle.name, "release": case.id}
            url = self._receiver.create(to, size=size, metadata=metadata)
            self._note(case, url, 0, forward=False)
            return False
        if not same_origin(case.upload_url, to):
            raise Refused("other-origin", "the upload is noted at another place than was asked for")
        return self._send_next(case, bundle, case.upload_url, size)

    def forget(self, release_id: str) -> None:
        """A release is over."""
        self._intact.discard(release_id)
        self._reached.pop(release_id, None)

    def _check(self, case: ReleaseRow, bundle: Path) -> None:
        if case.id in self._intact:
            return
        if not bundle.exists():
            raise ClipDamaged("the sealed bundle is gone from the outbox")
        if files.sha256(bundle) != case.bundle_sha256:
            raise ClipDamaged("the sealed bundle in the outbox was changed")
        self._intact.add(case.id)

    def _send_next(self, case: ReleaseRow, bundle: Path, url: str, size: int) -> bool:
        offset = self._reached.pop(case.id, None)
        if offset is None:
            offset = self._ask(case, url, size)
        if offset < size and not self._must_stop(case):
            offset = self._send_chunk(case, bundle, url, offset, size)
            self._reached[case.id] = offset
        return offset == size

    def _ask(self, case: ReleaseRow, url: str, size: int) -> int:
        """Where the receiver is, after a restart or a failure."""
        # A chunk may have arrived though its answer, or our note of it, was lost.
        sent = min(size, case.sent_bytes + self._chunk_bytes)
        offset = self._receiver.offset(url, size=size, sent=sent)
        if offset is None:
            self._note(case, None, 0, forward=False)
            raise NetworkFault("the receiver forgot the upload, which begins anew")
        if offset != case.sent_bytes:
            forward = _is_progress(offset - case.sent_bytes, of=size - case.sent_bytes)
            self._note(case, url, offset, forward=forward)
        return offset

    def _send_chunk(self, case: ReleaseRow, bundle: Path, url: str, offset: int, size: int) -> int:
        chunk = self._read(bundle, offset)
        reached = self._receiver.send(url, offset=offset, chunk=chunk, size=size)
        forward = _is_progress(reached - offset, of=len(chunk))
        self._note(case, url, reached, forward=forward)
        if not forward:
            raise NetworkFault(f"the receiver took {reached - offset} of {len(chunk)} bytes")
        return reached

    def _must_stop(self, case: ReleaseRow) -> bool:
        now = self._work.releases.get(case.id)
        if now is None or now.state != "SEALED" or now.stop:
            return True
        return not self._work.clock.synced() or self._work.clock.now() >= now.expires_at

    def _read(self, bundle: Path, offset: int) -> bytes:
        try:
            with bundle.open("rb") as file:
                file.seek(offset)
                chunk = file.read(self._chunk_bytes)
        except FileNotFoundError as error:
            raise ClipDamaged("the sealed bundle is gone from the outbox") from error
        except OSError as error:
            raise StorageFault(f"the outbox cannot be read ({error.strerror})") from error
        if not chunk:
            raise ClipDamaged("the sealed bundle in the outbox is too short")
        return chunk

    def _note(self, case: ReleaseRow, url: str | None, sent_bytes: int, *, forward: bool) -> None:
        """Write down where the receiver is. Unless that is ``forward``, failures still count."""
        failures = {"attempts": 0} if forward else {}
        with self._work.transaction() as change:
            change.releases.set(
                case.id, upload_url=url, sent_bytes=sent_bytes, not_before=0.0, **failures
            )


def _is_progress(taken: int, *, of: int) -> bool:
    return taken >= min(_LEAST_PROGRESS, of)
