"""What the device writes to its owners: signed reports in sealed letters.

A request that matches (:class:`~agent.consent.statements.InboxReport`), what became of
a decision (:class:`~agent.consent.statements.Outcome`), what needs no answer
(:class:`~agent.consent.statements.Notices`) and the clips that an owner asked for
(:class:`~agent.consent.statements.Listing`). All carry the ledger's head, so that a
device rolled back to an older state shows. Nothing here decides or sends: :mod:`.inbox`,
:mod:`.notices` and :mod:`.release` call it inside their transactions and give the result
to :mod:`.outbox`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from agent.consent import decoding, signing
from agent.consent import letters as mail
from agent.consent.cards import OwnerCard
from agent.consent.letters import Letter
from agent.consent.statements import (
    ClipOffer,
    HouseholdOwner,
    InboxReport,
    LedgerHead,
    Listing,
    LogPlace,
    Notice,
    Notices,
    Outcome,
    Part,
    Proposal,
    Repost,
    RequesterRecord,
    Statement,
)
from agent.gateway.device_keys import DeviceKeys
from agent.vault.database.index import Clip

P = TypeVar("P", bound=Part)

MAX_OFFERED_CLIPS = 200
_SPARE_BYTES = 256  # commas, and a count that grows


@dataclass(frozen=True, slots=True)
class Asked:
    """All that a letter says of a request beside the clips: see :class:`InboxReport`."""

    request: str
    record: RequesterRecord
    reposts: tuple[Repost, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    approvals_needed: int = 1
    log: LogPlace | None = None


class LetterWriter:
    """Writes letters to the owners in the device's name."""

    def __init__(
        self,
        *,
        device_name: str,
        keys: DeviceKeys,
        owners: Sequence[OwnerCard],
        random: Callable[[int], bytes],
    ) -> None:
        self._device_name = device_name
        self._keys = keys
        self._recipients = [owner.seal for owner in owners]
        self._owners = tuple(
            HouseholdOwner(fingerprint=owner.fingerprint, name=owner.name) for owner in owners
        )
        self._random = random

    def request_matches(
        self,
        *,
        asked: Asked,
        clips: Sequence[Clip],
        more_clips: int = 0,
        head: LedgerHead,
        at: float,
    ) -> bytes:
        """A letter that offers ``clips`` (the last ones if they do not all fit) for a request.

        ``more_clips`` match too and are not among them.
        """
        report = InboxReport(
            iss=self._keys.id,
            jti=self._new_jti(),
            iat=int(at),
            device=self._device_name,
            request=asked.request,
            record=asked.record,
            clips=(),
            more_clips=more_clips,
            ledger=head,
            reposts=asked.reposts,
            proposals=asked.proposals,
            approvals_needed=asked.approvals_needed,
            log=asked.log,
            owners=self._owners if asked.approvals_needed > 1 else (),
        )
        room = InboxReport.MAX_BYTES - len(decoding.encode(report)) - _SPARE_BYTES
        offers = _fitting([_offer(clip) for clip in clips], room)
        more_clips += len(clips) - len(offers)
        offers.sort(key=lambda offer: (offer.started_at, offer.id))
        return self._seal(
            msgspec.structs.replace(report, clips=tuple(offers), more_clips=more_clips)
        )

    def notices(
        self, notices: Sequence[Notice], *, more: int, head: LedgerHead, at: float
    ) -> bytes:
        """A letter with ``notices``, the newest first; the last are left out if they do not fit."""
        letter = Notices(
            iss=self._keys.id,
            jti=self._new_jti(),
            iat=int(at),
            device=self._device_name,
            notices=(),
            more=more,
            ledger=head,
        )
        room = Notices.MAX_BYTES - len(decoding.encode(letter)) - _SPARE_BYTES
        fitting = _fitting(list(notices)[::-1], room)[::-1]
        more += len(notices) - len(fitting)
        return self._seal(msgspec.structs.replace(letter, notices=tuple(fitting), more=more))

    def outcome(
        self,
        *,
        subject: str,
        request: str | None,
        event: str,
        detail: str,
        head: LedgerHead,
        at: float,
        decision: str = "",
    ) -> bytes:
        """A letter that says what became of ``subject``: see :class:`Outcome`.

        ``detail`` may quote what a stranger wrote; it is told as one line.
        """
        return self._seal(
            Outcome(
                iss=self._keys.id,
                jti=self._new_jti(),
                iat=int(at),
                device=self._device_name,
                subject=subject,
                request=request,
                event=event,
                detail=_one_line(detail),
                ledger=head,
                decision=decision,
            )
        )

    def listing(
        self, *, clips: Sequence[Clip], more_clips: int, head: LedgerHead, at: float
    ) -> bytes:
        """A letter that names ``clips``, oldest first; the oldest are left out if need be."""
        letter = Listing(
            iss=self._keys.id,
            jti=self._new_jti(),
            iat=int(at),
            device=self._device_name,
            clips=(),
            more_clips=more_clips,
            ledger=head,
        )
        room = Listing.MAX_BYTES - len(decoding.encode(letter)) - _SPARE_BYTES
        offers = _fitting([_offer(clip) for clip in clips], room)
        more_clips += len(clips) - len(offers)
        return self._seal(
            msgspec.structs.replace(letter, clips=tuple(offers), more_clips=more_clips)
        )

    def _seal(self, statement: Statement) -> bytes:
        letter = Letter(jws=self._keys.signing.sign(statement), keys={})
        return mail.seal(letter, self._recipients)

    def _new_jti(self) -> str:
        return signing.new_jti(self._random(16))


def _one_line(text: str) -> str:
    """``text`` as a statement can hold it, whatever a row or a stranger put there."""
    line = " ".join(text.split())[:200]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _offer(clip: Clip) -> ClipOffer:
    return ClipOffer(
        id=clip.id,
        sha256=clip.sha256,
        started_at=max(0, int(clip.started_at)),
        duration_seconds=clip.duration_seconds,
        bytes=clip.bytes,
        truncated=clip.truncated,
        clock_synced=clip.clock_synced,
        sealed_key=clip.sealed_key,
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
