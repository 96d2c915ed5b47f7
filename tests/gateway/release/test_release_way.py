"""From a public post to a bundle at the requester, through the gateway's own ``build()``.

Peers are simulated; keys, clips, index, ledger, bundles are real. What must never
happen is in ``test_model.py``; here each rule is shown once, by name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from agent import config
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.statements import (
    ApprovedClip,
    BoxPosition,
    Command,
    InboxReport,
    Preview,
    Redaction,
    Redactions,
    Release,
    Revoke,
    Trim,
    UploadTarget,
    Window,
    Withdrawal,
)
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from agent.vault.records.requester_history import requester_record
from tests.support.footage import numbers, prepared, record
from tests.support.gateway_world import FEED, World, rules
from tests.support.house import Person, fragmented_mp4
from tests.support.peers import open_bundle
from tests.support.video import play


def read_letter(world: World, payload: bytes) -> InboxReport:
    card = world.house.device_card()
    letter = mail.open_letter(payload, world.house.owner.identity)
    assert letter.keys == {}
    return signing.verify(letter.jws, InboxReport, {card.fingerprint: card.key})


# The straight way


def test_only_the_approved_clip_reaches_the_requester(world: World) -> None:
    clips = [world.house.record(seconds_ago=600 - 100 * n) for n in range(3)]
    post = world.post()
    assert world.receiver.calls == [], "received before approval: 0"

    world.to_device(world.house.approve(post, clips[1:2]))

    (upload,) = world.receiver.finished
    files = open_bundle(bytes(upload.data), world.house.requester.identity)
    videos = [name for name in files if name.endswith(".mp4")]
    assert videos == [f"data/{clips[1].id}.mp4"]
    release = msgspec.json.decode(
        decode_base64url(files["data/release.jws"].decode().split(".")[1]), type=Release
    )
    assert [clip.id for clip in release.clips] == [clips[1].id]
    assert release.request == signing.digest(post)
    assert files["data/request.jws"].decode() == post
    assert [event for event, _ in world.events("release.")] == [
        "release.approved", "release.sealed", "release.sent",
    ]  # fmt: skip
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    assert not list((world.house.config.state_dir / "gateway" / "outbox").iterdir())


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_trimmed_release_says_nothing_of_what_was_trimmed_away(
    world: World, start: float
) -> None:
    """Two clips that differ in what is trimmed away alone: their releases are the same."""
    trim = Trim(from_seconds=start, to_seconds=start + 1)
    told, videos = [], []
    for seconds in (2, 9):
        clip = world.house.record(
            seconds_ago=600, video=fragmented_mp4(seconds=seconds), seconds=seconds
        )
        chosen = (ApprovedClip(id=clip.id, sha256=clip.sha256, trim=trim, redact=()),)
        world.to_device(world.house.approve(world.post(), [clip], clips=chosen))
        files = open_bundle(bytes(world.receiver.finished[-1].data), world.house.requester.identity)
        text = decode_base64url(files["data/release.jws"].decode().split(".")[1])
        release = msgspec.json.decode(text, type=Release)
        (released,) = release.clips
        told.append(
            msgspec.structs.replace(
                released,
                id="20240124-170000-000000",
                file="",
                sealed_sha256="",
                first_picture_ms=released.first_picture_ms - clip.start_ms,
                last_picture_ms=released.last_picture_ms - clip.start_ms,
            )
        )
        (path,) = [name for name in files if name.endswith(".mp4")]
        videos.append(play(files[path]))
        assert str(float(seconds)) not in text.decode() or seconds == trim.to_seconds
    assert told[0] == told[1]
    assert (told[0].first_picture_ms, told[0].last_picture_ms) == (start * 1000, start * 1000 + 900)
    assert told[0].pictures == 10
    assert videos[0].pictures == videos[1].pictures == 10
    assert videos[0].decode_seconds == videos[1].decode_seconds


def test_the_owner_reads_the_digest_of_each_clip_that_left_as_the_preview_shows_it(
    world: World,
) -> None:
    video = fragmented_mp4(seconds=3)
    clips = [world.house.record(seconds_ago=ago, video=video, seconds=3) for ago in (600, 500)]
    box = Redaction(
        positions=(
            BoxPosition(at_seconds=0, x=0, y=0, width=0.3, height=0.3),
            BoxPosition(at_seconds=2, x=0.6, y=0.5, width=0.3, height=0.3),
        ),
        to_seconds=2,
    )
    redacts: tuple[Redactions, ...] = ((box,), ())
    chosen = tuple(
        ApprovedClip(id=clip.id, sha256=clip.sha256, trim=None, redact=redact)
        for clip, redact in zip(clips, redacts, strict=True)
    )
    world.to_device(world.house.approve(world.post(), clips, clips=chosen))

    files = open_bundle(bytes(world.receiver.finished[-1].data), world.house.requester.identity)
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    assert {one.clip: one.sha256 for one in outcome.files} == {
        clip.id: hashlib.sha256(files[f"data/{clip.id}.mp4"]).hexdigest() for clip in clips
    }
    preview = prepared(video, None, box)
    assert files[f"data/{clips[0].id}.mp4"] == preview
    text = decode_base64url(files["data/release.jws"].decode().split(".")[1])
    release = msgspec.json.decode(text, type=Release)
    assert {one.id: one.redacted for one in release.clips} == {
        clip.id: redact for clip, redact in zip(clips, redacts, strict=True)
    }


def test_a_release_states_the_first_and_last_picture_of_its_file(world: World) -> None:
    clip = world.house.record(seconds_ago=600, video=record(4, b_frames=2), seconds=4)
    trim = Trim(from_seconds=0.65, to_seconds=3.35)
    chosen = (ApprovedClip(id=clip.id, sha256=clip.sha256, trim=trim, redact=()),)
    world.to_device(world.house.approve(world.post(), [clip], clips=chosen))
    files = open_bundle(bytes(world.receiver.finished[-1].data), world.house.requester.identity)
    text = decode_base64url(files["data/release.jws"].decode().split(".")[1])
    (released,) = msgspec.json.decode(text, type=Release).clips
    assert numbers(files[released.file]) == list(range(7, 34))
    assert released.first_picture_ms == clip.start_ms + 700
    assert released.last_picture_ms == clip.start_ms + 3_300
    assert (released.pictures, released.codec) == (27, "h264")


def test_the_owner_is_offered_exactly_the_clips_in_the_window(world: World) -> None:
    inside = world.house.record(seconds_ago=600)
    world.house.record(seconds_ago=9_000)
    post = world.post()
    (letter,) = world.inbox.values()
    report = read_letter(world, letter)
    assert report.request == post
    assert [offer.id for offer in report.clips] == [inside.id]
    assert report.record.requests == 1
    assert report.ledger.size > 0


def test_a_clip_that_ends_later_joins_the_match_set_of_an_open_request(world: World) -> None:
    first = world.house.record(seconds_ago=600)
    post = world.post()
    world.clock.advance(30)
    second = world.house.record(seconds_ago=10)
    world.run()
    report = read_letter(world, next(iter(world.inbox.values())))
    assert [offer.id for offer in report.clips] == [first.id, second.id]
    world.to_device(world.house.approve(post, [second]))
    assert len(world.receiver.finished) == 1


def test_two_approvals_of_one_open_request_are_two_releases(world: World) -> None:
    clips = [world.house.record(seconds_ago=600), world.house.record(seconds_ago=300)]
    post = world.post()
    for clip in clips:
        world.to_device(world.house.approve(post, [clip]))
    assert len({upload.release for upload in world.receiver.finished}) == 2


def test_keys_of_clips_are_nowhere_on_disk(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    (key,) = world.house.clip_keys([clip]).values()
    world.to_device(world.house.approve(post, [clip]))
    for path in world.house.config.state_dir.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


# Silence says nothing


def test_a_request_that_matches_nothing_causes_no_letter_and_no_traffic(world: World) -> None:
    before = list(world.broker.published)
    post = world.post()
    sent = [topic for topic, _ in world.broker.published[len(before) :]]
    assert set(sent) <= {topics.state("front-door")}
    assert world.request_state(post) == "OPEN"


def test_nothing_is_ever_published_outside_the_devices_own_topics(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.post(world.house.request(area=world.house.request().area, incident="protest"))
    world.to_device(world.house.approve(post, [clip]))
    world.to_device(world.house.decline(post))
    assert all(topic.startswith("clip-agent/front-door/") for topic, _ in world.broker.published)


def test_a_declined_request_is_closed_and_its_letter_emptied(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    approval = world.house.approve(post, [clip])
    world.to_device(world.house.decline(post))
    assert world.request_state(post) == "DECLINED"
    assert world.inbox == {}
    world.to_device(approval)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["request-closed"]


def test_a_muted_requester_is_refused_from_then_on(world: World) -> None:
    world.house.record()
    world.to_device(world.house.decline(world.post(), mute=True))
    later = world.post()
    assert world.request_state(later) == "REFUSED"
    assert rules(world, "request.refused") == ["requester-muted"]


# Posts that are refused


def test_an_unknown_requester_is_one_ledger_line(world: World) -> None:
    stranger = Person()
    request = world.house.request(iss=stranger.id)
    world.to_feed(stranger.signing.sign(request), request.jti)
    assert rules(world, "post.refused") == ["unknown-signer"]
    assert world.inbox == {}


@pytest.mark.parametrize(
    ("post", "rule"),
    [
        (b"\xff\xfe", "not-jws"),
        (b"x" * 40_000, "too-large"),
        (b"a.b.c", "not-jws"),
    ],
)
def test_a_post_that_is_no_request_is_refused_by_name(world: World, post: bytes, rule: str) -> None:
    world.to_feed(post, "anything-at-all-00")
    assert rules(world, "post.refused") == [rule]


def test_a_request_changed_by_one_letter_has_no_valid_signature(world: World) -> None:
    request = world.house.request()
    header, payload, signature = world.house.post(request).split(".")
    text = decode_base64url(payload).replace(b"red coat", b"red coal")
    changed = ".".join((header, encode_base64url(text), signature))
    world.to_feed(changed, request.jti)
    assert rules(world, "post.refused") == ["bad-signature"]


def test_a_request_posted_under_another_id_is_refused(world: World) -> None:
    world.to_feed(world.house.post(world.house.request()), "another-id-000000")
    assert rules(world, "post.refused") == ["wrong-topic"]


def test_the_same_post_again_changes_nothing_and_leaves_no_line(world: World) -> None:
    world.house.record()
    request = world.house.request()
    jws = world.post(request)
    world.to_feed(b"\xff", "garbage-000000000")
    lines = len(world.events())
    for _ in range(3):
        world.to_feed(jws, request.jti)
        world.to_feed(b"\xff", "garbage-000000000")
    assert len(world.events()) == lines


def test_a_policy_refusal_names_its_rule_and_the_owner_is_not_bothered(world: World) -> None:
    world.house.record()
    post = world.post(world.house.request(incident="Protest"))
    assert world.request_state(post) == "REFUSED"
    assert rules(world, "request.refused") == ["incident-never"]
    assert world.inbox == {}


def test_legal_orders_only_is_one_config_line(tmp_path: Path) -> None:
    world = World(tmp_path, requests=config.Requests(accept=("legal-order",)))
    world.house.record()
    post = world.post()
    assert world.request_state(post) == "REFUSED"
    assert rules(world, "request.refused") == ["kind-not-accepted"]
    world.kill()


def test_an_upload_to_a_host_that_the_card_does_not_list_is_refused(world: World) -> None:
    target = UploadTarget(protocol="tus", url="https://elsewhere.example/files/")
    post = world.post(world.house.request(upload=target))
    assert world.request_state(post) == "REFUSED"


def test_a_withdrawn_request_is_closed_and_its_unsent_release_stops(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 3
    world.to_device(world.house.approve(post, [clip]))
    withdrawal = Withdrawal(
        iss=world.house.requester.id,
        jti=signing.new_jti(b"w" * 16),
        iat=int(world.clock.now()),
        request=signing.digest(post),
    )
    world.broker.send(
        topics.withdrawal(FEED, withdrawal.jti),
        world.house.requester.signing.sign(withdrawal).encode(),
        retained=True,
    )
    world.run()
    assert world.request_state(post) == "WITHDRAWN"
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REVOKED"
    assert world.receiver.finished == []


def test_only_the_author_can_withdraw(world: World, tmp_path: Path) -> None:
    world.house.record()
    post = world.post()
    stranger = Person()
    forged = Withdrawal(
        iss=stranger.id, jti="withdrawal-000000", iat=int(world.clock.now()),
        request=signing.digest(post),
    )  # fmt: skip
    topic = topics.withdrawal(FEED, forged.jti)
    world.broker.send(topic, stranger.signing.sign(forged).encode(), retained=True)
    world.run()
    assert world.request_state(post) == "OPEN"


# Letters that are refused


def test_an_approval_for_an_edited_request_releases_nothing(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    edited = world.house.post(world.house.request())
    approval = world.house.approval(post, [clip], request=signing.digest(edited))
    world.to_device(world.house.letter(approval, world.house.clip_keys([clip])))
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["unknown-request"]
    (outcome,) = world.outcomes().values()
    assert outcome.event == "REFUSED"
    assert "unknown-request" in outcome.detail


def test_a_replayed_approval_does_not_send_twice(world: World) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    for _ in range(3):
        world.to_device(letter)
    assert len(world.receiver.uploads) == 1
    assert rules(world, "decision.refused") == ["replayed"]
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT", "the letter about the release itself is not replaced"


def test_a_retained_approval_is_refused(world: World) -> None:
    clip = world.house.record()
    world.to_device(world.house.approve(world.post(), [clip]), retained=True)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["retained"]


def test_an_approval_without_the_key_releases_nothing(world: World) -> None:
    clip = world.house.record()
    approval = world.house.approval(world.post(), [clip])
    world.to_device(world.house.letter(approval, {}))
    assert world.receiver.calls == []


def test_a_clip_changed_on_disk_does_not_leave(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    letter = world.house.approve(post, [clip])
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    world.to_device(letter)
    assert world.receiver.calls == []
    assert rules(world, "decision.refused") == ["clip-changed"]


def test_a_letter_sealed_to_somebody_else_is_one_ledger_line(world: World) -> None:
    sealed = mail.seal(mail.Letter(jws="x", keys={}), [Person().recipient])
    for _ in range(3):
        world.to_device(sealed)
    assert rules(world, "letter.refused") == ["not-sealed-to-us"]


# Time


def test_decisions_and_posts_wait_while_the_clock_is_not_synced(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    letter = world.house.approve(post, [clip])
    world.clock.is_synced = False
    world.to_device(letter)
    later = world.post()
    assert world.receiver.calls == []
    assert world.request_state(later) == ""
    assert len(world.broker.unacknowledged) == 2, "the broker keeps them meanwhile"
    world.clock.is_synced = True
    world.run()
    assert len(world.receiver.finished) == 1
    assert world.request_state(later) == "OPEN"
    assert world.broker.unacknowledged == {}


def test_an_open_request_expires(world: World) -> None:
    world.house.record()
    post = world.post()
    world.clock.advance(3 * 86_400)
    world.run()
    assert world.request_state(post) == "EXPIRED"
    assert world.inbox == {}


def test_an_upload_stops_at_the_end_of_the_approval(world: World) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["request-lost"] * 100
    world.to_device(world.house.approve(post, [clip]))
    world.clock.advance(2 * 86_400)
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"
    assert not list((world.house.config.state_dir / "gateway" / "outbox").iterdir())


# Outages and crashes


@pytest.mark.parametrize("fault", ["request-lost", "answer-lost"])
@pytest.mark.parametrize("call", range(5))
def test_an_upload_goes_on_after_an_outage(world: World, fault: str, call: int) -> None:
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = [""] * call + [fault]
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(5):
        world.clock.advance(60)
        world.run()
    (upload,) = world.receiver.finished
    assert open_bundle(bytes(upload.data), world.house.requester.identity)
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"


@pytest.mark.parametrize("commits", range(14))
def test_a_crash_after_any_commit_ends_in_exactly_one_bundle(tmp_path: Path, commits: int) -> None:
    changes = config.Upload(allow_loopback_http=True, chunk_bytes=65_536)
    world = World(tmp_path, upload=changes)
    clip = world.house.record()
    world.crash_after = commits
    post = world.post()
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(3):
        world.clock.advance(60)
        world.run()
    assert len(world.receiver.finished) == 1
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    database = world.house.open_database()
    Ledger(database).verify()
    database.close()
    world.kill()


def test_a_gateway_killed_after_each_chunk_still_believes_an_honest_receiver(
    tmp_path: Path,
) -> None:
    changes = config.Upload(allow_loopback_http=True, chunk_bytes=65_536)
    world = World(tmp_path, upload=changes)
    clip = world.house.record(video=fragmented_mp4(size=128, noisy=True))
    post = world.post()
    world.receiver.faults = ["", *["", "sender-dies"] * 10]  # create, then offset and send
    world.to_device(world.house.approve(post, [clip]))
    (upload,) = world.receiver.finished
    assert upload.size > 3 * 65_536
    assert world.crashes >= 4
    (outcome,) = world.outcomes().values()
    assert outcome.event == "SENT"
    world.kill()


def test_an_approval_whose_keys_were_lost_fails_at_its_end(world: World) -> None:
    """The broker lost its session in the very moment between accepting and sealing."""
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    world.crash_after = 0
    world.broker.send(topics.owner("front-door"), letter)
    assert not world._guard(world.gateway.step)  # type: ignore[union-attr]
    world.broker.unacknowledged.clear()
    world.restart()
    assert world.receiver.calls == []
    world.clock.advance(2 * 86_400)
    world.run()
    (outcome,) = world.outcomes().values()
    assert outcome.event == "FAILED"


def test_letters_are_published_again_at_every_connect(world: World) -> None:
    world.house.record()
    world.post()
    inbox = world.inbox
    world.broker.retained.clear()
    world.restart()
    assert world.inbox == inbox
    assert world.broker.retained[topics.availability("front-door")] == topics.ONLINE
    assert topics.state("front-door") in world.broker.retained


def test_a_letter_written_while_the_broker_is_away_arrives_later(world: World) -> None:
    world.house.record()
    assert world.gateway is not None
    world.gateway.owner_link.drop()  # type: ignore[attr-defined]
    post = world.house.request()
    world.run()
    world.broker.send(topics.request(FEED, post.jti), world.house.post(post).encode())
    assert world.inbox == {}
    world.restart()
    assert len(world.inbox) == 1


# Commands


def command(world: World, what: Preview | Revoke) -> bytes:
    now = int(world.clock.now())
    return world.house.letter(
        Command(
            iss=world.house.owner.id,
            jti=signing.new_jti(f"{now:032d}".encode()[:16]),
            iat=now,
            exp=now + 3600,
            aud=world.house.device_card().fingerprint,
            command=what,
        ),
        {},
    )


def test_a_preview_sends_the_sealed_file_in_chunks(world: World) -> None:
    clip = world.house.record()
    world.to_device(command(world, Preview(clip=clip.id)))
    prefix = f"clip-agent/front-door/preview/{clip.id}/"
    chunks = [(t, p) for t, p in world.broker.published if t.startswith(prefix)]
    assert [t for t, _ in chunks] == [f"{prefix}{n}" for n in range(len(chunks))]
    (path,) = world.house.config.state_dir.rglob("*.mp4.age")
    assert b"".join(p for _, p in chunks) == path.read_bytes()
    assert not any(t.startswith(prefix) for t in world.broker.retained)


def test_a_revoked_release_that_was_not_sent_never_is(world: World) -> None:
    clip = world.house.record()
    world.receiver.faults = ["request-lost"]
    letter = world.house.approve(world.post(), [clip])
    world.to_device(letter)
    (release_id,) = world.outcomes()
    world.to_device(command(world, Revoke(release=release_id)))
    world.clock.advance(3600)
    world.run()
    assert world.outcomes()[release_id].event == "REVOKED"
    assert world.receiver.uploads == {}


def test_the_history_counts_the_posts_of_a_requester(world: World) -> None:
    world.house.record()
    world.post()
    world.post(world.house.request(incident="protest"))
    database = world.house.open_database()
    record = requester_record(
        database, world.house.requester.id, name="Springfield", now=world.clock.now()
    )
    database.close()
    assert (record.requests, record.refused) == (2, 1)


def test_a_request_for_the_past_only_matches_nothing_later(world: World) -> None:
    now = int(world.clock.now())
    window = Window(start=now - 7200, end=now - 3600)
    world.post(world.house.request(window=window))
    world.house.record(seconds_ago=5)
    world.run()
    assert world.inbox == {}


def test_the_gateway_notes_how_it_is_connected_and_only_when_that_changes(world: World) -> None:
    def health() -> tuple[str, str, float]:
        with world.house.open_database() as database:
            found = database.health()
        assert found is not None
        return found.state, found.detail, found.at

    assert health()[0] == "connected"
    noted_at = health()[2]
    world.clock.advance(60)
    world.run()
    assert health() == ("connected", "", noted_at)
    assert world.gateway is not None
    world.gateway.owner_link.drop("the broker closed the connection")  # type: ignore[attr-defined]
    world.gateway.step()
    assert health()[:2] == ("broker-away", "the broker closed the connection")
    world.gateway.stop()
    assert health()[0] == "stopped"
