"""The settings of a new camera at a broker elsewhere, and what is refused before it is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent import config
from agent.cli.setup import certificate
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.steps import Steps
from agent.config import Tls
from agent.consent.cards import DeviceCard, parse_card
from agent.errors import EnvironmentFault
from agent.pairing import knock
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin
from tests.peers.mosquitto import Mosquitto
from tests.support.commands import typed
from tests.support.pairing import FakeDevice, device_card

CODE = "417-062-913"
LOGIN = BrokerLogin(username="garage", password="p" * 32)


def setup(folder: Path, *options: str, **changes: str) -> subprocess.CompletedProcess[str]:
    given = {"name": "garage", "place": "42.1,-72.5", "camera": "scene"} | changes
    answers = [word for name, value in given.items() for word in (f"--{name}", value)]
    places = ["--config", str(folder / "agent.yaml"), "--state-dir", str(folder / "state")]
    return typed(
        "setup", *places, "--mosquitto", folder / "no-mosquitto", *answers, *options, environment={}
    )


def test_a_broker_elsewhere_is_written_with_a_copy_of_its_password(tmp_path: Path) -> None:
    (tmp_path / "typed").write_text("secret\n")
    login = ["--username", "front-door", "--password-file", str(tmp_path / "typed")]
    done = setup(tmp_path, "--broker", "b.example", "--tls", *login, "--no-pair")
    assert done.returncode == 0, done.stderr
    broker = config.load(tmp_path / "agent.yaml", is_paired=False).mqtt
    assert (broker.host, broker.port, broker.tls) == ("b.example", 8883, Tls())
    assert broker.password_file == tmp_path / "mqtt-password"
    assert config.first_line(tmp_path / "mqtt-password") == "secret"
    card = (tmp_path / "state/wishes/device.card.yaml").read_text()
    assert parse_card(card, DeviceCard, "card").name == "garage"


@pytest.mark.parametrize("has_certificate", [True, False])
def test_a_camera_joins_the_broker_of_another_by_its_code(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, has_certificate: bool
) -> None:
    pem = certificate.make(["pi.local"], now=0)[0].decode() if has_certificate else None
    other = FakeDevice(PairingCode.parse(CODE), device_card(), login=LOGIN, ca=pem)
    monkeypatch.setattr(knock, "Meeting", other.meeting)
    broker = f"{mosquitto.host}:{mosquitto.port}"
    done = setup(tmp_path, "--code", CODE, "--broker", broker, "--no-tls", "--no-pair")
    assert done.returncode == 0, done.stderr
    assert "role: device" in other.told[0].card
    settings = config.load(tmp_path / "agent.yaml", is_paired=False).mqtt
    assert (settings.username, settings.port, settings.tls) == ("garage", mosquitto.port, None)
    assert config.first_line(tmp_path / "mqtt-password") == LOGIN.password
    again = setup(tmp_path, "--code", CODE, "--broker", broker, "--no-tls")
    assert again.returncode == 78
    assert "is there already" in again.stderr


def test_a_camera_that_is_offered_no_login_writes_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FakeDevice(PairingCode.parse(CODE), device_card())
    monkeypatch.setattr(knock, "Meeting", other.meeting)
    done = setup(tmp_path, "--code", CODE, "--broker", "pi.local")
    assert "offers no login" in done.stderr
    assert other.refusals == ["the other camera offers no login at its broker"]
    assert not (tmp_path / "agent.yaml").exists()


@pytest.mark.parametrize(
    ("options", "changes", "said"),
    [
        (["--code", CODE], {}, "--code needs --broker"),
        ([], {}, "no Mosquitto on this machine"),
        (["--code", "1", "--broker", "pi.local"], {}, "is not a pairing code"),
        (["--broker", "b.example:8883"], {}, "8883 is for TLS"),
        (["--broker", "pi.local"], {"name": "owner"}, "--name"),
        (["--broker", "pi.local"], {"place": "here"}, "--place"),
        (["--broker", "pi.local"], {"camera": "eye"}, "--camera"),
    ],
)
def test_what_is_wrong_is_named_and_no_settings_are_written(
    tmp_path: Path, options: list[str], changes: dict[str, str], said: str
) -> None:
    done = setup(tmp_path, *options, **changes)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "agent.yaml").exists()


def test_a_dry_run_with_a_code_neither_pairs_nor_makes_keys(tmp_path: Path) -> None:
    done = setup(tmp_path, "--code", CODE, "--broker", "pi.local", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would make" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_mosquitto_that_cannot_be_restarted_or_reloaded_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mosquitto.conf").write_text(f"pid_file {tmp_path}/pid\n")
    broker = LocalBroker(tmp_path, Steps(dry_run=False))
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(EnvironmentFault, match="could not be restarted"):
        broker._restart()
    for text in ("", "x", "1", "999999999"):  # process 1 is no Mosquitto
        (tmp_path / "pid").write_text(text)
        with pytest.raises(EnvironmentFault, match="it does not run"):
            broker._reload()


def test_removal_takes_settings_and_the_brokers_part_and_leaves_what_is_the_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarts: list[str] = []
    monkeypatch.setattr(LocalBroker, "_restart", lambda self: restarts.append("mosquitto"))
    setup(tmp_path, "--broker", "pi.local", "--no-pair")
    (tmp_path / "owners" / "olive.card.yaml").write_text("a card")
    mosquitto = tmp_path / "mosquitto"
    (mosquitto / "conf.d").mkdir(parents=True)
    (mosquitto / "mosquitto.conf").write_text("log_dest stderr\n")
    (mosquitto / "conf.d" / "clip-agent.conf").write_text("listener 1883 127.0.0.1\n")
    (mosquitto / "clip-agent.passwd").write_text("front-door:x\n")

    dry = setup(tmp_path, "--mosquitto", str(mosquitto), "--remove", "--dry-run")
    assert "would remove" in dry.stdout
    assert (tmp_path / "agent.yaml").exists()
    assert restarts == []

    done = setup(tmp_path, "--mosquitto", str(mosquitto), "--remove")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "agent.yaml").exists()
    assert [path.name for path in mosquitto.rglob("*") if path.is_file()] == ["mosquitto.conf"]
    assert restarts == ["mosquitto"]
    assert (tmp_path / "owners" / "olive.card.yaml").exists()
    assert list((tmp_path / "state").rglob("device.key.json")), "keys stay"
    assert "stay in" in done.stdout
    assert setup(tmp_path, "--mosquitto", str(mosquitto), "--remove").returncode == 0
