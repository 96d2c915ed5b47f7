"""Clips that an owner cannot open: they were recorded before the owner's card was on the camera.

A clip is sealed to those who were owners when it was recorded. Whose the readers are, age
does not tell; their number is known, two for each owner, one of them on paper.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.consent import age_header
from agent.consent.cards import OwnerCard
from agent.consent.statements import (
    ApprovedClip,
    ClipOffer,
    HouseholdOwner,
    InboxReport,
    Listing,
    Status,
)
from agent.errors import Refused, UnreadableLetter
from agent.keyfile import Keys
from agent.owner.home.folder import StoredStatement
from agent.owner.inbox.verify import CameraStatement
from agent.owner.wording.words import _
from agent.vault.clips import seal

_KEYS_OF_AN_OWNER = 2


@dataclass(frozen=True)
class ClosedClips:
    """Ids of clips that are closed to this owner, and the names of the other owners."""

    ids: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The reason, and who can open them."""
        said = _("recorded before you were an owner; only {who} can open it")
        return said.format(who=self._who)

    @property
    def _who(self) -> str:
        return _(" or ").join(self.others) or _("whoever was an owner then")

    def check(self, clips: Iterable[ApprovedClip | ClipOffer]) -> None:
        """Refused as ``before-your-key`` if one of ``clips`` is closed."""
        for clip in clips:
            if clip.id in self.ids:
                raise Refused(
                    "before-your-key",
                    f"clip {clip.id} was {self.why}",
                    advice=f"Leave it out, or ask {self._who}",
                )


NONE_CLOSED = ClosedClips()


def ids(letter: CameraStatement, keys: Keys) -> tuple[str, ...]:
    """The clips that ``letter`` offers with keys for others than the holder of ``keys``."""
    offers = letter.clips if isinstance(letter, InboxReport | Listing) else ()
    return tuple(offer.id for offer in offers if not _opens(offer, keys))


def of(letter: StoredStatement | None, status: Status | None, me: OwnerCard) -> ClosedClips:
    """The clips in a kept letter that were closed; ``status`` names the owners."""
    if letter is None or not letter.closed:
        return NONE_CLOSED
    owners = () if status is None else status.owners
    others = tuple(one.name for one in owners if one.fingerprint != me.fingerprint)
    return ClosedClips(frozenset(letter.closed), others)


def shared_by(offer: ClipOffer) -> int:
    """The number of owners that the key of a clip is sealed to."""
    try:
        sealed = base64.b64decode(offer.sealed_key, validate=True)
    except ValueError:
        return 0
    return age_header.count_readers(sealed) // _KEYS_OF_AN_OWNER


def cannot_agree(offer: ClipOffer, household: Sequence[HouseholdOwner], me: str) -> str:
    """A warning that no other owner, or not each, can open a clip; empty if all can."""
    others = [owner.name for owner in household if owner.fingerprint != me]
    can = shared_by(offer)
    if can > len(others):
        return ""
    why = _("it was recorded before each of {names} could open it: not all of them can agree")
    if can < 2:
        why = _("it was recorded before {names} could open it, so nobody can agree: it is not sent")
    return why.format(names=_(" or ").join(others))


def _opens(offer: ClipOffer, keys: Keys) -> bool:
    """False for a well-formed key that is sealed to others; what is damaged is told later."""
    try:
        seal.open_key(offer.sealed_key, keys.identity, clip_id=offer.id)
    except UnreadableLetter as error:
        return error.rule != "not-sealed-to-us" or shared_by(offer) == 0
    return True
