"""The gateway's log at its usual level: ids and rules, and nobody's name, place or words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agent.consent import signing
from tests.support import statements
from tests.support.gateway_world import World

_WORDS = {
    "title": "Zwetschge title",
    "text": "Zwetschge text with a\nsecond line",
    "contact": "Zwetschge contact 555 0199",
    "reference": "Zwetschge-4711",
}


def test_names_places_and_a_requesters_words_are_not_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path)
    house = world.house
    clip = house.record(seconds_ago=600)
    post = world.post(house.request(**_WORDS))
    area = statements.square_around(statements.LATITUDE, statements.LONGITUDE, half=1)
    world.post(house.request(**_WORDS, area=area))
    world.to_feed("Zwetschge, not a statement", "zwetschge")
    for data in (b'{"Zwetschge": 1}', post.encode().replace(b".", b".Zwetschge", 1)):
        world.to_feed(data, "other")
    world.to_device(house.approve(post, [clip]))
    assert world.receiver.finished
    world.to_device(house.decline(world.post(house.request(**_WORDS))))
    said = "\n".join(record.getMessage() for record in caplog.records)
    for private in (
        "Zwetschge",
        "zwetschge",
        house.config.device.name,
        "Springfield",
        "Olive",
        str(statements.LATITUDE),
        str(statements.LONGITUDE),
    ):
        assert private not in said, said
    subjects = [vars(record) for record in caplog.records]
    assert any(signing.digest(post) == one.get("request") for one in subjects)
    assert any("release" in one for one in subjects)
