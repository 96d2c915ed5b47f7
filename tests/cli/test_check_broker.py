"""``clip-agent check``: what the broker allows, limits and would lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from tests.cli.conftest import away
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT


def test_a_feed_that_is_away_is_not_the_owners_broker(check: Any, mosquitto: Mosquitto) -> None:
    checked = check(mqtt=config.Broker(port=mosquitto.port), feed=config.Feed(broker=away()))
    assert checked.failed == ["feed"]


def test_a_broker_that_wants_a_password_is_told_so(check: Any, start_mosquitto: Any) -> None:
    broker = start_mosquitto(users={"camera": "secret"})
    checked = check(mqtt=config.Broker(port=broker.port))
    assert checked.failed == ["broker"]
    assert "password" in checked.texts["broker"] or "allow" in checked.texts["broker"]


ACL = (ROOT / "config/mosquitto/clip-agent.acl").read_text()


def as_user(tmp_path: Path, broker: Mosquitto) -> config.Broker:
    (tmp_path / "password").write_text("secret\n")
    return config.Broker(
        port=broker.port, username="front-door", password_file=tmp_path / "password"
    )


def test_the_shipped_access_list_lets_a_device_do_all_it_does(
    check: Any, tmp_path: Path, start_mosquitto: Any
) -> None:
    broker = start_mosquitto(users={"front-door": "secret"}, acl=ACL)
    home = config.HomeAssistant(may_arm=True)
    assert check(mqtt=as_user(tmp_path, broker), homeassistant=home).failed == []


def test_a_device_name_that_the_access_list_does_not_know_is_named(
    check: Any, tmp_path: Path, start_mosquitto: Any
) -> None:
    """The broker confirms what it denies, to MQTT 3.1.1: a check that only connects says ok."""
    broker = start_mosquitto(users={"front-door": "secret"}, acl=ACL)
    place = config.Place(latitude=42.0, longitude=-72.0)
    porch = config.Device(name="porch", place=place)
    checked = check(mqtt=as_user(tmp_path, broker), device=porch)
    assert checked.failed == ["broker"]
    assert "does not let us write anything below clip-agent/porch" in checked.texts["broker"]
    assert "correct device.name" in checked.texts["broker"]


@pytest.mark.parametrize(
    "topic", ["availability", "state", "inbox/+", "notices", "status/+", "notice/+"]
)
def test_a_single_topic_that_is_denied_is_named(
    check: Any, tmp_path: Path, start_mosquitto: Any, topic: str
) -> None:
    lines = [line for line in ACL.splitlines() if not line.endswith(f"front-door/{topic}")]
    broker = start_mosquitto(users={"front-door": "secret"}, acl="\n".join(lines))
    said = check(mqtt=as_user(tmp_path, broker)).texts["broker"]
    assert f"does not let us write clip-agent/front-door/{topic.rstrip('+')}" in said


@pytest.mark.parametrize("topic", ["state", "request"])
def test_a_topic_of_home_assistant_that_is_denied_is_named_where_it_is_wanted(
    check: Any, tmp_path: Path, start_mosquitto: Any, topic: str
) -> None:
    denied = f"clip-agent/front-door/homeassistant/{topic}"
    lines = [line for line in ACL.splitlines() if not line.endswith(denied)]
    broker = start_mosquitto(users={"front-door": "secret"}, acl="\n".join(lines))
    assert check(mqtt=as_user(tmp_path, broker)).failed == []
    wanted = config.HomeAssistant(may_arm=True)
    said = check(mqtt=as_user(tmp_path, broker), homeassistant=wanted).texts["broker"]
    assert f"does not let us write {denied}" in said


@pytest.mark.parametrize("topic", ["owner", "session"])
@pytest.mark.parametrize("right", ["write", "read"])
def test_a_topic_to_itself_that_does_not_come_back_is_named(
    check: Any,
    tmp_path: Path,
    start_mosquitto: Any,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    right: str,
) -> None:
    monkeypatch.setattr("agent.cli.broker_check._BACK_SECONDS", 0.5)
    whole = f"topic readwrite clip-agent/front-door/{topic}\n"
    acl = ACL.replace(whole, whole.replace("readwrite", right))
    broker = start_mosquitto(users={"front-door": "secret"}, acl=acl)
    said = check(mqtt=as_user(tmp_path, broker)).texts["broker"]
    assert f"what we publish to clip-agent/front-door/{topic} does not come back" in said


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("retain_available false", "keeps no retained messages"),
        ("max_packet_size 20000", "does not take 131,072 bytes at a time"),
        ("message_size_limit 20000", "does not take 131,072 bytes at a time"),
    ],
)
def test_a_broker_that_would_lose_letters_is_named(
    check: Any, tmp_path: Path, setting: str, said: str
) -> None:
    with Mosquitto(tmp_path / "mosquitto", settings=[setting]) as broker:
        checked = check(mqtt=config.Broker(port=broker.port))
    assert checked.failed == ["broker"]
    assert said in checked.texts["broker"]


def test_a_broker_that_says_its_limit_is_quoted(check: Any, tmp_path: Path) -> None:
    limit = ["max_packet_size 500000"]
    with Mosquitto(tmp_path / "mosquitto", settings=limit) as broker:
        said = check(mqtt=config.Broker(port=broker.port)).texts["broker"]
    assert said.endswith(", messages of up to 500,000 bytes")
