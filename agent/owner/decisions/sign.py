"""Plans of what an owner is about to decide, and the signed, sealed letters they become.

An approval names the camera, the request by its digest, and each clip by id and
digest with its trim and redactions; the letter around it carries the keys of exactly
those clips. That letter is the only thing that lets a clip leave. A share is the same
for somebody who has not asked. All other letters carry no key.

Clips are named by number or id among those offered. Nothing is guessed: a mistyped name
could release more than was meant. Signing refuses what the camera would not decode, so
a mistake shows here and not as a refusal tomorrow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.consent import letters, signing
from agent.consent.cards import DeviceCard, PublicKey, RequesterCard
from agent.consent.policy import upload
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Box,
    CameraCommand,
    ClipOffer,
    Command,
    Decline,
    Disclosure,
    HouseholdOwner,
    ListClips,
    Mute,
    PauseRequests,
    Preview,
    Recipient,
    ResumeRequests,
    Revoke,
    Share,
    Sync,
    Trim,
    UploadTarget,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.inbox.items import Answer, OpenRequest, offered, pick
from agent.vault.clips import seal

DEFAULT_DAYS = 2.0
MAX_DAYS = 7.0
_SOON_SECONDS = 600  # for what is of use at once or not at all
_DAY_SECONDS = 86_400
_MAX_CLIPS = 50
PAUSE = "pause"  # the name under which a pause or its end is remembered

NOTHING_TOLD = Disclosure()
Lasting = Mute | PauseRequests | ResumeRequests | CameraCommand


@dataclass(frozen=True)
class Choice:
    """Clips that an owner names, their trims and redactions, and what is told of the owner."""

    clips: Sequence[str] = ()
    trims: Sequence[tuple[str, Trim]] = ()
    redacts: Sequence[tuple[str, Box]] = ()
    disclose: Disclosure = NOTHING_TOLD

    @property
    def is_empty(self) -> bool:
        """True if the owner has named nothing at all."""
        return not (self.clips or self.trims or self.redacts) and self.disclose == NOTHING_TOLD


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A statement for one camera, ready to be signed.

    ``content``: its fields beside author, id, times and camera. ``remember``: the names
    under which the owner's folder keeps it, for decisions that last.
    """

    device: DeviceCard
    kind: type[Approval | Share | Decline | Command]
    content: Mapping[str, Any]
    until: float
    remember: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All else that a release needs beside its clips. ``me``: the owner's fingerprint."""

    device: DeviceCard
    disclose: Disclosure
    now: float
    days: float = DEFAULT_DAYS
    me: str = ""
    sent_before: Sequence[Answer] = ()


@dataclass(frozen=True, kw_only=True)
class ReleasePlan(Plan):
    """Clips that are about to be released, with all that the owner sees before signing.

    ``request`` is None for a share. ``household``: the owners of whom two must agree;
    ``joins``: fingerprint and release of another owner who has signed the same.
    """

    terms: Terms
    to: str
    fingerprint: str
    url: str
    request: OpenRequest | None
    offers: tuple[ClipOffer, ...]
    clips: tuple[ApprovedClip, ...]
    two_owners: bool
    household: tuple[HouseholdOwner, ...]
    joins: tuple[str, str] | None


@dataclass(frozen=True)
class Decision:
    """A signed decision: its camera, its JWS, and the sealed letter to publish."""

    device: DeviceCard
    jws: str
    letter: bytes = field(repr=False)

    @property
    def subject(self) -> str:
        """The id under which the camera reports the outcome: 16 digits of the digest."""
        return signing.digest(self.jws)[:16]


def sign(
    plan: Plan, keys: Keys, *, now: float, random: Callable[[int], bytes] = os.urandom
) -> Decision:
    """Sign ``plan`` and seal it to its camera, with the keys of the clips that it releases."""
    statement = plan.kind(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(plan.until),
        aud=plan.device.fingerprint,
        **plan.content,
    )
    clip_keys: dict[str, str] = {}
    if isinstance(plan, ReleasePlan):
        sealed = {offer.id: offer.sealed_key for offer in plan.offers}
        clip_keys = {
            clip.id: seal.open_key(sealed[clip.id], keys.identity, clip_id=clip.id)
            for clip in plan.clips
        }
    jws = keys.signing.sign(statement)
    letter = letters.Letter(jws=jws, keys=clip_keys)
    return Decision(plan.device, jws, letters.seal(letter, [plan.device.seal]))


# Plans


def approval(item: OpenRequest, clips: tuple[ApprovedClip, ...], terms: Terms) -> ReleasePlan:
    """Release ``clips`` to the author of a request; refused once the request has expired."""
    if item.request.exp <= terms.now:
        raise Refused("request-expired", f"request {item.name} has expired")
    same = (
        (one.owner, one.release)
        for one in item.report.proposals
        if (one.clips, one.disclose) == (clips, terms.disclose) and one.owner != terms.me
    )
    return ReleasePlan(
        device=terms.device,
        kind=Approval,
        content={"request": item.digest, "clips": clips, "disclose": terms.disclose},
        until=_end(terms.now, terms.days),
        terms=terms,
        to=item.report.record.name,
        fingerprint=item.request.iss,
        url=item.request.upload.url,
        request=item,
        offers=item.report.clips,
        clips=clips,
        two_owners=item.report.approvals_needed > 1,
        household=item.report.owners,
        joins=next(same, None),
    )


def share(
    to: Recipient,
    target: UploadTarget,
    offers: tuple[ClipOffer, ...],
    clips: tuple[ApprovedClip, ...],
    terms: Terms,
    household: tuple[HouseholdOwner, ...] = (),
    *,
    joins: tuple[str, str] | None = None,
) -> ReleasePlan:
    """Release ``clips`` to somebody who has not asked."""
    return ReleasePlan(
        device=terms.device,
        kind=Share,
        content={
            "recipient": to,
            "upload": target,
            "clips": clips,
            "disclose": terms.disclose,
        },
        until=_end(terms.now, terms.days),
        terms=terms,
        to=to.name,
        fingerprint=PublicKey.from_text(to.key).fingerprint,
        url=target.url,
        request=None,
        offers=offers,
        clips=clips,
        two_owners=bool(household),
        household=household,
        joins=joins,
    )


def recipient(
    card: RequesterCard, url: str, *, allow_loopback_http: bool = False
) -> tuple[Recipient, UploadTarget]:
    """Recipient and upload of a share; Refused unless the card lists the host of ``url``."""
    problem = upload.problem(url, card, allow_loopback_http)
    if problem:
        raise Refused("upload-not-allowed", f"{url}: {problem}")
    to = Recipient(name=card.name, key=card.sign, seal=card.seal)
    return to, UploadTarget(protocol="tus", url=url)


def decline(item: OpenRequest, device: DeviceCard, *, now: float, mute: bool = False) -> Plan:
    """Close a request for good without telling anybody; with ``mute``, mute its author too."""
    author = (item.request.iss,) if mute else ()
    return Plan(
        device=device,
        kind=Decline,
        content={"request": item.digest, "mute": mute},
        until=_end(now, DEFAULT_DAYS),
        remember=(item.digest[:16], *author),
    )


def command(
    what: Preview | ListClips | Revoke | Sync | Lasting,
    device: DeviceCard,
    *,
    now: float,
) -> Plan:
    """Tell the camera to do something: within minutes if a person waits, else when it is on."""
    remember: tuple[str, ...] = ()
    if isinstance(what, Mute):
        remember = (what.requester,)
    elif isinstance(what, PauseRequests | ResumeRequests):
        remember = (PAUSE,)
    elif isinstance(what, Revoke):
        remember = (f"revoke-{what.release}",)
    is_awaited = isinstance(what, Preview | ListClips | Sync)
    return Plan(
        device=device,
        kind=Command,
        content={"command": what},
        until=now + _SOON_SECONDS if is_awaited else _end(now, DEFAULT_DAYS),
        remember=remember,
    )


def _end(now: float, days: float) -> float:
    if not 0 < days <= MAX_DAYS:
        raise Refused("wrong-days", f"the camera may try for at most {MAX_DAYS:g} days")
    return now + days * _DAY_SECONDS


# Clips


def choose(offers: Sequence[ClipOffer], choice: Choice) -> tuple[ApprovedClip, ...]:
    """The chosen clips as they may leave, in the order of ``offers``.

    Refused: a clip that is not offered, a trim or redaction of a clip that is not
    chosen, a second trim of one clip, a trim that lies outside the clip.
    """
    chosen = {_find(offers, name).id for name in choice.clips}
    trims: dict[str, Trim] = {}
    for name, trim in choice.trims:
        offer = _find_chosen(offers, name, chosen)
        if offer.id in trims:
            raise Refused("two-trims", f"clip {offer.id} is trimmed twice")
        is_known = offer.duration_seconds > 0  # the length of a clip that was cut off is not
        if is_known and trim.to_seconds > math.ceil(offer.duration_seconds):
            duration = f"{offer.duration_seconds:.1f} seconds long"
            raise Refused("trim-outside", f"clip {offer.id} is only {duration}")
        trims[offer.id] = trim
    boxes: dict[str, list[Box]] = {}
    for name, box in choice.redacts:
        boxes.setdefault(_find_chosen(offers, name, chosen).id, []).append(box)
    if not chosen:
        raise Refused("no-clips", f"name the clips that may leave: {offered(offers)}")
    if len(chosen) > _MAX_CLIPS:
        raise Refused("too-many-clips", f"at most {_MAX_CLIPS} clips can leave at once")
    return tuple(
        ApprovedClip(
            id=offer.id,
            sha256=offer.sha256,
            trim=trims.get(offer.id),
            redact=tuple(boxes.get(offer.id, ())),
        )
        for offer in offers
        if offer.id in chosen
    )


def repeat(
    offers: Sequence[ClipOffer], clips: tuple[ApprovedClip, ...]
) -> tuple[ApprovedClip, ...]:
    """Exactly what another owner has approved; Refused unless these clips are offered here."""
    for clip in clips:
        if _find(offers, clip.id).sha256 != clip.sha256:
            raise Refused(
                "clip-changed", f"clip {clip.id} is not the one that the other owner approved"
            )
    return clips


def _find(offers: Sequence[ClipOffer], name: str) -> ClipOffer:
    offer = pick(offers, name)
    if offer is None:
        raise Refused("no-such-clip", f"no clip {name!r} is offered, only {offered(offers)}")
    return offer


def _find_chosen(offers: Sequence[ClipOffer], name: str, chosen: set[str]) -> ClipOffer:
    offer = _find(offers, name)
    if offer.id not in chosen:
        raise Refused(
            "not-chosen", f"clip {name} is to be changed but not among those that may leave"
        )
    return offer
