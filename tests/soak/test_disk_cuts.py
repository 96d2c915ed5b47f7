"""The power cuts of `make chaos`, briefly, and with the syncs left out: that must be noticed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.peers.losing_disk import TOP, LosingDisk, Operation, is_possible
from tests.soak.disk_cuts import Told, decide, judge_camera, judge_gateway, record, run
from tests.support import power
from tests.support.clock import SimulatedClock

pytestmark = [pytest.mark.timeout(300), pytest.mark.no_cover]
needs_disk = pytest.mark.skipif(not is_possible(), reason="no FUSE here, or not root")


@needs_disk
def test_a_disk_that_loses_what_was_not_synced_loses_no_clip_and_no_line() -> None:
    told = run(24, 45, 3, "brief", SimulatedClock())
    assert not told.faults
    assert told.counts["finished clips"] > 0
    assert told.counts["ledgers"] > 0


@needs_disk
def test_a_camera_and_a_gateway_that_do_not_sync_are_noticed(tmp_path: Path) -> None:
    with LosingDisk(tmp_path / "camera") as camera:
        house = record(camera, 45, clock=SimulatedClock())
    with LosingDisk(tmp_path / "gateway") as decisions:
        decide(decisions, 3)
    for disk in (camera, decisions):
        never = [replace(one, node=-1) if one.kind == "fsync" else one for one in disk.operations]
        told = Told()
        for seed in range(8):
            image = power.cut(never, len(never) - 1, "ordered", random.Random(seed))
            if disk is camera:
                judge_camera(house, disk.operations, len(never) - 1, image, told)
            else:
                judge_gateway(never, len(never) - 1, image, told)
        assert told.faults


def test_a_torn_block_keeps_its_old_sectors() -> None:
    old, new = b"o" * power.BLOCK_BYTES, b"n" * power.BLOCK_BYTES
    operations = [
        Operation("names", 1.0, names=((TOP, "a", 2),)),
        Operation("write", 2.0, 2, data=old),
        Operation("fsync", 3.0, 2),
        Operation("fsync", 3.0, TOP),
        Operation("write", 4.0, 2, data=new),
        Operation("mark", 5.0, data=b"the end"),
    ]
    seen = set()
    for seed in range(60):
        image = power.cut(operations, 5, "any order", random.Random(seed))
        data = bytes(image.data[2])
        assert len(data) == power.BLOCK_BYTES
        assert image.names[TOP] == {"a": 2}
        count = data.count(b"n")
        assert count % power.SECTOR_BYTES == 0
        assert data == b"n" * count + b"o" * (len(data) - count)
        seen.add(count)
    assert {0, power.BLOCK_BYTES} < seen
