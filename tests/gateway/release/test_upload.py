"""From the outbox to the receiver: when not to, how much at a time, and whose turn it is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config, files
from agent.errors import NetworkFault
from agent.gateway.release.chunk import Chunk
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, World, state_of
from tests.support.house import fragmented_mp4

CHUNK = 80_000
VIDEO = fragmented_mp4(size=256, noisy=True)


def stop(world: World, release_id: str) -> None:
    """Stop a release as a revocation or withdrawal on the gateway's other thread does."""
    with sqlite3.connect(world.house.config.state_dir / "gateway" / "gateway.sqlite") as db:
        db.execute("UPDATE release SET stop = 'revoked' WHERE id = ?", (release_id,))
    db.close()


def sealed(world: World, count: int, *, video: bytes | None = None) -> list[str]:
    """So many releases whose uploads have not begun; their ids, the oldest first."""
    assert world.gateway is not None
    clips = [world.house.record(video=video) for _ in range(count)]
    post = world.post()
    for clip in clips:
        world.broker.send(topics.owner(DEVICE), world.house.approve(post, [clip]))
        world.gateway.step()
        world.clock.advance(1)
    uploader = world.gateway.releases.uploader
    heard, uploader.owner_heard = uploader.owner_heard, lambda: False
    for _ in range(count):  # a turn seals one
        world.gateway.releases.step()
    uploader.owner_heard = heard
    assert world.receiver.calls == []
    database = world.house.open_database()
    ids = [str(row[0]) for row in database.rows("SELECT id FROM release ORDER BY approved_at")]
    database.close()
    assert len(ids) == count
    return ids


def turn(world: World) -> None:
    """One turn of the thread of releases."""
    assert world.gateway is not None
    world.gateway.releases.step()
    world.gateway.step()


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[World]:
    """A world whose bundles take several chunks."""
    upload = config.Upload(allow_loopback_http=True, chunk_bytes=CHUNK)
    world = World(tmp_path, upload=upload)
    yield world
    world.kill()


# When not to


def test_a_release_revoked_while_another_has_its_turn_is_not_announced(world: World) -> None:
    """Sending a piece takes minutes on a slow line, and the list was read before."""
    first, second = sealed(world, 2)
    create = world.receiver.create

    def revoked_meanwhile(url: str, **more: Any) -> str:
        stop(world, second)
        return create(url, **more)

    world.receiver.create = revoked_meanwhile  # type: ignore[method-assign]
    turn(world)
    assert [upload.release for upload in world.receiver.uploads.values()] == [first]
    assert state_of(world, second) == "REVOKED"


@pytest.mark.parametrize("done", ["nothing", "announced"])
def test_a_release_stopped_while_its_bundle_is_hashed_is_not_announced(
    world: World, monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    """Of a large one a Pi takes the digest for many seconds."""
    (release_id,) = sealed(world, 1)
    if done == "announced":
        turn(world)
    world.clock.is_synced = False
    world.restart()  # a process that did not write the bundle, and nothing is sent yet
    world.clock.is_synced = True
    assert world.gateway is not None
    world.gateway.step()
    digest = files.sha256

    def stopped_meanwhile(path: Path) -> str:
        stop(world, release_id)
        return digest(path)

    monkeypatch.setattr(files, "sha256", stopped_meanwhile)
    calls = list(world.receiver.calls)
    turn(world)
    turn(world)
    assert world.receiver.calls == calls
    assert state_of(world, release_id) == "REVOKED"


def test_a_chunk_that_lasts_is_cut_off_by_a_revocation(pieces: World) -> None:
    """A chunk may last for seconds, and its recipient can open every part that arrived."""
    (release_id,) = sealed(pieces, 1, video=VIDEO)
    turn(pieces)
    went: list[int] = []

    def slow(upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        for piece in replace(chunk, pieces=[1_000] * 80):
            went.append(len(piece))
            pieces.clock.advance(0.2)
            if len(went) == 10:
                stop(pieces, release_id)
        raise AssertionError("it went on to its end")

    pieces.receiver.send = slow  # type: ignore[method-assign]
    turn(pieces)
    turn(pieces)
    assert state_of(pieces, release_id) == "REVOKED"
    assert 10 <= len(went) <= 13


def test_a_long_chunk_on_a_line_that_collapsed_ends_after_a_minute(pieces: World) -> None:
    """The others wait for their turn. What it brought counts, and the next chunk is shorter."""
    (release_id,) = sealed(pieces, 1, video=fragmented_mp4(size=512, noisy=True))
    sizes: list[int] = []

    def send(upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        sizes.append(len(chunk))
        data = pieces.receiver.uploads[upload_url].data
        for piece in replace(chunk, pieces=[1_000] * (len(chunk) // 1_000)):
            data.extend(piece)
            pieces.clock.advance(0.001 if len(sizes) == 1 else 1)
        return offset + len(chunk)

    pieces.receiver.send = send  # type: ignore[method-assign]
    for _ in range(8):
        turn(pieces)
    assert sizes[0] == CHUNK < sizes[1]
    assert sizes[2] < sizes[1]
    assert state_of(pieces, release_id) == "SEALED"


# How much at a time, and whose turn it is


def test_releases_take_turns_chunk_by_chunk(pieces: World) -> None:
    """A large bundle on a slow line must not keep the next owner's decision waiting."""
    first, second = sealed(pieces, 2, video=VIDEO)
    turn(pieces)  # announced
    for chunks in (1, 2, 3):
        turn(pieces)
        had = {upload.release: len(upload.data) for upload in pieces.receiver.uploads.values()}
        assert had == {first: chunks * CHUNK, second: chunks * CHUNK}
    pieces.run()
    assert {upload.release for upload in pieces.receiver.finished} == {first, second}
    assert state_of(pieces, first) == state_of(pieces, second) == "SENT"


def test_the_offset_is_not_asked_for_while_all_goes_well(pieces: World) -> None:
    sealed(pieces, 1, video=VIDEO)
    pieces.run()
    assert pieces.receiver.calls[:3] == ["create", "send", "send"]
    assert "offset" not in pieces.receiver.calls


def test_an_announcement_names_file_type_release_and_digest(pieces: World) -> None:
    """Some receivers refuse an upload without a file's name and type."""
    (release_id,) = sealed(pieces, 1)
    pieces.run()
    (upload,) = pieces.receiver.finished
    assert upload.metadata == {
        "filename": f"{release_id}.age",
        "filetype": "application/octet-stream",
        "release": release_id,
        "sha256": hashlib.sha256(upload.data).hexdigest(),
    }


def test_the_offset_is_asked_for_again_after_a_failure(pieces: World) -> None:
    """The chunk may have arrived though the answer did not."""
    (release_id,) = sealed(pieces, 1, video=VIDEO)
    pieces.receiver.faults = ["", "", "answer-lost"]
    pieces.run()
    pieces.clock.advance(60)
    pieces.run()
    assert pieces.receiver.calls[:5] == ["create", "send", "send", "offset", "send"]
    assert state_of(pieces, release_id) == "SENT"


def crawl(world: World, taken: int) -> list[int]:
    """Let the receiver take so many bytes of each chunk; how many it was sent, a call an item."""
    sent: list[int] = []

    def send(upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        sent.append(len(chunk))
        world.receiver.uploads[upload_url].data += b"".join(chunk)[:taken]
        return offset + min(taken, len(chunk))

    world.receiver.send = send  # type: ignore[method-assign]
    return sent


@pytest.mark.parametrize("taken", [1, 65_535])
def test_a_receiver_that_takes_a_trickle_is_asked_ever_more_rarely(
    pieces: World, taken: int
) -> None:
    """One byte a PATCH would be a megabyte of traffic for each, for days."""
    sealed(pieces, 1, video=fragmented_mp4(size=512, noisy=True))
    sent = crawl(pieces, taken)
    for _ in range(600):
        pieces.clock.advance(1)
        pieces.run()
    assert 3 <= len(sent) <= 12
    (upload,) = pieces.receiver.uploads.values()
    assert len(upload.data) == taken * len(sent), "and what it did take counts"


def test_a_slow_receiver_does_not_block_other_releases(pieces: World) -> None:
    slow, revoked, other = sealed(pieces, 3, video=VIDEO)
    send = pieces.receiver.send

    def slow_for_one(upload_url: str, *, offset: int, chunk: Chunk, size: int) -> int:
        upload = pieces.receiver.uploads[upload_url]
        if upload.release != slow:
            return send(upload_url, offset=offset, chunk=chunk, size=size)
        upload.data += b"".join(chunk)[:1]
        stop(pieces, revoked)
        return offset + 1

    pieces.receiver.send = slow_for_one  # type: ignore[method-assign]
    pieces.run()
    assert state_of(pieces, revoked) == "REVOKED"
    assert state_of(pieces, other) == "SENT"
    assert state_of(pieces, slow) == "SEALED"


def test_a_receiver_that_takes_the_least_progress_is_no_failure(pieces: World) -> None:
    (release_id,) = sealed(pieces, 1, video=VIDEO)
    sent = crawl(pieces, 65_536)
    pieces.run()
    assert state_of(pieces, release_id) == "SENT"
    assert len(sent) > 4


def test_bytes_that_arrived_without_an_answer_are_progress(pieces: World) -> None:
    """A proxy that gives up before the receiver does: each answer is lost, and no byte."""
    (release_id,) = sealed(pieces, 1, video=VIDEO)
    turn(pieces)
    send = pieces.receiver.send

    def lost(upload_url: str, **more: Any) -> int:
        send(upload_url, **more)
        raise NetworkFault("the answer was lost")

    pieces.receiver.send = lost  # type: ignore[method-assign]
    for _ in range(60):
        pieces.clock.advance(4)  # the first pause is no longer, and none grows
        pieces.run()
    assert state_of(pieces, release_id) == "SENT"
