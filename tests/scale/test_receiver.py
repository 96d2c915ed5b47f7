"""An agency receives by a tus server on an object store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.household import Household
from tests.peers.mosquitto import Mosquitto
from tests.peers.relay import Relay
from tests.scale.conftest import Report
from tests.scale.engines.object_store import ObjectStoreReceiver
from tests.support.house import fragmented_mp4

pytestmark = pytest.mark.timeout(900)


class Interrupter(Relay):
    """The address of a receiver; calls what is due when so many bytes have come to it."""

    def __init__(self, port: int, due: list[tuple[int, Callable[[], None]]]) -> None:
        super().__init__(port)
        self._due = due
        self.passed_bytes = 0
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}/files"

    def passes(self, piece: bytes, *, of_client: bool) -> bool:
        if of_client:
            self.passed_bytes += len(piece)
            if self._due and self.passed_bytes >= self._due[0][0]:
                self._due.pop(0)[1]()
        return True


def test_a_release_arrives_in_an_object_store_though_its_tus_server_is_killed_twice(
    tmp_path: Path, mosquitto: Mosquitto, report: Report
) -> None:
    with ObjectStoreReceiver(tmp_path / "agency") as receiver:
        due = [(3_000_000, receiver.restart), (5_500_000, receiver.restart)]
        with Interrupter(receiver.port, due) as address:
            house = Household(tmp_path / "house", mosquitto, address)
            try:
                clip = release(house)
            finally:
                house.kill_all()
        assert not due and house.ledger().count("release.sent") == 1
        (upload,) = receiver.objects()
        opened = json.loads(
            house.requester("open", upload, "--output", tmp_path / "opened", "--json")
        )
        assert [Path(path).stem for path in opened["clips"]] == [clip]
        bundle_bytes, sent_bytes = upload.stat().st_size, address.passed_bytes
        report(
            f"@tus/server on rclone's signed S3, killed twice: a bundle of {bundle_bytes:,} bytes"
            f" arrived once, {sent_bytes:,} bytes sent"
        )


def release(house: Household) -> str:
    """A clip of some megabytes, recorded, asked for, approved and sent; its id."""
    house.start("gateway")
    house.enrol()
    (clip,) = house.record(600, video=fragmented_mp4(8, 320, noisy=True))
    digest = house.post()
    house.offered(digest)
    house.owner("approve", digest, clip, "--yes")
    house.wait("the release", lambda: "release.sent" in house.ledger())
    return clip
