"""The requests and clips that the device holds, as the rules of an approval ask for them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from agent.consent import signing
from agent.consent.decisions.approval import HeldRequest
from agent.consent.statements import Request
from agent.errors import ApprovalRefused, ClipDamaged, StorageFault
from agent.gateway.unit_of_work import UnitOfWork
from agent.vault.clips import unseal
from agent.vault.clips.reader import ClipReader

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceHoldings:
    """Answers :class:`agent.consent.decisions.approval.Holdings` from the index and the disk.

    For an approval that was ``accepted`` before a crash, its request counts as open: it was then.
    ``still_alive`` is called while a clip is read.
    """

    work: UnitOfWork
    store: ClipReader
    still_alive: Callable[[], object]
    accepted: bool = False

    def request(self, digest: str) -> HeldRequest | None:
        """The request with this digest, verified anew, if its author's card is still here."""
        row = self.work.requests.get(digest)
        card = self.work.parties.requesters.get(row.requester) if row else None
        if row is None or card is None:
            return None
        posted = signing.verify(row.jws, Request, {card.fingerprint: card.key})
        if signing.digest(row.jws) != digest:
            return None  # somebody exchanged it on the disk: the owner read another text
        return HeldRequest(
            digest=digest,
            is_open=row.is_open or self.accepted,
            expires_at=math.inf if self.accepted else row.expires_at,
            requester=card,
            upload_url=posted.upload.url,
            matches=self.work.requests.matches(digest),
        )

    def digest_on_disk(self, clip_id: str) -> str | None:
        """The digest of a clip; a long one takes seconds, and an approval may name fifty."""
        self.still_alive()
        if self.work.database.clip(clip_id) is None:
            return None  # being deleted, or never there
        try:
            return self.store.sha256_on_disk(clip_id, meanwhile=self.still_alive)
        except StorageFault as error:
            log.warning("%s", error)
            why = f"the clip {clip_id} cannot be read"
            raise ApprovalRefused(6, "clip-unreadable", why) from error

    def key_opens(self, clip_id: str, identity: str) -> bool:
        """True if ``identity`` opens the clip on disk: its header and first chunk decide."""
        try:
            with self.store.open_sealed(clip_id) as sealed:
                return unseal.opens(sealed, identity)
        except ClipDamaged:
            return False
