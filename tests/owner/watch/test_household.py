"""Each thing is told once: by every channel, over restarts and reconnections, and no ghost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.consent.signing import SigningKey
from agent.mqtt import topics
from agent.owner.watch.household import KINDS
from tests.owner.watch.conftest import PATIENCE, Home, item

HOUR = 3_600


def test_an_item_is_told_once_and_again_when_little_time_is_left(house: Home) -> None:
    waits = item(1, until=int(house.clock.now()) + 5 * HOUR, clips=3)
    house.says(house.front, waits)
    assert house.tell() == ["front-door: A request waits, until today 23:30 (3 clips match)"]
    house.says(house.front, waits)
    assert house.tell() == []
    house.clock.advance(4 * HOUR)
    near = item(1, until=waits.until, near=True)
    house.says(house.front, near)
    assert house.tell() == ["front-door: Little time is left: a request waits, until today 23:30"]
    house.says(house.front, near)
    assert house.tell() == []


def test_it_is_told_once_over_a_restart_a_pause_and_a_reconnection(house: Home) -> None:
    house.says(house.front, item(1))
    assert len(house.tell()) == 1
    house.household.disconnected(house.clock.now())
    house.connect()
    house.says(house.front, item(1))
    assert house.tell() == []
    house.says(house.front)
    house.says(house.front, item(1))  # the owner resumed requests
    assert house.tell() == []
    house.begin()
    house.connect()
    house.says(house.front, item(1))
    assert house.tell() == []
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600


def test_what_was_not_told_before_a_crash_is_told_after_it(house: Home) -> None:
    house.says(house.front, item(1))
    assert len(house.untold()) == 1
    house.begin()
    house.connect()
    house.says(house.front, item(1))
    assert len(house.tell()) == 1


def test_each_channel_is_told_by_itself(house: Home) -> None:
    house.says(house.front, item(1))
    assert len(house.tell("ntfy")) == 1
    assert len(house.tell("desktop")) == 1
    assert house.tell("desktop") == []


def test_a_flood_is_one_message(house: Home) -> None:
    many = [item(n, until=int(house.clock.now()) + HOUR + n) for n in range(100)]
    house.says(house.front, *many)
    assert house.tell() == ["front-door: 100 requests wait, the first until today 19:30"]
    assert house.tell() == []


def test_a_damaged_memory_tells_once_more(house: Home) -> None:
    house.says(house.front, item(1))
    house.tell()
    house.path.write_bytes(b"{")
    house.begin()
    house.connect()
    house.says(house.front, item(1))
    assert len(house.tell()) == 1


def test_a_memory_that_cannot_be_written_tells_once_in_this_run(
    house: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(house.household.memory, "_path", tmp_path / "missing" / "watch.json")
    house.says(house.front, item(1))
    assert len(house.tell()) == 1
    assert house.tell() == []


# Faults


def test_a_blind_camera_is_told_after_some_minutes_and_when_it_sees_again(house: Home) -> None:
    house.says(house.front, troubles=["blind"])
    house.wait(PATIENCE - 1)
    assert house.tell() == []
    house.wait(2)
    assert house.tell() == ["front-door: The camera is blind: it sends no pictures, since 18:30"]
    house.says(house.front)
    assert house.tell() == []
    house.wait(PATIENCE + 1)
    assert house.tell() == ["front-door: The camera sends pictures again"]
    house.wait(2 * PATIENCE)
    assert house.tell() == []


def test_a_camera_that_blinks_is_not_told(house: Home) -> None:
    for _ in range(20):
        house.says(house.front, troubles=["blind"])
        house.wait(PATIENCE / 2)
        house.says(house.front)
        house.wait(PATIENCE / 2)
    assert house.tell() == []


def test_a_silent_camera_is_told_and_when_it_is_back(house: Home) -> None:
    house.availability(house.front, topics.OFFLINE)
    house.wait(PATIENCE - 1)
    assert house.tell() == []
    house.wait(2)
    assert house.tell() == ["front-door: Silent: nothing is heard from it, since 18:30"]
    house.begin()
    house.connect()
    house.availability(house.front, topics.OFFLINE)
    house.wait(PATIENCE + 1)
    assert house.tell() == [], "over a restart"
    house.availability(house.front, topics.ONLINE)
    house.wait(PATIENCE + 1)
    assert house.tell() == ["front-door: It is heard again"]


def test_a_broker_that_holds_back_all_letters_is_told_as_silence(house: Home) -> None:
    """It says that the camera is online, and brings an old letter again and again."""
    old = house.front.letter(house.recipient, house.clock.now())
    for _ in range(40):
        house.wait(300)
        house.take(house.front, old)
        house.says(house.garage)
    assert house.tell() == ["front-door: Silent: nothing is heard from it, since 18:30"]


def test_a_camera_that_never_writes_to_this_watcher_is_told_with_the_reason(house: Home) -> None:
    house.begin()
    house.household.connected()
    house.says(house.garage)
    house.wait(PATIENCE + 1)
    (silence,) = house.tell()
    assert silence.startswith("front-door: Silent") and "Is your present card among" in silence


def test_a_silent_camera_is_not_also_told_as_seeing_again(house: Home) -> None:
    house.says(house.front, troubles=["blind"])
    house.wait(PATIENCE + 1)
    assert len(house.tell()) == 1
    house.availability(house.front, topics.OFFLINE)
    house.wait(3 * PATIENCE)
    assert len(house.tell()) == 1
    house.availability(house.front, topics.ONLINE)
    house.wait(PATIENCE + 1)
    assert house.tell() == ["front-door: It is heard again"], "it is blind still"


def test_a_connection_that_breaks_again_and_again_hides_no_fault(house: Home) -> None:
    house.says(house.front, troubles=["blind"])
    house.availability(house.garage, topics.OFFLINE)
    for _ in range(4):
        house.wait(PATIENCE / 3)
        house.household.disconnected(house.clock.now())
        house.wait(PATIENCE / 2)
        house.household.connected()
        house.wait(1)
        house.says(house.front, troubles=["blind"])
        house.availability(house.garage, topics.OFFLINE)
    assert sorted(one.split(": ")[0] for one in house.tell()) == ["front-door", "garage"]


def test_the_time_without_a_broker_counts_for_no_fault(house: Home) -> None:
    house.says(house.front, troubles=["blind"])
    house.wait(PATIENCE / 2)
    house.household.disconnected(house.clock.now())
    house.wait(PATIENCE * 0.9)
    house.household.connected()
    house.says(house.front, troubles=["blind"])
    house.wait(PATIENCE / 3)
    assert house.tell() == []
    house.wait(PATIENCE / 3)
    assert len(house.tell()) == 1


def test_a_broker_that_is_away_is_one_message_and_no_camera_is_called_silent(house: Home) -> None:
    house.household.disconnected(house.clock.now())
    house.wait(PATIENCE + 1)
    assert house.tell() == ["The broker cannot be reached: no camera can be heard, since 18:30"]
    house.wait(10 * HOUR)
    assert house.tell() == []
    house.connect()
    house.wait(PATIENCE + 1)
    assert house.tell() == ["The broker can be reached again"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_trouble_has_words_for_its_beginning_and_its_end(house: Home, kind: str) -> None:
    house.says(house.front, troubles=[kind])
    house.wait(PATIENCE + 1)
    (begun,) = house.untold()
    assert begun.urgent and begun.begun == kind
    assert len(house.tell()) == 1
    house.says(house.front)
    house.wait(PATIENCE + 1)
    (over,) = house.untold()
    assert not over.urgent and over.over == kind
    assert over.text != begun.text


# Letters that do not count


def test_letters_of_others_or_of_another_time_do_not_count(house: Home) -> None:
    now, mine = house.clock.now(), house.recipient
    stranger, waits = SigningKey.generate(), [item(1)]
    foreign = Home(house.path.with_name("other.json"))
    house.take(house.front, house.front.letter(mine, now, waits, by=stranger))
    house.take(house.front, house.front.letter(mine, now, waits, device="garage"))
    house.take(house.front, house.front.letter(foreign.recipient, now, waits))
    house.take(house.front, house.garage.letter(mine, now, waits))
    house.take(house.front, house.front.letter(mine, now - 1, waits))
    key = {"20240124-183015-3f9a2c": "AGE-SECRET-KEY-1" + "Q" * 58}
    house.take(house.front, house.front.letter(mine, now, waits, keys=key))
    house.take(house.front, b"")
    house.take(house.front, b"noise")
    assert house.tell() == []
    house.says(house.front, item(1))
    assert len(house.tell()) == 1


def test_an_old_letter_does_not_count_after_a_restart(house: Home) -> None:
    old = house.front.letter(house.recipient, house.clock.now(), [item(1)])
    house.take(house.front, old)
    house.clock.advance(HOUR)
    house.says(house.front, item(2))
    assert len(house.tell()) == 1
    house.begin()
    house.household.connected()
    house.take(house.front, old)
    assert house.tell() == []


def test_a_camera_whose_clock_was_far_ahead_is_heard_once_it_is_right(house: Home) -> None:
    house.take(house.front, house.front.letter(house.recipient, house.clock.now() + 1e8))
    house.clock.advance(HOUR)
    house.says(house.front, item(1))
    assert len(house.tell()) == 1


def test_a_letter_from_the_future_hides_no_silence(house: Home) -> None:
    """A broker could keep it, and hold back all that comes after it."""
    house.take(house.front, house.front.letter(house.recipient, house.clock.now() + 1e7))
    for _ in range(24):
        house.says(house.garage)
        house.wait(HOUR)
    (told,) = house.tell()
    assert told.startswith("front-door: Silent: nothing is heard from it: its last letter is from")
    house.says(house.front)
    house.wait(PATIENCE)
    assert house.tell() == ["front-door: It is heard again"]


@pytest.mark.parametrize("ahead", [-3_600.0, 0.0, 299.0])
def test_clocks_that_differ_a_little_make_no_camera_silent(house: Home, ahead: float) -> None:
    house.take(house.front, house.front.letter(house.recipient, house.clock.now() + ahead))
    house.wait(2 * PATIENCE)
    assert house.tell() == []


class Watching(RuleBasedStateMachine):
    """Any order of letters, restarts and failures: nothing twice, and nothing forgotten."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.house = Home(Path(self.folder.name) / "watch.json")
        self.house.connect()
        self.waiting: set[int] = set()
        self.told: list[str] = []

    @rule(numbers=st.sets(st.integers(1, 6), max_size=4))
    def write(self, numbers: set[int]) -> None:
        self.waiting = numbers
        self.house.clock.advance(1)
        self.house.says(self.house.front, *map(item, sorted(numbers)))

    @rule(crash=st.booleans())
    def serve(self, crash: bool) -> None:
        for message in self.house.untold():
            self.told += message.items
            if crash:
                self.told = self.told[: len(self.told) - len(message.items)]
                break
            self.house.household.remember("ntfy", message)

    @rule()
    def restart(self) -> None:
        self.house.clock.advance(1)
        self.house.begin()
        self.house.connect()
        self.house.says(self.house.front, *map(item, sorted(self.waiting)))

    @rule()
    def reconnect(self) -> None:
        self.house.household.disconnected(self.house.clock.now())
        self.house.household.connected()

    @invariant()
    def nothing_is_told_twice(self) -> None:
        assert len(self.told) == len(set(self.told))

    @invariant()
    def what_waits_is_told_or_about_to_be(self) -> None:
        due = {mark for one in self.house.untold() for mark in one.items}
        assert {item(n).id for n in self.waiting} <= due | set(self.told)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


Watching.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestWatching = Watching.TestCase
