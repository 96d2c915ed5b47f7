"""Clips from before an owner's key: marked in lists, and told before anything is signed."""

from __future__ import annotations

import json

import msgspec
import pytest

from agent.consent.statements import ClipOffer, Disclosure, HouseholdOwner, Proposal
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions import choice
from agent.vault.clips import seal
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera

Out = pytest.CaptureFixture[str]
OLIVE = Keys.generate()


@pytest.fixture
def household(camera: FakeCamera) -> tuple[HouseholdOwner, ...]:
    return (
        HouseholdOwner(fingerprint=camera.owner.fingerprint, name="Ann"),
        HouseholdOwner(fingerprint=OLIVE.fingerprint, name="Olive"),
    )


def sealed_to(camera: FakeCamera, *readers: str) -> ClipOffer:
    """A clip whose key is sealed to ``readers``."""
    offer = camera.record(b"the street")
    recorded = seal.Recorded.of(offer.sha256, offer.started_at, offer.duration_seconds, synced=True)
    identity = camera.identities[offer.id]
    key = seal.seal_key(identity, readers, clip_id=offer.id, recorded=recorded)
    camera.offers[offer.id] = msgspec.structs.replace(offer, sealed_key=key)
    return camera.offers[offer.id]


def of_olive(camera: FakeCamera) -> ClipOffer:
    return sealed_to(camera, OLIVE.recipient, Keys.generate().recipient)


def know(owner: OwnerAtHome, camera: FakeCamera, household: tuple[HouseholdOwner, ...]) -> None:
    topic = topics.status(camera.name, camera.owner.fingerprint)
    owner.retain([(topic, camera.status(owners=household))])


def test_a_clip_recorded_before_an_owners_key_is_marked_and_its_opener_named(
    owner: OwnerAtHome,
    camera: FakeCamera,
    household: tuple[HouseholdOwner, ...],
    request_jws: str,
    capsys: Out,
) -> None:
    know(owner, camera, household)
    name = owner.post(request_jws, offers=[of_olive(camera), camera.record(b"today")])
    assert owner.run("inbox") == 0
    capsys.readouterr()
    assert owner.run("show", name) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("closed to you") == 1
    assert "recorded before you were an owner; only Olive can open it" in said
    assert owner.run("show", name, "--json") == 0
    old, new = json.loads(capsys.readouterr().out)["clips"]
    assert "only Olive" in old["closed"] and new["closed"] == ""
    for command in (("preview", "1", "--request", name), ("approve", name, "1", "--yes")):
        with pytest.raises(Refused, match="only Olive can open it") as refused:
            owner.run(*command)
        assert refused.value.rule == "before-your-key", command
    assert not camera.decisions, "nothing was signed"


def test_a_list_of_clips_marks_those_from_before_an_owners_key(
    owner: OwnerAtHome, camera: FakeCamera, capsys: Out
) -> None:
    offer = of_olive(camera)
    with camera.serve(owner.broker):
        assert owner.run("clips") == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "closed to you" in said and "recorded before you were an owner" in said
        with pytest.raises(Refused, match="recorded before you were an owner"):
            owner.run("save", offer.id)


def test_who_cannot_open_a_clip_is_told_so_before_agreeing_to_it(
    owner: OwnerAtHome,
    camera: FakeCamera,
    household: tuple[HouseholdOwner, ...],
    request_jws: str,
) -> None:
    know(owner, camera, household)
    offer = of_olive(camera)
    (clip,) = choice.choose([offer], choice.Choice(["1"]))
    proposal = Proposal(
        release="a" * 16, owner=OLIVE.fingerprint, clips=(clip,), disclose=Disclosure()
    )
    name = topics.inbox(camera.name, owner.post(request_jws, offers=[offer]))
    both = {"proposals": (proposal,), "approvals_needed": 2, "owners": household}
    owner.retain([(name, camera.report(request_jws, [offer], **both))])
    owner.run("inbox")
    with pytest.raises(Refused, match="only Olive can open it"):
        owner.run("approve", name.split("/")[-1], "--with", "aaaaaaaa", "--yes")


@pytest.mark.parametrize("shared", [False, True])
def test_the_first_of_two_owners_is_warned_of_a_clip_that_the_other_cannot_open(
    owner: OwnerAtHome,
    camera: FakeCamera,
    household: tuple[HouseholdOwner, ...],
    request_jws: str,
    capsys: Out,
    shared: bool,
) -> None:
    readers = [camera.owner.seal, camera.owner.recovery]
    others = [OLIVE.recipient, Keys.generate().recipient] if shared else []
    offer = sealed_to(camera, *readers, *others)
    name = owner.post(request_jws, offers=[offer])
    report = camera.report(request_jws, [offer], approvals_needed=2, owners=household)
    owner.retain([(topics.inbox(camera.name, name), report)])
    with camera.serve(owner.broker, answers=[("PROPOSED", "")]):
        owner.run("inbox")
        capsys.readouterr()
        assert owner.run("approve", name, "1", "--yes") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ("recorded before Olive could open it, so nobody can agree" in said) != shared
