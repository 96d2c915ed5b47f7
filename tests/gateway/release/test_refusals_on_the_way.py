"""Posts and letters that are refused, and requests that cause no traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import config
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.statements import (
    UploadTarget,
    Withdrawal,
)
from agent.mqtt import topics
from tests.support.gateway_world import FEED, World, rules
from tests.support.house import Person


def test_a_request_that_matches_nothing_causes_no_letter_and_no_traffic(world: World) -> None:
    before = list(world.broker.published)
    post = world.post()
    sent = [topic for topic, _ in world.broker.published[len(before) :]]
    assert set(sent) <= {topics.state("front-door")}
    assert world.request_state(post) == "OPEN"


def test_nothing_is_ever_published_outside_the_devices_own_topics(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.post(world.house.request(area=world.house.request().area, incident="protest"))
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.decline(post))
    assert all(topic.startswith("clip-agent/front-door/") for topic, _ in world.broker.published)


def test_a_declined_request_is_closed_and_its_letter_emptied(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    approval = world.house.approve(post, [clip])
    world.to_device(world.house.decline(post))
    assert world.request_state(post) == "DECLINED"
    assert world.inbox == {}
    world.to_device(approval)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["request-closed"]


def test_a_muted_requester_is_refused_from_then_on(world: World) -> None:
    world.house.record()
    world.to_device(world.house.decline(world.post(), mute=True))
    later = world.post()
    assert world.request_state(later) == "REFUSED"
    assert rules(world, "request.refused") == ["requester-muted"]


def test_an_unknown_requester_is_one_ledger_line(world: World) -> None:
    stranger = Person()
    request = world.house.request(iss=stranger.id)
    world.to_feed(stranger.signing.sign(request), request.jti)
    assert rules(world, "post.refused") == ["unknown-signer"]
    assert world.inbox == {}


@pytest.mark.parametrize(
    ("post", "rule"),
    [
        (b"\xff\xfe", "not-jws"),
        (b"x" * 40_000, "too-large"),
        (b"a.b.c", "not-jws"),
    ],
)
def test_a_post_that_is_no_request_is_refused_by_name(world: World, post: bytes, rule: str) -> None:
    world.to_feed(post, "anything-at-all-00")
    assert rules(world, "post.refused") == [rule]


def test_a_request_changed_by_one_letter_has_no_valid_signature(world: World) -> None:
    request = world.house.request()
    header, payload, signature = world.house.post(request).split(".")
    text = decode_base64url(payload).replace(b"red coat", b"red coal")
    changed = ".".join((header, encode_base64url(text), signature))
    world.to_feed(changed, request.jti)
    assert rules(world, "post.refused") == ["bad-signature"]


def test_a_request_posted_under_another_id_is_refused(world: World) -> None:
    world.to_feed(world.house.post(world.house.request()), "another-id-000000")
    assert rules(world, "post.refused") == ["wrong-topic"]


def test_the_same_post_again_changes_nothing_and_leaves_no_line(world: World) -> None:
    world.house.record()
    request = world.house.request()
    jws = world.post(request)
    world.to_feed(b"\xff", "garbage-000000000")
    lines = len(world.events())
    for _ in range(3):
        world.to_feed(jws, request.jti)
        world.to_feed(b"\xff", "garbage-000000000")
    assert len(world.events()) == lines


def test_a_policy_refusal_names_its_rule_and_the_owner_is_not_bothered(world: World) -> None:
    world.house.record()
    post = world.post(world.house.request(incident="Protest"))
    assert world.request_state(post) == "REFUSED"
    assert rules(world, "request.refused") == ["incident-never"]
    assert world.inbox == {}


def test_legal_orders_only_is_one_config_line(tmp_path: Path) -> None:
    world = World(tmp_path, requests=config.Requests(accept=("legal-order",)))
    world.house.record()
    post = world.post()
    assert world.request_state(post) == "REFUSED"
    assert rules(world, "request.refused") == ["kind-not-accepted"]
    world.kill()


def test_an_upload_to_a_host_that_the_card_does_not_list_is_refused(world: World) -> None:
    target = UploadTarget(protocol="tus", url="https://elsewhere.example/files/")
    post = world.post(world.house.request(upload=target))
    assert world.request_state(post) == "REFUSED"


def test_a_withdrawn_request_is_closed_and_its_unsent_release_stops(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 3
    world.to_device(world.house.approve(post, [clip]))
    withdrawal = Withdrawal(
        iss=world.house.requester.id,
        jti=signing.new_jti(b"w" * 16),
        iat=int(world.clock.now()),
        request=signing.digest(post),
    )
    world.broker.send(
        topics.withdrawal(FEED, withdrawal.jti),
        world.house.requester.signing.sign(withdrawal).encode(),
        retained=True,
    )
    world.run()
    assert world.request_state(post) == "WITHDRAWN"
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REVOKED"
    assert world.receiver.finished == []


def test_only_the_author_can_withdraw(world: World, tmp_path: Path) -> None:
    world.house.record()
    post = world.post()
    stranger = Person()
    forged = Withdrawal(
        iss=stranger.id, jti="withdrawal-000000", iat=int(world.clock.now()),
        request=signing.digest(post),
    )  # fmt: skip
    topic = topics.withdrawal(FEED, forged.jti)
    world.broker.send(topic, stranger.signing.sign(forged).encode(), retained=True)
    world.run()
    assert world.request_state(post) == "OPEN"


def test_an_approval_for_an_edited_request_releases_nothing(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    edited = world.house.post(world.house.request())
    approval = world.house.approval(post, [clip], request=signing.digest(edited))
    world.to_device(world.house.letter(approval, world.house.clip_keys([clip])))
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["unknown-request"]
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REFUSED"
    assert "unknown-request" in outcome.detail


def test_a_replayed_approval_does_not_send_twice(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(3):
        world.to_device(letter)
    assert len(world.receiver.uploads) == 1
    assert rules(world, "decision.refused") == ["replayed"]
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT", "the letter about the release itself is not replaced"


def test_a_retained_approval_is_refused(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]), retained=True)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["retained"]


def test_an_approval_without_the_key_releases_nothing(world: World) -> None:
    clip = world.house.record()
    approval = world.house.approval(world.post(), [clip])
    world.to_device(world.house.letter(approval, {}))
    assert world.receiver.calls == []


def test_a_clip_changed_on_disk_does_not_leave(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    letter = world.house.approve(post, [clip])
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    world.to_device(letter)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["clip-changed"]


def test_a_letter_sealed_to_somebody_else_is_one_ledger_line(world: World) -> None:
    sealed = mail.seal(mail.Letter(jws="x", keys={}), [Person().recipient])
    for _ in range(3):
        world.to_device(sealed)
    assert rules(world, "letter.refused") == ["not-sealed-to-us"]
