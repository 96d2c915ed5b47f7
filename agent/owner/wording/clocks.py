"""A wrong clock of the owner's computer, named by comparison with a camera's signed time."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.consent.statements import Outcome
from agent.owner.wording import text

_RULES: Final = ("issued-in-future", "expired")  # what a camera says of a wrong time
_ALIKE_SECONDS: Final = 60.0  # an answer takes a while


def named(outcome: Outcome, *, now: float) -> Outcome:
    """A fresh answer; ``detail`` names the clock if that is why a decision was refused.

    ``outcome`` answers what was signed here a moment ago, so its time is the camera's now.
    """
    if outcome.event != "REFUSED" or outcome.detail.partition(":")[0] not in _RULES:
        return outcome
    ahead = now - outcome.iat
    if abs(ahead) < _ALIKE_SECONDS:
        return outcome
    detail = f"{outcome.detail}; {difference(ahead)}"
    return msgspec.structs.replace(outcome, detail=detail)


def difference(ahead: float) -> str:
    """A sentence about this computer's clock, which is ``ahead`` seconds of the camera's."""
    way = "ahead of" if ahead > 0 else "behind"
    return f"this computer's clock is {text.span(abs(ahead))} {way} the camera's"
