"""From the outbox to the receiver: when not to, how much at a time, and whose turn it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent import topics
from agent.vault import files
from tests.support.world import DEVICE, World, state_of


def stop(world: World, release_id: str) -> None:
    """What a revocation or a withdrawal does, on the gateway's other thread."""
    with sqlite3.connect(world.house.config.state_dir / "agent.sqlite") as db:
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
    world.gateway.releases.step()
    assert world.receiver.calls == []
    index = world.house.open_index()
    ids = [str(row[0]) for row in index.rows("SELECT id FROM release ORDER BY approved_at")]
    index.close()
    assert len(ids) == count
    return ids


def turn(world: World) -> None:
    """One turn of the thread of releases."""
    assert world.gateway is not None
    world.gateway.releases.step()
    world.gateway.step()


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
def test_a_release_stopped_while_its_bundle_was_read_meets_no_receiver(
    world: World, monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    """Of a large one a Pi takes the digest for many seconds."""
    (release_id,) = sealed(world, 1)
    if done == "announced":
        turn(world)
        world.clock.is_synced = False
        world.restart()  # and nothing is sent yet
        world.clock.is_synced = True
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
