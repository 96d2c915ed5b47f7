"""Brokers that do not take every letter of a camera; each role a process of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.household import Household
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer

pytestmark = pytest.mark.timeout(600)


def inbox(house: Household) -> dict[str, Any]:
    """The open requests by their reference, as the owner's tool shows them."""
    shown = json.loads(house.owner("inbox", "--json", "--wait", "5"))
    return {one["request"]["reference"]: one for one in shown["requests"]}


def test_a_letter_larger_than_the_broker_takes_gets_smaller_and_holds_up_no_other(
    tmp_path: Path, tus_server: TusServer
) -> None:
    limit = ["max_packet_size 30000"]
    with Mosquitto(tmp_path / "mosquitto", settings=limit) as broker:
        house = Household(tmp_path / "house", broker, tus_server)
        try:
            house.start("gateway")
            house.enrol()
            house.record(*(600 + 15 * number for number in range(40)), 2_400)
            lately = timedelta(minutes=-30), timedelta(minutes=5)
            earlier = timedelta(minutes=-60), timedelta(minutes=-35)
            house.post(reference="many", window=lately)
            house.wait("the large letter", lambda: "set aside" in house.log("gateway"))
            house.post(reference="one", window=earlier)
            shown = house.wait(
                "both requests", lambda: found if len(found := inbox(house)) == 2 else None
            )
            assert len(shown["one"]["clips"]) == 1
            offered, more = len(shown["many"]["clips"]), shown["many"]["more_clips"]
            assert offered + more == 40
            assert 10 <= offered < 24
            assert "the letter of " in house.log("gateway")
            assert "another client" not in house.log("gateway")
        finally:
            house.kill_all()
