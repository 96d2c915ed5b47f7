"""``clip-agent check``: each line when all is well, and with the cure when it is not."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import config
from agent.cli import main as cli
from agent.consent.cards import OwnerCard, format_card, in_groups, parse_card
from agent.gateway import device_keys as keys
from agent.keyfile import Keys
from agent.parties import load_owners, recipients
from agent.vault.camera_state import StateFile
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.gateway import path_of as gateway_file
from agent.vault.database.index import Index
from agent.vault.database.index import path_of as index_file
from agent.vault.locks import camera_at_work
from tests.cli.conftest import STILL, away
from tests.peers.mosquitto import Mosquitto
from tests.peers.process import free_port
from tests.support.disks import read_only_below
from tests.support.house import House

SECTIONS = (
    "config",
    "services",
    "device",
    "owners",
    "requesters",
    "keys",
    "vault",
    "disk",
    "clock",
    "machine",
    "memory",
    "python",
    "camera",
    "broker",
)


def test_a_device_in_order_passes_line_by_line(
    check: Any, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    house = House.build(
        tmp_path / "house",
        camera=STILL,
        mqtt=config.Broker(port=mosquitto.port),
        feed=config.Feed(broker=config.Broker(port=mosquitto.port)),
        storage=config.Storage(min_free_bytes=0),
    )
    house_keys = keys.load_or_create(house.config.state_dir, name="front-door")
    house.record()
    checked = check(house)
    assert checked.failed == []
    assert checked.code == 0
    assert tuple(checked.texts) == (*SECTIONS, "feed")
    assert "at 42.1015, -72.5898, a DRAWN STREET, no camera" in checked.texts["device"]
    olive = in_groups(house.owner.id)
    assert checked.texts["owners"] == f"clips are sealed to Olive ({olive})"
    fingerprint = house.requester.id
    assert checked.texts["requesters"] == (
        f"may ask: Springfield Police Department ({in_groups(fingerprint)})"
    )
    assert in_groups(fingerprint).replace(" ", "") == fingerprint
    device = in_groups(house_keys.id)
    assert checked.texts["keys"] == f"of front-door ({device}), for the gateway alone"
    assert checked.texts["vault"] == "1 clip, 0 MB"
    assert checked.texts["disk"].endswith(" GB free")
    assert checked.texts["clock"] == "trusted, as the configuration says"
    assert checked.texts["machine"] == "50 °C, good power"
    assert checked.texts["memory"] == "stays in memory: no swap on a disk"
    assert checked.texts["python"].endswith(", no modules of yours")
    assert checked.texts["camera"].startswith("h264, 320x180")
    assert checked.texts["broker"] == f"connected to 127.0.0.1:{mosquitto.port}"
    assert checked.texts["feed"] == checked.texts["broker"]


def test_a_device_that_never_ran_lacks_only_its_broker(check: Any) -> None:
    checked = check()
    assert checked.code == 1
    assert checked.failed == ["broker"]
    assert checked.texts["keys"].startswith("none yet")
    assert checked.texts["vault"].startswith("empty")
    assert "nobody listens there" in checked.texts["broker"]


def test_a_running_camera_that_seals_to_others_than_the_owners_is_told(
    check: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House.build(tmp_path / "house", partner=True, camera=STILL, mqtt=away())
    both, path = tuple(recipients(load_owners(house.config.owners))), house.root / "agent.yaml"
    former = Keys.generate().recipient
    house.open_index().close()

    def told() -> tuple[str, bool, str]:
        """The line of `check`, whether it failed, and what `status` adds."""
        checked = check(house)
        assert cli.main(["status", "--json", "--config", str(path)]) == 0
        found = json.loads(capsys.readouterr().out)
        return checked.texts["owners"], "owners" in checked.failed, found.get("sealing", "")

    def seal_to(*keys: str) -> None:
        StateFile(house.config.state_dir, seals_to=keys).say(at=1.0, state="armed")

    seal_to(*both[:2], former)
    assert told()[1:] == (False, ""), "no camera runs: the next one reads the cards"
    with camera_at_work(house.config.state_dir, clock=house.clock):
        wrong = "the running camera still seals to 1 key of no owner and does not yet seal to Otto"
        line, failed, status = told()
        assert failed and line.startswith(wrong) and "systemctl restart" in line
        assert status == f"{wrong}: restart it"
        seal_to(*both, former)
        assert told()[2] == "the running camera still seals to 1 key of no owner: restart it"
        seal_to(*both[:2])
        assert told()[2] == "the running camera does not yet seal to Otto: restart it"
        seal_to(*both)
        assert told()[1:] == (False, "")


def test_a_running_camera_that_is_behind_is_named_with_the_cure(check: Any, tmp_path: Path) -> None:
    house = House.build(tmp_path / "house", camera=STILL, mqtt=away())
    said = "3 s behind, so pictures are left out: set camera.source.detect"
    keys = recipients(load_owners(house.config.owners))
    house.open_index().close()
    StateFile(house.config.state_dir, seals_to=tuple(keys)).say(at=1.0, state="armed", detail=said)
    assert "camera" not in check(house).failed, "it does not run"
    with camera_at_work(house.config.state_dir, clock=house.clock):
        checked = check(house)
    assert "camera" in checked.failed
    assert checked.texts["camera"] == f"the running camera says: {said}"


def test_the_place_of_the_shipped_example_is_refused(check: Any) -> None:
    nowhere = config.Device(name="front-door", place=config.EXAMPLE.device.place)
    checked = check(device=nowhere)
    assert "device" in checked.failed
    assert "in the sea" in checked.texts["device"]


def test_the_shipped_example_draws_no_street_and_is_at_no_house() -> None:
    assert isinstance(config.EXAMPLE.camera.source, config.PiSource)
    place = config.EXAMPLE.device.place
    assert (place.latitude, place.longitude) == (0, 0)


def test_a_camera_that_records_is_not_opened_a_second_time(check: Any, tmp_path: Path) -> None:
    gone = config.Camera(source=config.WebcamSource(device="/dev/video-of-nobody"))
    house = House.build(tmp_path / "house", camera=gone, mqtt=away())
    keys = recipients(load_owners(house.config.owners))
    house.open_index().close()
    StateFile(house.config.state_dir, seals_to=tuple(keys)).say(at=1.0, state="armed")
    assert "camera" in check(house).failed
    with camera_at_work(house.config.state_dir, clock=house.clock):
        checked = check(house)
    assert checked.texts["camera"] == "in use by the running camera, which is armed"
    assert "camera" not in checked.failed


def test_a_read_only_card_is_named_and_nobody_is_sent_to_root(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House.build(tmp_path / "house", camera=STILL, mqtt=away())
    read_only_below(house.config.state_dir, monkeypatch)
    checked = check(house)
    assert "disk" in checked.failed
    assert "the disk is read-only. If nobody mounted it so, the SD card" in checked.texts["disk"]
    assert "as the user" not in checked.texts["disk"]


@pytest.mark.parametrize(
    ("kind", "table"),
    [(GatewayDatabase, "letter"), (GatewayDatabase, "ledger"), (Index, "clip_by_time")],
)
def test_a_database_with_a_damaged_page_is_named(
    check: Any, tmp_path: Path, kind: Any, table: str
) -> None:
    """No command has read that page yet, so opening the file shows nothing."""
    house = House.build(tmp_path / "house", camera=STILL, mqtt=away())
    house.record()
    state = house.config.state_dir
    path = gateway_file(state) if kind is GatewayDatabase else index_file(state)
    with kind.open(path) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name LIKE ? || '%'"
        page = database.rows(query, (table,))[0][0]
        (size,) = database.rows("PRAGMA page_size")[0]
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xaa" * size
    path.write_bytes(content)
    checked = check(house)
    assert "vault" in checked.failed
    assert path.name in checked.texts["vault"]


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_gateways_database_that_is_gone_is_named_with_the_cure(
    check: Any, tmp_path: Path, is_empty: bool
) -> None:
    house = House.build(tmp_path / "house", camera=STILL, mqtt=away())
    house.record()
    state = house.config.state_dir
    keys.load_or_create(state, name="front-door")
    keys.client_id(state)
    if is_empty:
        gateway_file(state).touch()
    checked = check(house)
    assert "vault" in checked.failed
    assert "is gone, and with it the requests and the ledger" in checked.texts["vault"]
    assert "Restore" in checked.texts["vault"]


def test_a_camera_that_refuses_is_named(check: Any) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/stream"
    checked = check(camera=config.Camera(source=config.StreamSource(record=url)))
    assert "camera" in checked.failed
    assert "127.0.0.1" in checked.texts["camera"]


def test_a_camera_whose_file_is_not_there_is_named(check: Any, tmp_path: Path) -> None:
    source = config.StreamSource(record=str(tmp_path / "nowhere.mp4"), pace="real-time")
    checked = check(camera=config.Camera(source=source))
    assert "camera" in checked.failed
    assert "nowhere.mp4" in checked.texts["camera"]


def test_zones_with_which_the_daemon_would_not_start_are_told(check: Any) -> None:
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    camera = config.Camera(source=STILL.source, zones=config.Zones(exclude=(everything,)))
    checked = check(camera=camera)
    assert "camera" in checked.failed
    assert "camera.zones leave no part of the picture" in checked.texts["camera"]


def test_without_the_cameras_packages_the_other_lines_still_come(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("agent.camera")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cv2", None)
    checked = check()
    assert checked.failed == ["camera", "broker"]
    assert "pip install 'clip-agent[camera]'" in checked.texts["camera"]


def test_a_camera_that_takes_the_connection_and_stays_silent_is_named_in_time(
    check: Any,
) -> None:
    """Half-open: what a camera whose software hangs looks like from here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://viewer:hunter2@127.0.0.1:{server.getsockname()[1]}/stream"
        camera = config.Camera(
            source=config.StreamSource(record=url), recording=config.Recording(no_frame_seconds=2)
        )
        checked = check(camera=camera)
    assert "camera" in checked.failed
    assert "127.0.0.1" in checked.texts["camera"]
    assert "hunter2" not in checked.texts["camera"]


def test_a_disk_below_min_free_is_told(check: Any) -> None:
    checked = check(storage=config.Storage(min_free_bytes=10**18))
    assert "disk" in checked.failed
    assert "storage.min_free_bytes wants 1000000000000 MB" in checked.texts["disk"]


def test_a_file_where_the_state_folder_should_be_is_told(check: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checked = check(state_dir=tmp_path / "file")
    assert "disk" in checked.failed
    assert checked.texts["disk"] == f"{tmp_path}/file: is not a folder. Check state_dir"


def test_a_name_that_no_disk_takes_is_told(check: Any, tmp_path: Path) -> None:
    checked = check(state_dir=tmp_path / ("x" * 300))
    assert checked.failed[:3] == ["keys", "vault", "disk"]
    assert "File name too long" in checked.texts["disk"]


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o710, 0o777])
def test_a_keys_folder_that_others_can_enter_is_told(check: Any, tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "house" / "state" / "gateway" / "keys"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    checked = check()
    assert "keys" in checked.failed
    assert checked.texts["keys"].endswith(f"chmod 700 {folder}")


def test_an_index_that_is_not_ours_is_told(check: Any, tmp_path: Path) -> None:
    state = tmp_path / "house" / "state"
    (state / "camera").mkdir(parents=True)
    (state / "camera" / "index.sqlite").write_bytes(b"something else " * 100)
    checked = check()
    assert "vault" in checked.failed
    assert "index.sqlite" in checked.texts["vault"]


def test_the_wrong_card_for_an_owner_is_told(check: Any, tmp_path: Path) -> None:
    keys.load_or_create(tmp_path / "other", name="back-door")
    checked = check(owners=(keys.card_of(tmp_path / "other"),))
    assert "owners" in checked.failed
    assert "device.card.yaml" in checked.texts["owners"]


def test_a_list_of_requesters_that_is_damaged_is_told(check: Any, tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("requesters: [{role: requester}]\n")
    checked = check(requesters=path)
    assert "requesters" in checked.failed
    assert str(path) in checked.texts["requesters"]
    path.write_text("requesters: []\n")
    assert check(requesters=path).texts["requesters"].startswith("nobody may ask")


def test_a_configuration_that_cannot_be_used_ends_with_78_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("device: {}\n")
    assert cli.main(["check", "--config", str(path)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"clip-agent: {path}: ")


def test_an_owner_whose_card_has_no_notification_key_is_named(check: Any, tmp_path: Path) -> None:
    house = House.build(tmp_path / "house", partner=True, camera=STILL)
    path = house.config.owners[1]
    card = parse_card(path.read_text(), OwnerCard, str(path))
    path.write_text(format_card(msgspec.structs.replace(card, notify=None)))
    said = check(house).texts["owners"]
    assert "No notification key on the card of Otto: `clip-agent owner notification-key`" in said
