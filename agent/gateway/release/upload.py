"""Upload of sealed bundles from the receiver's offset, one chunk a turn.

Progress is stored before more is sent, so after a crash the receiver is at most one chunk ahead of
it. ``stop``, the approval's end, the clock and the link to the owners are checked before each
request and while a chunk goes out. A process checks the digest of a bundle that an earlier process
sealed before it sends the first chunk.

One thread sends all bundles, so each call is short: one request to announce an upload, or
one chunk, and before it, after a failure, one request for the offset. A receiver that
takes almost nothing of a chunk counts as unreachable, and only real progress clears
earlier failures. A receiver or proxy that finds a chunk too large gets shorter ones from then on
(:mod:`.pace`). An upload that is gone starts again: at once if the receiver says so in tus,
otherwise after some tries, since a restarting proxy answers 404 to everything.
:mod:`.tus_client` speaks the protocol; :mod:`.worker` tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Protocol

from agent import files
from agent.errors import ClipDamaged, NetworkFault, ReceiverFault, Refused
from agent.gateway.release.chunk import Chunk, Interrupted
from agent.gateway.release.pace import Measured, Pace, Rate, longest_chunk, pieces
from agent.gateway.release.receiver_url import same_origin
from agent.gateway.release.tus_client import GONE, TOO_LARGE
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.records.releases import ReleaseRow

_LEAST_PROGRESS = 65_536  # bytes of a chunk, or all of a smaller one
_OVERDUE_SECONDS = 60.0  # then a chunk longer than the first is cut off: others wait for their turn
_LOOK_SECONDS = 0.5  # from one look at what must stop an upload to the next
_TRIES_UNTIL_GONE = 6  # failures in a row: two to four minutes with the worker's pauses


class Receiver(Protocol):
    """A client of an upload receiver; :class:`.tus_client.TusClient` is the real one."""

    def create(self, url: str, *, size: int, metadata: Mapping[str, str]) -> str:
        """Announce an upload of ``size`` bytes; returns its URL."""

    def offset(self, upload_url: str, *, size: int, sent: int) -> int | None:
        """The receiver's offset, at most ``sent``; None if it has no such upload."""

    def peer(self) -> str:
        """The address of the last connection; empty before the first."""

    def send(self, upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        """Send ``chunk`` at ``offset``; returns the receiver's new offset."""

    def remove(self, upload_url: str) -> None:
        """Have the receiver delete what it has of an upload."""

    def receipt(self, upload_url: str, *, at_most: int) -> bytes | None:
        """The receipt beside a finished upload, if there is one of at most so many bytes."""


@dataclass(eq=False)
class Uploader:
    """Sends sealed bundles, on the thread of the release worker.

    ``owner_heard`` is asked before each request: see :mod:`.last_word`.
    """

    _: KW_ONLY
    work: UnitOfWork
    receiver: Receiver
    chunk_bytes: int
    max_rate: Rate
    owner_heard: Callable[[], bool]
    _intact: set[str] = field(default_factory=set)  # releases whose bundle was checked
    _reached: dict[str, int] = field(default_factory=dict)  # offsets in the receivers' last answers
    _paces: dict[str, Pace] = field(default_factory=dict)
    _measured: dict[str, Measured] = field(default_factory=dict)  # by the receiver's address

    def send(self, row: ReleaseRow, bundle: Path, *, to: str) -> bool:
        """Announce the bundle at ``to``, or send the next chunk that the receiver lacks.

        True once the receiver has all of it. Raises :class:`NetworkFault` and
        :class:`StorageFault` for what may pass, :class:`ClipDamaged` for a bundle that
        is gone or was changed, and :class:`Refused` for a receiver that breaks the rules.
        """
        size = row.bundle_bytes
        if size is None:
            raise ClipDamaged("the size of the sealed bundle is no longer stored")
        self._check(row, bundle)
        if self._must_stop(row):
            return False
        if row.upload_url is None:
            url = self.receiver.create(to, size=size, metadata=_metadata(row, bundle))
            self._note(row, url, row.sent_bytes, forward=False)
            self._reached[row.id] = 0  # a new upload is empty
            return False
        if not same_origin(row.upload_url, to):
            raise Refused("other-origin", "the stored upload is not where it was approved to go")
        return self._send_next(row, bundle, row.upload_url, size)

    def sealed(self, release_id: str) -> None:
        """Note that this process has just written the bundle, and knows its digest."""
        self._intact.add(release_id)

    def forget(self, release_id: str) -> None:
        """Drop what is known of a finished release."""
        self._intact.discard(release_id)
        self._reached.pop(release_id, None)
        self._paces.pop(release_id, None)

    def _check(self, row: ReleaseRow, bundle: Path) -> None:
        if row.id in self._intact:
            return
        if not bundle.exists():
            raise ClipDamaged("the sealed bundle is gone from the outbox")
        if files.sha256(bundle) != row.bundle_sha256:
            raise ClipDamaged("the sealed bundle in the outbox was changed")
        self._intact.add(row.id)

    def _send_next(self, row: ReleaseRow, bundle: Path, url: str, size: int) -> bool:
        offset = self._reached.pop(row.id, None)
        if offset is None:
            offset = self._ask(row, url, size)
        if offset < size and not self._must_stop(row):
            reached = self._send_chunk(row, bundle, url, offset, size)
            if reached is None:
                return False
            self._reached[row.id] = offset = reached
        return offset == size

    def _ask(self, row: ReleaseRow, url: str, size: int) -> int:
        """Ask for the receiver's offset after a restart or a failure."""
        # A chunk may have arrived although its answer or our note of it was lost.
        sent = min(size, row.sent_bytes + longest_chunk(self.chunk_bytes))
        try:
            offset = self.receiver.offset(url, size=size, sent=sent)
        except ReceiverFault as fault:
            if fault.status not in GONE or row.attempts < _TRIES_UNTIL_GONE:
                raise
            offset = None
        if offset is None:
            # The receiver may make it again at the same URL, with the bytes that it had.
            self._note(row, None, row.sent_bytes, forward=False)
            raise NetworkFault("the receiver forgot the upload, which starts again")
        if offset != row.sent_bytes:
            forward = _is_progress(offset - row.sent_bytes, of=size - row.sent_bytes)
            self._note(row, url, offset, forward=forward)
        return offset

    def _send_chunk(
        self, row: ReleaseRow, bundle: Path, url: str, offset: int, size: int
    ) -> int | None:
        """Send a chunk; returns the new offset, or None if the receiver must be asked for it."""
        clock, peer = self.work.clock, self.receiver.peer()
        new = Pace(clock, self.chunk_bytes, self.max_rate, self._measured)
        pace = self._paces.setdefault(row.id, new)
        length = min(pace.length(peer), size - offset)
        given = pieces(length, pace.limit(peer), clock)
        began = clock.monotonic()

        def is_overdue() -> bool:
            late = clock.monotonic() - began > _OVERDUE_SECONDS
            return late and pace.failed(length, too_large=False)

        must_stop = self._now_and_then(lambda: is_overdue() or self._must_stop(row))
        chunk = Chunk(bundle, offset, length, given, must_stop)
        try:
            reached = self.receiver.send(url, offset=offset, chunk=chunk, size=size)
        except Interrupted:
            return None
        except NetworkFault as fault:
            too_large = isinstance(fault, ReceiverFault) and fault.status == TOO_LARGE
            if pace.failed(length, too_large=too_large) and too_large:
                return offset
            raise
        pace.went(length, clock.monotonic() - began, peer=peer)
        forward = _is_progress(reached - offset, of=length)
        self._note(row, url, reached, forward=forward)
        if not forward:
            raise NetworkFault(f"the receiver took {reached - offset} of {length} bytes")
        return reached

    def _now_and_then(self, ask: Callable[[], bool]) -> Callable[[], bool]:
        """``ask``, but at most once in a while: pieces of a chunk go out quickly."""
        clock = self.work.clock
        looked = clock.monotonic()

        def asked() -> bool:
            nonlocal looked
            if clock.monotonic() - looked < _LOOK_SECONDS:
                return False
            looked = clock.monotonic()
            return ask()

        return asked

    def _must_stop(self, row: ReleaseRow) -> bool:
        if not self.owner_heard():
            return True
        now = self.work.releases.get(row.id)
        if now is None or now.state != "SEALED" or now.stop or self.work.holds.why(row.id):
            return True
        return not self.work.clock.synced() or self.work.clock.now() >= now.expires_at

    def _note(self, row: ReleaseRow, url: str | None, sent_bytes: int, *, forward: bool) -> None:
        """Store the receiver's offset; ``forward`` resets the count of failures."""
        failures = {"attempts": 0} if forward else {}
        with self.work.transaction() as change:
            change.releases.set(
                row.id, upload_url=url, sent_bytes=sent_bytes, not_before=0.0, **failures
            )


def _metadata(row: ReleaseRow, bundle: Path) -> dict[str, str]:
    """Upload metadata for the receiver; other tus servers than ours know only the first two keys.

    Nobody but sender and receiver knows the digest. Our receiver tells by it a repeated
    announcement, and damage on the way.
    """
    return {
        "filename": bundle.name,
        "filetype": "application/octet-stream",  # tuspyserver refuses an upload without it
        "release": row.id,
        "sha256": row.bundle_sha256 or "",
    }


def _is_progress(taken: int, *, of: int) -> bool:
    return taken >= min(_LEAST_PROGRESS, of)
