"""Digests of plans: one plan, one digest, and another for whatever differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.consent import signing
from agent.consent.statements import Disclosure, Mute, Trim
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.decisions import digest, sign
from agent.owner.decisions.choice import NOTHING_TOLD, Choice, choose
from agent.owner.decisions.seen import SeenClip
from agent.owner.decisions.sign import ReleasePlan, Terms
from agent.owner.inbox.inbox import Inbox
from tests.owner.camera import NOW, FakeCamera, make_request


@pytest.fixture
def plan(inbox: Inbox, camera: FakeCamera, keys: Keys, requester: Keys) -> ReleasePlan:
    request = make_request(requester)
    offers = [camera.record(bytes([n]) * 100) for n in range(3)]
    topic = topics.parse(topics.inbox(camera.name, signing.digest(request)[:16]), feed="")
    assert topic is not None
    inbox.take(topic, camera.report(request, offers), keys, now=NOW)
    return planned(inbox, camera)


def planned(inbox: Inbox, camera: FakeCamera, **changes: Any) -> ReleasePlan:
    (item,) = inbox.requests()
    chosen = choose(item.report.clips, changes.pop("choice", Choice(["1"])))
    given: dict[str, Any] = {"disclose": NOTHING_TOLD, "now": NOW} | changes
    terms = Terms(device=camera.card, **given)
    return sign.approval(item, chosen, terms)


def test_the_same_plan_has_the_same_digest(
    plan: ReleasePlan, inbox: Inbox, camera: FakeCamera
) -> None:
    assert digest.of(plan) == digest.of(planned(inbox, camera))
    assert len(bytes.fromhex(digest.of(plan))) == 32


@pytest.mark.parametrize(
    "changes",
    [
        {"choice": Choice(["2"])},
        {"choice": Choice(["1", "2"])},
        {"choice": Choice(["1"], trims=[("1", Trim(from_seconds=0.0, to_seconds=0.5))])},
        {"disclose": Disclosure(name="Ann")},
        {"days": 3.0},
        {"now": NOW + 1},
        {"me": "somebody"},
    ],
)
def test_whatever_a_page_shows_changes_the_digest(
    plan: ReleasePlan, inbox: Inbox, camera: FakeCamera, changes: dict[str, Any]
) -> None:
    assert digest.of(plan) != digest.of(planned(inbox, camera, **changes))


def test_a_clip_that_was_seen_meanwhile_changes_the_digest(
    plan: ReleasePlan, inbox: Inbox, camera: FakeCamera
) -> None:
    seen = SeenClip(plan.clips[0], "age1", NOW)
    assert digest.of(plan) != digest.of(planned(inbox, camera, seen=[seen]))


def test_recipient_address_and_camera_are_part_of_the_digest(plan: ReleasePlan) -> None:
    others = (
        replace(plan, to="somebody else"),
        replace(plan, url="https://elsewhere.example/"),
        replace(plan, fingerprint="another"),
        replace(plan, two_owners=not plan.two_owners),
        replace(plan, request=None),
    )
    assert len({digest.of(one) for one in (plan, *others)}) == len(others) + 1


def test_a_letter_that_comes_again_changes_no_digest(
    plan: ReleasePlan, inbox: Inbox, camera: FakeCamera, keys: Keys
) -> None:
    item = plan.request
    assert item is not None
    topic = topics.parse(topics.inbox(camera.name, item.digest[:16]), feed="")
    assert topic is not None
    again = camera.report(item.report.request, item.report.clips)  # its ledger has grown
    inbox.take(topic, again, keys, now=NOW + 60)
    assert digest.of(plan) == digest.of(planned(inbox, camera))


@pytest.mark.parametrize("changes", [{"changed": True}, {"digest": "0" * 64}])
def test_a_warning_about_the_request_changes_the_digest(
    plan: ReleasePlan, changes: dict[str, Any]
) -> None:
    assert plan.request is not None
    assert digest.of(plan) != digest.of(replace(plan, request=replace(plan.request, **changes)))


def test_plans_of_another_kind_or_order_have_another_digest(camera: FakeCamera) -> None:
    mute = sign.command(Mute(requester="A" * 43, muted=True), camera.card, now=NOW)
    unmute = sign.command(Mute(requester="A" * 43, muted=False), camera.card, now=NOW)
    texts = [(mute,), (unmute,), (mute, unmute), (unmute, mute), (mute, mute)]
    assert len({digest.of(*plans) for plans in texts}) == len(texts)
