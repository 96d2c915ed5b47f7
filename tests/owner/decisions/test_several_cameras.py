"""A decision about clips of several cameras: a plan for each, and one digest of all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.cards import RequesterCard, format_card
from agent.consent.statements import Disclosure, Trim
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.client import OwnerClient
from agent.owner.decisions import digest
from agent.owner.decisions.choice import Choice
from agent.owner.home.folder import OwnerFolder
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.support.clock import SimulatedClock

Take = Callable[[FakeCamera, str, bytes], None]


@pytest.fixture
def garden(home: OwnerFolder, camera: FakeCamera, tmp_path: Path) -> FakeCamera:
    garden, card = FakeCamera("garden", camera.owner), tmp_path / "garden.yaml"
    card.write_text(format_card(garden.card))
    home.enrol(card)
    return garden


@pytest.fixture
def client(home: OwnerFolder, camera: FakeCamera, garden: FakeCamera) -> OwnerClient:
    return OwnerClient(home, clock=SimulatedClock(NOW))


@pytest.fixture
def take(client: OwnerClient, keys: Keys) -> Take:
    def take(camera: FakeCamera, topic: str, letter: bytes) -> None:
        parsed = topics.parse(topic, feed="")
        assert parsed is not None
        client.inbox.take(parsed, letter, keys, now=NOW)

    return take


def test_an_approval_is_a_plan_for_each_camera_of_the_chosen_clips(
    client: OwnerClient, camera: FakeCamera, garden: FakeCamera, take: Take, requester: Keys
) -> None:
    request = make_request(requester)
    name = signing.digest(request)[:16]
    offers = {one.name: [one.record(b"1"), one.record(b"2")] for one in (camera, garden)}
    for one in (camera, garden):
        take(one, topics.inbox(one.name, name), one.report(request, offers[one.name]))
    front, back = offers["front-door"][1], offers["garden"][0]
    trim, told = Trim(from_seconds=1, to_seconds=2), Disclosure(name="Ann")
    choice = Choice([front.id, back.id], trims=[(back.id, trim)], disclose=told)
    plans = client.plans.approvals(name, choice, days=1)
    assert [plan.device.name for plan in plans] == ["front-door", "garden"]
    assert [[clip.id for clip in plan.clips] for plan in plans] == [[front.id], [back.id]]
    assert [plan.clips[0].trim for plan in plans] == [None, trim]
    assert all(plan.terms.disclose == told and plan.to == "Springfield PD" for plan in plans)
    assert digest.of(*plans) != digest.of(plans[0])
    (alone,) = client.plans.approvals(name, Choice([back.id]), days=1)
    assert alone.device.name == "garden"
    (first,) = client.plans.approvals(name, Choice(["1"]), camera="garden")
    assert first.clips[0].id == back.id
    with pytest.raises(Refused, match="each numbers its own"):
        client.plans.approvals(name, Choice(["1"]))


def test_a_share_is_a_plan_for_each_camera_of_the_chosen_clips(
    client: OwnerClient, camera: FakeCamera, garden: FakeCamera, take: Take
) -> None:
    neighbour = Keys.generate()
    card = RequesterCard(
        role="requester",
        name="The neighbour",
        sign=neighbour.signing.public.text,
        seal=neighbour.recipient,
        upload_hosts=("neighbour.example",),
    )
    offers = []
    for one in (camera, garden):
        offers.append(one.record(b"1"))
        take(one, topics.release(one.name, "0" * 16), one.listing([offers[-1]]))
    choice = Choice([offer.id for offer in offers])
    plans = client.plans.shares(choice, card, "https://neighbour.example/")
    assert [plan.device.name for plan in plans] == ["front-door", "garden"]
    assert [[clip.id for clip in plan.clips] for plan in plans] == [[one.id] for one in offers]
    with pytest.raises(Refused, match="no clip 'x' is known"):
        client.plans.shares(Choice([offers[0].id, "x"]), card, "https://neighbour.example/")
