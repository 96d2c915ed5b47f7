"""From a public post to a bundle at the requester, through the gateway's own ``build()``.

Peers are simulated; keys, clips, index, ledger, bundles are real. What must never
happen is in ``test_model.py``; here each rule is shown once, by name.
"""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import decode_base64url
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
    Window,
)
from agent.vault.records.requester_history import requester_record
from tests.support.footage import numbers, prepared, record
from tests.support.gateway_world import World
from tests.support.house import fragmented_mp4
from tests.support.peers import open_bundle
from tests.support.video import play


def read_letter(world: World, payload: bytes) -> InboxReport:
    card = world.house.device_card()
    letter = mail.open_letter(payload, world.house.owner.identity)
    assert letter.keys == {}
    return signing.verify(letter.jws, InboxReport, {card.fingerprint: card.key})


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
