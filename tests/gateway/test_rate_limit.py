"""Ten thousand posts cost bounded rows, bounded ledger lines and one calm notice."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from agent import config
from agent.consent.letters import Letter, seal
from agent.gateway import rate_limit as flood
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from tests.support.feed import alert, notices, publish, report, second_requester, withdrawal
from tests.support.gateway_world import FEED, World
from tests.support.house import Person

MANY = 10_000
KEPT = config.Requests().max_kept_daily_per_requester
DAY = 86_400


def pour(world: World, messages: list[tuple[str, bytes]]) -> None:
    """Bring many messages; all of them are acknowledged, whatever they are."""
    for topic, payload in messages:
        world.broker.send(topic, payload, retained=True)
    while world.broker.unacknowledged:
        left = len(world.broker.unacknowledged)
        world.run()
        assert len(world.broker.unacknowledged) < left


def lines(world: World) -> Counter[str]:
    return Counter(event for event, _ in world.events())


def count(world: World, table: str) -> int:
    with world.house.open_database() as database:
        return int(database.rows(f"SELECT count(*) FROM {table}")[0][0])


def valid_posts(world: World, many: int) -> list[tuple[str, bytes]]:
    requests = [world.house.request() for _ in range(many)]
    return [
        (topics.request(FEED, request.jti), world.house.post(request).encode())
        for request in requests
    ]


@pytest.mark.untraced
def test_a_requester_that_posts_ten_thousand_times_is_counted_not_kept(world: World) -> None:
    world.house.record()
    posts = valid_posts(world, MANY)
    pour(world, posts)
    world.clock.advance(61)
    world.run()
    assert count(world, "request") == KEPT
    said = lines(world)
    assert said["request.opened"] + said["request.refused"] == KEPT
    assert said["posts.flooded"] == 1
    assert sum(said.values()) < KEPT + 10
    (notice,) = [notice for notice in notices(world) if notice.kind == "flood"]
    assert f"{MANY - KEPT:,} posts" in notice.title
    assert len(world.inbox) == config.Requests().max_open_per_requester
    assert len(world.broker.published) < 20
    # The same once more, as after a reconnect: nothing is new, and nothing is counted twice.
    published = len(world.broker.published)
    pour(world, posts)
    world.clock.advance(61)
    world.run()
    assert lines(world) == said
    assert len(world.broker.published) == published


def test_garbage_and_strangers_share_one_measure_and_harm_no_requester(world: World) -> None:
    world.house.record()
    stranger = Person()
    garbage = [
        (f"{FEED}/requests/{number:016d}", hashlib.sha256(b"%d" % number).digest() * 10)
        for number in range(MANY)
    ]
    strangers = []
    for _ in range(200):
        request = world.house.request(iss=stranger.id)
        strangers.append(
            (topics.request(FEED, request.jti), stranger.signing.sign(request).encode())
        )
    pour(world, garbage + strangers)
    said = lines(world)
    assert said["post.refused"] == KEPT
    assert said["posts.flooded"] == 1
    assert sum(said.values()) == KEPT + 1
    (notice,) = notices(world)
    assert notice.who == "Unknown senders"
    assert world.request_state(world.post()) == "OPEN"


def test_copies_of_a_request_elsewhere_do_not_use_up_its_authors_measure(world: World) -> None:
    world.house.record()
    copy = world.house.post(world.house.request()).encode()
    pour(world, [(f"{FEED}/alerts/{number:016d}", copy) for number in range(200)])
    pour(world, [(f"{FEED}/requests/{number:016d}", copy) for number in range(200)])
    assert world.request_state(world.post()) == "OPEN"
    assert lines(world)["posts.flooded"] == 1


def test_the_flood_of_one_does_not_silence_another(world: World) -> None:
    rival = second_requester(world)
    world.house.record()
    pour(world, valid_posts(world, KEPT + 10))
    post = publish(world, world.house.request(iss=rival.id), rival)
    assert world.request_state(post) == "OPEN"


def test_a_withdrawal_stops_a_request_whatever_else_its_author_posted(world: World) -> None:
    world.house.record()
    post = world.post()
    pour(world, valid_posts(world, KEPT + 10))
    publish(world, withdrawal(world, post))
    assert world.request_state(post) == "WITHDRAWN"


def test_copies_of_a_refused_withdrawal_do_not_use_up_its_authors_measure(world: World) -> None:
    rival = second_requester(world)
    world.house.record()
    theirs = publish(world, world.house.request(iss=rival.id), rival)
    wrong = withdrawal(world, theirs)  # of what somebody else posted
    jws = world.house.requester.signing.sign(wrong).encode()
    topic = topics.withdrawal(FEED, wrong.jti)
    pour(world, [(topic, jws + b"\n%d" % number) for number in range(KEPT + 20)])
    assert world.request_state(world.post()) == "OPEN"
    assert not world.events("posts.flooded")


def test_copies_of_what_was_only_counted_are_counted_once(world: World) -> None:
    posts = valid_posts(world, KEPT + 1)
    pour(world, posts)
    topic, payload = posts[-1]
    pour(world, [(topic, payload + b"\n%d" % number) for number in range(30)])
    assert world.gateway is not None
    world.gateway.stop()
    with world.house.open_database() as database:
        assert database.rows("SELECT posts FROM flood") == [(1,)]


def test_a_restart_gives_nobody_a_new_measure(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 1))
    for _ in range(3):
        world.restart()
        pour(world, valid_posts(world, 5))
    assert count(world, "request") == KEPT
    assert lines(world)["posts.flooded"] == 1
    assert world.gateway is not None
    world.gateway.stop()
    with world.house.open_database() as database:
        assert database.rows("SELECT posts FROM flood") == [(5,)]  # of the run that saw most


def test_posts_redelivered_after_a_restart_are_not_counted_again(world: World) -> None:
    posts = valid_posts(world, KEPT + 20)
    for _ in range(4):
        pour(world, posts)
        assert world.gateway is not None
        world.gateway.stop()
        world.restart()
    with world.house.open_database() as database:
        assert database.rows("SELECT posts FROM flood") == [(20,)]


def test_a_new_day_gives_a_new_measure_and_the_old_days_total(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 7))
    world.clock.advance(DAY)
    pour(world, valid_posts(world, 1))
    assert count(world, "request") == KEPT + 1
    (total,) = [detail for event, detail in world.events("posts.flood-over")]
    assert (total["counted"], total["kept"]) == (7, KEPT)
    assert total["requester"] == world.house.requester.id
    assert count(world, "flood") == 0


def test_the_total_of_a_day_comes_also_if_the_gateway_was_off_when_it_ended(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 7))
    world.clock.advance(61)
    world.run()
    world.kill()
    world.clock.advance(3 * DAY)
    world.restart()
    (total,) = [detail for event, detail in world.events("posts.flood-over")]
    assert total["counted"] == 7


def test_a_clock_set_back_by_days_does_not_lose_the_count(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 7))
    world.clock.advance(-2 * DAY)
    world.run()
    assert [detail["counted"] for _, detail in world.events("posts.flood-over")] == [7]


def test_strangers_letters_have_a_measure_and_an_owners_own_do_not(world: World) -> None:
    card, stranger = world.house.device_card(), Person()
    for number in range(KEPT + 30):
        world.to_device(b"%d" % number)
    assert lines(world)["letter.refused"] == KEPT
    said = world.house.approval(world.house.post(world.house.request()), [world.house.record()])
    forged = stranger.signing.sign(msgspec.structs.replace(said, iss=stranger.id))
    world.to_device(seal(Letter(jws=forged, keys={}), [card.seal]))
    assert lines(world)["decision.refused"] == 0
    assert world.outcomes() == {}
    world.to_device(world.house.letter(said, {}))
    assert lines(world)["decision.refused"] == 1


def test_an_alert_counts_into_the_measure_of_its_author(world: World) -> None:
    for _ in range(KEPT + 5):
        publish(world, alert(world))
    assert lines(world)["alert.received"] == KEPT
    post = world.post()
    assert world.request_state(post) == ""


def test_nobody_is_told_of_a_muted_requesters_flood(tmp_path: Path) -> None:
    world = World(tmp_path)
    rules = config.Requests(muted=(world.house.requester.id,), max_kept_daily_per_requester=3)
    world.house.config = msgspec.structs.replace(world.house.config, requests=rules)
    world.restart()
    pour(world, valid_posts(world, 10))
    assert lines(world)["posts.flooded"] == 1
    assert notices(world) == []
    world.kill()


def test_counting_costs_no_write_a_post(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 1))
    world.run()
    with world.house.open_database() as database:
        database.changed()
        pour(world, valid_posts(world, 100))
        assert not database.changed()
        world.clock.advance(61)
        world.run()
        assert database.changed()


def test_memory_of_counted_posts_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "_MAX_REMEMBERED", 10)
    posts = valid_posts(world, KEPT + 30)
    pour(world, posts)
    pour(world, posts)  # those beyond the bound are counted again: no harm, but for the count
    assert world.gateway is not None
    assert len(world.gateway.feed.rate_limiter._remembered) == 10


def test_the_ledger_of_a_flood_verifies(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 5))
    world.clock.advance(DAY)
    world.run()
    with world.house.open_database() as database:
        Ledger(database).verify()


def test_the_record_of_a_requester_says_what_was_only_counted(world: World) -> None:
    pour(world, valid_posts(world, KEPT + 30))
    world.clock.advance(3 * DAY)
    world.run()
    world.house.record()
    letter = report(world, world.post())
    assert letter is not None
    assert letter.record.requests == KEPT + 1
    assert letter.record.counted == 30


def test_the_alerts_of_one_do_not_crowd_out_what_is_said_of_another(world: World) -> None:
    rival = second_requester(world)
    world.house.record()
    said = world.house.request()
    publish(world, said)
    publish(world, msgspec.structs.replace(said, text="Another text."))
    for _ in range(5):
        until = int(world.clock.now()) + 6 * 86_400
        for _ in range(KEPT):
            publish(world, alert(world, rival, exp=until), rival)
        world.clock.advance(86_400)
        world.run()
    assert "edited" in {notice.kind for notice in notices(world)}
