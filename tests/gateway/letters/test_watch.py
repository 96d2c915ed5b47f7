"""Watch letters: what waits for an owner, sealed to their watcher, and nothing that opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import Notification, OwnerCard, format_card, parse_card
from agent.consent.statements import Mute, PauseRequests, WatchItem, WatchLetter
from agent.errors import UnreadableLetter
from agent.mqtt import topics
from agent.vault import camera_state
from agent.vault.camera_state import StateFile
from agent.vault.locks import camera_at_work
from tests.support.gateway_world import DEVICE, World
from tests.support.house import Person

HOUR, DAY = 3_600, 86_400


def letters(world: World, owner: Person | None = None) -> list[bytes]:
    topic = topics.notice(DEVICE, (owner or world.house.owner).id)
    return [payload for where, payload in world.broker.published if where == topic]


def last(world: World, owner: Person | None = None) -> WatchLetter:
    world.clock.advance(10)
    world.run()
    reader = world.house.watchers[(owner or world.house.owner).id]
    card = world.house.device_card()
    letter = mail.open_letter(letters(world, owner)[-1], reader.identity)
    assert letter.keys == {}
    return signing.verify(letter.jws, WatchLetter, {card.fingerprint: card.key})


def kinds(world: World, owner: Person | None = None) -> list[str]:
    return [one.kind for one in last(world, owner).items]


def order(world: World) -> str:
    """A legal order."""
    house = world.house
    document = {"court": "District Court", "docket": "24-1", "document_sha256": "0" * 64}
    plain = {"kind": "legal-order", "order": document}
    return world.post(house.request(**plain))


@pytest.fixture
def matched(world: World) -> World:
    world.house.record()
    world.post()
    return world


def test_a_request_is_told_with_its_end_and_the_number_of_clips(matched: World) -> None:
    (item,) = last(matched).items
    database = matched.house.open_database()
    ((expires_at, digest),) = database.rows("SELECT expires_at, digest FROM request")
    database.close()
    assert item == WatchItem(id=item.id, kind="request", at=item.at, until=int(expires_at), clips=1)
    assert item.id not in digest, "the post can be looked up on the public feed"


def test_titles_and_names_are_there_only_if_the_card_asks(tmp_path: Path) -> None:
    told = World(tmp_path, content=True)
    told.house.record()
    told.post()
    (item,) = last(told).items
    assert (item.who, bool(item.title)) == ("Springfield Police Department", True)
    told.kill()


def test_neither_owner_nor_partner_nor_device_keys_are_among_its_readers(matched: World) -> None:
    last(matched)
    payload = letters(matched)[-1]
    for reader in (matched.house.owner, matched.house.partner, matched.house.recovery):
        with pytest.raises(UnreadableLetter):
            mail.open_letter(payload, reader.identity)


def test_the_notification_key_opens_no_other_letter(matched: World) -> None:
    last(matched)
    watcher = matched.house.watchers[matched.house.owner.id]
    others = {
        topic: payload
        for topic, payload in matched.broker.retained.items()
        if topic.split("/")[2] in ("inbox", "status", "release", "notices")
    }
    assert len(others) >= 2
    for payload in others.values():
        with pytest.raises(UnreadableLetter):
            mail.open_letter(payload, watcher.identity)


def test_the_end_of_a_request_is_near_for_a_quarter_of_its_time_at_most_a_day(
    matched: World,
) -> None:
    (item,) = last(matched).items
    assert not item.near and item.until is not None
    quarter = min(DAY, (item.until - item.at) / 4)
    matched.clock.advance(item.until - matched.clock.now() - quarter - 60)
    assert not last(matched).items[0].near
    matched.clock.advance(120)
    (later,) = last(matched).items
    assert later.near and later.id == item.id
    matched.clock.advance(quarter)
    assert last(matched).items == ()


def test_an_answered_request_is_not_near_its_end(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.to_device(world.house.approve(post, [clip]))
    (item,) = last(world).items
    assert item.kind == "request" and item.until is not None
    world.clock.advance(item.until - 60 - world.clock.now())
    assert [(one.id, one.near) for one in last(world).items] == [(item.id, False)]


def test_a_declined_request_waits_no_more(world: World) -> None:
    world.house.record()
    post = world.post()
    assert kinds(world) == ["request"]
    world.to_device(world.house.decline(post))
    assert kinds(world) == []


def test_legal_orders_come_first_and_through_a_pause_and_a_mute(matched: World) -> None:
    house = matched.house
    order(matched)
    assert kinds(matched) == ["legal-order", "request"]
    matched.to_device(house.command(PauseRequests()))
    assert kinds(matched) == ["legal-order"]
    matched.to_device(house.command(Mute(requester=house.requester.id, muted=True)))
    assert kinds(matched) == ["legal-order"]
    order(matched)
    assert kinds(matched) == ["legal-order", "legal-order"]


def test_an_approval_waits_for_the_other_owner_alone(shared: World) -> None:
    house = shared.house
    clip = house.record()
    post = shared.post()
    shared.to_device(house.approve(post, [clip]))
    assert kinds(shared) == ["request"]
    assert sorted(kinds(shared, house.partner)) == ["agreement", "request"]


def test_a_flood_of_refused_decisions_pushes_no_request_out_of_the_letter(world: World) -> None:
    """Another owner may send as many as they like."""
    for number in range(101):
        world.to_device(world.house.decline(f"a.{number}.c"))
    world.house.record()
    world.post()
    letter = last(world)
    assert (letter.items[0].kind, len(letter.items), letter.more) == ("request", 100, 2)


def test_a_refused_decision_is_told_and_a_copy_of_it_or_a_strangers_is_not(
    matched: World,
) -> None:
    house = matched.house
    decline = house.decline(matched.post())
    matched.to_device(decline)
    matched.clock.advance(1)
    matched.to_device(decline)  # seen before
    stranger = house.decline(matched.post(), by=Person())
    matched.to_device(stranger)
    assert "refused" not in kinds(matched)
    assert matched.events("decision.refused")
    late = house.decline("0" * 64)
    matched.to_device(late)
    assert kinds(matched).count("refused") == 1
    matched.clock.advance(8 * DAY)
    assert "refused" not in kinds(matched)


def test_ids_are_the_same_after_a_restart(matched: World) -> None:
    before = last(matched).items
    matched.restart()
    assert last(matched).items == before


def test_a_crash_after_any_commit_loses_no_item(tmp_path: Path) -> None:
    for commits in range(6):
        world = World(tmp_path / str(commits))
        world.house.record()
        world.crash_after = commits
        world.post()
        assert kinds(world) == ["request"]
        world.kill()


def test_it_is_repeated_each_hour_and_nothing_is_written(matched: World) -> None:
    last(matched)
    assert matched.gateway is not None
    before, changes = len(letters(matched)), matched.gateway.database.own_changes()
    for _ in range(2 * 360):
        matched.clock.advance(10)
        matched.gateway.step()
    assert len(letters(matched)) - before == 2
    assert matched.gateway.database.own_changes() == changes, "it was written to the card"


def test_a_broker_sees_it_only_beside_a_status_letter(matched: World) -> None:
    last(matched)
    status = topics.status(DEVICE, matched.house.owner.id)
    assert len(letters(matched)) == sum(topic == status for topic, _ in matched.broker.published)


@pytest.fixture
def recording(world: World) -> Iterator[World]:
    """A world whose camera runs."""
    camera_state.path_of(world.house.config.state_dir).parent.mkdir(exist_ok=True)
    with camera_at_work(world.house.config.state_dir, clock=world.clock):
        says(world, "armed")
        yield world


def says(world: World, state: str) -> None:
    StateFile(world.house.config.state_dir, seals_to=tuple(world.house.recipients)).say(
        at=world.clock.now(), state=state, detail="", last_motion_at=None
    )


@pytest.mark.parametrize(
    ("state", "trouble"),
    [
        ("armed", []),
        ("recording", []),
        ("disarmed", []),
        ("no-frames", ["blind"]),
        ("disk-full", ["disk-full"]),
        ("storage-failed", ["storage-failed"]),
        ("failed", ["stopped"]),
        ("stopped", ["stopped"]),
    ],
)
def test_the_state_of_the_camera_is_a_trouble_or_none(
    recording: World, state: str, trouble: list[str]
) -> None:
    says(recording, state)
    assert [one.kind for one in last(recording).troubles] == trouble


def test_a_camera_that_died_or_seals_to_others_or_has_no_time_is_a_trouble(
    recording: World,
) -> None:
    StateFile(recording.house.config.state_dir, seals_to=(Person().recipient,)).say(
        at=recording.clock.now(), state="armed", detail="", last_motion_at=None
    )
    assert [one.kind for one in last(recording).troubles] == ["sealing"]
    says(recording, "armed")
    recording.clock.is_synced = False
    assert [one.kind for one in last(recording).troubles] == ["clock"]


def test_a_camera_that_does_not_run_is_a_trouble(world: World) -> None:
    assert [one.kind for one in last(world).troubles] == ["stopped"]


def test_the_topic_of_an_owner_without_a_notification_key_is_emptied(world: World) -> None:
    last(world)
    topic = topics.notice(DEVICE, world.house.owner.id)
    assert world.broker.retained[topic]
    path = world.house.config.owners[0]
    card = parse_card(path.read_text(), OwnerCard, str(path))
    path.write_text(format_card(msgspec.structs.replace(card, notify=None)))
    assert "notify" not in path.read_text()
    world.restart()
    world.clock.advance(10)
    world.run()
    assert topic not in world.broker.retained
    fresh = Notification(recipient=Person().recipient)
    path.write_text(format_card(msgspec.structs.replace(card, notify=fresh)))
    world.restart()
    world.clock.advance(10)
    world.run()
    assert world.broker.retained[topic]


def test_a_removed_owner_finds_their_topic_empty(shared: World) -> None:
    last(shared, shared.house.partner)
    topic = topics.notice(DEVICE, shared.house.partner.id)
    assert shared.broker.retained[topic]
    config = shared.house.config
    shared.house.config = msgspec.structs.replace(
        config, owners=config.owners[:1], approvals_needed=1
    )
    shared.restart()
    shared.clock.advance(10)
    shared.run()
    assert topic not in shared.broker.retained


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("APPROVED", None),
        ("SENT", None),
        ("DELIVERED", None),
        ("REVOKED", None),
        ("FAILED", "failed"),
        ("REJECTED", "rejected"),
    ],
)
def test_only_a_release_that_went_wrong_is_told_for_a_week(
    world: World, state: str, kind: str | None
) -> None:
    clip = world.house.record()
    post = world.post()
    world.to_device(world.house.approve(post, [clip]))
    assert world.gateway is not None
    with world.house.open_database() as database, database.transaction() as connection:
        connection.execute("UPDATE release SET state = ?, not_before = 1e12", (state,))
    assert [one for one in kinds(world) if one != "request"] == ([kind] if kind else [])
    world.clock.advance(9 * DAY)
    assert kinds(world) == []


def test_a_clip_that_was_deleted_is_not_counted(world: World) -> None:
    world.house.record()
    gone = world.house.record(seconds_ago=120)
    world.post()
    assert last(world).items[0].clips == 2
    for file in world.house.config.state_dir.rglob(f"*{gone.id[9:]}*"):
        file.unlink()
    assert last(world).items[0].clips == 1
