"""What a hostile peer, a bad clock, a full disk or a race would have done to the gateway.

Each test names the harm. The straight way is in ``test_release_way.py``, what must
never happen, whatever the order of events, in ``test_model.py``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import config, topics
from agent.consent import mail, signing
from agent.consent.signing import OwnerCard
from agent.consent.statements import Command, Preview, Revoke, UploadTarget, Withdrawal
from agent.errors import StorageFault
from agent.gateway import app
from agent.gateway.release import SealJob
from agent.vault import files
from agent.vault.index import Index
from tests.support.house import Person, fragmented_mp4
from tests.support.peers import FakeBroker, FakeLink, FakeReceiver
from tests.support.world import FEED, World

DEVICE = "front-door"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.kill()


def rules(world: World, prefix: str) -> list[str]:
    return [detail["rule"] for _, detail in world.events(prefix) if "rule" in detail]


def state_of(world: World, release_id: str) -> str:
    return world.outcomes()[release_id].event


def write(world: World, query: str, *values: object) -> None:
    """Change the index as the camera's process could if it were taken over."""
    with sqlite3.connect(world.house.config.state_dir / "agent.sqlite") as db:
        db.execute(query, values)
    db.close()


def sealed_and_waiting(world: World) -> str:
    """A release whose bundle waits for a receiver that was heard of once; its id."""
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SEALED"
    return release_id


def change_cards(world: World, change: Any) -> None:
    """Edit ``requesters.yaml``, which is read at the next start."""
    path = world.house.config.requesters
    book = yaml.safe_load(path.read_text())
    change(book["requesters"])
    path.write_text(yaml.safe_dump(book))


# Releases: what is on the disk is not believed


def test_a_bundle_does_not_go_to_a_host_that_was_struck_from_the_card(world: World) -> None:
    release_id = sealed_and_waiting(world)
    change_cards(world, lambda cards: cards[0].update(upload_hosts=["elsewhere.example"]))
    world.restart()
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert "upload-not-allowed" in world.outcomes()[release_id].detail
    assert world.receiver.finished == []


def test_a_bundle_does_not_go_to_a_requester_that_was_taken_off_the_list(world: World) -> None:
    release_id = sealed_and_waiting(world)
    change_cards(world, lambda cards: cards.clear())
    world.restart()
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert world.receiver.finished == []


def test_a_request_exchanged_in_the_index_after_its_approval_gets_nothing(world: World) -> None:
    """Else a camera taken over could send an approved clip to another request's address."""
    release_id = sealed_and_waiting(world)
    target = UploadTarget(protocol="tus", url="http://127.0.0.1:1/elsewhere/")
    other = world.house.post(world.house.request(upload=target))
    write(world, "UPDATE request SET jws = ?", other)
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert world.receiver.finished == []


def test_a_request_exchanged_in_the_index_cannot_be_approved(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    write(world, "UPDATE request SET jws = ?", world.house.post(world.house.request()))
    world.to_device(world.house.approve(post, [clip]))
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["unknown-request"]


def test_an_upload_does_not_go_on_at_another_origin(world: World) -> None:
    release_id = sealed_and_waiting(world)
    write(world, "UPDATE release SET upload_url = 'http://127.0.0.1:2/files/0'")
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"


def test_an_approval_cannot_be_made_to_last_longer(world: World) -> None:
    release_id = sealed_and_waiting(world)
    write(world, "UPDATE release SET expires_at = expires_at + 1e6")
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert world.receiver.finished == []


def test_a_release_forged_for_another_file_sends_nothing(world: World) -> None:
    """A row named ``../clips/...`` would upload that file in the name of an old approval."""
    release_id = sealed_and_waiting(world)
    write(world, "UPDATE release SET id = '../clips/some'")
    world.clock.advance(60)
    world.run()
    assert set(world.outcomes()) == {release_id}, "and nobody hears of it"
    assert world.receiver.finished == []


# Releases: clocks


def test_nothing_is_sent_while_nobody_knows_whether_the_approval_has_ended(world: World) -> None:
    """Switched off for a week, a Pi starts with the time at which it stopped."""
    release_id = sealed_and_waiting(world)
    world.clock.advance(60)
    world.clock.is_synced = False
    calls = list(world.receiver.calls)
    world.restart()
    assert world.receiver.calls == calls
    world.clock.step_wall(7 * 86_400)
    world.clock.is_synced = True
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert world.receiver.finished == []


def test_a_clock_that_was_far_ahead_does_not_stop_a_release_for_good(world: World) -> None:
    release_id = sealed_and_waiting(world)
    world.clock.step_wall(-5 * 3600)
    world.run()
    assert state_of(world, release_id) == "SENT"


# Releases: keys, repeats, receivers


def test_keys_are_in_no_repr() -> None:
    key = Person().identity
    job = SealJob(release_id="0" * 16, keys={"clip": key}, done=lambda: None)
    assert key not in repr(job)


def test_keys_that_come_again_after_the_sealing_are_dropped(world: World) -> None:
    """The letter came twice, and the other thread was faster."""
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    (release_id,) = world.outcomes()
    assert world.gateway is not None
    done: list[bool] = []
    job = SealJob(release_id=release_id, keys={clip.id: "key"}, done=lambda: done.append(True))
    world.gateway.releases.start(job)
    world.run()
    assert done == [True], "the broker would keep the letter for ever"
    assert world.gateway.releases._jobs == {}


def test_of_a_letter_that_comes_twice_before_the_sealing_both_are_acknowledged(
    world: World,
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(2):
        world.broker.send(topics.owner(DEVICE), letter)
    world.run()
    assert world.broker.unacknowledged == {}
    assert len(world.receiver.finished) == 1


def test_a_receiver_that_forgets_each_upload_is_asked_ever_more_rarely(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.offset = lambda *_, **__: None  # type: ignore[method-assign]
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(600):
        world.clock.advance(1)
        world.run()
    assert 3 <= world.receiver.calls.count("create") <= 15


def test_the_record_of_a_stopped_upload_says_how_much_had_arrived(world: World) -> None:
    """The answer to the last chunk was lost: the requester may have everything."""
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["", "", "answer-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    now = int(world.clock.now())
    revoke = Command(
        iss=world.house.owner.id, jti=signing.new_jti(b"r" * 16), iat=now, exp=now + 600,
        aud=world.house.device_card().id, command=Revoke(release=release_id),
    )  # fmt: skip
    world.to_device(world.house.letter(revoke, {}))
    (line,) = [detail for event, detail in world.events("release.revoked")]
    assert (line["confirmed_bytes"], line["bytes"]) == (0, len(world.receiver.finished[0].data))


def test_a_clip_that_does_not_fit_into_memory_fails_its_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object, **__: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("agent.gateway.media.prepare", prepare)
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]))
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"
    assert "memory" in outcome.detail


def test_a_release_that_kills_the_gateway_again_and_again_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed for want of memory, or by a decoder: the letter comes again at each start."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    outbox = world.house.config.state_dir / "outbox"
    monkeypatch.setattr("agent.gateway.release.Releases._seal", lambda *_: False)
    deaths = 0
    while not world.outcomes() or next(iter(world.outcomes().values())).event == "APPROVED":
        (outbox / f"{release_of(world)}.age.part").write_bytes(b"half")
        world.restart()
        deaths += 1
        assert deaths < 20
    assert next(iter(world.outcomes().values())).event == "FAILED"
    assert not list(outbox.iterdir())


def release_of(world: World) -> str:
    with sqlite3.connect(world.house.config.state_dir / "agent.sqlite") as db:
        found = db.execute("SELECT id FROM release").fetchone()
    db.close()
    return str(found[0])


def test_a_clip_exchanged_between_approval_and_sealing_does_not_leave(world: World) -> None:
    """Even one that the same key opens, as the camera's process could make it."""
    clip = world.house.record()
    (key,) = world.house.clip_keys([clip]).values()
    letter = world.house.approve(world.post(), [clip])
    world.broker.send(topics.owner(DEVICE), letter)
    assert world.gateway is not None
    world.gateway.step()
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    path.write_bytes(pyrage.encrypt(fragmented_mp4(3), [mail.parse_identity(key).to_public()]))
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"
    assert "not the one that was approved" in outcome.detail
    assert world.receiver.calls == []


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_no_further_chunk_is_sent_once_a_release_must_stop(tmp_path: Path, end: str) -> None:
    upload = config.Upload(allow_loopback_http=True, chunk_bytes=1_000)
    world = World(tmp_path, upload=upload)
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    send = world.receiver.send

    def ends_meanwhile(upload_url: str, **more: Any) -> int:
        if end == "expired":
            world.clock.advance(2 * 86_400)
        else:
            write(world, "UPDATE release SET stop = 'revoked by the owner'")
        return send(upload_url, **more)

    world.receiver.send = ends_meanwhile  # type: ignore[method-assign]
    world.to_device(letter)
    (started,) = world.receiver.uploads.values()
    assert len(started.data) == 1_000
    (outcome,) = world.outcomes().values()
    assert outcome.event == ("FAILED" if end == "expired" else "REVOKED")
    world.kill()


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


# Letters that come twice, or cannot be acted on


def test_a_replayed_letter_leaves_one_line_however_often_it_comes(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(6):
        world.to_device(letter)
    assert rules(world, "decision.refused") == ["replayed"]


def test_a_retained_letter_leaves_one_line_however_often_the_gateway_connects(
    world: World,
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(4):
        world.to_device(letter, retained=True)
        world.restart()
    assert rules(world, "decision.refused") == ["retained"]


def test_one_letter_refused_for_two_reasons_leaves_a_line_for_each(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.to_device(letter, retained=True)
    world.clock.advance(2 * 86_400)
    world.to_device(letter)
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["retained", "expired"]


def test_a_decline_that_comes_twice_is_not_reported_as_refused(world: World) -> None:
    """The process died between its commit and the acknowledgement, say."""
    world.house.record()
    letter = world.house.decline(world.post())
    for _ in range(2):
        world.to_device(letter)
    assert world.outcomes() == {}


def test_a_clip_on_a_bad_sector_does_not_end_the_gateway_at_each_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])

    def unreadable(path: Path) -> str:
        raise StorageFault(f"{path}: Input/output error")

    monkeypatch.setattr(files, "sha256", unreadable)
    world.to_device(letter)
    assert rules(world, "decision.refused") == ["clip-unreadable"]
    assert world.broker.unacknowledged == {}


def test_the_watchdog_hears_of_each_clip_that_is_checked(world: World) -> None:
    """Fifty long clips take minutes to hash on a Pi; killed for it, it would begin anew."""
    clips = [world.house.record(seconds_ago=600 - 10 * n) for n in range(5)]
    letter = world.house.approve(world.post(), clips)
    world.notified.clear()
    world.broker.send(topics.owner(DEVICE), letter)
    assert world.gateway is not None
    world.gateway.step()
    assert world.notified.count("WATCHDOG=1") >= 5


def test_a_release_that_can_no_longer_be_sealed_ends_at_once(world: World) -> None:
    """Killed after accepting; the clip is gone when the letter comes again."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    path.unlink()
    world.restart()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REVOKED"
    assert "clip-gone" in outcome.detail


def test_a_retained_copy_does_not_stop_a_release_that_waits_for_its_keys(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner(DEVICE), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    world.broker.unacknowledged.clear()
    world.restart()
    world.to_device(letter, retained=True)
    world.to_device(letter)
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"


@pytest.mark.parametrize("retained", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x", b"age-encryption.org/v1\n", b"\0" * 600_000])
def test_what_is_no_letter_is_a_line_at_most(world: World, payload: bytes, retained: bool) -> None:
    for _ in range(2):
        world.to_device(payload, retained=retained)
    assert len(world.events("letter.refused")) == 1
    assert world.broker.unacknowledged == {}


def test_a_preview_of_a_clip_that_cannot_be_read_ends_and_nothing_else_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def read(self, _size: int) -> bytes:
            raise OSError(5, "Input/output error")

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    clip = world.house.record()
    monkeypatch.setattr("agent.vault.clips.ClipStore.open_sealed", lambda *_: Broken())
    now = int(world.clock.now())
    ask = Command(
        iss=world.house.owner.id, jti=signing.new_jti(b"p" * 16), iat=now, exp=now + 600,
        aud=world.house.device_card().id, command=Preview(clip=clip.id),
    )  # fmt: skip
    world.to_device(world.house.letter(ask, {}))
    assert [event for event, _ in world.events("clip.")] == ["clip.previewed"]
    assert world.broker.unacknowledged == {}


# The disk


def test_a_full_disk_ends_the_gateway_and_loses_no_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts it again, and the broker has kept what was not acknowledged."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])

    def full(_index: Index) -> None:
        raise StorageFault("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "transaction", full)
        world.broker.send(topics.owner(DEVICE), letter)
        assert world.gateway is not None
        with pytest.raises(StorageFault):
            world.gateway.step()
    assert len(world.broker.unacknowledged) == 1
    world.restart()
    assert len(world.receiver.finished) == 1
    assert world.broker.unacknowledged == {}


def test_messages_of_a_connection_that_ended_do_not_pile_up_while_the_clock_is_wrong(
    world: World,
) -> None:
    world.clock.is_synced = False
    world.to_device(b"letter")
    assert world.gateway is not None
    for _ in range(5):
        link = world.gateway._owner_link
        link.drop()  # type: ignore[attr-defined]
        link.start()
        world.run()
    assert len(world.gateway._waiting) == 1


def test_a_flood_on_the_feed_does_not_starve_the_watchdog_and_the_owner(world: World) -> None:
    for number in range(300):
        world.broker.send(topics.request(FEED, f"flood-{number:012d}"), b"%d" % number)
    assert world.gateway is not None
    world.gateway.step()
    handled = 300 - len(world.broker.unacknowledged)
    assert 0 < handled < 100, "the step comes back while there is more"
    for _ in range(10):
        world.gateway.step()
    assert world.broker.unacknowledged == {}


# Anything at all


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_message_on_any_topic_ends_the_gateway_or_makes_it_speak(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    world = World(tmp_path_factory.mktemp("anything"))
    world.house.record()
    before = len(world.broker.published)
    good = world.house.post(world.house.request()).encode()
    topic = st.sampled_from(
        [
            f"{FEED}/requests/{'a' * 16}", f"{FEED}/alerts/x", f"{FEED}/withdrawals/-",
            f"{FEED}/requests/{'b' * 65}", f"{FEED}/requests/a/b", f"{FEED}/", FEED,
            topics.owner(DEVICE), topics.owner("other"), topics.state(DEVICE), "", "/", "$SYS/x",
        ]
    )  # fmt: skip
    damaged = st.integers(0, len(good) - 1).flatmap(
        lambda at: st.integers(0, 255).map(lambda b: good[:at] + bytes([b]) + good[at + 1 :])
    )
    payload = st.one_of(st.binary(max_size=200), damaged, st.just(good + b"\nproof\xff"))
    for _ in range(5):
        world.broker.send(data.draw(topic), data.draw(payload), retained=data.draw(st.booleans()))
    world.run()
    assert world.broker.unacknowledged == {}
    said = {topic for topic, _ in world.broker.published[before:]}
    assert said <= {topics.state(DEVICE)}
    world.kill()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_sealed_to_the_device_ends_the_gateway_or_sends_a_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    world = World(tmp_path_factory.mktemp("letters"))
    clip = world.house.record()
    post = world.post()
    device = pyrage.x25519.Recipient.from_str(world.house.device_card().seal)
    approval = msgspec.to_builtins(world.house.approval(post, [clip]))
    field = data.draw(st.sampled_from(sorted(approval)))
    if data.draw(st.booleans()):
        approval[field] = data.draw(JSON)
        payload = json.dumps(approval).encode()
        header = {"alg": "EdDSA", "kid": world.house.owner.id, "typ": data.draw(typs)}
        jws = sign(world.house.owner, header, payload)
        plain: Any = {"jws": jws, "keys": world.house.clip_keys([clip])}
    else:
        plain = {data.draw(st.sampled_from(["jws", "keys", "x"])): data.draw(JSON), "keys": {}}
    world.to_device(pyrage.encrypt(json.dumps(plain).encode(), [device]))
    assert world.broker.unacknowledged == {}
    if field not in ("disclose", "jti", "iat", "exp"):
        assert world.receiver.calls == []
    world.kill()


typs = st.sampled_from(
    ["clip-approval+jwt", "clip-decline+jwt", "clip-command+jwt", "clip-request+jwt", "", "x"]
)


def sign(person: Person, header: dict[str, str], payload: bytes) -> str:
    """A JWS whatever its payload is."""
    head = signing.encode_base64url(json.dumps(header).encode())
    body = f"{head}.{signing.encode_base64url(payload)}"
    signature = person.signing._key.sign(body.encode())
    return f"{body}.{signing.encode_base64url(signature)}"


# Two brokers, two owners


def test_with_a_broker_of_its_own_the_feed_neither_commands_nor_hears_anything(
    tmp_path: Path,
) -> None:
    house = World(tmp_path).house
    ours, theirs = FakeBroker(), FakeBroker()
    receiver = FakeReceiver()
    gateway = app.build(
        house.config, clock=house.clock, owner_link=FakeLink(ours), feed_link=FakeLink(theirs),
        receiver=receiver,
    )  # fmt: skip
    gateway.start()
    clip = house.record()
    request = house.request()
    post = house.post(request)
    ours.send(topics.request(FEED, request.jti), post.encode(), retained=True)
    gateway.step()
    assert not [topic for topic in ours.retained if "/inbox/" in topic], "it is not the feed"
    theirs.send(topics.request(FEED, request.jti), post.encode(), retained=True)
    gateway.step()
    assert [topic for topic in ours.retained if "/inbox/" in topic]
    theirs.send(topics.owner(DEVICE), house.approve(post, [clip]))
    gateway.step()
    assert not gateway.releases.step()
    assert receiver.calls == []
    ours.send(topics.owner(DEVICE), house.approve(post, [clip]))
    gateway.step()
    for _ in range(5):
        gateway.releases.step()
        gateway.step()
    assert len(receiver.finished) == 1
    assert theirs.published == []
    assert ours.unacknowledged == theirs.unacknowledged == {}


def test_either_of_two_owners_decides_and_both_are_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    other, paper = Person(), Person()
    card = OwnerCard(
        role="owner", name="Otto", sign=other.signing.public.text, seal=other.recipient,
        recovery=paper.recipient,
    )  # fmt: skip
    (tmp_path / "otto.card.yaml").write_text(signing.format_card(card))
    owners = (*world.house.config.owners, tmp_path / "otto.card.yaml")
    world.house.config = msgspec.structs.replace(world.house.config, owners=owners)
    world.restart()
    clip = world.house.record()
    post = world.post()
    approval = world.house.approval(post, [clip], iss=other.id)
    keys = world.house.clip_keys([clip])
    world.to_device(world.house.seal_letter(other.signing.sign(approval), keys))
    assert len(world.receiver.finished) == 1
    for payload in [*world.inbox.values(), *told(world)]:
        for reader in (other, world.house.owner):
            assert mail.open_letter(payload, reader.identity).keys == {}
    world.kill()


def told(world: World) -> list[bytes]:
    prefix = topics.release(DEVICE, "")
    return [data for topic, data in world.broker.retained.items() if topic.startswith(prefix)]
