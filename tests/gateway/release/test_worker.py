"""Releases in bad company: forged rows, wrong clocks, lying receivers, too little memory.

The straight way is in ``test_release_way.py``, what must never happen, whatever the order
of events, in ``test_model.py``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pyrage
import pytest

from agent import config, files
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import Command, Revoke, UploadTarget
from agent.errors import Refused, StorageFault
from agent.gateway.decisions.delivery import MAX_UNACKNOWLEDGED
from agent.gateway.release.worker import SealJob
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World, change_cards, rules, state_of
from tests.support.house import Person, fragmented_mp4
from tests.support.two_owners import write


def sealed_and_waiting(world: World) -> str:
    """A release whose bundle waits for a receiver that was heard of once; its id."""
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["", "request-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    assert state_of(world, release_id) == "SEALED"
    return release_id


# Releases: what is on the disk is not believed


def test_a_bundle_does_not_go_to_a_host_removed_from_the_card(world: World) -> None:
    release_id = sealed_and_waiting(world)
    change_cards(world, lambda cards: cards[0].update(upload_hosts=["elsewhere.example"]))
    world.restart()
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "FAILED"
    assert "upload-not-allowed" in world.outcomes()[release_id].detail
    assert world.receiver.finished == []


def test_a_bundle_does_not_go_to_a_requester_whose_card_was_removed(world: World) -> None:
    release_id = sealed_and_waiting(world)
    change_cards(world, lambda cards: cards.clear())
    world.restart()
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "REVOKED"
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
    """A row named ``../clips/...`` would upload that file in the name of an old approval.

    Only an edited disk has such a row: it ends the gateway.
    """
    release_id = sealed_and_waiting(world)
    write(world, "UPDATE release SET id = '../clips/some'")
    world.clock.advance(60)
    with pytest.raises(Refused):
        world.run()
    assert set(world.outcomes()) == {release_id}, "and nobody hears of it"
    assert world.receiver.finished == []


# Releases: the bundle on the disk


def bundle_of(world: World, release_id: str) -> Path:
    return world.house.config.state_dir / "gateway" / "outbox" / f"{release_id}.age"


@pytest.mark.parametrize("damage", ["a byte", "the end", "all", "another"])
def test_a_bundle_that_changed_since_it_was_sealed_is_not_sent(world: World, damage: str) -> None:
    """A failing SD card, or a camera taken over: the requester would get noise, or worse."""
    release_id = sealed_and_waiting(world)
    path = bundle_of(world, release_id)
    whole = path.read_bytes()
    other = pyrage.encrypt(whole, [mail.parse_identity(Person().identity).to_public()])
    path.write_bytes(
        {
            "a byte": whole[:-1] + bytes([whole[-1] ^ 1]),
            "the end": whole[:-100],
            "all": b"",
            "another": other,
        }[damage]
    )
    sent = len(world.receiver.calls)
    world.restart()
    world.clock.advance(60)
    world.run()
    outcome = world.outcomes()[release_id]
    assert outcome.event == "FAILED"
    assert outcome.detail.startswith("the sealed bundle in the outbox was changed")
    assert "send" not in world.receiver.calls[sent:]
    assert not path.exists()


def test_a_bundle_that_is_gone_is_not_sent(world: World) -> None:
    release_id = sealed_and_waiting(world)
    bundle_of(world, release_id).unlink()
    world.restart()
    world.clock.advance(60)
    world.run()
    assert world.outcomes()[release_id].event == "FAILED"
    assert "gone from the outbox" in world.outcomes()[release_id].detail


def test_a_bundle_is_hashed_once_by_each_process_that_did_not_write_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one takes a Pi many seconds, and a receiver may be away for days."""
    read: list[Path] = []
    real = files.sha256

    def counted(path: Path) -> str:
        read.extend([path] if path.suffix == ".age" and path.parent.name == "outbox" else [])
        return real(path)

    monkeypatch.setattr(files, "sha256", counted)
    release_id = sealed_and_waiting(world)
    assert len(read) == 0
    world.restart()
    world.receiver.faults = ["request-lost"] * 5
    for _ in range(6):
        world.clock.advance(600)
        world.run()
    assert len(read) == 1
    assert state_of(world, release_id) == "SENT"


def test_a_bundle_that_cannot_be_removed_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it would end the process at every start, and with it all other releases."""
    release_id = sealed_and_waiting(world)
    path = bundle_of(world, release_id)

    def stuck(path: Path) -> None:
        raise StorageFault(f"{path}: Operation not permitted")

    monkeypatch.setattr(files, "remove", stuck)
    world.clock.advance(60)
    world.run()
    assert state_of(world, release_id) == "SENT"
    assert path.exists()
    world.restart()
    reports = [record for record in caplog.records if "cannot be removed" in record.message]
    assert len(reports) == 2
    assert all(path.name in record.message for record in reports)


def test_a_half_written_bundle_that_stays_counts_as_one_death(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    with monkeypatch.context() as patched:
        patched.setattr("agent.gateway.release.worker.ReleaseWorker._seal", lambda *_: False)
        world.to_device(letter)
        release_id = release_of(world)
        part = world.house.config.state_dir / "gateway" / "outbox" / f"{release_id}.age.part"
        part.mkdir()  # no file, so it cannot be unlinked
        for _ in range(8):
            world.restart()
    part.rmdir()
    world.clock.advance(1_000)
    world.run()
    assert state_of(world, release_id) == "SENT"


# Releases: clocks


def test_nothing_is_sent_while_the_clock_is_unsynced(world: World) -> None:
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


def test_a_letter_that_comes_twice_before_sealing_is_acknowledged_twice(
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
    world.receiver.faults = ["", "request-lost"] * 20
    world.to_device(world.house.approve(post, [clip]))
    for _ in range(600):
        world.clock.advance(1)
        world.run()
    assert 3 <= world.receiver.calls.count("create") <= 15


def test_the_ledger_line_of_a_stopped_upload_holds_the_confirmed_bytes(world: World) -> None:
    """The answer to the last chunk was lost: the requester may have everything."""
    clip = world.house.record()
    post = world.post()
    world.receiver.faults = ["", "answer-lost"]
    world.to_device(world.house.approve(post, [clip]))
    (release_id,) = world.outcomes()
    now = int(world.clock.now())
    revoke = Command(
        iss=world.house.owner.id, jti=signing.new_jti(b"r" * 16), iat=now, exp=now + 600,
        aud=world.house.device_card().fingerprint, command=Revoke(release=release_id),
    )  # fmt: skip
    world.to_device(world.house.letter(revoke, {}))
    (line,) = [detail for event, detail in world.events("release.revoked")]
    assert (line["confirmed_bytes"], line["bytes"]) == (0, len(world.receiver.finished[0].data))


def test_a_clip_that_does_not_fit_into_memory_fails_its_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("agent.media.editing.prepare.prepare", prepare)
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
    outbox = world.house.config.state_dir / "gateway" / "outbox"
    monkeypatch.setattr("agent.gateway.release.worker.ReleaseWorker._seal", lambda *_: False)
    deaths = 0
    while not world.outcomes() or next(iter(world.outcomes().values())).event == "APPROVED":
        (outbox / f"{release_of(world)}.age.part").write_bytes(b"half")
        world.restart()
        deaths += 1
        assert deaths < 20
    assert next(iter(world.outcomes().values())).event == "FAILED"
    assert not list(outbox.iterdir())


def test_a_release_that_waited_for_room_on_the_disk_survives_a_single_death(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries that failed for another reason do not count as deaths."""

    def full(*_: object, **__: object) -> None:
        raise StorageFault("the disk is full")

    clip = world.house.record()
    letter = world.house.approve(world.post(), [clip])
    with monkeypatch.context() as patched:
        patched.setattr("agent.gateway.release.bundle.contents.BundleContents.seal", full)
        world.to_device(letter)
        for _ in range(6):
            world.clock.advance(1_000)
            world.run()
    release_id = release_of(world)
    part = world.house.config.state_dir / "gateway" / "outbox" / f"{release_id}.age.part"
    part.write_bytes(b"half")
    world.restart()
    assert state_of(world, release_id) == "APPROVED"
    world.clock.advance(1_000)
    world.run()
    assert state_of(world, release_id) == "SENT"


def test_a_full_disk_does_not_block_a_later_revocation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker waits with the next letter once some are not acknowledged (RabbitMQ: 10)."""

    def full(*_: object, **__: object) -> None:
        raise StorageFault("the disk is full")

    clip, post = world.house.record(), world.post()
    with monkeypatch.context() as patched:
        patched.setattr("agent.gateway.release.bundle.contents.BundleContents.seal", full)
        for _ in range(30):
            world.to_device(world.house.approve(post, [clip]))
        letters = [topic for topic, *_ in world.broker.unacknowledged.values()]
        assert letters.count(topics.owner(DEVICE)) == MAX_UNACKNOWLEDGED < 10
        world.restart()
    assert rules(world, "decision.refused") == []
    world.clock.advance(1_000)
    world.run()
    assert len(world.receiver.finished) == 30, "what had been accepted goes on"
    assert world.broker.unacknowledged == {}
    assert not [topic for topic in world.broker.retained if "/deferred/" in topic]


def release_of(world: World) -> str:
    with sqlite3.connect(world.house.config.state_dir / "gateway" / "gateway.sqlite") as db:
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

    reached: list[int] = []

    def ends_meanwhile(upload_url: str, **more: Any) -> int:
        if end == "expired":
            world.clock.advance(2 * 86_400)
        else:
            write(world, "UPDATE release SET stop = 'revoked by the owner'")
        reached.append(send(upload_url, **more))
        return reached[-1]

    world.receiver.send = ends_meanwhile  # type: ignore[method-assign]
    world.to_device(letter)
    assert reached == ([] if end == "expired" else [1_000])  # time passed, so it looked
    (outcome,) = world.outcomes().values()
    assert outcome.event == ("FAILED" if end == "expired" else "REVOKED")
    world.kill()
