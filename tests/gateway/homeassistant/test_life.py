"""Events in the life of a request: each once, and nothing that the owner was not told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent import config
from agent.consent.statements import Mute, PauseRequests, ResumeRequests
from agent.gateway.homeassistant import life
from agent.gateway.homeassistant.life import Stage
from tests.support import feed
from tests.support.gateway_world import World
from tests.support.home_assistant import LONG_SECONDS, Home

HOUR, DAY = 3_600, 86_400
Make = Callable[..., Home]


@pytest.fixture
def home(make: Make) -> Home:
    """A house that has been connected for a while, with a clip."""
    home = make()
    home.world.house.record()
    home.wait()
    return home


def test_a_request_is_told_with_its_end_and_clips_and_without_its_words(home: Home) -> None:
    home.world.post()
    (event,) = home.told()
    assert event["event_type"] == "request"
    assert (event["kind"], event["clips"]) == ("voluntary", 1)
    assert event["until"].startswith("2024-01-26T18:32")
    text = json.dumps(home.told()) + json.dumps(home.state())
    for word in ("Springfield", "Elm Street", home.world.house.requester.id):
        assert word not in text


def test_the_console_is_linked_if_the_owner_names_it(make: Make) -> None:
    home = make(url="https://console.example/inbox")
    home.world.house.record()
    home.wait()
    home.world.post()
    assert [one["url"] for one in home.told()] == ["https://console.example/inbox"]


def test_an_id_names_no_public_post(home: Home) -> None:
    home.world.post()
    with home.world.house.open_database() as database:
        ((digest,),) = database.rows("SELECT digest FROM request")
    assert home.told()[0]["id"] not in digest


def test_what_does_not_match_or_is_refused_leaves_no_trace(make: Make) -> None:
    home = make()
    home.wait()
    before = [payload for topic, payload in home.world.broker.published if "homeassi" in topic]
    home.world.post()  # no clip of that time
    home.world.post(home.world.house.request(incident="protest"))
    home.wait(60)
    after = [payload for topic, payload in home.world.broker.published if "homeassi" in topic]
    assert after == before


def test_a_release_is_told_from_the_approval_to_its_end(home: Home) -> None:
    clip = home.world.house.record(seconds_ago=30)
    post = home.world.post()
    home.world.to_device(home.world.house.approve(post, [clip]))
    home.wait(6)
    events = home.events()
    assert events[0] == "request"
    assert events[-1] == "sent"
    assert home.told()[-1]["request"] == home.told()[0]["id"]


@pytest.mark.parametrize("end", ["declined", "expired", "withdrawn"])
def test_the_end_of_a_request_is_told(home: Home, end: str) -> None:
    house = home.world.house
    request = house.request(exp=int(home.world.clock.now()) + 20 * HOUR)
    post = home.world.post(request)
    if end == "declined":
        home.world.to_device(house.decline(post))
    elif end == "withdrawn":
        feed.publish(home.world, feed.withdrawal(home.world, post))
    else:
        home.wait(21 * HOUR)
    home.wait(6)
    assert home.events()[-1] == end
    assert home.state()["requests"] == 0


def test_the_deadline_is_told_once_while_nobody_has_answered(home: Home) -> None:
    home.world.post()
    home.wait(37 * HOUR)
    home.wait(HOUR)
    assert home.events() == ["request", "deadline_near"]


def test_paused_requests_are_not_told_and_a_resumption_tells_them_once(home: Home) -> None:
    world = home.world
    world.to_device(world.house.command(PauseRequests()))
    world.post()
    home.wait(6)
    assert home.events() == []
    world.clock.advance(1)
    world.to_device(world.house.command(ResumeRequests()))
    home.wait(6)
    world.to_device(world.house.command(PauseRequests(), iat=int(world.clock.now()) + 1))
    home.wait(6)
    world.to_device(world.house.command(ResumeRequests(), iat=int(world.clock.now()) + 2))
    home.wait(6)
    assert home.events() == ["request"]


def test_a_request_that_ends_while_it_is_hidden_is_not_told(home: Home) -> None:
    world = home.world
    world.to_device(world.house.command(PauseRequests()))
    world.post()
    home.wait(3 * DAY)
    assert home.events() == []


def test_a_muted_requester_is_not_told(home: Home) -> None:
    world = home.world
    world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=True)))
    world.post()
    home.wait(6)
    assert home.events() == []


@pytest.mark.parametrize("muted", [False, True])
def test_a_legal_order_is_told_as_one_also_by_a_muted_requester(home: Home, muted: bool) -> None:
    world = home.world
    if muted:
        world.to_device(world.house.command(Mute(requester=world.house.requester.id, muted=True)))
    document = {"court": "District Court", "docket": "24-1", "document_sha256": "0" * 64}
    world.post(world.house.request(kind="legal-order", order=document))
    home.wait(6)
    assert home.events() == ["legal_order"]
    home.wait(10 * DAY)
    assert home.events()[0] == "legal_order"


def test_a_refused_decision_is_told(home: Home) -> None:
    post = home.world.post()
    home.world.to_device(home.world.house.approve(post, [home.world.house.record()]))
    home.wait(6)
    assert home.events() == ["request", "refused"]


def test_a_release_that_is_held_is_told_once(home: Home) -> None:
    world = home.world
    world.receiver.faults = ["request-lost"] * 50
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    home.wait(6)
    for _ in range(2):  # the Pi loses power, and the broker all that it kept for it
        world.kill()
        world.broker.forget()
        world.clock.advance(60)
        world.restart()
        home.wait()
    assert home.events() == ["request", "approved", "held"]


def test_a_second_owner_is_asked_to_agree(make: Make) -> None:
    home = make(world={"partner": True, "approvals_needed": 2})
    house = home.world.house
    clip = house.record()
    home.wait()
    post = home.world.post()
    home.world.to_device(house.approve(post, [clip]))
    home.wait(6)
    assert home.events()[-1] == "agreement_needed"


def test_an_owner_who_lets_nothing_of_requests_be_told_tells_nothing(make: Make) -> None:
    home = make(tells=("motion", "armed"))
    home.world.house.record()
    home.wait()
    home.world.post()
    home.wait(6)
    assert home.told() == []
    assert not {"requests", "deadline"} & set(home.state())


def test_events_are_told_once_over_restarts_of_the_gateway(home: Home) -> None:
    home.world.post()
    for _ in range(3):
        home.world.restart()
        home.wait()
    assert home.events() == ["request"]


def test_an_event_that_the_broker_did_not_confirm_is_told_again(home: Home) -> None:
    home.link.swallows = True
    home.world.post()
    assert home.events() == []
    home.world.restart()
    home.wait()
    assert home.events() == ["request"]


def test_a_house_that_is_new_to_home_assistant_hears_only_of_what_waits(tmp_path: Path) -> None:
    world = World(tmp_path)
    clip = world.house.record()
    done = world.post()
    world.to_device(world.house.approve(done, [clip]))
    world.to_device(world.house.decline(done))
    world.post()
    home = _opted_in(world)
    assert home.events() == ["request"]
    home.wait(HOUR)
    assert home.events() == ["request"]


def test_a_damaged_memory_is_no_reason_to_tell_old_ends_again(home: Home) -> None:
    post = home.world.post()
    home.world.to_device(home.world.house.decline(post))
    home.wait(6)
    assert home.events() == ["request", "declined"]
    file = home.world.house.config.state_dir / "gateway/homeassistant.json"
    file.write_text("{")
    home.world.restart()
    home.wait()
    assert home.events() == ["request", "declined"]


def test_forged_rows_end_neither_the_gateway_nor_the_state(home: Home) -> None:
    home.world.post()
    with home.world.house.open_database() as database, database.transaction() as connection:
        connection.execute("UPDATE request SET expires_at = 9e99, state = 'OPEN'")
    home.wait(6)
    assert home.world.gateway is not None
    assert home.world.crashes == 0


def _opted_in(world: World) -> Home:
    """The same house after its owner has added the section."""
    world.house.config = replace(world.house.config, homeassistant=config.HomeAssistant())
    world.restart()
    home = Home(world)
    home.wait(LONG_SECONDS)
    return home


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a" * 16, "b" * 16]),
            st.sampled_from([*life.EVENTS, ""]),
        ),
        max_size=8,
    )
)
def test_no_stage_is_told_twice_in_a_row(steps: list[dict[str, str]]) -> None:
    told: dict[str, str] | None = None
    for step in steps:
        now = {id_: Stage(event, {}) for id_, event in step.items()}
        news = list(life.news(told, now))
        kept = {id_: event for id_, event in (told or {}).items() if id_ in now}
        for id_, is_event in news:
            assert now[id_].event
            if is_event:
                assert (told or {}).get(id_) != now[id_].event
            kept[id_] = now[id_].event
        told = kept
        assert list(life.news(told, now)) == []
