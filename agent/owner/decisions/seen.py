"""The clips that an owner has seen on this computer, and the keys that may be handed out.

A clip's key is sealed together with the digest, start and length of its recording
(:mod:`agent.vault.clips.seal`). It is handed out only for a clip that is offered with just
these. The key of a recording that was cut off names no digest: it is handed out only after
the clip was seen, opened with that very key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from agent.consent.statements import ApprovedClip, ClipOffer
from agent.errors import Refused
from agent.media.editing.content import Prepared
from agent.owner.home.folder import OwnerFolder
from agent.vault.clips import seal
from agent.vault.clips.seal import ClipKey

_SEEN = "seen"
_MOST_KEPT = 1_000


class SeenClip(Struct, frozen=True, forbid_unknown_fields=True):
    """A clip as it was shown, the public half of the key that opened it, and when (Unix).

    ``pictures`` are those that were shown; a file of an older version does not tell.
    """

    clip: ApprovedClip
    key: str
    at: float
    pictures: Prepared | None = None

    def shows(self, clip: ApprovedClip) -> bool:
        """True if all that leaves with ``clip`` was shown."""
        return self.clip in (clip, whole(clip.id, clip.sha256))


def whole(clip_id: str, sha256: str) -> ApprovedClip:
    """A clip with nothing trimmed or redacted."""
    return ApprovedClip(id=clip_id, sha256=sha256, trim=None, redact=())


def keep(folder: OwnerFolder, device: str, seen: SeenClip) -> None:
    """Remember ``seen``, and forget the oldest of too many."""
    edits = hashlib.sha256(msgspec.json.encode(seen.clip)).hexdigest()[:16]
    folder.keep(_SEEN, device, f"{seen.clip.id}-{edits}", seen)
    names = folder.names(_SEEN, device)
    if len(names) > _MOST_KEPT:
        kept = sorted(folder.kept(_SEEN, device, SeenClip), key=lambda one: one[1].at)
        for name, _ in kept[: len(names) - _MOST_KEPT]:
            folder.drop(_SEEN, device, name)


def of(folder: OwnerFolder, device: str) -> tuple[SeenClip, ...]:
    """All that was seen of ``device``, the newest first."""
    kept = (seen for _, seen in folder.kept(_SEEN, device, SeenClip))
    return tuple(sorted(kept, key=lambda one: -one.at))


def open_key(offer: ClipOffer, identity: str) -> ClipKey:
    """The key of an offered clip, opened with the owner's identity.

    Refused if it was sealed with a recording other than the offered one: ``other-recording``,
    ``other-start`` or ``other-length``, or as :func:`agent.vault.clips.seal.open_key` says.
    """
    key = seal.open_key(offer.sealed_key, identity, clip_id=offer.id)
    recorded = key.recorded
    if recorded is None:
        return key
    if recorded.sha256 != offer.sha256:
        why = f"the key of clip {offer.id} belongs to another recording than the offered one"
        raise Refused("other-recording", why)
    if recorded.started_at not in (None, offer.started_at):
        why = f"clip {offer.id} is offered with another start than it was recorded with"
        raise Refused("other-start", why)
    if recorded.seconds != round(offer.duration_seconds, 3):
        why = f"clip {offer.id} is offered with another length than it was recorded with"
        raise Refused("other-length", why)
    return key


def hand_out(offer: ClipOffer, clip: ApprovedClip, identity: str, seen: Iterable[SeenClip]) -> str:
    """The key that releases ``clip``; Refused as ``not-seen`` if only seeing it first would do."""
    key = open_key(offer, identity)
    if key.recorded is None and not any(
        one.shows(clip) and one.key == key.recipient for one in seen
    ):
        raise Refused(
            "not-seen",
            f"clip {clip.id} was cut off, so its key does not say which recording it belongs to",
            advice="See it first, with `clip-agent owner preview`",
        )
    return key.identity
