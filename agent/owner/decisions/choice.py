"""The clips that an owner chooses to release, by number or id among those offered.

Nothing is guessed: a mistyped name could release more than was meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.consent.statements import ApprovedClip, Box, ClipOffer, Disclosure, Trim
from agent.errors import Refused
from agent.owner.inbox.items import offered, pick

_MAX_CLIPS = 50

NOTHING_TOLD = Disclosure()


@dataclass(frozen=True)
class Choice:
    """Clips that an owner names, their trims and redactions, and what is told of the owner.

    ``codec``: all of them leave in this one; None: as they are.
    """

    clips: Sequence[str] = ()
    trims: Sequence[tuple[str, Trim]] = ()
    redacts: Sequence[tuple[str, Box]] = ()
    disclose: Disclosure = NOTHING_TOLD
    codec: Literal["h264"] | None = None

    @property
    def names(self) -> list[str]:
        """All numbers and ids by which the owner names clips."""
        return [*self.clips, *(name for name, _ in (*self.trims, *self.redacts))]

    def of_one(self, offer: ClipOffer) -> Choice:
        """All trims and redactions for this clip, and its codec."""
        trims = [(offer.id, trim) for _, trim in self.trims]
        redacts = [(offer.id, box) for _, box in self.redacts]
        return Choice([offer.id], trims, redacts, codec=self.codec)

    @property
    def is_empty(self) -> bool:
        """True if the owner has named nothing at all."""
        named = self.clips or self.trims or self.redacts or self.codec
        return not named and self.disclose == NOTHING_TOLD


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
            codec=choice.codec,
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
