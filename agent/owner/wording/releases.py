"""Steps of a release on its way, for people who wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agent.consent import lifecycle
from agent.owner.inbox.items import Answer
from agent.owner.wording.words import _

Place = Literal["done", "now", "ahead"]

_WAY: Final = ("", "APPROVED", "SEALED", "SENT", "DELIVERED")  # events, in their order
_AT: Final = {"PROPOSED": "", "HELD": "", "REJECTED": "SENT"}  # others, by the step where they are
_ENDED: Final = ("REVOKED", "FAILED", "REFUSED", "AGREED")


@dataclass(frozen=True)
class Step:
    """A step: its name, and where the release is."""

    name: str
    place: Place


def steps(answer: Answer) -> list[Step]:
    """The way of a release; empty where it has none any more."""
    event = _AT.get(answer.event, answer.event)
    if event not in _WAY:
        return []
    at = _WAY.index(event)
    names = (_("signed"), _("prepared"), _("being sent"), _("sent"), _("opened and verified"))
    return [
        Step(name, "done" if place < at else "now" if place == at else "ahead")
        for place, name in enumerate(names)
    ]


def may_stop(answer: Answer) -> bool:
    """True while a revocation can still stop it."""
    return answer.event not in (*lifecycle.OVER, *_ENDED)


def may_change(answer: Answer) -> bool:
    """True while the camera may report something new; after a release was sent, its receipt."""
    return may_stop(answer) or answer.event == "SENT"
