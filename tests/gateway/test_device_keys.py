"""The device's own keys: made once, for one reader, and never lost or replaced."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml

from agent.consent import letters as mail
from agent.consent.cards import DeviceCard, parse_card
from agent.consent.letters import Letter
from agent.errors import KeyFileError, StorageFault
from agent.gateway import device_keys as keys
from agent.gateway.device_keys import DeviceKeys, card_of
from tests.support.house import Person
from tests.vault.support import in_child, watch_steps

NAME = "front-door"
MANY_STEPS = 40


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def key_file(state: Path) -> Path:
    return state / "gateway" / "keys" / "device.key.json"


def card(state: Path) -> DeviceCard:
    return parse_card(card_of(state).read_text(), DeviceCard, "card")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_keys_are_made_once_and_stay(state: Path) -> None:
    made = keys.load_or_create(state, name=NAME)
    stored = key_file(state).read_bytes()
    again = keys.load_or_create(state, name=NAME)
    assert (again.id, again.identity) == (made.id, made.identity)
    assert key_file(state).read_bytes() == stored
    assert keys.load_or_create(state.parent / "other", name=NAME).id != made.id


@pytest.mark.parametrize("umask", [0o022, 0o007, 0o000])
def test_only_the_gateway_can_read_the_keys(state: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        keys.load_or_create(state, name=NAME)
    finally:
        os.umask(before)
    assert mode(state / "gateway" / "keys") == 0o700
    assert mode(key_file(state)) == 0o600
    assert mode(state / "gateway") == 0o700
    assert mode(card_of(state)) == 0o644
    assert sorted(path.name for path in state.iterdir()) == ["gateway", "wishes"]


def test_the_card_in_the_wishes_is_the_public_half(state: Path) -> None:
    made = keys.load_or_create(state, name=NAME)
    assert card(state) == made.card(NAME)
    assert card(state).fingerprint == made.id
    letter = Letter(jws="a.b.c", keys={})
    sealed = mail.seal(letter, [card(state).seal])
    assert mail.open_letter(sealed, made.identity) == letter
    public = card_of(state).read_text()
    secrets = json.loads(key_file(state).read_text())
    assert not any(secret in public for secret in secrets.values())


def test_a_lost_or_changed_card_is_rewritten(state: Path) -> None:
    made = keys.load_or_create(state, name=NAME)
    card_of(state).unlink()
    keys.load_or_create(state, name=NAME)
    assert card(state) == made.card(NAME)
    plain = yaml.safe_load(card_of(state).read_text())
    plain["sign"] = Person().signing.public.text
    card_of(state).write_text(yaml.safe_dump(plain))
    keys.load_or_create(state, name="renamed")
    assert card(state) == made.card("renamed")


def test_a_correct_card_is_not_rewritten(state: Path) -> None:
    keys.load_or_create(state, name=NAME)
    before = card_of(state).stat()
    keys.load_or_create(state, name=NAME)
    after = card_of(state).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def damages() -> dict[str, bytes]:
    person = Person()
    sign, identity = person.signing.to_text(), person.identity
    whole = {"sign": sign, "identity": identity}
    return {
        "empty": b"",
        "cut off": json.dumps(whole).encode()[:-9],
        "not text": b"\xff\xfe\x00",
        "nothing in it": b"{}",
        "another kind": b"[]",
        "an unknown field": json.dumps({**whole, "more": 1}).encode(),
        "a field of the wrong kind": json.dumps({**whole, "sign": 7}).encode(),
        "no identity": json.dumps({"sign": sign}).encode(),
        "an identity that is none": json.dumps({**whole, "identity": "AGE-SECRET-KEY-1"}).encode(),
        "a public key for an identity": json.dumps(
            {**whole, "identity": person.recipient}
        ).encode(),
        "a signing key that is none": json.dumps({**whole, "sign": "####"}).encode(),
        "a signing key cut short": json.dumps({**whole, "sign": sign[:-4]}).encode(),
        "a signing key beyond ASCII": json.dumps({**whole, "sign": sign[:-1] + "é"}).encode(),
    }


DAMAGES = damages()


@pytest.mark.parametrize("data", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_and_never_replaced(state: Path, data: bytes) -> None:
    keys.load_or_create(state, name=NAME)
    public = card_of(state).read_bytes()
    key_file(state).write_bytes(data)
    for _ in range(2):
        with pytest.raises(KeyFileError, match=r"device\.key\.json: the device's keys are damaged"):
            keys.load_or_create(state, name=NAME)
    assert key_file(state).read_bytes() == data
    assert card_of(state).read_bytes() == public
    assert [path.name for path in (state / "gateway" / "keys").iterdir()] == ["device.key.json"]


@pytest.mark.parametrize(
    "blocked", ["state", "state/gateway", "state/gateway/keys", "state/wishes"]
)
def test_a_blocked_folder_is_a_fault_with_advice(tmp_path: Path, blocked: str) -> None:
    path = tmp_path / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(
        StorageFault, match=r"The gateway's user must own the folders gateway/ and wishes/"
    ):
        keys.load_or_create(tmp_path / "state", name=NAME)


def kill_before(step: int, state: Path, name: str) -> bool:
    """Load or make keys in a process that dies before its n-th step; False if it ended first."""

    def child() -> None:
        left = step

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        watch_steps(count, None)
        keys.load_or_create(state, name=name)

    return in_child(child) == signal.SIGKILL


def test_killed_at_any_step_of_making_them_they_are_made_whole_the_next_time(
    tmp_path: Path,
) -> None:
    deaths = 0
    for step in range(1, MANY_STEPS):
        state = tmp_path / str(step)
        killed = kill_before(step, state, NAME)
        published = card(state) if card_of(state).exists() else None
        there = key_file(state).read_bytes() if key_file(state).exists() else None
        made = keys.load_or_create(state, name=NAME)
        if there is not None:
            assert key_file(state).read_bytes() == there, "keys once made are kept"
        assert card(state) == made.card(NAME)
        assert published in (None, card(state)), "a card once seen stays true"
        assert mode(key_file(state)) == 0o600
        assert not list(state.rglob("*.new"))
        if not killed:
            break
        deaths += 1
    assert deaths > 6


def test_killed_at_any_step_of_a_new_card_there_is_the_old_one_or_the_new(tmp_path: Path) -> None:
    made: DeviceKeys = keys.load_or_create(tmp_path, name="old")
    deaths = 0
    for step in range(1, MANY_STEPS):
        keys.load_or_create(tmp_path, name="old")
        killed = kill_before(step, tmp_path, "new")
        assert card(tmp_path) in (made.card("old"), made.card("new"))
        if not killed:
            break
        deaths += 1
    assert card(tmp_path) == made.card("new")
    assert deaths > 2


# The client id at the owner's broker


def test_the_client_id_cannot_be_guessed_and_stays(state: Path) -> None:
    """A stranger who connects under it with a clean session ends ours, and with it our letters."""
    device = keys.load_or_create(state, name=NAME)
    made = keys.client_id(state)
    assert keys.client_id(state) == made != keys.client_id(state.parent / "other")
    assert len(made) == 23 and NAME not in made and device.id[:8] not in made
    path = state / "gateway" / "keys" / "mqtt-client-id"
    assert mode(path) == 0o600
    path.write_text("front-door\n")
    assert keys.client_id(state) not in (made, "front-door\n")


def test_keys_that_are_gone_are_not_replaced_in_silence(state: Path) -> None:
    keys.load_or_create(state, name="front-door")
    path, card = keys.path_of(state), keys.card_of(state)
    known = card.read_bytes()
    for folder in (False, True):
        if folder:
            shutil.rmtree(path.parent)
        else:
            path.unlink()
        with pytest.raises(KeyFileError, match=r"are gone.*backup.*pair\s+anew"):
            keys.load_or_create(state, name="front-door")
        assert not path.exists()
        assert card.read_bytes() == known
        card.unlink()
        keys.load_or_create(state, name="front-door")
        assert card.read_bytes() != known, "a new device, by the owner's own hand"
        known = card.read_bytes()
