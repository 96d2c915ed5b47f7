"""Alerts: one refusal a rule, each at its edge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.consent.policy import alerts, area
from agent.consent.statements import Alert
from agent.errors import RequestRefused
from tests.consent import world
from tests.consent.world import DAY, NOW, polygon, square


def alert(**changes: Any) -> Alert:
    """An alert that may be shown, but for ``changes``."""
    values: dict[str, Any] = {
        "iss": world.REQUESTER.public.fingerprint,
        "jti": "alert-0000-000001",
        "iat": NOW,
        "exp": NOW + DAY,
        "title": "Flood on Elm Street",
        "text": "Stay away from the river.",
        "area": square(0.5),
    }
    return Alert(**(values | changes))


def judge(shown: Alert, **rules: Any) -> None:
    changed = msgspec.structs.replace(world.RULES, **rules)
    alerts.judge(shown, rules=changed, place=world.PLACE, now=float(NOW))


def refusal(shown: Alert, **rules: Any) -> str:
    """The rule that refuses ``shown``."""
    with pytest.raises(RequestRefused) as caught:
        judge(shown, **rules)
    return caught.value.rule


def test_a_good_alert_is_shown() -> None:
    judge(alert())


def test_an_alert_for_a_whole_town_is_shown() -> None:
    judge(alert(area=square(20)))


def test_a_closed_house_is_shown_nothing() -> None:
    assert refusal(alert(), accept=()) == "kind-not-accepted"
    judge(alert(), accept=("legal-order",))


def test_a_muted_author_is_not_shown() -> None:
    assert refusal(alert(), muted=(world.REQUESTER.public.fingerprint,)) == "requester-muted"


def test_an_alert_from_a_clock_that_is_ahead() -> None:
    judge(alert(iat=NOW + 300))
    assert refusal(alert(iat=NOW + 301)) == "issued-in-future"


@pytest.mark.parametrize(("iat", "exp"), [(NOW - DAY, NOW), (NOW + 60, NOW + 60)])
def test_an_alert_that_is_over(iat: int, exp: int) -> None:
    judge(alert(iat=iat, exp=exp + 1))
    assert refusal(alert(iat=iat, exp=exp)) == "expired"


def test_an_alert_that_lasts_too_long() -> None:
    longest = int(world.RULES.max_open_days * DAY)
    judge(alert(exp=NOW + longest))
    assert refusal(alert(exp=NOW + longest + 1)) == "open-too-long"


def test_an_alert_for_one_house() -> None:
    small = square(0.1)
    size = area.square_miles(small)
    judge(alert(area=small), min_area_square_miles=size)
    assert refusal(alert(area=small)) == "area-too-small"


def test_an_alert_about_elsewhere_or_about_nothing() -> None:
    away = square(0.5, latitude=world.PLACE.latitude + 0.1)
    assert refusal(alert(area=away)) == "place-outside"
    crossed = polygon((10.0, 50.0), (10.1, 50.1), (10.1, 50.0), (10.0, 50.1))
    assert refusal(alert(area=crossed)) == "area-invalid"
