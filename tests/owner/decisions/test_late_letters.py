"""Two owners: a key travels only in a letter that completes their agreement."""

from __future__ import annotations

import time

import pytest

from agent.consent import lifecycle, signing
from agent.consent.statements import Approval, HouseholdOwner, Proposal
from agent.keyfile import Keys
from agent.mqtt import topics
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera

OTHER = Keys.generate()
CROSSED = [("PROPOSED", "")]


@pytest.fixture
def name(owner: OwnerAtHome, camera: FakeCamera, keys: Keys, request_jws: str) -> str:
    """A request for two clips, for which two owners must agree."""
    clips = [camera.record(b"one"), camera.record(b"two")]
    name = signing.digest(request_jws)[:16]
    household = tuple(
        HouseholdOwner(fingerprint=one.fingerprint, name=who)
        for one, who in ((keys, "Ann"), (OTHER, "Otto"))
    )
    letter = camera.report(request_jws, clips, approvals_needed=2, owners=household)
    owner.retain([(topics.inbox(camera.name, name), letter)])
    owner.run("inbox")
    return name


def test_the_first_of_two_owners_gives_no_key_away(
    owner: OwnerAtHome, camera: FakeCamera, name: str
) -> None:
    with camera.serve(owner.broker, answers=CROSSED):
        owner.run("approve", name, "1", "--yes", "--wait", "60")
    (letter,) = camera.decisions
    assert letter.keys == {}


def test_the_letter_that_completes_an_agreement_brings_the_keys(
    owner: OwnerAtHome, camera: FakeCamera, keys: Keys, name: str, request_jws: str
) -> None:
    clips = list(camera.offers.values())
    with camera.serve(owner.broker, answers=CROSSED):
        owner.run("approve", name, "2", "--yes", "--wait", "60")
    (first,) = camera.decisions
    said = signing.verify(first.jws, Approval, {keys.fingerprint: keys.signing.public})
    proposal = Proposal(
        release="8c31fb0a8c31fb0a",
        owner=OTHER.fingerprint,
        clips=said.clips,
        disclose=said.disclose,
    )
    letter = camera.report(request_jws, clips, approvals_needed=2, proposals=(proposal,))
    owner.retain([(topics.inbox(camera.name, name), letter)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("approve", name, "--with", "8c31fb0a", "--yes", "--wait", "60")
    assert camera.decisions[-1].keys == {clips[1].id: camera.identities[clips[1].id]}


@pytest.mark.parametrize("release_is_mine", [True, False])
def test_keys_of_approvals_that_crossed_go_out_when_the_tool_is_unlocked(
    owner: OwnerAtHome, camera: FakeCamera, name: str, release_is_mine: bool
) -> None:
    with camera.serve(owner.broker, answers=CROSSED):
        owner.run("approve", name, "1", "--yes", "--wait", "60")
    (letter,) = camera.decisions
    mine, other = signing.digest(letter.jws)[:16], "8c31fb0a8c31fb0a"
    release = mine if release_is_mine else other
    told = {release: camera.outcome(release, "APPROVED", lifecycle.KEYS_AWAITED)}
    if not release_is_mine:
        told[mine] = camera.outcome(mine, "AGREED", release)
    owner.retain([(topics.release(camera.name, one), letter) for one, letter in told.items()])
    with camera.serve(owner.broker, answers=[("SENT", "")]):
        owner.run("inbox")
        deadline = time.monotonic() + 60
        while len(camera.decisions) < 2:
            assert time.monotonic() < deadline, "the keys do not come"
            time.sleep(0.02)
    clip = next(iter(camera.offers))
    assert camera.decisions[1].jws == letter.jws
    assert camera.decisions[1].keys == {clip: camera.identities[clip]}


def test_another_owners_release_that_awaits_keys_gets_none(
    owner: OwnerAtHome, camera: FakeCamera, name: str
) -> None:
    other = "8c31fb0a8c31fb0a"
    told = camera.outcome(other, "APPROVED", lifecycle.KEYS_AWAITED)
    owner.retain([(topics.release(camera.name, other), told)])
    with camera.serve(owner.broker):
        owner.run("inbox")
        owner.run("pause-requests", "--wait", "60")
    (letter,) = camera.decisions
    assert letter.keys == {}
