"""Rows that a camera's process would write if it were taken over do not end the gateway."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from agent.consent.statements import ListClips, Preview, Window
from tests.support.couple import write
from tests.support.feed import report
from tests.support.world import World

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
        {"boot_id": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
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


def copy_of(world: World) -> dict[str, Any]:
    with sqlite3.connect(world.house.config.state_dir / "agent.sqlite") as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM clip").fetchone())
    db.close()
    return row


def insert(world: World, row: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    write(world, f"INSERT INTO clip ({', '.join(row)}) VALUES ({marks})", *row.values())
