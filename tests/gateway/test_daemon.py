"""The loop under a full disk, floods, two brokers, two owners, and arbitrary messages.

The straight way is in ``test_release_way.py``, what must never happen, whatever the order
of events, in ``test_model.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.consent import letters as mail
from agent.consent.cards import OwnerCard, encode_base64url, format_card
from agent.errors import StorageFault
from agent.gateway import app
from agent.mqtt import topics
from agent.vault.database.gateway import GatewayDatabase
from tests.support.gateway_world import DEVICE, FEED, World
from tests.support.house import Person
from tests.support.peers import FakeBroker, FakeLink, FakeReceiver

# The disk


def test_a_full_disk_ends_the_gateway_and_loses_no_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts it again, and the broker has kept what was not acknowledged."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])

    def full(_index: GatewayDatabase) -> None:
        raise StorageFault("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(GatewayDatabase, "transaction", full)
        world.broker.send(topics.owner(DEVICE), letter)
        assert world.gateway is not None
        with pytest.raises(StorageFault):
            world.gateway.step()
    assert len(world.broker.unacknowledged) == 1
    world.restart()
    assert len(world.receiver.finished) == 1
    assert world.broker.unacknowledged == {}


def test_messages_of_a_connection_that_ended_do_not_pile_up_while_the_clock_is_wrong(
    world: World,
) -> None:
    world.clock.is_synced = False
    world.to_device(b"letter")
    assert world.gateway is not None
    for _ in range(5):
        link = world.gateway.owner_link
        link.drop()  # type: ignore[attr-defined]
        link.start()
        world.run()
    waiting = [received.payload for _, received in world.gateway._waiting]
    assert waiting[0] == b"letter" and len(waiting) == 2, "and this connection's marker"


def test_a_flood_on_the_feed_does_not_starve_the_watchdog_and_the_owner(world: World) -> None:
    for number in range(300):
        world.broker.send(topics.request(FEED, f"flood-{number:012d}"), b"%d" % number)
    assert world.gateway is not None
    world.gateway.step()
    handled = 300 - len(world.broker.unacknowledged)
    assert 0 < handled < 100, "the step comes back while there is more"
    for _ in range(10):
        world.gateway.step()
    assert world.broker.unacknowledged == {}


# Anything at all


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_message_on_any_topic_ends_the_gateway_or_makes_it_speak(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    world = World(tmp_path_factory.mktemp("anything"))
    world.house.record()
    before = len(world.broker.published)
    good = world.house.post(world.house.request()).encode()
    topic = st.sampled_from(
        [
            f"{FEED}/requests/{'a' * 16}", f"{FEED}/alerts/x", f"{FEED}/withdrawals/-",
            f"{FEED}/requests/{'b' * 65}", f"{FEED}/requests/a/b", f"{FEED}/", FEED,
            topics.owner(DEVICE), topics.owner("other"), topics.state(DEVICE), "", "/", "$SYS/x",
        ]
    )  # fmt: skip
    damaged = st.integers(0, len(good) - 1).flatmap(
        lambda at: st.integers(0, 255).map(lambda b: good[:at] + bytes([b]) + good[at + 1 :])
    )
    payload = st.one_of(st.binary(max_size=200), damaged, st.just(good + b"\nproof\xff"))
    for _ in range(5):
        world.broker.send(data.draw(topic), data.draw(payload), retained=data.draw(st.booleans()))
    world.run()
    assert world.broker.unacknowledged == {}
    said = {topic for topic, _ in world.broker.published[before:]}
    assert said <= {topics.state(DEVICE)}
    world.kill()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_sealed_to_the_device_ends_the_gateway_or_sends_a_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    world = World(tmp_path_factory.mktemp("letters"))
    clip = world.house.record()
    post = world.post()
    device = pyrage.x25519.Recipient.from_str(world.house.device_card().seal)
    approval = msgspec.to_builtins(world.house.approval(post, [clip]))
    field = data.draw(st.sampled_from(sorted(approval)))
    if data.draw(st.booleans()):
        approval[field] = data.draw(JSON)
        payload = json.dumps(approval).encode()
        header = {"alg": "EdDSA", "kid": world.house.owner.id, "typ": data.draw(typs)}
        jws = sign(world.house.owner, header, payload)
        plain: Any = {"jws": jws, "keys": world.house.clip_keys([clip])}
    else:
        plain = {data.draw(st.sampled_from(["jws", "keys", "x"])): data.draw(JSON), "keys": {}}
    world.to_device(pyrage.encrypt(json.dumps(plain).encode(), [device]))
    assert world.broker.unacknowledged == {}
    if field not in ("disclose", "jti", "iat", "exp"):
        assert world.receiver.calls == []
    world.kill()


typs = st.sampled_from(
    ["clip-approval+jwt", "clip-decline+jwt", "clip-command+jwt", "clip-request+jwt", "", "x"]
)


def sign(person: Person, header: dict[str, str], payload: bytes) -> str:
    """A JWS whatever its payload is."""
    head = encode_base64url(json.dumps(header).encode())
    body = f"{head}.{encode_base64url(payload)}"
    signature = person.signing._key.sign(body.encode())
    return f"{body}.{encode_base64url(signature)}"


# Two brokers, two owners


def test_with_a_broker_of_its_own_the_feed_neither_commands_nor_hears_anything(
    tmp_path: Path,
) -> None:
    house = World(tmp_path).house
    ours, theirs = FakeBroker(), FakeBroker()
    receiver = FakeReceiver()
    gateway = app.build(
        house.config, clock=house.clock, owner_link=FakeLink(ours), feed_link=FakeLink(theirs),
        receiver=receiver,
    )  # fmt: skip
    gateway.start()
    clip = house.record()
    request = house.request()
    post = house.post(request)
    ours.send(topics.request(FEED, request.jti), post.encode(), retained=True)
    gateway.step()
    assert not [topic for topic in ours.retained if "/inbox/" in topic], "it is not the feed"
    theirs.send(topics.request(FEED, request.jti), post.encode(), retained=True)
    gateway.step()
    assert [topic for topic in ours.retained if "/inbox/" in topic]
    theirs.send(topics.owner(DEVICE), house.approve(post, [clip]))
    gateway.step()
    assert not gateway.releases.step()
    assert receiver.calls == []
    ours.send(topics.owner(DEVICE), house.approve(post, [clip]))
    gateway.step()
    for _ in range(5):
        gateway.releases.step()
        gateway.step()
    assert len(receiver.finished) == 1
    assert theirs.published == []
    assert ours.unacknowledged == theirs.unacknowledged == {}


def test_a_feed_that_floods_before_the_clock_is_set_does_not_deafen_the_owners_link(
    tmp_path: Path,
) -> None:
    house = World(tmp_path).house
    house.clock.is_synced = False
    ours, theirs = FakeBroker(), FakeBroker()
    link = FakeLink(ours)
    gateway = app.build(
        house.config, clock=house.clock, owner_link=link, feed_link=FakeLink(theirs),
        receiver=FakeReceiver(),
    )  # fmt: skip
    gateway.start()
    for number in range(9):
        theirs.send(topics.request(FEED, f"{number:021d}"), bytes(1_000_000), retained=True)
    for _ in range(3):
        gateway.step()
    link.drop()
    ours.retained.clear()  # it was started anew
    link.start()
    gateway.step()
    assert ours.retained[topics.availability(DEVICE)] == topics.ONLINE


def test_either_of_two_owners_decides_and_both_are_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    other, paper = Person(), Person()
    card = OwnerCard(
        role="owner", name="Otto", sign=other.signing.public.text, seal=other.recipient,
        recovery=paper.recipient,
    )  # fmt: skip
    (tmp_path / "otto.card.yaml").write_text(format_card(card))
    owners = (*world.house.config.owners, tmp_path / "otto.card.yaml")
    world.house.config = msgspec.structs.replace(world.house.config, owners=owners)
    world.restart()
    clip = world.house.record()
    post = world.post()
    approval = world.house.approval(post, [clip], iss=other.id)
    keys = world.house.clip_keys([clip])
    world.to_device(world.house.seal_letter(other.signing.sign(approval), keys))
    assert len(world.receiver.finished) == 1
    for payload in [*world.inbox.values(), *told(world)]:
        for reader in (other, world.house.owner):
            assert mail.open_letter(payload, reader.identity).keys == {}
    world.kill()


def told(world: World) -> list[bytes]:
    prefix = topics.release(DEVICE, "")
    return [data for topic, data in world.broker.retained.items() if topic.startswith(prefix)]


def test_topics_that_somebody_deleted_are_said_again_within_the_hour(world: World) -> None:
    """A person empties all retained topics in a broker's browser."""
    world.house.record()
    world.post()
    before = set(world.broker.retained)
    assert {topics.availability(DEVICE), topics.state(DEVICE), *world.inbox} <= before
    world.broker.retained.clear()
    world.run()
    assert world.inbox == {}
    world.clock.advance(3_601)
    world.run()
    assert set(world.broker.retained) == before
