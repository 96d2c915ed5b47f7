"""A camera in a real Home Assistant: entities and their values, events, pushes, and removal."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime

from tests.homeassistant.conftest import Home
from tests.homeassistant.instance import until
from tests.peers.requirements import ROOT

DASHBOARD = (ROOT / "config/homeassistant/dashboard.yaml").read_text()
NAMES = {
    "binary_sensor": {"motion", "recording", "armed", "problem"},
    "sensor": {
        "last_motion", "open_requests", "next_deadline", "clips", "space_of_clips", "free_space",
        "last_seen",
    },
    "event": {"request"},
}  # fmt: skip
ENTITIES = {f"{kind}.front_door_{name}" for kind, names in NAMES.items() for name in names}
# In seconds: how long silence must last, until it is believed that no second push comes.
QUIET = 15.0


def events(home: Home) -> str | None:
    found = home.assistant.states().get("event.front_door_request")
    return None if found is None else found["attributes"].get("event_type")


def test_a_camera_appears_with_its_values_is_switched_and_goes(home: Home) -> None:
    assistant = home.assistant
    assert until("all entities", lambda: set(assistant.states()) >= ENTITIES)
    assert set(assistant.states()) == ENTITIES, "no switch unless the owner allows one"
    assistant.wait("binary_sensor.front_door_motion", "on")  # somebody walks in the scene
    assistant.wait("binary_sensor.front_door_recording", "on")
    assistant.wait("binary_sensor.front_door_armed", "on")
    assistant.wait("binary_sensor.front_door_problem", "off")
    until("clips", lambda: int(assistant.state("sensor.front_door_clips") or 0) > 0)
    assert float(assistant.state("sensor.front_door_free_space") or 0) > 0
    for entity in ("last_motion", "last_seen"):
        assert re.match(r"20\d\d-", assistant.state(f"sensor.front_door_{entity}") or "")
    for entity in re.findall(r"[a-z_]+\.front_door_[a-z_]+", DASHBOARD):
        assert entity in ENTITIES, "the dashboard shows what is not there"

    home.configure(may_arm=True)
    home.restart("gateway", "camera")
    assistant.wait("switch.front_door_armed", "on")
    assistant.act("switch/turn_off", "switch.front_door_armed")
    assistant.wait("switch.front_door_armed", "off")
    assistant.wait("binary_sensor.front_door_armed", "off")
    assistant.wait("binary_sensor.front_door_problem", "off")
    assistant.act("switch/turn_on", "switch.front_door_armed")
    assistant.wait("binary_sensor.front_door_armed", "on")
    assert home.house.ledger().count("camera.switched") == 2

    home.house.stop("camera")
    assistant.wait("binary_sensor.front_door_problem", "on")
    problems = assistant.states()["binary_sensor.front_door_problem"]["attributes"]["problems"]
    assert problems == ["stopped"]
    until("a push", lambda: "A problem: stopped" in home.phone.messages)
    home.phone.pushed.clear()
    home.house.kill("gateway")  # the broker says the last will
    assistant.wait("binary_sensor.front_door_problem", "unavailable")
    until("a push", lambda: "Nothing is heard from this camera" in home.phone.messages)
    assert {one["title"] for one in home.phone.pushed} == {"front-door"}
    assert assistant.state("sensor.front_door_last_seen") != "unavailable"

    home.configure(tells=["motion"])
    home.house.start("gateway")
    fewer = {
        one for one in ENTITIES if not re.search("armed|request|deadline", one)
    }  # what may not be told any more is gone
    until("fewer entities", lambda: set(assistant.states()) == fewer)
    home.configure()
    home.restart("gateway")
    until("removal", lambda: not assistant.states())
    assert assistant.complaints("mqtt", "front_door", "automation") == []


def test_a_request_is_pushed_once_over_reconnections_and_restarts(home: Home) -> None:
    assistant, phone = home.assistant, home.phone
    until("the event entity", lambda: assistant.state("event.front_door_request"))
    home.house.record(60)
    home.house.post()
    until("a push", lambda: phone.messages)
    assert events(home) == "request"
    assistant.wait("sensor.front_door_open_requests", "1")
    (pushed,) = phone.pushed
    assert pushed["title"] == "front-door"
    assert re.fullmatch(r"A request waits, until [A-Z][a-z]+day \d\d:\d\d \(\d+ clips match\)",
                        pushed["message"])  # fmt: skip
    assert pushed["data"]["url"] == "https://console.example/inbox"
    assert "Elm Street" not in json.dumps(phone.pushed)

    for disturb in (home.broker.restart, lambda: home.restart("gateway"), assistant.restart):
        began = datetime.now(UTC)
        disturb()
        back_again(home, since=began)
    time.sleep(QUIET)
    assert requests(home) == [pushed["message"]]

    home.house.post(reference="2024-001235")
    until("the push of another request", lambda: len(requests(home)) > 1)
    time.sleep(QUIET)
    assert len(requests(home)) == 2
    assert assistant.complaints("mqtt", "automation", "mobile_app") == []


def requests(home: Home) -> list[str]:
    """Messages about requests that the phone got."""
    return [one for one in home.phone.messages if "request" in one]


def back_again(home: Home, *, since: datetime) -> None:
    """Until Home Assistant shows values again that the camera told it after ``since``."""

    def is_back() -> bool:
        seen = home.assistant.state("sensor.front_door_last_seen") or ""
        return seen[:2] == "20" and datetime.fromisoformat(seen) >= since.replace(microsecond=0)

    until("a new word of the camera", is_back)
    home.assistant.wait("sensor.front_door_open_requests", "1")
