"""Which clips leave, and how much of each: from what the owner typed to what is signed.

A clip is named by its number or id among those offered. A trim or a redact is of a clip
that was chosen; whoever mistypes one would let go more than was meant, so nothing here
is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.consent.statements import ApprovedClip, Box, ClipOffer, Trim
from agent.errors import Refused
from agent.owner.inbox.items import offered, pick

_MAX_CLIPS = 50


def choose(
    offers: Sequence[ClipOffer],
    clips: Sequence[str],
    *,
    trims: Sequence[tuple[str, Trim]] = (),
    redacts: Sequence[tuple[str, Box]] = (),
) -> tuple[ApprovedClip, ...]:
    """The clips that may leave, by number or id, in the order of ``offers``.

    Refused: a clip that is not offered, a trim or redact of a clip that is not
    chosen, a second trim of one clip, a trim that lies outside the clip.
    """
    chosen = {_find(offers, name).id for name in clips}
    trim_of: dict[str, Trim] = {}
    for name, trim in trims:
        offer = _chosen(offers, name, chosen)
        if offer.id in trim_of:
            raise Refused("two-trims", f"clip {offer.id} is trimmed twice")
        length_is_known = offer.duration_seconds > 0  # of one whose end was lost nobody may know
        if length_is_known and trim.to_seconds > math.ceil(offer.duration_seconds):
            duration = f"{offer.duration_seconds:.1f} seconds long"
            raise Refused("trim-outside", f"clip {offer.id} is only {duration}")
        trim_of[offer.id] = trim
    redact_of: dict[str, list[Box]] = {}
    for name, box in redacts:
        redact_of.setdefault(_chosen(offers, name, chosen).id, []).append(box)
    if not chosen:
        raise Refused("no-clips", f"name the clips that may leave: {offered(offers)}")
    if len(chosen) > _MAX_CLIPS:
        raise Refused("too-many-clips", f"at most {_MAX_CLIPS} clips can leave at once")
    return tuple(
        ApprovedClip(
            id=offer.id,
            sha256=offer.sha256,
            trim=trim_of.get(offer.id),
            redact=tuple(redact_of.get(offer.id, ())),
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


def _chosen(offers: Sequence[ClipOffer], name: str, chosen: set[str]) -> ClipOffer:
    offer = _find(offers, name)
    if offer.id not in chosen:
        raise Refused(
            "not-chosen", f"clip {name} is to be changed but not among those that may leave"
        )
    return offer
