"""Files that the camera's process would write if it were taken over: none ends the gateway."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.consent.statements import ListClips, Preview, Thumbnails, Window
from agent.mqtt import topics
from agent.vault import camera_state
from agent.vault.clips.paths import ClipFiles
from agent.vault.database.gateway import Clip
from tests.support.feed import report
from tests.support.gateway_world import DEVICE, World

ID = "20240124-183000-abcdef"
NUL = "\x00"
ALL_TIME = ListClips(window=Window(start=0, end=253_402_300_799))
CHANGES: list[dict[str, Any]] = [
    {"id": "../../../etc/passwd"},
    {"id": f"a{NUL}b"},
    {"id": ID + NUL + "more"},
    {"id": "x" * 1_000},
    {"started_at": 9e999},
    {"started_at": -9e999},
    {"started_at": 1e300},
    {"started_at": 2_534_023_008_000.0},
    {"started_at": -1.0},
    {"duration_seconds": 9e999},
    {"duration_seconds": -5.0},
    {"duration_seconds": 1e18},
    {"monotonic_seconds": 9e999},
    {"monotonic_seconds": 1e300},
    {"bytes": -1},
    {"bytes": 2**62},
    {"bytes": 1},
    {"sha256": ""},
    {"sha256": "x"},
    {"sha256": "A" * 64},
    {"sealed_key": ""},
    {"sealed_key": f"not base64 {NUL}"},
    {"sealed_key": "A" * 10_000_000},
    {"sealed_key": "AAAA"},
    {"truncated": 7, "clock_synced": -3},
    {"boot_id": "\xff" * 200},
    {"width": 2**40},
    {"another": "field"},
]


def hostile(world: World, clip: Clip, text: bytes, *, media: bool = True) -> None:
    """A sidecar of the camera's choice, beside a copy of the recording of ``clip``."""
    real = ClipFiles.of(world.house.config.state_dir, clip.id)
    place = ClipFiles.of(world.house.config.state_dir, ID)
    place.directory.mkdir(exist_ok=True)
    place.sidecar.write_bytes(text)
    if media:
        shutil.copy(real.media, place.media)


def changed(world: World, clip: Clip, **changes: Any) -> bytes:
    real = ClipFiles.of(world.house.config.state_dir, clip.id)
    plain = {**json.loads(real.sidecar.read_bytes()), "id": ID, **changes}
    return json.dumps(plain).encode()


def all_goes_on(world: World, clip: Clip) -> None:
    post = world.post()
    letter = report(world, post)
    assert letter is not None and clip.id in [offer.id for offer in letter.clips]
    world.restart()
    world.clock.advance(61)
    world.run()
    for command in (ALL_TIME, Preview(clip=ID), Thumbnails(clips=(clip.id, ID))):
        world.to_device(world.house.command(command))
    world.to_device(world.house.approve(post, [clip]))
    assert len(world.receiver.finished) == 1
    assert world.crashes == 0


@pytest.mark.parametrize("changes", CHANGES, ids=lambda c: repr(next(iter(c.items())))[:40])
def test_a_sidecar_that_no_camera_writes_is_ignored(world: World, changes: dict[str, Any]) -> None:
    clip = world.house.record()
    hostile(world, clip, changed(world, clip, **changes))
    all_goes_on(world, clip)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"id": 1, "id": 2}', b"[" * 100_000, b" " * 1_000_000],
    ids=["empty", "cut off", "a list", "no text", "twice", "deep", "large"],
)
def test_a_sidecar_that_is_none_is_ignored(world: World, text: bytes) -> None:
    clip = world.house.record()
    hostile(world, clip, text)
    all_goes_on(world, clip)


@pytest.mark.parametrize("trap", ["pipe", "link", "folder", "endless"])
@pytest.mark.parametrize("what", ["sidecar", "media"])
def test_a_trap_in_the_place_of_a_file_is_ignored(world: World, what: str, trap: str) -> None:
    clip = world.house.record()
    hostile(world, clip, changed(world, clip))
    spring(getattr(ClipFiles.of(world.house.config.state_dir, ID), what), trap, world)
    all_goes_on(world, clip)


def spring(path: Path, trap: str, world: World) -> None:
    path.unlink()
    match trap:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "endless":
            path.symlink_to("/dev/zero")
        case "link":
            keys = world.house.config.state_dir / "gateway" / "keys"
            path.symlink_to(next(keys.iterdir()))


def test_a_folder_of_a_day_that_is_a_link_is_not_followed(world: World, tmp_path: Path) -> None:
    clip = world.house.record()
    hostile(world, clip, changed(world, clip))
    day = ClipFiles.of(world.house.config.state_dir, ID).directory
    elsewhere = tmp_path / "elsewhere"
    day.rename(elsewhere)
    day.symlink_to(elsewhere)
    world.run()
    with world.house.open_database() as database:
        assert ID not in [known.id for known in database.clips()]


def test_a_folder_with_thousands_of_names_ends_nothing(world: World) -> None:
    clip = world.house.record()
    folder = ClipFiles.of(world.house.config.state_dir, clip.id).directory
    for number in range(2_000):
        (folder / f"{number:06d}-{number:06x}.json").touch()
        (folder / f"{number:06d}-{number:06x}.mp4.age").touch()
    for _ in range(5):
        world.run()
    all_goes_on(world, clip)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "on the porch: two people"},
        {"state": ""},
        {"state": "\xff"},
        {"detail": "x\ny"},
        {"encoder": "\xff"},
        {"encoder": "0" * 1_000},
        {"last_motion_at": 9e999},
        {"last_motion_at": -9e999},
        {"last_motion_at": 1e300},
        {"at": 9e999},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_state_that_no_camera_says_is_not_published_and_ends_nothing(
    world: World, changes: dict[str, Any]
) -> None:
    said = {"state": "armed", "detail": "", "at": 1.0, "version": "1", "encoder": "libx264"}
    path = camera_state.path_of(world.house.config.state_dir)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(said | changes))
    world.restart()
    world.run()
    state = json.loads(world.broker.retained[topics.state(DEVICE)])
    assert state["encoder"] in (None, "libx264")
    assert state["camera"] in ("never started", "not-running")
    path.write_text(json.dumps(said | {"state": "stopped"}))
    world.run()
    state = json.loads(world.broker.retained[topics.state(DEVICE)])
    assert state["camera"] == "stopped", "what it says next is believed again"


@pytest.mark.parametrize("trap", ["pipe", "link", "folder", "endless"])
def test_a_trap_in_the_place_of_the_state_is_not_read(world: World, trap: str) -> None:
    path = camera_state.path_of(world.house.config.state_dir)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    spring(path, trap, world)
    world.restart()
    assert json.loads(world.broker.retained[topics.state(DEVICE)])["camera"] == "never started"
