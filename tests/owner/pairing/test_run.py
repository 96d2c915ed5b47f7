"""The owner's side: what is checked before anything is stored, and power cuts on the way."""

from __future__ import annotations

import msgspec
import pytest

from agent.config import Broker
from agent.consent.cards import DeviceCard
from agent.errors import ClipAgentError, ConfigError, NetworkFault, Refused
from agent.keyfile import Keys
from agent.owner.folder import OwnerFolder, Settings
from agent.owner.pairing import broker_access, run
from agent.owner.pairing.broker_access import Way
from agent.owner.pairing.run import pair
from agent.pairing import knock
from agent.pairing.code import PairingCode
from agent.pairing.messages import BrokerLogin, Introduction
from agent.pairing.sides import OwnerSide
from tests.peers.mosquitto import Mosquitto
from tests.support.pairing import FakeDevice

CODE = PairingCode.parse("417-062-913")
LOGIN = BrokerLogin(username="owner-1a2b3c4d", password="p" * 32)
WAY = Way("127.0.0.1", 1883, is_encrypted=False)


def device_card(name: str = "front-door") -> DeviceCard:
    keys = Keys.generate()
    return DeviceCard(role="device", name=name, sign=keys.signing.public.text, seal=keys.recipient)


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
    home: OwnerFolder, start_mosquitto: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker: Mosquitto = start_mosquitto(users={"somebody": "else"})  # type: ignore[operator]
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
