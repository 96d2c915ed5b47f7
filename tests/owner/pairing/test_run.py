"""The owner's side: what is checked before anything is stored, and power cuts on the way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.config import Broker
from agent.errors import ClipAgentError, ConfigError, NetworkFault, Refused
from agent.mqtt import link
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.pairing import broker_access, run
from agent.owner.pairing.broker_access import Way
from agent.owner.pairing.run import pair
from agent.pairing import knock
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin, Introduction
from agent.pairing.sides import OwnerSide
from tests.conftest import StartMosquitto
from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.support.pairing import FakeDevice, device_card

CODE = PairingCode.parse("417-062-913")
LOGIN = BrokerLogin(username="owner-1a2b3c4d", password="p" * 32)
WAY = Way("127.0.0.1", 1883, is_encrypted=False)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """A device whose broker lets everybody in."""
    made = FakeDevice(CODE, device_card(), login=LOGIN)
    use(made, monkeypatch)
    monkeypatch.setattr(broker_access.BrokerAccess, "check", lambda *_: None)
    return made


def use(device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knock, "Meeting", device.meeting)


def again(device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """The same device with its next code."""
    made = FakeDevice(CODE, device.card, login=LOGIN)
    use(made, monkeypatch)
    return made


def test_a_camera_is_enrolled_and_its_broker_known_in_one_step(
    home: OwnerFolder, device: FakeDevice
) -> None:
    paired = pair(home, CODE, WAY)
    assert paired == run.Paired(device.card, is_new=True)
    assert home.devices() == {"front-door": device.card}
    assert device.owners == [home.card()]
    assert device.told[0].computer == home.computer()
    broker = home.settings().mqtt
    assert (broker.host, broker.username) == ("127.0.0.1", LOGIN.username)
    assert broker.password_file is not None
    assert broker.password_file.read_text().strip() == LOGIN.password
    assert broker.password_file.stat().st_mode & 0o077 == 0


def test_a_folder_that_is_copied_to_another_computer_finds_its_files(
    home: OwnerFolder, device: FakeDevice
) -> None:
    pair(home, CODE, WAY)
    copy = home.path.rename(home.path.with_name("elsewhere"))
    broker = OwnerFolder(copy).settings().mqtt
    assert broker.password_file is not None
    assert broker.password_file.parent == copy


def test_a_wrong_code_stores_nothing_and_says_what_to_type(
    home: OwnerFolder, device: FakeDevice
) -> None:
    before = {path.name for path in home.path.iterdir()}
    with pytest.raises(Refused, match="Type the new code"):
        pair(home, PairingCode.parse("417-062-914"), WAY)
    assert {path.name for path in home.path.iterdir()} - {"computer.json"} == before
    assert device.told == []


def test_a_device_that_answers_somebody_else_is_named_as_such(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OwnerSide(CODE, Introduction(card="x", computer="ab" * 8))
    answer_to_the_other = device.answers(other.hello)
    monkeypatch.setattr(device, "answers", lambda _: answer_to_the_other)
    with pytest.raises(Refused, match="answers another computer"):
        pair(home, CODE, WAY)


def test_nobody_there_is_a_fault_of_the_network(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "answers", lambda _: [])
    with pytest.raises(NetworkFault, match="no device answers under this code"):
        pair(home, CODE, WAY)


@pytest.mark.parametrize("moment", ["introduction", "stored"])
def test_after_a_power_cut_between_the_two_cards_a_second_pairing_completes_both(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    device.dies_at = moment
    with pytest.raises(NetworkFault):
        pair(home, CODE, WAY)
    assert device.owners == []
    assert bool(home.devices()) == (moment == "stored")
    later = again(device, monkeypatch)
    paired = pair(home, CODE, WAY)
    assert paired.is_new == (moment == "introduction")
    assert (home.devices(), later.owners) == ({"front-door": device.card}, [home.card()])


def test_a_cameras_card_that_was_lost_comes_back_by_pairing_again(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(home, CODE, WAY)
    (home.path / "devices" / "front-door.card.yaml").unlink()
    again(device, monkeypatch)
    assert pair(home, CODE, WAY).is_new
    assert home.devices() == {"front-door": device.card}


def test_the_names_twin_is_refused_before_anything_is_stored_on_either_side(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(home, CODE, WAY)
    settings = home.settings()
    twin = FakeDevice(CODE, device_card())
    use(twin, monkeypatch)
    with pytest.raises(ConfigError, match="enrolled already"):
        pair(home, CODE, WAY)
    assert (twin.owners, home.devices(), home.settings()) == (
        [],
        {"front-door": device.card},
        settings,
    )
    assert "enrolled already" in twin.refusals[0]


def test_a_camera_at_another_broker_than_the_others_is_refused(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(home, CODE, WAY)
    second = FakeDevice(CODE, device_card("garage"), login=LOGIN)
    use(second, monkeypatch)
    with pytest.raises(Refused, match="your other cameras use the broker 127"):
        pair(home, CODE, Way("192.0.2.7", 1883, is_encrypted=False))
    assert list(home.devices()) == ["front-door"]


@pytest.mark.parametrize("name", ["../../etc", "Front", "a b", "", "x" * 33, "ä"])
def test_a_device_with_an_unsafe_name_is_refused(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bad = FakeDevice(CODE, msgspec.structs.replace(device.card, name=name), login=LOGIN)
    use(bad, monkeypatch)
    with pytest.raises(ConfigError, match="name"):
        pair(home, CODE, WAY)
    assert (home.devices(), bad.owners) == ({}, [])


@pytest.mark.parametrize("name", ["../owner", "owner.age/x", "a b", "", "ö"])
def test_a_login_whose_name_is_no_file_name_is_refused(
    home: OwnerFolder, device: FakeDevice, name: str
) -> None:
    device.login = BrokerLogin(username=name, password="p" * 32)
    with pytest.raises(Refused, match="no user name"):
        pair(home, CODE, WAY)
    assert home.devices() == {}


def test_a_refusal_of_the_device_is_told_in_its_words(
    home: OwnerFolder, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.refuses = "this camera has 16 owners already"
    with pytest.raises(Refused, match="16 owners already"):
        pair(home, CODE, WAY)
    later = again(device, monkeypatch)
    later.refuses_to_store = "the disk is full"
    with pytest.raises(Refused, match="the disk is full"):
        pair(home, CODE, WAY)


def test_a_login_that_the_broker_refuses_is_noticed_before_anything_is_stored(
    home: OwnerFolder, start_mosquitto: StartMosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = start_mosquitto(users={"somebody": "else"})
    device = FakeDevice(CODE, device_card(), login=LOGIN)
    use(device, monkeypatch)
    with pytest.raises(ClipAgentError, match="refuses this user name and password"):
        pair(home, CODE, Way(broker.host, broker.port, is_encrypted=False))
    assert (home.devices(), device.owners) == ({}, [])
    assert home.settings() == Settings(mqtt=Broker())
    assert "refuses" in device.refusals[0]


def test_a_certificate_that_is_none_is_refused_before_anything_is_stored(
    home: OwnerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice(CODE, device_card(), login=LOGIN, ca="-----BEGIN NOTHING-----\n")
    use(device, monkeypatch)
    with pytest.raises(Refused, match="certificate"):
        pair(home, CODE, Way("127.0.0.1", 8883, is_encrypted=True))
    assert home.devices() == {}


def encrypted(broker: Mosquitto) -> Way:
    return Way(broker.host, broker.port, is_encrypted=True)


def test_the_certificate_of_the_offer_is_trusted_from_then_on(
    home: OwnerFolder,
    start_mosquitto: StartMosquitto,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "ca")
    certificate = authority.issue("127.0.0.1")
    broker = start_mosquitto(
        users={LOGIN.username: LOGIN.password, "pairing": "pairing"}, certificate=certificate
    )
    device = FakeDevice(CODE, device_card(), login=LOGIN, ca=authority.ca_file.read_text())
    use(device, monkeypatch)
    pair(home, CODE, encrypted(broker))
    settings = home.settings().mqtt
    assert settings.tls is not None
    assert settings.tls.ca_file == home.path / "broker-ca.pem"
    password, _ = link.credentials(settings)
    assert password == LOGIN.password


def test_somebody_between_who_only_relays_the_pairing_is_found_out_by_the_certificate(
    home: OwnerFolder,
    start_mosquitto: StartMosquitto,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The pairing itself takes any certificate; what follows takes that of the offer alone."""
    true, false = Authority(tmp_path / "true"), Authority(tmp_path / "false")
    between = start_mosquitto(
        users={LOGIN.username: LOGIN.password}, certificate=false.issue("127.0.0.1")
    )
    device = FakeDevice(CODE, device_card(), login=LOGIN, ca=true.ca_file.read_text())
    use(device, monkeypatch)
    with pytest.raises(NetworkFault, match="certificate is not trusted"):
        pair(home, CODE, encrypted(between))
    assert (home.devices(), device.owners) == ({}, [])
    assert not (home.path / "broker-ca.pem").exists()


def test_an_owner_who_has_a_login_keeps_it_where_none_is_offered(
    home: OwnerFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("mine\n")
    own = Broker(host="192.0.2.7", port=1883, username="olive", password_file=password)
    device = FakeDevice(CODE, device_card())
    use(device, monkeypatch)
    pair(home, CODE, Way.known(own))
    assert home.settings().mqtt == own
    assert Way.known(own).settings().password == "mine"
