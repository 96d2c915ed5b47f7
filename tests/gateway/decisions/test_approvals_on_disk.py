"""Two owners must agree, whatever a camera's process that was taken over writes into the index."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from agent.consent import signing
from agent.consent.statements import Disclosure
from agent.vault.records.requests import RequestTable
from tests.support.gateway_world import World, rules
from tests.support.house import Person
from tests.support.two_owners import ask, releases, report, write


def agreed_and_waiting(world: World) -> str:
    """A release that two owners approved, sealed, for a receiver that is away; its id."""
    post, clip = ask(world)
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    (release,) = releases(world)
    assert release.state == "SEALED"
    return release.id


def forged_second(world: World, kind: str) -> str:
    house, (release,) = world.house, releases(world)
    with house.open_database() as database:
        request = RequestTable(database).all()[0]
        clip = database.clips()[0]
    same = house.approval(request.jws, [clip])
    match kind:
        case "none":
            return ""
        case "the first again":
            return release.approval
        case "the same owner's":
            return house.owner.signing.sign(same)
        case "a stranger's":
            stranger = Person()
            return stranger.signing.sign(msgspec.structs.replace(same, iss=stranger.id))
        case "of something else":
            more = msgspec.structs.replace(
                same, iss=house.partner.id, disclose=Disclosure(name="Olive")
            )
            return house.partner.signing.sign(more)
        case "for another device":
            other = msgspec.structs.replace(same, iss=house.partner.id, aud=Person().id)
            return house.partner.signing.sign(other)
        case "a share":
            sharing = house.sharing([clip], house.requester, iss=house.partner.id)
            return house.partner.signing.sign(sharing)
        case "re-signed":
            good = msgspec.structs.replace(same, iss=house.partner.id)
            return house.partner.signing.sign(good).rpartition(".")[0] + "." + "A" * 86
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("none", "second-missing"),
        ("the first again", "no-agreement"),
        ("the same owner's", "no-agreement"),
        ("a stranger's", "unknown-signer"),
        ("of something else", "no-agreement"),
        ("for another device", "wrong-device"),
        ("a share", "wrong-typ"),
        ("re-signed", "bad-signature"),
    ],
)
def test_a_second_approval_that_is_none_sends_nothing(shared: World, kind: str, rule: str) -> None:
    release_id = agreed_and_waiting(shared)
    write(shared, "UPDATE release SET second = ?", forged_second(shared, kind))
    shared.clock.advance(60)
    shared.run()
    outcome = shared.outcomes()[release_id]
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith(rule)
    assert shared.receiver.finished == []


def test_a_row_that_calls_a_proposal_approved_is_not_sealed(shared: World) -> None:
    """And the owner's own letter, coming again, brings its keys to nobody."""
    post, clip = ask(shared)
    letter = shared.house.approve(post, [clip])
    shared.to_device(letter)
    write(shared, "UPDATE release SET state = 'APPROVED'")
    shared.to_device(letter)
    (outcome,) = shared.outcomes().values()
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith("second-missing")
    assert shared.receiver.calls == []


def test_a_forged_proposal_is_completed_by_nobody(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    stranger = Person()
    forged = stranger.signing.sign(shared.house.approval(post, [clip], iss=stranger.id))
    name = signing.digest(forged)[:16]
    write(shared, "UPDATE release SET id = ?, approval = ?", name, forged)
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert [release.state for release in releases(shared)] == ["PROPOSED", "PROPOSED"]
    assert shared.receiver.calls == []
    (shown,) = report(shared).proposals
    assert shown.owner == shared.house.partner.id


def test_a_proposal_under_another_name_is_completed_by_nobody(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    write(shared, "UPDATE release SET id = '0123456789abcdef'")
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert shared.receiver.calls == []


def test_a_proposal_cannot_be_made_to_last_longer(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip], exp=int(shared.clock.now()) + 600))
    write(shared, "UPDATE release SET expires_at = expires_at + 1e6")
    shared.clock.advance(700)
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner))
    assert shared.receiver.calls == []


def test_an_agreed_release_cannot_be_forged_to_last_as_long_as_the_later_approval(
    shared: World,
) -> None:
    post, clip = ask(shared)
    soon, late = int(shared.clock.now()) + 600, int(shared.clock.now()) + 86_400
    shared.receiver.faults = ["", "request-lost"]
    shared.to_device(shared.house.approve(post, [clip], exp=late))
    shared.to_device(shared.house.approve(post, [clip], by=shared.house.partner, exp=soon))
    write(shared, "UPDATE release SET expires_at = ?", late)
    shared.clock.advance(60)
    shared.run()
    (release,) = releases(shared)
    assert release.state == "FAILED"
    assert release.detail.startswith("other-approval")
    assert shared.receiver.finished == []


def test_an_approval_of_a_removed_owner_no_longer_counts(shared: World) -> None:
    post, clip = ask(shared)
    shared.to_device(shared.house.approve(post, [clip]))
    house = shared.house
    third = Person()
    card = yaml.safe_load(house.config.owners[0].read_text())
    card |= {"sign": third.signing.public.text}
    house.config.owners[0].write_text(yaml.safe_dump(card))
    shared.restart()
    shared.to_device(house.approve(post, [clip], by=house.partner))
    assert shared.receiver.calls == []
    assert rules(shared, "decision.refused") == []


def test_a_release_that_one_owner_approved_needs_two_from_the_day_the_config_says_so(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, partner=True)
    post, clip = ask(world)
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    world.house.config = msgspec.structs.replace(world.house.config, approvals_needed=2)
    world.restart()
    world.clock.advance(60)
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith("second-missing")
    assert world.receiver.finished == []
    world.kill()
