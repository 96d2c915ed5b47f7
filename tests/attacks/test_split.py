"""One process taken over does not reach the other; a second process of a kind does not start."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path

from tests.e2e.household import Household


def state_of(house: Household, part: str) -> str:
    return str(json.loads(house.device("status", "--json"))[part])


def test_a_second_gateway_refuses_to_start_and_a_killed_one_is_not_called_connected(
    house: Household,
) -> None:
    """Ways 05 (two uploads, or a release that failed) and 21 (`status` after a kill)."""
    house.start("camera")
    house.wait_for_clips(1)
    house.start("gateway")
    house.wait("its database", lambda: "connected" in house.log("gateway"))
    house.wait("the gateway", lambda: state_of(house, "gateway") == "connected")
    said = house.run("gateway", "--config", house.config, expected=1)
    assert f"another clip-agent gateway runs on {house.state}" in said
    assert house.ended("gateway") is None
    house.kill("gateway")
    assert state_of(house, "gateway") == "not-running"
    house.start("gateway")
    house.wait("the gateway", lambda: state_of(house, "gateway") == "connected")


def test_a_gateway_that_was_taken_over_neither_deletes_clips_nor_stops_the_recording(
    house: Household,
) -> None:
    """Finding 5 of security.md: rows of the shared database, and locks."""
    wishes = house.state / "wishes"
    wishes.mkdir(parents=True)
    (wishes / "wishes.json").symlink_to("/dev/zero")
    house.start("camera")
    before = {clip["id"] for clip in house.wait_for_clips(1)}
    held = _lock_all(house.state / "camera")
    for said in (b"", b"{}", b'{"held": ["*"]}', b'{"delete": "all"}', b"\xff" * 3_000_000):
        (wishes / "new").write_bytes(said)
        (wishes / "new").rename(wishes / "wishes.json")
    after = {clip["id"] for clip in house.wait_for_clips(len(before) + 1)}
    house.kill("camera")
    house.start("camera")
    again = {clip["id"] for clip in house.wait_for_clips(len(after) + 1)}
    assert before < after < again
    for descriptor in held:
        os.close(descriptor)


def _lock_all(folder: Path) -> list[int]:
    """Hold an exclusive lock on all that the group may open."""
    held = []
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        if mode & stat.S_IRGRP:
            held.append(os.open(path, os.O_RDONLY))
            try:
                fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert path.name == "alive"
    assert len(held) > 3
    return held


def test_what_each_process_keeps_for_itself_is_closed_to_the_other(house: Household) -> None:
    """Finding 3 of security.md: the camera process added a trigger to the shared database."""
    house.start("camera")
    house.start("gateway")
    house.wait_for_clips(1)
    house.wait("its database", lambda: "connected" in house.log("gateway"))
    house.wait("the gateway", lambda: state_of(house, "gateway") == "connected")
    gateway, camera = house.state / "gateway", house.state / "camera"
    assert gateway.stat().st_mode & 0o777 == 0o700
    for path in (*gateway.rglob("*"), *camera.glob("index.sqlite*"), camera / "lock"):
        assert not path.stat().st_mode & 0o077 or gateway in path.parents, path
    for path in (camera, camera / "clips", house.state / "wishes"):
        assert not path.stat().st_mode & 0o022, path
