"""One calm letter: alerts, withdrawals, edits; what is paused, muted or closed stays silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.consent import signing
from agent.consent.statements import LegalOrder, Mute, PauseRequests, ResumeRequests
from agent.mqtt import topics
from tests.support.feed import (
    alert,
    notices,
    publish,
    report,
    second_requester,
    send,
    withdrawal,
)
from tests.support.gateway_world import DEVICE, World, rules
from tests.support.statements import square_around

ORDER = LegalOrder(court="Hampden Superior Court", docket="2379CV00123", document_sha256="a" * 64)


def letters_of_notices(world: World) -> int:
    return sum(topic == topics.notices(DEVICE) for topic, _ in world.broker.published)


# Alerts


def test_an_alert_is_shown_once_and_taken_down_when_it_is_over(world: World) -> None:
    said = alert(world)
    jws = publish(world, said)
    (notice,) = notices(world)
    assert (notice.kind, notice.title, notice.text) == ("alert", said.title, said.text)
    assert (notice.who, notice.until) == ("Springfield Police Department", said.exp)
    assert notice.subject == signing.digest(jws)
    send(world, said, jws)
    assert len(world.events("alert")) == 1
    assert letters_of_notices(world) == 1
    world.clock.advance(3601)
    world.run()
    assert notices(world) == []


def test_an_alert_outlives_a_restart_and_is_taken_down_after_it(world: World) -> None:
    publish(world, alert(world))
    world.restart()
    assert len(notices(world)) == 1
    world.kill()
    world.clock.advance(3601)
    world.restart()
    assert notices(world) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"iat": 2_000_000_000, "exp": 2_000_003_600}, "issued-in-future"),
        ({"exp": 1}, "expired"),
        ({"exp": 253_402_300_799}, "open-too-long"),
        ({"area": square_around(42.1015, -72.5898, half=0.0005)}, "area-too-small"),
        ({"area": square_around(42.5, -72.5898)}, "place-outside"),
    ],
)
def test_an_alert_that_is_not_for_this_owner_is_on_record_and_not_shown(
    world: World, changes: dict[str, Any], rule: str
) -> None:
    publish(world, alert(world, **changes))
    assert rules(world, "alert.refused") == [rule]
    assert notices(world) == []


def test_an_alert_may_concern_a_whole_town(world: World) -> None:
    publish(world, alert(world, area=square_around(42.1015, -72.5898, half=0.1)))
    assert len(notices(world)) == 1


def test_nobody_can_answer_an_alert(world: World) -> None:
    clip = world.house.record()
    jws = publish(world, alert(world))
    world.to_device(world.house.approve(jws, [clip]))
    assert world.receiver.uploads == {}
    assert rules(world, "decision.refused") == ["unknown-request"]


def test_no_author_crowds_out_what_others_say(world: World) -> None:
    rival = second_requester(world)
    publish(world, alert(world, rival, title="Flood warning"), rival)
    for number in range(45):
        publish(world, alert(world, title=f"Again {number}"))
    titles = [notice.title for notice in notices(world)]
    assert "Flood warning" in titles
    assert titles[0] == "Again 44" or "Again 44" in titles
    assert len(titles) <= 20


# Withdrawals and edits


def test_the_owner_learns_that_what_they_were_told_of_is_no_longer_asked(world: World) -> None:
    world.house.record()
    request = world.house.request()
    post = world.post(request)
    publish(world, withdrawal(world, post))
    (notice,) = notices(world)
    assert (notice.kind, notice.subject) == ("withdrawn", signing.digest(post))
    assert request.title in notice.title
    assert request.reference in notice.text
    assert world.inbox == {}
    publish(world, withdrawal(world, post))
    assert len(notices(world)) == 1
    assert len(world.events("request.withdrawn")) == 1


def test_the_owner_does_not_hear_of_the_withdrawal_of_what_they_never_saw(world: World) -> None:
    post = world.post()  # nothing matches
    publish(world, withdrawal(world, post))
    assert world.request_state(post) == "WITHDRAWN"
    assert notices(world) == []


def test_a_withdrawal_says_that_an_unsent_release_stops(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 3
    world.to_device(world.house.approve(post, [clip]))
    publish(world, withdrawal(world, post))
    assert "stopped" in notices(world)[0].text


def test_an_edited_post_is_kept_beside_the_first_and_flagged(world: World) -> None:
    world.house.record()
    first = world.house.request()
    post = world.post(first)
    edits = [
        world.post(msgspec.structs.replace(first, text=f"Another text {n}.")) for n in range(4)
    ]
    letter = report(world, post)
    assert letter is not None
    assert letter.request == post
    assert [repost.request for repost in letter.reposts] == edits[1:], "the newest three"
    assert letter.record.edited == 4
    (notice,) = notices(world)
    assert (notice.kind, notice.subject) == ("edited", signing.digest(post))
    assert all(world.request_state(edit) == "REFUSED" for edit in edits)
    refused = [detail for event, detail in world.events("request.refused")]
    assert {detail["first_post"] for detail in refused} == {signing.digest(post)}
    assert refused[0]["rule"] == "jti-reused"


def test_an_edit_that_another_rule_refuses_is_flagged_too(world: World) -> None:
    world.house.record()
    first = world.house.request()
    post = world.post(first)
    world.post(msgspec.structs.replace(first, incident="protest"))
    assert rules(world, "request.refused") == ["incident-never"]
    letter = report(world, post)
    assert letter is not None
    assert len(letter.reposts) == 1


def test_two_requesters_may_use_the_same_id(world: World) -> None:
    rival = second_requester(world)
    world.house.record()
    first = world.house.request()
    world.post(first)
    theirs = publish(world, msgspec.structs.replace(first, iss=rival.id), rival)
    assert world.request_state(theirs) == "OPEN"
    assert notices(world) == []


# Paused, muted, closed


def test_in_a_pause_nothing_is_shown_and_afterwards_all_that_is_open(world: World) -> None:
    world.house.record()
    first = world.post()
    assert len(world.inbox) == 1
    world.to_device(world.house.command(PauseRequests()))
    assert world.inbox == {}
    second = world.post()
    publish(world, alert(world))
    publish(world, withdrawal(world, first))
    world.house.record()
    world.run()
    assert world.inbox == {}
    assert notices(world) == []
    assert [event for event, _ in world.events("request.matched")].count("request.matched") > 1
    world.restart()
    assert world.inbox == {}, "a pause outlives a restart"
    world.to_device(world.house.command(ResumeRequests()))
    assert report(world, first) is None
    assert report(world, second) is not None
    assert {notice.kind for notice in notices(world)} == {"alert", "withdrawn"}
    assert [event for event, _ in world.events("requests.")] == [
        "requests.paused",
        "requests.resumed",
    ]


def test_nothing_of_a_muted_requester_is_shown(world: World) -> None:
    world.house.record()
    requester = world.house.requester.id
    world.to_device(world.house.command(Mute(requester=requester, muted=True)))
    post = world.post()
    publish(world, alert(world))
    assert world.request_state(post) == "REFUSED"
    assert rules(world, "alert.refused") == ["requester-muted"]
    assert world.inbox == {}
    assert notices(world) == []


def test_a_closed_house_hears_nothing_and_has_all_of_it_on_record(tmp_path: Path) -> None:
    world = World(tmp_path, requests=config.Requests(accept=(), max_kept_daily_per_requester=5))
    world.house.record()
    world.run()
    before = list(world.broker.published)
    request = world.house.request()
    posts = [
        world.post(request),
        world.post(msgspec.structs.replace(request, text="Another text.")),
        world.post(world.house.request(kind="legal-order", order=ORDER)),
    ]
    publish(world, alert(world))
    publish(world, withdrawal(world, posts[0]))
    for _ in range(10):
        publish(world, alert(world))
    assert world.broker.published == before
    assert {world.request_state(post) for post in posts} == {"REFUSED"}
    assert rules(world, "") == ["kind-not-accepted"] * 4
    events = [event for event, _ in world.events()]
    assert events.count("withdrawal.received") == 1
    assert events.count("posts.flooded") == 1
    world.kill()


def test_a_house_for_warrants_only_hears_those_and_alerts(tmp_path: Path) -> None:
    world = World(tmp_path, requests=config.Requests(accept=("legal-order",)))
    world.house.record()
    asked = world.post()
    order = world.house.request(kind="legal-order", order=ORDER)
    demanded = world.post(order)
    publish(world, alert(world))
    assert world.request_state(asked) == "REFUSED"
    letter = report(world, demanded)
    assert letter is not None
    assert letter.request == demanded
    assert {tally.name for tally in letter.record.kinds} == {"voluntary", "legal-order"}
    assert [tally.name for tally in letter.record.refusals] == ["kind-not-accepted"]
    assert list(world.inbox) == [topics.inbox(DEVICE, signing.digest(demanded)[:16])]
    assert [notice.kind for notice in notices(world)] == ["alert"]
    assert world.receiver.calls == [], "a demand fetches nothing by itself"
    world.kill()


# Legal orders of a muted requester


def mute(world: World) -> None:
    world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=True)))


def order(world: World, **changes: Any) -> str:
    return world.post(world.house.request(kind="legal-order", order=ORDER, **changes))


def test_a_legal_order_is_not_declined_by_muting_who_posted_it(world: World) -> None:
    world.house.record()
    demand, plea = order(world), world.post()
    mute(world)
    assert world.request_state(demand) == "OPEN"
    assert world.request_state(plea) == "DECLINED"
    assert len(world.inbox) == 1


def test_declining_and_muting_declines_that_one_and_leaves_other_demands(world: World) -> None:
    world.house.record()
    first, second = order(world), order(world)
    world.to_device(world.house.decline(first, mute=True))
    assert world.request_state(first) == "DECLINED"
    assert world.request_state(second) == "OPEN"


def test_a_legal_order_of_a_muted_requester_is_refused_and_its_owner_told(world: World) -> None:
    world.house.record()
    mute(world)
    demand = order(world)
    world.post()
    assert rules(world, "request.refused") == ["requester-muted"] * 2
    assert world.inbox == {}
    (notice,) = notices(world)
    assert notice.kind == "muted-order"
    assert notice.subject == signing.digest(demand)
    assert "Hampden Superior Court, docket 2379CV00123" in notice.text


def test_a_muted_requesters_order_that_would_be_refused_anyway_is_not_told(world: World) -> None:
    mute(world)
    order(world, area=square_around(10, 10))
    order(world, incident="protest")
    assert notices(world) == []


def test_an_owner_who_accepts_no_legal_orders_is_told_of_none(tmp_path: Path) -> None:
    world = World(tmp_path, requests=config.Requests(accept=("voluntary",)))
    mute(world)
    order(world)
    assert notices(world) == []
    world.kill()
