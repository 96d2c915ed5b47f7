"""The owner's decisions as signed, sealed letters to one camera.

An approval names the camera, the request by its digest, and each clip by id and
digest with its trim and redact; the letter around it carries the keys of exactly
those clips. That letter is the only thing that lets a clip leave. A share is the same
for somebody who has not asked. Everything else carries no key at all.

Signing refuses what the camera would not decode, so a mistake in what the owner
typed shows here and not as a refusal tomorrow. Which clips is for :mod:`.choosing`,
asking the owner "really?" for the commands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import DeviceCard, RequesterCard
from agent.consent.letters import Letter
from agent.consent.policy import upload
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    ClipOffer,
    Command,
    Decline,
    Disclosure,
    ListClips,
    Mute,
    PauseRequests,
    Preview,
    Recipient,
    ResumeRequests,
    Revoke,
    Share,
    Statement,
    UploadTarget,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.inbox.items import OpenRequest
from agent.vault.clips import seal

DEFAULT_DAYS = 2.0
MAX_DAYS = 7.0
_SOON_SECONDS = 600  # for what is of use at once or not at all
_DAY_SECONDS = 86_400

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Decision:
    """A signed decision: for which camera, its JWS, and the sealed letter to publish.

    ``subject`` is the id under which the camera reports what became of it.
    """

    device: DeviceCard
    jws: str
    letter: bytes = field(repr=False)

    @property
    def subject(self) -> str:
        """The first 16 digits of the decision's digest."""
        return signing.digest(self.jws)[:16]


def approval_end(item: OpenRequest, *, now: float, days: float) -> float:
    """When an approval given now ends; Refused for an expired request or too many days."""
    if item.request.exp <= now:
        raise Refused("request-expired", f"request {item.digest[:8]} has expired")
    return end(now=now, days=days)


def end(*, now: float, days: float) -> float:
    """When something that may be tried for ``days`` ends; Refused for too many of them."""
    if not 0 < days <= MAX_DAYS:
        raise Refused("wrong-days", f"the camera may try for at most {MAX_DAYS:g} days")
    return now + days * _DAY_SECONDS


def approve(
    item: OpenRequest,
    clips: tuple[ApprovedClip, ...],
    device: DeviceCard,
    keys: Keys,
    *,
    disclose: Disclosure,
    now: float,
    days: float = DEFAULT_DAYS,
    random: Random = os.urandom,
) -> Decision:
    """Let ``clips`` go to the author of this request; refused once the request expired."""
    approval = Approval(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(approval_end(item, now=now, days=days)),
        aud=device.fingerprint,
        request=item.digest,
        clips=clips,
        disclose=disclose,
    )
    return _seal(approval, device, keys, _open_keys(item.report.clips, clips, keys))


def recipient(
    card: RequesterCard, url: str, *, allow_loopback_http: bool = False
) -> tuple[Recipient, UploadTarget]:
    """Whom to share with and where to upload to; Refused unless the card lists that host."""
    problem = upload.problem(url, card, allow_loopback_http)
    if problem:
        raise Refused("upload-not-allowed", f"{url}: {problem}")
    to = Recipient(name=card.name, key=card.sign, seal=card.seal)
    return to, UploadTarget(protocol="tus", url=url)


@dataclass(frozen=True)
class SharePlan:
    """What an owner is about to share: ``clips``, of those in ``offers``, with whom and where."""

    device: str
    to: Recipient
    target: UploadTarget
    offers: tuple[ClipOffer, ...]
    clips: tuple[ApprovedClip, ...]
    disclose: Disclosure


def share(
    plan: SharePlan,
    device: DeviceCard,
    keys: Keys,
    *,
    now: float,
    days: float = DEFAULT_DAYS,
    random: Random = os.urandom,
) -> Decision:
    """Give clips to somebody who has not asked."""
    statement = Share(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(end(now=now, days=days)),
        aud=device.fingerprint,
        recipient=plan.to,
        upload=plan.target,
        clips=plan.clips,
        disclose=plan.disclose,
    )
    return _seal(statement, device, keys, _open_keys(plan.offers, plan.clips, keys))


def decline(
    item: OpenRequest,
    device: DeviceCard,
    keys: Keys,
    *,
    now: float,
    mute: bool = False,
    random: Random = os.urandom,
) -> Decision:
    """Answer this request with silence; with ``mute``, hear no more of its author either."""
    statement = Decline(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now + DEFAULT_DAYS * _DAY_SECONDS),
        aud=device.fingerprint,
        request=item.digest,
        mute=mute,
    )
    return _seal(statement, device, keys, {})


def command(
    what: Preview | ListClips | Revoke | PauseRequests | ResumeRequests | Mute,
    device: DeviceCard,
    keys: Keys,
    *,
    now: float,
    random: Random = os.urandom,
) -> Decision:
    """Tell the camera to do something.

    What somebody waits for holds for minutes; the rest waits for a camera that is off.
    """
    waits = isinstance(what, Preview | ListClips)
    statement = Command(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now + (_SOON_SECONDS if waits else DEFAULT_DAYS * _DAY_SECONDS)),
        aud=device.fingerprint,
        command=what,
    )
    return _seal(statement, device, keys, {})


def _open_keys(
    offers: Sequence[ClipOffer], clips: Sequence[ApprovedClip], keys: Keys
) -> dict[str, str]:
    """The identity of each approved clip, and of no other: what consent carries."""
    sealed = {offer.id: offer.sealed_key for offer in offers}
    return {
        clip.id: seal.open_key(sealed[clip.id], keys.identity, clip_id=clip.id) for clip in clips
    }


def _seal(
    statement: Statement, device: DeviceCard, keys: Keys, clip_keys: Mapping[str, str]
) -> Decision:
    jws = keys.signing.sign(statement)
    letter = Letter(jws=jws, keys=dict(clip_keys))
    return Decision(device, jws, mail.seal(letter, [device.seal]))
