"""Plans of what an owner is about to decide, and the signed, sealed letters they become.

An approval names the camera, the request by its digest, and each clip by id and
digest with its trim and redactions; the letter around it carries the keys of exactly
those clips (:mod:`.seen`). That letter is the only thing that lets a clip leave. A share is
the same for somebody who has not asked. Where two owners must agree, only the letter that
completes the agreement carries keys. All other letters carry none.

Signing refuses what the camera would not decode, so a mistake shows here and not as a refusal
tomorrow.
"""

from __future__ import annotations

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
    Arm,
    CameraCommand,
    ClipOffer,
    Command,
    Decline,
    Delete,
    Disclosure,
    HouseholdOwner,
    Keep,
    ListClips,
    Look,
    Mute,
    NoteExport,
    PauseRequests,
    Preview,
    ReadLedger,
    Recipient,
    ResumeRequests,
    Revoke,
    Share,
    StopLooking,
    Sync,
    Thumbnails,
    UploadTarget,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.decisions import seen
from agent.owner.decisions.seen import SeenClip
from agent.owner.inbox.closed_clips import NONE_CLOSED, ClosedClips
from agent.owner.inbox.items import Answer, OpenRequest

DEFAULT_DAYS = 2.0
MAX_DAYS = 7.0
_SOON_SECONDS = 600  # for what is of use at once or not at all
_DAY_SECONDS = 86_400
PAUSE, ARMING = "pause", "arming"  # names under which the last word on these is remembered

_AWAITED = Preview | ListClips | ReadLedger | Thumbnails | NoteExport | Sync | Look | StopLooking
Lasting = Mute | PauseRequests | ResumeRequests | CameraCommand


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


Consent = Approval | Share  # what releases clips


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All else that a release needs beside its clips. ``me``: the owner's fingerprint."""

    device: DeviceCard
    disclose: Disclosure
    now: float
    days: float = DEFAULT_DAYS
    me: str = ""
    sent_before: Sequence[Answer] = ()
    seen: Sequence[SeenClip] = ()
    closed: ClosedClips = NONE_CLOSED


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

    @property
    def brings_keys(self) -> bool:
        """False where another owner must say the same first: nobody needs the keys before."""
        return not self.two_owners or self.joins is not None

    def seen(self, clip: ApprovedClip) -> SeenClip | None:
        """The last time that all that leaves with ``clip`` was shown on this computer."""
        return next((one for one in self.terms.seen if one.shows(clip)), None)


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
        offers = {offer.id: offer for offer in plan.offers}
        opened = {
            clip.id: seen.hand_out(offers[clip.id], clip, keys.identity, plan.terms.seen)
            for clip in plan.clips
        }
        clip_keys = opened if plan.brings_keys else {}
    jws = keys.signing.sign(statement)
    letter = letters.Letter(jws=jws, keys=clip_keys)
    return Decision(plan.device, jws, letters.seal(letter, [plan.device.seal]))


# Plans


def approval(item: OpenRequest, clips: tuple[ApprovedClip, ...], terms: Terms) -> ReleasePlan:
    """Release ``clips`` to the author of a request; refused once the request has expired."""
    if item.request.exp <= terms.now:
        raise Refused("request-expired", f"request {item.name} has expired")
    terms.closed.check(clips)
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
    terms.closed.check(clips)
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
    what: Preview | ListClips | ReadLedger | Thumbnails | NoteExport | Revoke | Sync | Lasting,
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
    elif isinstance(what, Arm):
        remember = (ARMING,)
    elif isinstance(what, Delete | Keep):
        remember = (f"clip-{what.clip}",)
    is_awaited = isinstance(what, _AWAITED)
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
