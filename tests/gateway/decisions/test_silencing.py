"""Posts sent first by a stranger, so that somebody else's is taken for one already judged.

Anybody who may write to the feed, or to the owner's topic, chooses the bytes that a line
of the ledger is then about. They may be the very bytes of a post.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Request
from agent.mqtt import topics
from tests.gateway.feed.test_log_check import Public, logged
from tests.support.feed import alert, notices, send, withdrawal
from tests.support.gateway_world import DEVICE, FEED, World

Say = Callable[[World, bytes], None]


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Public]:
    made = Public(tmp_path)
    yield made
    made.world.kill()


def as_a_link(world: World, text: bytes) -> None:
    world.broker.send(topics.log_link(FEED, 7), text, retained=True)
    world.run()


def as_a_letter(world: World, text: bytes) -> None:
    world.to_device(text)


def in_a_sealed_letter(world: World, text: bytes) -> None:
    world.to_device(world.house.seal_letter(text.decode(), {}))


def ways(say: Say, world: World, kind: str, jti: str, jws: str, proof: bytes) -> None:
    """All texts that name the post, said as ``say`` does it."""
    place = f"{kind}/{jti}\n".encode()
    for text in (jws.encode(), place + jws.encode() + b"\n" + proof):
        if say is not in_a_sealed_letter or text == jws.encode():
            say(world, text)


each_way = pytest.mark.parametrize("say", [as_a_link, as_a_letter, in_a_sealed_letter])


def signed(public: Public, said: Request) -> tuple[str, bytes]:
    jws = public.world.house.requester.signing.sign(said)
    return jws, public.log.proof(logged(public.log, jws))


@each_way
def test_a_request_is_heard_whatever_was_made_of_its_text_before(public: Public, say: Say) -> None:
    world, said = public.world, public.world.house.request()
    jws, proof = signed(public, said)
    ways(say, world, "requests", said.jti, jws, proof)
    send(world, said, jws, proof=proof)
    assert world.request_state(jws) == "OPEN"
    assert len(world.inbox) == 1


@each_way
def test_an_alert_is_heard_whatever_was_made_of_its_text_before(public: Public, say: Say) -> None:
    world, said = public.world, alert(public.world)
    jws = world.house.requester.signing.sign(said)
    proof = public.log.proof(logged(public.log, jws))
    ways(say, world, "alerts", said.jti, jws, proof)
    send(world, said, jws, proof=proof)
    assert [notice.kind for notice in notices(world)] == ["alert"]


@each_way
def test_a_withdrawal_stops_whatever_was_made_of_its_text_before(public: Public, say: Say) -> None:
    world, clip = public.world, public.world.house.record()
    post = public.post()
    world.receiver.faults = ["request-lost"] * 3
    world.to_device(world.house.approve(post, [clip]))
    said = withdrawal(world, post)
    jws = world.house.requester.signing.sign(said)
    ways(say, world, "withdrawals", said.jti, jws, b"")
    send(world, said, jws)
    for _ in range(5):
        world.clock.advance(1000)
        world.run()
    assert world.request_state(post) == "WITHDRAWN"
    assert world.receiver.finished == []


def test_an_approval_is_heard_though_its_text_was_posted_as_a_request(world: World) -> None:
    clip, post = world.house.record(), world.post()
    letter = world.house.approval(post, [clip])
    jws = world.house.owner.signing.sign(letter)
    world.broker.send(topics.request(FEED, letter.jti), jws.encode(), retained=True)
    world.run()
    world.to_device(world.house.seal_letter(jws, world.house.clip_keys([clip])))
    assert [upload.release for upload in world.receiver.finished] == [signing.digest(jws)[:16]]
    assert all(topic.startswith(f"clip-agent/{DEVICE}/") for topic, _ in world.broker.published)
