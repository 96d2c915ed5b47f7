"""Rows of a database that somebody edited on the disk: none makes the gateway speak or end."""

from __future__ import annotations

import pytest

from agent.gateway.letters import outbox
from agent.mqtt import topics
from tests.support.feed import publish, withdrawal
from tests.support.gateway_world import DEVICE, World
from tests.support.two_owners import write


@pytest.mark.parametrize("name", ["#", "+", "", "x/y", "0" * 65, "0123456789abcde\x00"])
@pytest.mark.parametrize("kind", ["inbox", "release"])
def test_a_letter_under_a_name_that_none_has_is_not_sent(
    world: World, kind: str, name: str
) -> None:
    """Of a topic with a wildcard the MQTT library makes an error, and a broker an end."""
    topic = f"clip-agent/{DEVICE}/{kind}/{name}"
    write(world, "INSERT INTO letter VALUES (?, x'00', 1, 0, 0)", topic)
    world.restart()
    assert topic not in [topic for topic, _ in world.broker.published]
    assert topics.state(DEVICE) in world.broker.retained


def test_a_letter_larger_than_any_is_not_sent(world: World) -> None:
    topic = topics.inbox(DEVICE, "0" * 16)
    size = outbox.MAX_LETTER_BYTES + 1
    write(world, f"INSERT INTO letter VALUES (?, zeroblob({size}), 1, 0, 0)", topic)
    world.restart()
    assert topic not in world.broker.retained


def test_a_refusal_whose_line_was_forged_is_one_again_and_ends_nothing(world: World) -> None:
    clip, post = world.house.record(), world.post()
    letter = world.house.approve(post, [clip], request="0" * 64)
    world.to_device(letter)
    write(world, "UPDATE ledger SET detail = '{' WHERE event = 'decision.refused'")
    world.to_device(letter)
    assert not world.broker.unacknowledged
    assert not world.receiver.finished


def test_an_early_withdrawal_whose_line_was_forged_ends_nothing(world: World) -> None:
    said = world.house.request()
    jws = world.house.post(said)
    publish(world, withdrawal(world, jws))
    write(world, "UPDATE ledger SET detail = '[1]' WHERE event = 'withdrawal.early'")
    world.post(said)
    assert world.request_state(jws)
    assert not world.broker.unacknowledged
