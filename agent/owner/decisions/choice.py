"""The clips that an owner chooses to release, by number or id among those offered.

Nothing is guessed: a mistyped name could release more than was meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.consent import decoding
from agent.consent.statements import (
    MAX_REDACTIONS,
    MAX_STATEMENT_BYTES,
    ApprovedClip,
    ClipOffer,
    Disclosure,
    Redaction,
    Redactions,
    Trim,
)
from agent.errors import Refused
from agent.owner.inbox.items import offered, pick

_MAX_CLIPS = 50
_MAX_CLIPS_BYTES = MAX_STATEMENT_BYTES - 4_096  # the rest of a decision needs less

NOTHING_TOLD = Disclosure()


@dataclass(frozen=True)
class Choice:
    """Clips that an owner names, their trims and redactions, and what is told of the owner.

    ``codec``: all of them leave in this one; None: as they are.
    """

    clips: Sequence[str] = ()
    trims: Sequence[tuple[str, Trim]] = ()
    redacts: Sequence[tuple[str, Redactions]] = ()
    disclose: Disclosure = NOTHING_TOLD
    codec: Literal["h264"] | None = None

    @property
    def names(self) -> list[str]:
        """All numbers and ids by which the owner names clips."""
        return [*self.clips, *(name for name, _ in (*self.trims, *self.redacts))]

    def of_one(self, offer: ClipOffer) -> Choice:
        """All trims and redactions for this clip, and its codec."""
        trims = [(offer.id, trim) for _, trim in self.trims]
        redacts = [(offer.id, boxes) for _, boxes in self.redacts]
        return Choice([offer.id], trims, redacts, codec=self.codec)

    def split(self, offers: Sequence[Sequence[ClipOffer]]) -> list[Choice | None]:
        """The part of the choice for each camera by its ``offers``; None where nothing is chosen.

        Clips of several cameras are named by id. Refused: one that no camera offers, or two do.
        """
        if len(offers) == 1:
            return [self]
        if not self.names:
            raise Refused("no-clips", "name the clips that may leave, by their ids")
        chosen: list[set[str]] = [set() for _ in offers]
        for name in self.names:
            places = [place for place, some in enumerate(offers) if _by_id(some, name) is not None]
            if not places:
                raise Refused(
                    "no-such-clip",
                    f"no clip {name!r}: several cameras offer clips, and each numbers its own",
                    advice="Give --camera, or name each clip by its id",
                )
            if len(places) > 1:
                raise Refused("ambiguous", f"two cameras offer a clip {name}")
            chosen[places[0]].add(name)
        return [self._only(names) if names else None for names in chosen]

    def _only(self, names: set[str]) -> Choice:
        return replace(
            self,
            clips=[name for name in self.clips if name in names],
            trims=[(name, trim) for name, trim in self.trims if name in names],
            redacts=[(name, boxes) for name, boxes in self.redacts if name in names],
        )

    @property
    def is_empty(self) -> bool:
        """True if the owner has named nothing at all."""
        named = self.clips or self.trims or self.redacts or self.codec
        return not named and self.disclose == NOTHING_TOLD


def choose(offers: Sequence[ClipOffer], choice: Choice) -> tuple[ApprovedClip, ...]:
    """The chosen clips as they may leave, in the order of ``offers``.

    Refused: a clip that is not offered, a trim or redaction of a clip that is not
    chosen, a second trim of one clip, a trim or redaction that lies outside the clip, more
    redactions than a clip or a decision can hold.
    """
    chosen = {_find(offers, name).id for name in choice.clips}
    trims: dict[str, Trim] = {}
    for name, trim in choice.trims:
        offer = _find_chosen(offers, name, chosen)
        if offer.id in trims:
            raise Refused("two-trims", f"clip {offer.id} is trimmed twice")
        _check_length(offer, trim.to_seconds, "trim-outside")
        trims[offer.id] = trim
    redacts: dict[str, list[Redaction]] = {}
    for name, redactions in choice.redacts:
        offer = _find_chosen(offers, name, chosen)
        within = (_within(offer, one, trims.get(offer.id)) for one in redactions)
        redacts.setdefault(offer.id, []).extend(within)
    if not chosen:
        raise Refused("no-clips", f"name the clips that may leave: {offered(offers)}")
    if len(chosen) > _MAX_CLIPS:
        raise Refused("too-many-clips", f"at most {_MAX_CLIPS} clips can leave at once")
    clips = tuple(
        ApprovedClip(
            id=offer.id,
            sha256=offer.sha256,
            trim=trims.get(offer.id),
            redact=tuple(redacts.get(offer.id, ())),
            codec=choice.codec,
        )
        for offer in offers
        if offer.id in chosen
    )
    _check_size(clips)
    return clips


def _within(offer: ClipOffer, redaction: Redaction, trim: Trim | None) -> Redaction:
    """A redaction without what it tells of the time outside the clip's trim.

    Times in a redaction count from the clip's start. Refused if it does nothing in the trim, or
    does not move in it: then they were probably counted from the trim's start.
    """
    first, last = (redaction.positions[place].at_seconds for place in (0, -1))
    _check_length(offer, max(last, redaction.from_seconds or 0), "redact-outside")
    if trim is None:
        return redaction
    start, end = trim.from_seconds, trim.to_seconds
    within = redaction.within(start, end)
    if within is None or (first < last and (last <= start or first >= end)):
        raise Refused(
            "redact-outside",
            f"a box of clip {offer.id} is there or moves only outside the part that may leave",
            advice="Count its times from the start of the clip, not of its part",
        )
    return within


def _check_length(offer: ClipOffer, seconds: float, rule: str) -> None:
    is_known = offer.duration_seconds > 0  # the length of a clip that was cut off is not
    if is_known and seconds > math.ceil(offer.duration_seconds):
        duration = f"{offer.duration_seconds:.1f} seconds long"
        raise Refused(rule, f"clip {offer.id} is only {duration}")


def _check_size(clips: Sequence[ApprovedClip]) -> None:
    """Refuse what could not be signed, before the keys are unlocked."""
    if any(len(clip.redact) > MAX_REDACTIONS for clip in clips):
        raise Refused("too-many-boxes", f"at most {MAX_REDACTIONS} boxes can cover a clip")
    if sum(len(decoding.encode(clip)) for clip in clips) > _MAX_CLIPS_BYTES:
        raise Refused(
            "too-many-positions",
            "the clips' redactions have more positions than a decision can hold",
            advice="Release the clips one by one, or give fewer positions",
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


def _by_id(offers: Sequence[ClipOffer], name: str) -> ClipOffer | None:
    return next((offer for offer in offers if offer.id == name), None)


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
