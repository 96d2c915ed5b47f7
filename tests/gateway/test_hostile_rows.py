"""Rows that a camera's process would write if it were taken over do not end the gateway."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from agent.consent.statements import ListClips, Preview, Window
from agent.mqtt import topics
from tests.support.feed import report
from tests.support.gateway_world import DEVICE, World
from tests.support.two_owners import write

ID = "20240124-183000-abcdef"
NUL = "\x00"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../../etc/passwd"},
        {"id": f"a{NUL}b"},
        {"id": ID + NUL + "more"},
        {"id": "x" * 1_000},
        {"id": "20240124-183000-00000g"},
        {"started_at": 9e999},
        {"started_at": -9e999},
        {"started_at": 1e300},
        {"started_at": 2_534_023_008_000.0},
        {"duration_seconds": 9e999},
        {"duration_seconds": -5.0},
        {"duration_seconds": 1e18},
        {"monotonic_seconds": 9e999},
        {"bytes": -1},
        {"bytes": 2**62},
        {"sha256": ""},
        {"sha256": "x"},
        {"sha256": "A" * 64},
        {"sealed_key": ""},
        {"sealed_key": f"not base64 {NUL}"},
        {"sealed_key": "A" * 10_000_000},
        {"truncated": 7, "clock_synced": -3},
        {"boot_id": "\xff" * 20},
        {"sealed_key": "AAAA"},
    ],
    ids=lambda changes: repr(next(iter(changes.items())))[:40],
)
def test_the_rest_goes_on_as_if_the_row_were_not_there(
    world: World, changes: dict[str, Any]
) -> None:
    clip = world.house.record()
    row = {**copy_of(world), "id": ID, **changes}
    insert(world, row)
    post = world.post()
    letter = report(world, post)
    assert letter is not None and clip.id in [offer.id for offer in letter.clips]
    world.restart()
    world.clock.advance(61)
    world.run()
    for command in (ListClips(window=Window(start=0, end=253_402_300_799)), Preview(clip=ID)):
        world.to_device(world.house.command(command))
    world.to_device(world.house.approve(post, [clip]))
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize("bytes_", ["ff", "eda080", "610062"], ids=["ff", "surrogate", "NUL"])
@pytest.mark.parametrize("column", ["id", "boot_id", "sha256", "sealed_key"])
def test_a_text_that_is_none_ends_nothing(world: World, column: str, bytes_: str) -> None:
    clip = world.house.record()
    insert(world, {**copy_of(world), "id": ID})
    write(world, f"UPDATE clip SET {column} = CAST(x'{bytes_}' AS TEXT) WHERE id = ?", ID)
    world.restart()
    post = world.post()
    world.to_device(world.house.command(ListClips(window=Window(start=0, end=253_402_300_799))))
    world.to_device(world.house.approve(post, [clip]))
    assert len(world.receiver.finished) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "CAST(x'ff' AS TEXT)"),
        ("state", "'on the porch: two people'"),
        ("state", "''"),
        ("detail", "CAST(x'ff' AS TEXT)"),
        ("encoder", "CAST(x'ff' AS TEXT)"),
        ("encoder", "hex(zeroblob(1000))"),
        ("last_motion_at", "9e999"),
        ("last_motion_at", "-9e999"),
        ("last_motion_at", "1e300"),
        ("at", "9e999"),
    ],
)
def test_health_that_no_camera_says_is_not_published_and_ends_nothing(
    world: World, column: str, value: str
) -> None:
    write(world, "INSERT INTO health VALUES ('camera', 1.0, 'armed', '', 1.0, 'libx264')")
    write(world, f"UPDATE health SET {column} = {value} WHERE part = 'camera'")
    world.restart()
    world.run()
    state = json.loads(world.broker.retained[topics.state(DEVICE)])
    assert state["encoder"] in (None, "libx264")
    assert state["camera"] in ("never started", "not-running")
    with world.house.open_index() as index:
        index.set_health("camera", "stopped", "", world.clock.now())
    world.run()
    state = json.loads(world.broker.retained[topics.state(DEVICE)])
    assert state["camera"] == "stopped", "what it says next is believed again"


def copy_of(world: World) -> dict[str, Any]:
    with sqlite3.connect(world.house.config.state_dir / "agent.sqlite") as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM clip").fetchone())
    db.close()
    return row


def insert(world: World, row: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    write(world, f"INSERT INTO clip ({', '.join(row)}) VALUES ({marks})", *row.values())
