"""Approvals and shares that a camera lacks, or whose keys it lacks, to be sent once more.

A broker can lose an approval that it confirmed: the camera then says nothing of it in any letter,
though it has spoken since. And only a letter that completes an agreement of two owners carries
keys, of two that crossed neither did; the camera says so. Either way it gets the same signed text
again, which counts once, with the keys unless another owner must agree first.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.consent import letters, lifecycle, signing
from agent.consent.cards import DeviceCard
from agent.consent.statements import ClipOffer, Share
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.decisions import seen
from agent.owner.decisions.sent import SentDecisions
from agent.owner.decisions.sign import Consent, Decision
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox


def due(
    folder: OwnerFolder, inbox: Inbox, device: DeviceCard, keys: Keys, *, now: float
) -> Iterator[Decision]:
    """This owner's decisions that ``device`` lacks, or lacks the keys of, to be sent again.

    One whose keys may not be handed out becomes a warning of ``inbox``.
    """
    outcomes = inbox.outcomes(device.name)
    for jws, consent in SentDecisions(folder, inbox).consents(device.name):
        subject = signing.digest(jws)[:16]
        own = outcomes.get(subject)
        release = own if own is None or own.event != "AGREED" else outcomes.get(own.detail)
        is_lost = own is None and _may_be_lost(inbox, device.name, consent, now=now)
        if not is_lost and (release is None or release.detail != lifecycle.KEYS_AWAITED):
            continue
        brings_keys = not is_lost or not inbox.household(device.name)
        try:
            opened = _opened(folder, inbox, device.name, consent, keys) if brings_keys else {}
        except Refused as error:
            inbox.warn(f"{device.name}: release {subject} cannot be sent again: {error}")
            continue
        letter = letters.Letter(jws=jws, keys=opened)
        yield Decision(device, jws, letters.seal(letter, [device.seal]))


def _may_be_lost(inbox: Inbox, device: str, consent: Consent, *, now: float) -> bool:
    """True if ``device`` has spoken since ``consent``, which still counts, but not of it."""
    status = inbox.status(device)
    if status is None or status.iat <= consent.iat or consent.exp <= now:
        return False
    if isinstance(consent, Share):
        return True
    return any(item.digest == consent.request for item in inbox.requests() if item.device == device)


def _opened(
    folder: OwnerFolder, inbox: Inbox, device: str, consent: Consent, keys: Keys
) -> dict[str, str]:
    offers = dict[tuple[str, str], ClipOffer]()
    for report in inbox.all_requests():
        if report.device == device:
            offers |= {(offer.id, offer.sha256): offer for offer in report.report.clips}
    for one in inbox.listings():
        if one.device == device:
            offers |= {(offer.id, offer.sha256): offer for offer in one.listing.clips}
    opened = {}
    for clip in consent.clips:
        offer = offers.get((clip.id, clip.sha256))
        if offer is None:
            raise Refused(
                "no-such-clip",
                f"clip {clip.id} is in no letter here",
                advice="List it with `clip-agent owner clips`",
            )
        opened[clip.id] = seen.hand_out(offer, clip, keys.identity, seen.of(folder, device))
    return opened
