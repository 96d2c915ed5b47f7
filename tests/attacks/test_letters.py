"""Brokers that do not take every letter of a camera; each role a process of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.clock import SystemClock
from agent.consent.cards import OwnerCard, parse_card
from agent.vault.clips.store import ClipStore
from agent.vault.database.index import Index
from tests.e2e.household import Household
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer
from tests.support.house import fragmented_mp4

pytestmark = pytest.mark.timeout(600)


def record(house: Household, *minutes_ago: float) -> None:
    """Finished clips in the vault, as a camera writes them."""
    settings = config.load(house.config)
    text = (house.root / "owner/owner.card.yaml").read_text()
    card = parse_card(text, OwnerCard, "card")
    clock = SystemClock(None)
    with Index.open(settings.state_dir / "camera" / "index.sqlite") as index:
        store = ClipStore(
            settings.state_dir, index, recipients=[card.seal, card.recovery], clock=clock
        )
        for ago in minutes_ago:
            clip = store.create(
                started_at=clock.now() - ago * 60,
                monotonic_seconds=clock.monotonic(),
                codec="h264",
                width=64,
                height=64,
            )
            clip.write(fragmented_mp4())
            clip.finish(duration_seconds=2.0)


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
            record(house, *(10 + number / 4 for number in range(40)), 40.0)
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
