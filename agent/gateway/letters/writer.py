"""Letters from the device to its owners: signed statements, sealed.

All carry the ledger's head, and proofs that it grew from the heads that the owners saw last: a
device set back to an older state shows.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from agent.clock import Clock
from agent.consent import decoding, letters, signing
from agent.consent.cards import OwnerCard
from agent.consent.letters import Letter
from agent.consent.statements import (
    Arming,
    ClipOffer,
    HouseholdOwner,
    InboxReport,
    LedgerPage,
    Listing,
    LogPlace,
    Notice,
    Notices,
    Outcome,
    Part,
    PartHealth,
    Proposal,
    ReleasedFile,
    Repost,
    RequesterRecord,
    Space,
    Statement,
    Status,
    Trouble,
    WatchItem,
    WatchLetter,
)
from agent.consent.statements.base import MAX_REPORT_BYTES
from agent.errors import Refused, StorageFault
from agent.gateway.device_keys import DeviceKeys
from agent.parties import Parties
from agent.vault.database.rows import Clip
from agent.vault.records.ledger import Ledger

P = TypeVar("P", bound=Part)
S = TypeVar("S", InboxReport, Listing)

MAX_OFFERED_CLIPS = 200
MAX_WATCH_ITEMS = 100
_SPARE_BYTES = 256  # commas, and a count that grows
_NO_FILES: Mapping[str, str] = MappingProxyType({})
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(eq=False)
class LetterWriter:
    """Writes letters to the owners in the device's name.

    ``max_bytes`` of a statement are less than a letter allows once a broker refused a larger one.
    """

    parties: Parties
    keys: DeviceKeys
    ledger: Ledger
    clock: Clock
    random: Callable[[int], bytes]
    max_bytes: int = MAX_REPORT_BYTES

    def request_matches(
        self,
        request: str,
        record: RequesterRecord,
        clips: Sequence[Clip],
        more_clips: int = 0,
        *,
        reposts: tuple[Repost, ...] = (),
        proposals: tuple[Proposal, ...] = (),
        log: LogPlace | None = None,
    ) -> bytes:
        """A letter that offers ``clips`` (the last ones if they do not all fit) for a request.

        ``more_clips`` match too and are not among them; the rest is as in :class:`InboxReport`.
        """
        needed, owners = self.parties.approvals_needed, self.parties.owners
        named = [HouseholdOwner(fingerprint=owner.fingerprint, name=owner.name) for owner in owners]
        report = InboxReport(
            **self._common(),
            request=request,
            record=record,
            clips=(),
            more_clips=more_clips,
            reposts=reposts,
            proposals=proposals,
            approvals_needed=needed,
            log=log,
            owners=tuple(named) if needed > 1 else (),
        )
        report = self._with_clips(report, clips)
        in_order = sorted(report.clips, key=lambda offer: (offer.started_at, offer.id))
        return self._seal(msgspec.structs.replace(report, clips=tuple(in_order)))

    def listing(self, clips: Sequence[Clip], more_clips: int) -> bytes:
        """A letter that names ``clips``, oldest first; the oldest are left out if need be."""
        listing = Listing(**self._common(), clips=(), more_clips=more_clips)
        return self._seal(self._with_clips(listing, clips))

    def ledger_page(self, after: int) -> bytes:
        """A letter with the lines of the ledger after a number, as many as fit.

        Raises Refused for a ledger that is broken there, and for a line that fits in no letter.
        """
        page = LedgerPage(**self._common(), after=after, lines="")
        room, texts = self._room(page) // 4 * 3, list[bytes]()
        try:
            for entry in self.ledger.entries(after):
                text = entry.text().encode() + b"\n"
                room -= len(text)
                if room < 0:
                    break
                texts.append(text)
        except (StorageFault, ValueError) as error:
            if not texts:
                raise Refused("ledger-broken", f"the line after {after}: {error}") from error
        if not texts and after < page.ledger.size:
            raise Refused("line-too-long", f"the line after {after} fits in no letter")
        lines = base64.b64encode(b"".join(texts)).decode()
        return self._seal(msgspec.structs.replace(page, lines=lines))

    def notices(self, notices: Sequence[Notice], more: int) -> bytes:
        """A letter with ``notices``, the newest first; the last are left out if they do not fit."""
        letter = Notices(**self._common(), notices=(), more=more)
        fitting = _fitting(list(notices)[::-1], self._room(letter))[::-1]
        more += len(notices) - len(fitting)
        return self._seal(msgspec.structs.replace(letter, notices=tuple(fitting), more=more))

    def status(self, owner: OwnerCard, facts: Mapping[str, Any]) -> bytes:
        """A letter that tells ``owner``, and the device itself later, how the device is."""
        status = Status(**self._common(), **facts)
        return self._seal(status, [owner.seal, self.keys.recipient])

    def watch(
        self, recipient: str, items: Sequence[WatchItem], troubles: Sequence[Trouble]
    ) -> bytes:
        """A letter to the watcher behind ``recipient``; the last of ``items`` may not fit."""
        common = self._common()
        told = {name: common[name] for name in ("iss", "jti", "iat", "device")}
        shown = tuple(items[:MAX_WATCH_ITEMS])
        more = len(items) - len(shown)
        letter = WatchLetter(**told, items=shown, troubles=tuple(troubles), more=more)
        return self._seal(letter, [recipient])

    def opaque_id(self, subject: str) -> str:
        """The id of ``subject`` for watchers, who could look up a digest on the public feed."""
        return hmac.digest(self.keys.identity.encode(), subject.encode(), "sha256").hex()[:16]

    def farewell(self, reader: str) -> bytes:
        """The last status, to the recipient of letters of somebody who is an owner no more."""
        nothing = PartHealth(state="", detail="", at=0, version="")
        status = Status(
            **self._common(),
            camera=nothing,
            gateway=nothing,
            clock_synced=True,
            seals_to=(),
            owners=(),
            approvals_needed=1,
            open=(),
            more_open=0,
            held=(),
            pause=None,
            muted=(),
            arming=Arming(armed=True),
            space=Space(clips=0, clip_bytes=0, free_bytes=0),
        )
        return self._seal(status, [reader])

    def outcome(
        self,
        subject: str,
        event: str,
        detail: str = "",
        *,
        request: str | None = None,
        decision: str = "",
        what: str = "",
        files: Mapping[str, str] = _NO_FILES,
        at: float | None = None,
    ) -> bytes:
        """A letter that says what became of ``subject``: see :class:`Outcome`.

        ``detail`` may quote what a stranger wrote; it is told as one line. ``at``: when it became
        so, if not now. ``files``: the digests of a release's MP4s, by clip.
        """
        dated = {} if at is None else {"iat": int(at)}
        return self._seal(
            Outcome(
                **self._common() | dated,
                subject=subject,
                request=request if request and _DIGEST.fullmatch(request) else None,
                event=event,
                detail=one_line(detail),
                decision=decision,
                what=what,
                files=tuple(ReleasedFile(clip=clip, sha256=sha) for clip, sha in files.items()),
            )
        )

    def _with_clips(self, report: S, clips: Sequence[Clip]) -> S:
        """``report`` with the last of ``clips`` that fit; the others are counted."""
        offers = _fitting([_offer(clip) for clip in clips], self._room(report))
        more = report.more_clips + len(clips) - len(offers)
        return msgspec.structs.replace(report, clips=tuple(offers), more_clips=more)

    def _room(self, letter: Statement) -> int:
        most = min(self.max_bytes, letter.MAX_BYTES)
        return most - len(decoding.encode(letter)) - _SPARE_BYTES

    def _common(self) -> dict[str, Any]:
        """The fields that all statements of a device have."""
        head = self.ledger.head()
        return {
            "iss": self.parties.device_id,
            "jti": signing.new_jti(self.random(16)),
            "iat": int(self.clock.now()),
            "device": self.parties.device_name,
            "ledger": head,
            "proofs": self.ledger.proofs(head.size),
        }

    def _seal(self, statement: Statement, readers: Sequence[str] = ()) -> bytes:
        """``statement``, signed and sealed to ``readers``; without, to all owners."""
        letter = Letter(jws=self.keys.signing.sign(statement), keys={})
        return letters.seal(letter, readers or [owner.seal for owner in self.parties.owners])


def one_line(text: str) -> str:
    """``text`` as a statement can hold it, whatever a row or a stranger put there."""
    line = " ".join(text.split())[:200]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _offer(clip: Clip) -> ClipOffer:
    return ClipOffer(
        id=clip.id,
        sha256=clip.sha256,
        started_at=clip.start_ms // 1000,
        start_ms=clip.start_ms % 1000,
        duration_seconds=clip.duration_seconds,
        bytes=clip.bytes,
        truncated=clip.truncated,
        clock_synced=clip.clock_synced,
        sealed_key=clip.sealed_key,
        kept=clip.kept,
    )


def _fitting(parts: list[P], room: int) -> list[P]:
    """The last of ``parts`` that fit into ``room`` bytes and a statement, in their order."""
    kept: list[P] = []
    for part in reversed(parts[-MAX_OFFERED_CLIPS:]):
        room -= len(decoding.encode(part)) + 1
        if room < 0:
            break
        kept.append(part)
    return kept[::-1]
