"""The owner's last word counts, in whatever order broker, receiver and gateway come back."""

from __future__ import annotations

import json
import os
import queue
import time
from contextlib import suppress
from typing import cast

import pytest

from agent.clock import SystemClock
from agent.gateway.release.holds import FORGOTTEN, Holds
from agent.gateway.release.last_word import FRESH_SECONDS, LastWord
from agent.mqtt import topics
from agent.mqtt.link import Connected, MqttLink, Received, Settings
from agent.mqtt.session import Session
from tests.e2e.household import Household
from tests.peers.dead_line import DeadLine
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer
from tests.support.clock import SimulatedClock
from tests.support.links import LONG_SECONDS


class Evening:
    """A house with a clip, and releases that wait for their receiver when the power fails."""

    def __init__(self, house: Household, receiver: TusServer) -> None:
        self.house, self.receiver = house, receiver
        house.start("gateway")
        house.enrol()
        house.start("camera")
        house.wait_for_clips(1)
        house.kill("camera")
        self.request = house.post()
        self.clip = house.offered(self.request)["clips"][0]["id"]

    def approve_and_lose_power(self) -> str:
        """The id of a release whose receiver was away until the power failed."""
        self.receiver.kill()
        sealed = self.house.ledger().count("release.sealed")
        self.house.owner("approve", self.request, self.clip, "--yes")
        self.wait("release.sealed", sealed + 1)
        lines = self.house.ledger_lines()
        release = [line["subject"] for line in lines if line["event"] == "release.sealed"][-1]
        self.house.kill("gateway")
        return str(release)

    def wait(self, event: str, count: int) -> None:
        self.house.wait(event, lambda: self.house.ledger().count(event) >= count or None)


@pytest.mark.timeout(900)
def test_a_release_revoked_before_a_power_cut_is_never_sent_in_any_order_of_coming_back(
    house: Household, mosquitto: Mosquitto, tus_server: TusServer
) -> None:
    evening = Evening(house, tus_server)

    # The receiver is back first, then the Pi, and the broker last.
    release = evening.approve_and_lose_power()
    assert "repeated it" in house.owner("revoke", release, "--yes", "--wait", "0.1")
    mosquitto.stop()
    tus_server.start()
    tries = house.log("gateway").count("nobody listens there")
    house.start("gateway")
    house.wait(
        "attempts", lambda: house.log("gateway").count("nobody listens there") > tries + 1 or None
    )
    assert tus_server.uploads() == []
    mosquitto.start()
    evening.wait("release.revoked", 1)
    assert tus_server.uploads() == []

    # All are back, but the broker has forgotten the revocation.
    release = evening.approve_and_lose_power()
    house.owner("revoke", release, "--yes", "--wait", "0.1")
    mosquitto.forget()
    tus_server.start()
    house.start("gateway")
    evening.wait("release.held", 1)
    house.owner("inbox")  # which repeats it
    evening.wait("release.revoked", 2)
    assert tus_server.uploads() == []

    # The broker has forgotten, and the owner has not revoked: it goes on when they say so.
    release = evening.approve_and_lose_power()
    mosquitto.forget()
    tus_server.start()
    house.start("gateway")
    evening.wait("release.held", 2)
    assert tus_server.uploads() == []
    house.owner("inbox")
    evening.wait("release.sent", 1)
    assert len(tus_server.finished()) == 1
    told = json.loads(house.owner("inbox", "--json"))["releases"]
    assert [one["event"] for one in told if one["release"] == release] == ["SENT"]


class Ear:
    """A gateway's session at a real broker; only what it hears of itself matters here."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self.held: list[str] = []  # reasons

    def hold_all(self, why: str) -> None:
        self.held.append(why)

    def connect(self) -> list[str]:
        """Connect until the last word was heard; why releases are held since."""
        self.held = []
        settings = Settings(
            client_id="clip-0123456789abcdef01",
            host=self._broker.host,
            port=self._broker.port,
            subscriptions=(topics.owner("porch"),),
            clean_session=False,
        )
        link = MqttLink(settings)
        holds = cast(Holds, self)
        word = LastWord(link, "porch", SystemClock(synced_marker=None), os.urandom, holds)
        link.start()
        while not word.heard():
            match link.events.get(timeout=LONG_SECONDS):
                case Connected():
                    word.connected()
                case Received() as received:
                    if not word.takes(received):
                        word.marker_came()
                    link.acknowledge(received)
        link.stop()
        return self.held


def test_a_stranger_who_takes_the_session_over_is_noticed_like_a_broker_that_forgot(
    mosquitto: Mosquitto,
) -> None:
    gateway = Ear(mosquitto)
    assert gateway.connect() == [FORGOTTEN], "nothing is known of a first session"
    assert gateway.connect() == []
    mosquitto.restart()
    assert gateway.connect() == [], "a broker that keeps what it has to"
    stranger = Settings(
        client_id="clip-0123456789abcdef01", host=mosquitto.host, port=mosquitto.port
    )
    with Session(MqttLink(stranger)):
        pass  # a clean session under the gateway's id destroys the letters that wait
    assert gateway.connect() == [FORGOTTEN]
    assert gateway.connect() == []
    mosquitto.forget()
    assert gateway.connect() == [FORGOTTEN]


def test_a_line_that_swallows_everything_stops_uploads_long_before_the_connection_ends(
    mosquitto: Mosquitto,
) -> None:
    clock = SimulatedClock()
    with DeadLine(mosquitto.port) as line:
        link = MqttLink(
            Settings(
                client_id="clip-0123456789abcdef02",
                host="127.0.0.1",
                port=line.port,
                subscriptions=(topics.owner("porch"),),
            )
        )
        word = LastWord(link, "porch", clock, os.urandom, cast(Holds, Ear(mosquitto)))
        link.start()
        deadline = time.monotonic() + LONG_SECONDS

        def hear() -> None:
            """Handle what comes within a moment."""
            with suppress(queue.Empty):
                match link.events.get(timeout=0.1):
                    case Connected():
                        word.connected()
                    case Received() as received if not word.takes(received):
                        word.marker_came()
            word.tick()

        while not word.hears():
            assert time.monotonic() < deadline, "the broker does not answer"
            hear()
        clock.advance(FRESH_SECONDS + 1)
        assert not word.hears(), "nothing since shows that the broker is there"
        while not word.hears():
            assert time.monotonic() < deadline, "the broker is asked again, and answers"
            hear()
        line.is_dead = True
        clock.advance(FRESH_SECONDS + 1)
        for _ in range(5):
            assert not word.hears()
            hear()
        link.publish(topics.state("porch"), b"{}", retained=True)  # for the link all is well
        link.stop()
