"""The whole way with real peers: mosquitto, @tus/server, age, and four processes of ours."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.household import Household
from tests.e2e.killable import Journal
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import program
from tests.peers.tus_server import TusServer

STEPS = (
    "commit: request.matched", "commit: release.approved", "commit: release.sealed",
    "before create", "after create", "before send 0", "after send 0", "commit: release.sent",
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto, tus_server: TusServer) -> Iterator[Household]:
    household = Household(tmp_path / "house", mosquitto, tus_server, separately=True)
    yield household
    household.kill_all()


@pytest.mark.timeout(900)
def test_both_daemons_killed_at_each_step_of_a_release_still_deliver_one_bundle(
    house: Household, tus_server: TusServer, tmp_path: Path
) -> None:
    house.start("gateway")
    house.enrol()
    house.start("camera")
    house.wait_for_clips(2)
    house.kill("gateway")

    journal = Journal(tmp_path / "journal")
    killable = ("-m", "tests.e2e.killable", str(tmp_path / "journal"))
    house.start("gateway", command=killable)
    over = threading.Event()
    deaths = 0

    def supervise() -> None:
        """Restart processes as systemd does; whenever the gateway dies, the camera dies with it."""
        nonlocal deaths
        while not over.wait(0.05):
            if house.ended("gateway") is not None:
                deaths += 1
                house.kill("camera")
                house.start("gateway", command=killable)
                house.start("camera")

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        digest = house.post()
        asked = house.offered(digest)
        assert tus_server.received_bytes() == 0, "received before approval"
        clip = asked["clips"][0]["id"]
        house.owner("approve", digest, clip, "--yes")
        house.wait("the release", lambda: "release.sent" in house.ledger())
        house.wait("the last death", lambda: journal.reached("commit: release.sent"))
    finally:
        over.set()
        supervisor.join()

    for step in STEPS:
        assert journal.reached(step), f"never killed at {step}: {journal.steps()}"
    assert deaths >= len(STEPS) - 1, "two threads may reach a step in the same moment"

    (upload,) = tus_server.finished()
    opened = json.loads(
        house.requester("open", upload.path, "--output", tmp_path / "opened", "--json")
    )
    assert (opened["bundle"], opened["keys_known"]) == ("consistent", False)
    assert [Path(path).stem for path in opened["clips"]] == [clip]
    assert house.device("ledger", "verify").startswith("ledger: ok")
    events = house.ledger()
    assert events.count("release.approved") == events.count("release.sent") == 1


@pytest.mark.timeout(900)
def test_a_decline_is_silent_and_an_outage_of_broker_and_receiver_loses_nothing(
    house: Household, mosquitto: Mosquitto, tus_server: TusServer, tmp_path: Path
) -> None:
    house.start("gateway")
    house.enrol()
    house.start("camera")
    house.wait_for_clips(1)
    house.kill("camera")
    digest = house.post()
    asked = house.offered(digest)
    page = house.owner("show", digest[:12])
    for text in ("Springfield Police Department", "Bicycle theft", "2024-001234", "413 555 0100"):
        assert text in page

    clip = asked["clips"][0]["id"]
    saved = tmp_path / "saved.mp4"
    house.owner("save", clip, "--request", digest, "--output", saved)
    probe = [program("ffprobe"), "-v", "error", "-show_entries", "stream=codec_name", str(saved)]
    assert "h264" in subprocess.run(probe, capture_output=True, text=True, check=True).stdout

    house.owner("decline", digest, "--yes")
    house.wait("the decline", lambda: "DECLINED" in house.device("requests"))
    house.wait(
        "the letter to be emptied",
        lambda: json.loads(house.owner("inbox", "--json"))["requests"] == [],
    )
    refused = house.owner("approve", digest, clip, "--yes", expected=1)
    assert len(refused.strip().splitlines()) == 1
    assert tus_server.uploads() == []

    digest = house.post()
    clip = house.offered(digest)["clips"][0]["id"]
    tus_server.kill()
    mosquitto.restart()
    house.owner("approve", digest, clip, "--yes")
    house.wait("an attempt", lambda: "waits" in house.log("gateway"))
    mosquitto.restart()
    tus_server.start()
    house.wait("the release", lambda: "release.sent" in house.ledger())
    assert len(tus_server.finished()) == 1
    (word,) = json.loads(house.owner("inbox", "--json"))["releases"]
    assert word["event"] == "SENT"
    assert "Traceback" not in house.log("gateway") + house.log("camera")
