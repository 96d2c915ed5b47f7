"""The policy for alerts: the rules of a request that make sense where nobody can answer.

They keep an alert from addressing one house, lasting for ever, or coming against the owner's
will, under the names of :mod:`agent.consent.policy.requests`:

- ``kind-not-accepted``  the owner is closed: nothing is shown
- ``requester-muted``    the owner has muted its author
- ``issued-in-future``, ``expired``, ``open-too-long``
- ``area-invalid``, ``area-too-small``: no alert is for one house
- ``place-outside``      the camera stands outside its area

There is no largest area: a warning may be for a whole town.
"""

from __future__ import annotations

from agent import config
from agent.consent.policy import area
from agent.consent.policy.requests import MAX_SKEW_SECONDS
from agent.consent.statements import Alert
from agent.errors import RequestRefused

_DAY_SECONDS = 86_400


def judge(alert: Alert, *, rules: config.Requests, place: config.Place, now: float) -> None:
    """Return if ``alert``, whose signature is good, may be shown; else raise RequestRefused."""
    if not rules.accept:
        raise RequestRefused("kind-not-accepted", "no posts are accepted")
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
        raise RequestRefused("place-outside", "the camera stands outside the area")
