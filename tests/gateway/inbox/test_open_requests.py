"""Posts on the feed: neither their order nor their place proves anything.

The straight way is in ``test_release_way.py``, what must never happen, whatever the order
of events, in ``test_model.py``.
"""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Window, Withdrawal
from agent.mqtt import topics
from tests.support.feed import report
from tests.support.gateway_world import FEED, World, change_cards, rules
from tests.support.house import Person

# The feed: order and place prove nothing


def withdrawal(world: World, author: Person, post: str) -> Withdrawal:
    return Withdrawal(
        iss=author.id,
        jti=signing.new_jti(b"w" * 16),
        iat=int(world.clock.now()),
        request=signing.digest(post),
    )


def withdraw(world: World, author: Person, post: str) -> None:
    said = withdrawal(world, author, post)
    jws = author.signing.sign(said).encode()
    world.broker.send(topics.withdrawal(FEED, said.jti), jws, retained=True)
    world.run()


def test_a_request_that_was_withdrawn_before_it_arrived_never_opens(world: World) -> None:
    """A broker brings retained posts in any order to a camera that was off."""
    world.house.record()
    request = world.house.request()
    withdraw(world, world.house.requester, world.house.post(request))
    post = world.post(request)
    assert world.request_state(post) == "WITHDRAWN"
    assert world.inbox == {}


@pytest.mark.parametrize("before", [True, False])
def test_nobody_withdraws_what_another_posts(tmp_path: Path, before: bool) -> None:
    rival = Person()
    world = World(tmp_path)
    add = {
        "role": "requester", "name": "Shelbyville", "sign": rival.signing.public.text,
        "seal": rival.recipient, "upload_hosts": ["shelbyville.example"],
    }  # fmt: skip
    change_cards(world, lambda cards: cards.append(add))
    world.restart()
    world.house.record()
    request = world.house.request()
    if before:
        withdraw(world, rival, world.house.post(request))
    post = world.post(request)
    if not before:
        withdraw(world, rival, post)
        assert rules(world, "post.refused") == ["no-such-request"]
    assert world.request_state(post) == "OPEN"
    world.kill()


@pytest.mark.parametrize("place", ["requests/another-id-000000", "alerts/another-id-000000"])
def test_a_copy_at_a_wrong_place_does_not_silence_the_request(world: World, place: str) -> None:
    world.house.record()
    request = world.house.request()
    copy = world.house.post(request).encode()
    for _ in range(3):
        world.broker.send(f"{FEED}/{place}", copy, retained=True)
        world.run()
    assert len(rules(world, "post.refused")) == 1
    assert world.request_state(world.post(request)) == "OPEN"


# Clips whose time was corrected


@pytest.mark.parametrize(("step", "offered"), [(100, True), (5_000, False)])
def test_a_clip_whose_time_was_corrected_is_offered_by_that_time(
    world: World, step: float, offered: bool
) -> None:
    world.clock.is_synced = False
    world.house.record()
    world.clock.step_wall(step)
    world.clock.is_synced = True
    now = int(world.clock.now())
    window = Window(start=now - int(step) - 1_000, end=now - int(step) + 1_000)
    post = world.post(world.house.request(window=window))
    letter = report(world, post)
    assert letter is not None
    (told,) = letter.clips
    assert not told.clock_synced
    world.correct_times()
    letter = report(world, post)
    assert letter is not None
    corrected = [(offer.started_at, offer.clock_synced) for offer in letter.clips]
    assert corrected == ([(told.started_at + step, True)] if offered else [])
    written = len(world.broker.published)
    world.house.record(seconds_ago=50_000)
    assert [topic for topic, _ in world.broker.published[written:] if "/inbox/" in topic] == []


# Rows of a disk that somebody changed


def forged(world: World, post: str, **changes: object) -> None:
    """A row like that of ``post``, changed."""
    row = {"digest": signing.digest(post), **changes}
    with sqlite3.connect(world.house.config.state_dir / "gateway" / "gateway.sqlite") as db:
        names = [column[1] for column in db.execute("PRAGMA table_info(request)")]
        found = db.execute("SELECT * FROM request WHERE digest = ?", (signing.digest(post),))
        values = {**dict(zip(names, found.fetchone(), strict=True)), **row}
        marks = ", ".join("?" * len(names))
        db.execute(
            f"INSERT OR REPLACE INTO request VALUES ({marks})", [values[name] for name in names]
        )
        db.execute(
            "INSERT OR IGNORE INTO match SELECT ?, clip, sha256, 0 FROM match", (values["digest"],)
        )
    db.close()


@pytest.mark.parametrize("signature", ["zeros", "of another request", "of the owner"])
def test_a_request_that_nobody_posted_is_not_put_before_the_owner(
    world: World, signature: str
) -> None:
    """Finding 6 of security.md: a row with a signature of zeros became a signed legal order."""
    world.house.record()
    post = world.post()
    order = world.house.request(title="ORDER TO PRODUCE")
    head, body, signed = world.house.post(order).split(".")
    match signature:
        case "zeros":
            signed = base64.urlsafe_b64encode(bytes(64)).rstrip(b"=").decode()
        case "of another request":
            signed = post.split(".")[2]
        case "of the owner":
            by_owner = world.house.request(iss=world.house.owner.id)
            head, body, signed = world.house.owner.signing.sign(by_owner).split(".")
    jws = f"{head}.{body}.{signed}"
    forged(world, post, digest=signing.digest(jws), jws=jws, jti=order.jti, first_post="")
    told = set(world.inbox)
    world.restart()
    world.clock.advance(5)
    world.house.record(seconds_ago=1)
    world.run()
    assert set(world.inbox) == told, "and the real one is still there"


def test_a_text_under_another_digest_is_not_put_before_the_owner(world: World) -> None:
    world.house.record()
    post, other = world.post(), world.house.post(world.house.request())
    forged(world, post, jws=other)
    before = dict(world.inbox)
    world.clock.advance(5)
    world.house.record(seconds_ago=1)
    world.run()
    assert world.inbox == before


def test_an_edit_that_nobody_posted_is_not_shown_beside_the_request(world: World) -> None:
    world.house.record()
    post = world.post()
    head, body, _ = world.house.post(world.house.request(title="ORDER TO PRODUCE")).split(".")
    jws = ".".join((head, body, base64.urlsafe_b64encode(bytes(64)).rstrip(b"=").decode()))
    edit = {"digest": signing.digest(jws), "jws": jws, "state": "REFUSED"}
    forged(world, post, **edit, first_post=signing.digest(post))
    world.clock.advance(5)
    world.house.record(seconds_ago=1)
    world.run()
    letter = report(world, post)
    assert letter is not None and len(letter.clips) == 2 and letter.reposts == ()


def test_a_letter_that_is_too_large_is_written_again_with_fewer_clips(world: World) -> None:
    for number in range(40):
        world.house.record(seconds_ago=600 + number)
    post = world.post()
    ((topic, letter),) = world.inbox.items()
    whole = report(world, post)
    assert whole is not None
    assert len(whole.clips) == 40
    gateway = world.gateway
    assert gateway is not None
    gateway.inbox.shrink(topic, len(letter) // 2)
    world.run()
    again = report(world, post)
    assert again is not None
    assert 0 < len(again.clips) < 20
    assert len(again.clips) + again.more_clips == 40
    assert len(world.inbox[topic]) <= len(letter) // 2
    world.clock.is_synced = False
    gateway.inbox.shrink(topic, 1)
    world.run()
    assert report(world, post) == again, "the time of a letter is judged by the owner"
