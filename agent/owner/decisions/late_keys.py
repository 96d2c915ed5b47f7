"""Keys for a release whose two owners approved it without knowing of each other's approval.

Only a letter that completes an agreement carries keys, and of two that crossed neither did.
The camera then says so, and whichever owner unlocks their tool first sends their decision
again, the same signed text, with the keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.consent import letters, lifecycle, signing
from agent.consent.cards import DeviceCard
from agent.consent.statements import ClipOffer
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.decisions import seen
from agent.owner.decisions.sent import SentDecisions
from agent.owner.decisions.sign import Consent, Decision
from agent.owner.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox


def awaited(
    folder: OwnerFolder, inbox: Inbox, device: DeviceCard, keys: Keys
) -> Iterator[Decision]:
    """This owner's decisions that ``device`` awaits the keys of, with these keys.

    One whose keys may not be handed out becomes a warning of ``inbox``.
    """
    outcomes = inbox.outcomes(device.name)
    for jws, consent in SentDecisions(folder, inbox).consents(device.name):
        own = outcomes.get(signing.digest(jws)[:16])
        release = own if own is None or own.event != "AGREED" else outcomes.get(own.detail)
        if release is None or release.detail != lifecycle.KEYS_AWAITED:
            continue
        try:
            letter = letters.Letter(
                jws=jws, keys=_opened(folder, inbox, device.name, consent, keys)
            )
        except Refused as error:
            inbox.warnings.append(f"release {release.subject} waits for its keys: {error}")
            continue
        yield Decision(device, jws, letters.seal(letter, [device.seal]))


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
