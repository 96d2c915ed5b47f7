"""Judging posts: what it costs, and where; the rules themselves are in ``tests/consent``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.consent.policy import area
from agent.consent.statements import Polygon
from tests.support.gateway_world import World, rules


def counted(
    name: str, question: Callable[[Polygon], object], calls: list[str]
) -> Callable[[Polygon], object]:
    def asked(polygon: Polygon) -> object:
        calls.append(name)
        return question(polygon)

    return asked


def test_an_area_is_surveyed_once_and_while_nobody_waits_for_the_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs more than all else of a post; the camera waits for a transaction to end."""
    in_transaction: list[bool] = []
    survey = area.survey

    def watched(polygon: Polygon) -> area.Survey:
        assert world.gateway is not None
        in_transaction.append(world.gateway.database.connection.in_transaction)
        return survey(polygon)

    monkeypatch.setattr(area, "survey", watched)
    calls: list[str] = []
    for name in ("check", "square_miles"):
        monkeypatch.setattr(area, name, counted(name, getattr(area, name), calls))
    for incident in ("burglary", "protest"):
        world.post(world.house.request(incident=incident))
    assert in_transaction == [False, False]
    assert calls == ["check", "square_miles"] * 2


def test_the_size_stands_on_the_record_whichever_rule_refused(world: World) -> None:
    request = world.house.request(incident="protest")
    world.post(request)
    ring = request.area.coordinates[0]
    bow_tie = Polygon(type="Polygon", coordinates=((ring[0], ring[2], ring[1], ring[3], ring[0]),))
    world.post(world.house.request(area=bow_tie))
    assert rules(world, "request.refused") == ["incident-never", "area-invalid"]
    database = world.house.open_database()
    sizes = [size for (size,) in database.rows("SELECT square_miles FROM request ORDER BY rowid")]
    database.close()
    assert sizes == [area.square_miles(request.area), None]
