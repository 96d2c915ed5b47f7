"""The door: a link admits one browser, once."""

from __future__ import annotations

import pytest

from agent.errors import Refused, StorageFault
from agent.owner.console.door import BROWSER_SECONDS, LINK_SECONDS, Door, name_of
from agent.owner.home.folder import OwnerFolder
from tests.support.clock import SimulatedClock


@pytest.fixture
def door(home: OwnerFolder, clock: SimulatedClock) -> Door:
    return Door(home, clock)


def test_a_link_admits_one_browser_once(door: Door) -> None:
    token = door.link()
    browser = door.find(door.admit(token, "Firefox on Android"))
    assert browser is not None
    assert browser.name == "Firefox on Android"
    with pytest.raises(Refused, match="used before"):
        door.admit(token, "another")


def test_a_link_ends_after_ten_minutes(door: Door, clock: SimulatedClock) -> None:
    token = door.link()
    clock.advance(LINK_SECONDS)
    with pytest.raises(Refused, match="older than ten minutes"):
        door.admit(token, "late")


@pytest.mark.parametrize("token", ["", "x", "\udcff", "a" * 10_000])
def test_no_other_word_admits(door: Door, token: str) -> None:
    door.link()
    with pytest.raises(Refused):
        door.admit(token, "stranger")
    assert door.find(token) is None


def test_a_running_console_takes_a_link_of_another_command(
    home: OwnerFolder, clock: SimulatedClock
) -> None:
    running, command = Door(home, clock), Door(home, clock)
    assert running.find(running.admit(command.link(), "phone")) is not None


def test_a_browser_that_stays_away_for_90_days_is_forgotten(
    door: Door, clock: SimulatedClock
) -> None:
    cookie = door.admit(door.link(), "phone")
    for _ in range(3):  # each visit counts
        clock.advance(BROWSER_SECONDS - 1)
        assert door.find(cookie) is not None
    clock.advance(BROWSER_SECONDS + 1)
    assert door.find(cookie) is None


def test_a_removed_browser_is_a_stranger(door: Door) -> None:
    cookie = door.admit(door.link(), "old phone")
    (browser,) = door.browsers()
    door.remove(browser.id)
    assert door.find(cookie) is None


def test_the_folder_holds_no_token_and_no_cookie(door: Door, home: OwnerFolder) -> None:
    token = door.link()
    cookie = door.admit(token, "phone")
    unused = door.link()
    path = home.path / "console.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(word in path.read_text() for word in (token, cookie, unused))


def test_a_damaged_file_is_named_and_admits_nobody(door: Door, home: OwnerFolder) -> None:
    (home.path / "console.json").write_text('{"browsers": 1}')
    with pytest.raises(StorageFault, match=r"console\.json: is damaged"):
        door.find("x")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Android 14; Mobile; rv:1) Gecko Firefox/130.0", "Firefox on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17) Version/17 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10) Chrome/120 Safari/537 Edg/120", "Edge on Windows"),
        ("curl/8", "a browser on a computer"),
    ],
)
def test_a_browser_has_a_name_that_its_owner_recognises(agent: str, name: str) -> None:
    assert name_of(agent) == name


def test_a_clock_that_is_set_back_gives_a_link_no_longer_life(
    door: Door, clock: SimulatedClock
) -> None:
    clock.step_wall(86_400.0)
    token = door.link()
    clock.step_wall(-86_400.0)
    with pytest.raises(Refused):
        door.admit(token, "late")


def test_a_full_disk_keeps_no_admitted_browser_out(
    door: Door, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = door.admit(door.link(), "phone")
    clock.advance(2 * 86_400.0)

    def full(*_: object, **__: object) -> None:
        raise StorageFault("no space left on device")

    monkeypatch.setattr("agent.files.replace", full)
    assert door.find(cookie) is not None
