"""Starts with another configuration, without a ledger, with an unset clock."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent import config
from agent.consent import signing
from agent.consent.statements import LegalOrder, PauseRequests, ResumeRequests, Revoke
from agent.vault.clips.store import ClipStore
from tests.support.feed import alert, notices, publish, report, withdrawal
from tests.support.gateway_world import World, change_cards, rules, state_of

ORDER = LegalOrder(court="Hampden Superior Court", docket="2379CV00123", document_sha256="a" * 64)


def restart_with(world: World, **requests: Any) -> None:
    """The gateway's next start, with other rules."""
    changed = config.Requests(**requests)
    world.house.config = msgspec.structs.replace(world.house.config, requests=changed)
    world.restart()


# Another configuration


@pytest.mark.parametrize("rules", [{"accept": ()}, {"accept": ("legal-order",)}, {"muted": True}])
def test_requests_that_the_config_no_longer_accepts_are_closed(
    world: World, rules: dict[str, Any]
) -> None:
    clip, post = world.house.record(), world.post()
    world.receiver.faults = ["request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    if "muted" in rules:
        rules = {"muted": (world.house.requester.id,)}
    restart_with(world, **rules)
    assert world.request_state(post) == "DECLINED"
    assert world.inbox == {}
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "REVOKED"
    ((_, line),) = world.events("request.declined")
    assert "configuration" in line["why"] or "accepted" in line["why"]


def test_an_open_request_of_somebody_whose_card_is_gone_is_closed(world: World) -> None:
    world.house.record()
    post = world.post()
    change_cards(world, lambda cards: cards.clear())
    world.restart()
    assert world.request_state(post) == "DECLINED"
    assert world.inbox == {}


def test_a_legal_demand_stays_open_though_the_configuration_mutes_who_made_it(
    world: World,
) -> None:
    world.house.record()
    demand = world.post(world.house.request(kind="legal-order", order=ORDER))
    restart_with(world, muted=(world.house.requester.id,))
    assert world.request_state(demand) == "OPEN"


def test_the_same_configuration_closes_nothing(world: World) -> None:
    world.house.record()
    post = world.post()
    world.restart()
    assert world.request_state(post) == "OPEN"
    assert len(world.inbox) == 1


# No record


def test_a_decision_from_before_the_record_was_lost_is_not_acted_on_again(world: World) -> None:
    """Else a broker could bring an approval that its owner has revoked since."""
    clip, said = world.house.record(), world.house.request()
    post = world.post(said)
    world.receiver.faults = ["request-lost"]
    week = int(world.clock.now()) + 6 * 86_400
    jws = world.house.owner.signing.sign(world.house.approval(post, [clip], exp=week))
    letter = world.house.seal_letter(jws, world.house.clip_keys([clip]))
    world.to_device(letter)
    world.to_device(world.house.command(Revoke(release=signing.digest(jws)[:16])))
    world.clock.advance(3600)
    world.kill()
    for file in (world.house.config.state_dir / "gateway").glob("gateway.sqlite*"):
        file.unlink()
    (world.house.config.state_dir / "gateway" / "keys" / "ledger-head").unlink()
    world.restart()
    world.to_feed(post, said.jti)
    assert world.request_state(post) == "OPEN"
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["before-the-ledger"]
    assert world.receiver.finished == []
    world.clock.advance(1)  # signed after the loss was seen
    world.to_device(world.house.approve(post, [clip]))
    assert len(world.receiver.finished) == 1, "a new one holds"


# An unset clock


def test_letters_are_not_written_by_a_clock_that_is_not_set(world: World) -> None:
    """Of two letters the owner's tool believes the one that was written later."""
    world.house.record()
    post = world.post()
    first = report(world, post)
    assert first is not None
    world.kill()
    world.house.record(seconds_ago=1)
    world.clock.is_synced = False
    world.clock.step_wall(-3600)
    world.restart()
    assert report(world, post) == first
    world.clock.step_wall(3700)
    world.clock.is_synced = True
    world.run()
    second = report(world, post)
    assert second is not None
    assert len(second.clips) == 2
    assert second.iat > first.iat


def test_a_start_with_an_unset_clock_gives_nobody_a_new_measure(world: World) -> None:
    kept = config.Requests().max_kept_daily_per_requester
    for _ in range(kept + 10):
        publish(world, alert(world))
    world.kill()
    world.house.record(seconds_ago=1)
    world.clock.is_synced = False
    world.clock.step_wall(-86_400 * 30)
    world.restart()
    world.clock.step_wall(86_400 * 30)
    world.clock.is_synced = True
    world.run()
    for _ in range(10):
        publish(world, alert(world))
    assert len(world.events("alert.received")) == kept


# What the camera deletes


def test_a_clip_that_is_deleted_is_on_offer_no_more(world: World) -> None:
    clips = [world.house.record(seconds_ago=300), world.house.record(seconds_ago=100)]
    post = world.post()
    with world.house.open_index() as index:
        house = world.house
        store = ClipStore(
            house.config.state_dir, index, recipients=house.recipients, clock=world.clock
        )
        store.delete(clips[0].id)
    world.run()
    letter = report(world, post)
    assert letter is not None
    assert [offer.id for offer in letter.clips] == [clips[1].id]
    said = len(world.broker.published)
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert len(world.broker.published) == said, "once"
    world.to_device(world.house.approve(post, clips[:1]))
    assert rules(world, "decision.refused") == ["clip-gone"]


# What owners are told of


def test_the_withdrawal_of_what_no_letter_was_about_is_no_news(world: World) -> None:
    post = world.post()  # nothing matches yet
    world.to_device(world.house.command(PauseRequests()))
    world.clock.advance(5)
    world.house.record(seconds_ago=3)
    world.run()
    assert world.inbox == {}
    publish(world, withdrawal(world, post))
    world.to_device(world.house.command(ResumeRequests()))
    assert notices(world) == []


def test_only_letters_at_the_broker_count_as_open_requests(world: World) -> None:
    def pending() -> int:
        told = [line for line in world.notified if line.startswith("STATUS=")]
        return int(told[-1].split(", ")[1].split()[0])

    world.post()
    assert pending() == 0, "it matches nothing"
    world.house.record()
    world.run()
    assert pending() == 1
    world.to_device(world.house.command(PauseRequests()))
    assert pending() == 0
