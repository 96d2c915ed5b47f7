"""What the device writes to its owners: signed reports in sealed letters.

Two kinds: a request that matches (:class:`~agent.consent.statements.InboxReport`)
and what became of a decision (:class:`~agent.consent.statements.Outcome`). Both
carry the ledger's head, so that a device rolled back to an older state shows.
Nothing here decides or sends: :mod:`.inbox` and :mod:`.release` call it inside
their transactions and give the result to :mod:`.outbox`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.consent import mail, signing
from agent.consent.mail import Letter
from agent.consent.signing import OwnerCard
from agent.consent.statements import (
    ClipOffer,
    InboxReport,
    LedgerHead,
    Outcome,
    RequesterRecord,
    Statement,
)
from agent.gateway.keys import DeviceKeys
from agent.vault.index import Clip

MAX_OFFERED_CLIPS = 200
_MAX_OFFER_BYTES = 160_000  # leaves room for the request inside the 256 KiB of a report
_OFFER_OVERHEAD_BYTES = 250


class Reports:
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
        self._random = random

    def request_matches(
        self,
        *,
        request: str,
        record: RequesterRecord,
        clips: Sequence[Clip],
        head: LedgerHead,
        at: float,
    ) -> bytes:
        """A letter that offers ``clips`` (newest kept if too many) for the posted ``request``."""
        offers = _fitting([_offer(clip) for clip in clips])
        return self._seal(
            InboxReport(
                iss=self._keys.id,
                jti=self._new_jti(),
                iat=int(at),
                device=self._device_name,
                request=request,
                record=record,
                clips=tuple(offers),
                more_clips=len(clips) - len(offers),
                ledger=head,
            )
        )

    def outcome(
        self,
        *,
        subject: str,
        request: str | None,
        event: str,
        detail: str,
        head: LedgerHead,
        at: float,
    ) -> bytes:
        """A letter that says what became of ``subject``, a release id."""
        return self._seal(
            Outcome(
                iss=self._keys.id,
                jti=self._new_jti(),
                iat=int(at),
                device=self._device_name,
                subject=subject,
                request=request,
                event=event,
                detail=detail[:200],
                ledger=head,
            )
        )

    def _seal(self, statement: Statement) -> bytes:
        letter = Letter(jws=self._keys.signing.sign(statement), keys={})
        return mail.seal(letter, self._recipients)

    def _new_jti(self) -> str:
        return signing.new_jti(self._random(16))


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


def _fitting(offers: list[ClipOffer]) -> list[ClipOffer]:
    """The newest offers that fit into one report, oldest first."""
    kept: list[ClipOffer] = []
    room = _MAX_OFFER_BYTES
    for offer in reversed(offers[-MAX_OFFERED_CLIPS:]):
        room -= len(offer.sealed_key) + _OFFER_OVERHEAD_BYTES
        if room < 0:
            break
        kept.append(offer)
    return kept[::-1]
