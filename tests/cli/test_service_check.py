"""``clip-agent check`` looks as the services do: what root may read need not be theirs to read."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config
from agent.cli import as_owner, service_check
from agent.cli.service_check import check_services
from agent.config import Config
from agent.errors import ClipAgentError
from agent.gateway import device_keys
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index
from tests.support.house import House

# Users of every Debian, who stand in for the two services.
CAMERA, GATEWAY = "daemon", "games"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as other users")


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A device whose files belong to the services, as tmpfiles.d and setup leave them."""
    monkeypatch.setattr(service_check, "CAMERA", CAMERA)
    monkeypatch.setattr(service_check, "GATEWAY", GATEWAY)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    house = House.build(tmp_path / "house", mqtt=config.Broker(password_file=tmp_path / "password"))
    (tmp_path / "password").write_text("secret\n")
    state = house.config.state_dir
    (house.root / "agent.yaml").write_text(config.effective(house.config))
    device_keys.load_or_create(state, name="front-door")
    house.record()
    with GatewayDatabase.open(gateway.path_of(state)), Index.open(index.path_of(state)):
        pass
    group = grp.getgrgid(pwd.getpwnam(CAMERA).pw_gid).gr_gid
    for path in (house.root, *house.root.rglob("*")):
        is_gateways = {"gateway", "wishes"} & set(path.parts)
        user = GATEWAY if is_gateways else CAMERA if "camera" in path.parts else "root"
        os.chown(path, pwd.getpwnam(user).pw_uid, group)
        path.chmod(0o750 if path.is_dir() else 0o640)
    os.chown(tmp_path / "password", pwd.getpwnam(GATEWAY).pw_uid, group)
    (tmp_path / "password").chmod(0o400)
    # The gateway reads the camera's folder through the group that both share.
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, group])
    return house.config


def path_of(device: Config) -> Path:
    return device.requesters.with_name("agent.yaml")


def test_services_that_can_use_what_is_theirs_pass(device: Config) -> None:
    said = check_services(path_of(device), device)
    assert said == f"{CAMERA} and {GATEWAY} can read and write what is theirs"
    assert os.geteuid() == 0


@pytest.mark.parametrize(
    ("spoil", "culprit"),
    [
        (lambda device: device.owners[0], CAMERA),
        (lambda device: device.requesters, GATEWAY),
        (lambda device: index.path_of(device.state_dir), CAMERA),
        (lambda device: gateway.path_of(device.state_dir), GATEWAY),
        (lambda device: device_keys.path_of(device.state_dir), GATEWAY),
        (lambda device: device_keys.card_of(device.state_dir), CAMERA),
        (lambda device: device.state_dir / "camera" / "clips", CAMERA),
        (lambda device: device.state_dir / "wishes", CAMERA),
        (lambda device: device.mqtt.password_file, GATEWAY),
        (path_of, CAMERA),
    ],
    ids=[
        *("owner-card", "requesters", "index", "gateway-database", "device-key", "device-card"),
        *("clips-folder", "wishes", "password", "configuration"),
    ],
)
def test_a_file_that_is_roots_alone_is_named_with_its_user_and_a_cure(
    device: Config, spoil: Callable[[Config], Path], culprit: str
) -> None:
    path = spoil(device)
    os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() else 0o600)
    with pytest.raises(ClipAgentError) as told:
        check_services(path_of(device), device)
    assert str(path) in str(told.value)
    assert culprit in str(told.value)
    assert "sudo ch" in str(told.value)
    assert os.geteuid() == 0, "the check is root again"


def test_a_missing_user_is_named_where_the_services_belong(
    device: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_check, "GATEWAY", "nobody-of-this-name")
    with pytest.raises(ClipAgentError, match=r"no user nobody-of-this-name.*setup"):
        check_services(path_of(device), device)


def test_acting_as_a_service_ends_with_the_block(device: Config) -> None:
    with as_owner.service(CAMERA):
        assert os.geteuid() == pwd.getpwnam(CAMERA).pw_uid
    assert os.geteuid() == 0
