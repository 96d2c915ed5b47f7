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
from tests.support.two_owners import ask, cases, report, write


def agreed_and_waiting(world: World) -> str:
    """A release that two owners approved, sealed, for a receiver that is away; its id."""
    post, clip = ask(world)
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.approve(post, [clip], by=world.house.partner))
    (case,) = cases(world)
    assert case.state == "SEALED"
    return case.id


def forged_second(world: World, kind: str) -> str:
    house, (case,) = world.house, cases(world)
    with house.open_index() as index:
        request = RequestTable(index).all()[0]
        clip = index.clips()[0]
    same = house.approval(request.jws, [clip])
    match kind:
        case "none":
            return ""
        case "the first again":
            return case.approval
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
def test_a_second_approval_that_is_none_sends_nothing(couple: World, kind: str, rule: str) -> None:
    release_id = agreed_and_waiting(couple)
    write(couple, "UPDATE release SET second = ?", forged_second(couple, kind))
    couple.clock.advance(60)
    couple.run()
    outcome = couple.outcomes()[release_id]
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith(rule)
    assert couple.receiver.finished == []


def test_a_row_that_calls_a_proposal_approved_is_not_sealed(couple: World) -> None:
    """And the owner's own letter, coming again, brings its keys to nobody."""
    post, clip = ask(couple)
    letter = couple.house.approve(post, [clip])
    couple.to_device(letter)
    write(couple, "UPDATE release SET state = 'APPROVED'")
    couple.to_device(letter)
    (outcome,) = couple.outcomes().values()
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith("second-missing")
    assert couple.receiver.calls == []


def test_a_forged_proposal_is_completed_by_nobody(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    stranger = Person()
    forged = stranger.signing.sign(couple.house.approval(post, [clip], iss=stranger.id))
    name = signing.digest(forged)[:16]
    write(couple, "UPDATE release SET id = ?, approval = ?", name, forged)
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert [case.state for case in cases(couple)] == ["PROPOSED", "PROPOSED"]
    assert couple.receiver.calls == []
    (shown,) = report(couple).proposals
    assert shown.owner == couple.house.partner.id


def test_a_proposal_under_another_name_is_completed_by_nobody(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    write(couple, "UPDATE release SET id = '0123456789abcdef'")
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert couple.receiver.calls == []


def test_a_proposal_cannot_be_made_to_last_longer(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip], exp=int(couple.clock.now()) + 600))
    write(couple, "UPDATE release SET expires_at = expires_at + 1e6")
    couple.clock.advance(700)
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner))
    assert couple.receiver.calls == []


def test_what_two_owners_approved_cannot_be_made_to_last_as_long_as_the_later(
    couple: World,
) -> None:
    post, clip = ask(couple)
    soon, late = int(couple.clock.now()) + 600, int(couple.clock.now()) + 86_400
    couple.receiver.faults = ["", "request-lost"]
    couple.to_device(couple.house.approve(post, [clip], exp=late))
    couple.to_device(couple.house.approve(post, [clip], by=couple.house.partner, exp=soon))
    write(couple, "UPDATE release SET expires_at = ?", late)
    couple.clock.advance(60)
    couple.run()
    (case,) = cases(couple)
    assert case.state == "FAILED"
    assert case.detail.startswith("other-approval")
    assert couple.receiver.finished == []


def test_what_an_owner_approved_who_was_taken_off_the_list_counts_no_more(couple: World) -> None:
    post, clip = ask(couple)
    couple.to_device(couple.house.approve(post, [clip]))
    house = couple.house
    third = Person()
    card = yaml.safe_load(house.config.owners[0].read_text())
    card |= {"sign": third.signing.public.text}
    house.config.owners[0].write_text(yaml.safe_dump(card))
    couple.restart()
    couple.to_device(house.approve(post, [clip], by=house.partner))
    assert couple.receiver.calls == []
    assert rules(couple, "decision.refused") == []


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
