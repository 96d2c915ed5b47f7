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


def test_a_further_camera_keeps_its_files_apart_and_goes_alone(tmp_path: Path) -> None:
    (tmp_path / "typed").write_text("secret\n")
    login = ["--broker", "127.0.0.1", "--username", "u", "--password-file", str(tmp_path / "typed")]
    assert setup(tmp_path, *login, "--no-pair", name="front-door").returncode == 0
    first = (tmp_path / "agent.yaml").read_bytes()
    names = ("garage", "gate-2", "porch")
    for name in names:
        state = ("--state-dir", str(tmp_path / f"state-{name}"))  # the last one counts
        dry = setup(tmp_path, *login, *state, "--dry-run", name=name)
        assert f"would make   {tmp_path / name}.yaml" in dry.stdout
        assert not (tmp_path / name).exists()
        camera = {"name": name, "camera": f"rtsp://u:p@192.0.2.7/{name}"}
        for _ in range(2):
            done = setup(tmp_path, *login, *state, "--no-pair", **camera)
            assert done.returncode == 0, done.stderr
        assert "makes" not in done.stdout
        settings = config.load(tmp_path / f"{name}.yaml", is_paired=False)
        assert settings.device.name == name
        assert settings.mqtt.password_file == tmp_path / name / "mqtt-password"
        assert (tmp_path / name / "camera-login").read_text() == "u:p\n"
        assert (tmp_path / name / "owners").is_dir()
        assert settings.requesters == tmp_path / "requesters.yaml"
    cards = {(tmp_path / f"state-{name}/wishes/device.card.yaml").read_text() for name in names}
    assert len(cards) == 3
    assert (tmp_path / "agent.yaml").read_bytes() == first

    (tmp_path / "garage/owners/olive.card.yaml").write_text("a card")
    mosquitto = tmp_path / "no-mosquitto"
    mosquitto.mkdir()
    (mosquitto / "mosquitto.conf").touch()
    (mosquitto / "clip-agent.passwd").write_text("u:x\nfront-door:y\n")
    assert setup(tmp_path, "--remove", name="garage").returncode == 0
    assert not (tmp_path / "garage.yaml").exists()
    assert [path.name for path in (tmp_path / "garage").iterdir()] == ["owners"]
    assert (mosquitto / "clip-agent.passwd").read_text() == "front-door:y\n"
    assert (tmp_path / "gate-2.yaml").exists()
    assert (tmp_path / "agent.yaml").read_bytes() == first
    typo = setup(tmp_path, "--remove", name="gate-3")
    assert typo.returncode == 78
    assert "there is no camera of this name" in typo.stderr


def test_two_cameras_of_a_machine_do_not_share_one_device(tmp_path: Path) -> None:
    assert setup(tmp_path, "--broker", "b", "--no-pair", camera="/dev/video7").returncode == 0
    done = setup(tmp_path, "--broker", "b", "--no-pair", name="porch", camera="/dev/video7")
    assert done.returncode == 78
    assert f"is that of {tmp_path}/agent.yaml already" in done.stderr
    assert not (tmp_path / "porch.yaml").exists()
    bad = setup(tmp_path, "--broker", "b", "--no-pair", name="gateway")
    assert "cannot name a further camera" in bad.stderr
