"""An owner with a folder, a camera and a requester. Keys under a passphrase are dear to
make (scrypt), so one owner is locked once a run and copied."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

import pytest

from agent.config import Broker
from agent.keyfile import PASSPHRASE_VARIABLE, Keys
from agent.mqtt.link import Received
from agent.mqtt.session import Session
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.inbox.inbox import Inbox
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import NOW, FakeCamera, make_request
from tests.peers.mosquitto import Mosquitto
from tests.support.links import LONG_SECONDS

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="session")
def locked_owner() -> owner_keys.NewOwner:
    return owner_keys.make("Ann Example", PASSPHRASE, now=NOW)


@pytest.fixture
def keys(locked_owner: owner_keys.NewOwner) -> Keys:
    return locked_owner.keys


@pytest.fixture
def home(tmp_path: Path, locked_owner: owner_keys.NewOwner) -> OwnerFolder:
    return OwnerFolder.create(tmp_path / "owner", locked_owner, Settings(mqtt=Broker()))


@pytest.fixture
def camera(home: OwnerFolder, locked_owner: owner_keys.NewOwner, tmp_path: Path) -> FakeCamera:
    from agent.consent.cards import format_card

    camera = FakeCamera("front-door", locked_owner.card)
    card = tmp_path / "device.card.yaml"
    card.write_text(format_card(camera.card))
    home.enrol(card)
    return camera


@pytest.fixture
def inbox(home: OwnerFolder, camera: FakeCamera) -> Inbox:
    return Inbox(home, {camera.name: camera.card})


@pytest.fixture(scope="session")
def requester() -> Keys:
    return Keys.generate()


@pytest.fixture
def locked_at_home(
    tmp_path: Path,
    locked_owner: owner_keys.NewOwner,
    mosquitto: Mosquitto,
    home: OwnerFolder,
    camera: FakeCamera,
) -> OwnerAtHome:
    """The same owner, whose broker runs."""
    broker, path = Broker(host=mosquitto.host, port=mosquitto.port), tmp_path / "online"
    folder = OwnerFolder.create(path, locked_owner, Settings(mqtt=broker))
    shutil.copytree(home.path / "devices", path / "devices")
    return OwnerAtHome(folder, broker, camera)


@pytest.fixture
def owner(locked_at_home: OwnerAtHome, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> OwnerAtHome:
    """An owner at home whose keys are unlocked: that takes a second of scrypt otherwise."""
    monkeypatch.setattr(OwnerFolder, "unlock", lambda self, passphrase: keys)
    return locked_at_home


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)


@pytest.fixture(autouse=True)
def _collected_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know the last retained message by one of our own behind it, not by a silence.

    That is exact with mosquitto, and spares the wait (``tests/mqtt/test_session.py`` has that).
    """

    def collect(
        session: Session, *, quiet_seconds: float, at_most_seconds: float
    ) -> list[Received]:
        end, found = f"onlooker/{secrets.token_hex(4)}", []
        session.link.subscribe(end)
        session.link.publish(end, b"", retained=False)
        while (received := session.receive(LONG_SECONDS)) is not None and received.topic != end:
            found.append(received)
        assert received is not None, "the broker keeps silent"
        return found

    monkeypatch.setattr(Session, "collect", collect)


@pytest.fixture
def request_jws(requester: Keys) -> str:
    now = int(time.time())
    return make_request(requester, iat=now, exp=now + 86_400)
