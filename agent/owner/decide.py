"""The owner's decisions as signed, sealed letters to one camera.

An approval names the camera, the request by its digest, and each clip by id and
digest with its cut and blur; the letter around it carries the keys of exactly
those clips. That letter is the only thing that lets a clip leave.

Signing refuses what the camera would not decode, so a mistake in what the owner
typed shows here and not as a refusal tomorrow. Asking the owner "really?" is for
the commands.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent.consent import mail, signing
from agent.consent.mail import Letter
from agent.consent.signing import DeviceCard
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Box,
    Command,
    Cut,
    Decline,
    Disclosure,
    Preview,
    Statement,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.inbox import OpenRequest
from agent.vault import seal

P = TypeVar("P", Cut, Box)

DEFAULT_DAYS = 2.0
MAX_DAYS = 7.0
_MAX_CLIPS = 50
_COMMAND_SECONDS = 600  # a command is of use at once or not at all
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


def parse_cut(text: str) -> tuple[str, Cut]:
    """``CLIP=FROM-TO`` in seconds from the clip's start; ValueError says what is wrong."""
    clip, (start, end) = _split(text, "-", 2, "CLIP=FROM-TO, for example 1=2.5-10")
    return clip, _convert({"from_seconds": start, "to_seconds": end}, Cut)


def parse_blur(text: str) -> tuple[str, Box]:
    """``CLIP=X,Y,W,H`` as shares of the picture from its upper left corner; ValueError."""
    clip, (x, y, width, height) = _split(text, ",", 4, "CLIP=X,Y,W,H, for example 1=0.5,0,0.5,1")
    return clip, _convert({"x": x, "y": y, "width": width, "height": height}, Box)


def choose(
    item: OpenRequest,
    clips: Sequence[str],
    *,
    cuts: Sequence[tuple[str, Cut]] = (),
    blurs: Sequence[tuple[str, Box]] = (),
) -> tuple[ApprovedClip, ...]:
    """The clips to approve, by number or id, in the order of the letter.

    Refused: a clip that is not offered, a cut or blur of a clip that is not
    chosen, a second cut of one clip, a cut that lies outside the clip.
    """
    chosen = {item.clip(name).id for name in clips}
    cut_of: dict[str, Cut] = {}
    for name, cut in cuts:
        offer = _chosen(item, name, chosen)
        if offer in cut_of:
            raise Refused("two-cuts", f"clip {offer} is cut twice")
        duration = item.clip(offer).duration_seconds
        if cut.to_seconds > math.ceil(duration):
            raise Refused("cut-outside", f"clip {offer} is only {duration:.1f} seconds long")
        cut_of[offer] = cut
    blur_of: dict[str, list[Box]] = {}
    for name, box in blurs:
        blur_of.setdefault(_chosen(item, name, chosen), []).append(box)
    if not 1 <= len(chosen) <= _MAX_CLIPS:
        raise Refused("too-many-clips", f"an approval names 1 to {_MAX_CLIPS} clips")
    return tuple(
        ApprovedClip(
            id=offer.id,
            sha256=offer.sha256,
            cut=cut_of.get(offer.id),
            blur=tuple(blur_of.get(offer.id, ())),
        )
        for offer in item.report.clips
        if offer.id in chosen
    )


def approval_end(item: OpenRequest, *, now: float, days: float) -> float:
    """When an approval given now ends; Refused for an expired request or too many days."""
    if item.request.exp <= now:
        raise Refused("request-expired", f"request {item.digest[:8]} has expired")
    if not 0 < days <= MAX_DAYS:
        raise Refused("wrong-days", f"an approval holds for at most {MAX_DAYS:g} days")
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
    until = approval_end(item, now=now, days=days)
    approval = Approval(
        iss=keys.id,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(until),
        aud=device.id,
        request=item.digest,
        clips=clips,
        disclose=disclose,
    )
    return _seal(approval, device, keys, _open_keys(item, clips, keys))


def decline(
    item: OpenRequest,
    device: DeviceCard,
    keys: Keys,
    *,
    now: float,
    random: Random = os.urandom,
) -> Decision:
    """Answer this request with silence; only the camera learns of it."""
    statement = Decline(
        iss=keys.id,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now + DEFAULT_DAYS * _DAY_SECONDS),
        aud=device.id,
        request=item.digest,
        mute=False,
    )
    return _seal(statement, device, keys, {})


def ask_preview(
    clip: str, device: DeviceCard, keys: Keys, *, now: float, random: Random = os.urandom
) -> Decision:
    """Ask the camera for a clip's ciphertext."""
    statement = Command(
        iss=keys.id,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now) + _COMMAND_SECONDS,
        aud=device.id,
        command=Preview(clip=clip),
    )
    return _seal(statement, device, keys, {})


def _open_keys(item: OpenRequest, clips: Sequence[ApprovedClip], keys: Keys) -> dict[str, str]:
    """The identity of each approved clip, and of no other: what consent carries."""
    return {
        clip.id: seal.open_key(item.clip(clip.id).sealed_key, keys.identity, clip_id=clip.id)
        for clip in clips
    }


def _seal(
    statement: Statement, device: DeviceCard, keys: Keys, clip_keys: Mapping[str, str]
) -> Decision:
    jws = keys.signing.sign(statement)
    letter = Letter(jws=jws, keys=dict(clip_keys))
    return Decision(device, jws, mail.seal(letter, [device.seal]))


def _chosen(item: OpenRequest, name: str, chosen: set[str]) -> str:
    clip = item.clip(name).id
    if clip not in chosen:
        raise Refused("not-chosen", f"clip {name} is to be changed but not among those approved")
    return clip


def _split(text: str, separator: str, count: int, form: str) -> tuple[str, list[float]]:
    clip, equals, rest = text.partition("=")
    numbers = rest.split(separator)
    if not (clip and equals) or len(numbers) != count:
        raise ValueError(f"must be {form}")
    try:
        return clip, [_number(number) for number in numbers]
    except ValueError as error:
        raise ValueError(f"{error}; must be {form}") from error


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _convert(plain: dict[str, object], kind: type[P]) -> P:
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
