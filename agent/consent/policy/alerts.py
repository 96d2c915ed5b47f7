"""Whether an alert may be shown to the owner: the rules of a request that make sense for it.

An alert asks for nothing, so most rules of :mod:`agent.consent.policy.requests` have no meaning
here. Those that keep the owner from being addressed alone, for ever or against their
will have, under the same names:

- ``kind-not-accepted``  the owner is closed: nothing at all is shown
- ``requester-muted``    the owner wants to hear nothing of this requester
- ``issued-in-future``, ``expired``, ``open-too-long``
- ``area-invalid``, ``area-too-small``: no alert is for one house
- ``place-outside``      it is not about where this camera stands

There is no largest area: a warning may well be for a whole town.
"""

from __future__ import annotations

from agent import config
from agent.consent.policy import area
from agent.consent.policy.requests import MAX_SKEW_SECONDS
from agent.consent.statements import Alert
from agent.errors import RequestRefused

_DAY_SECONDS = 86_400


def judge(alert: Alert, *, rules: config.Requests, place: config.Place, now: float) -> None:
    """Return if ``alert``, whose signature is verified, may be shown.

    Raises :class:`RequestRefused` with the name of the first rule that it breaks.
    """
    if not rules.accept:
        raise RequestRefused("kind-not-accepted", "nothing is accepted at all")
    if alert.iss in rules.muted:
        raise RequestRefused("requester-muted", "its author is muted")
    if alert.iat > now + MAX_SKEW_SECONDS:
        raise RequestRefused("issued-in-future", "the alert was issued in the future")
    if alert.exp <= max(now, alert.iat):
        raise RequestRefused("expired", "the alert has expired")
    if alert.exp - alert.iat > rules.max_open_days * _DAY_SECONDS:
        raise RequestRefused(
            "open-too-long", f"the alert lasts for more than {rules.max_open_days:g} days"
        )
    area.check(alert.area)
    size = area.square_miles(alert.area)
    if size < rules.min_area_square_miles:
        raise RequestRefused(
            "area-too-small",
            f"{size:.4f} square miles, at least {rules.min_area_square_miles:g}",
        )
    if not area.contains(alert.area, place.latitude, place.longitude):
        raise RequestRefused("place-outside", "the area does not hold this camera's place")
