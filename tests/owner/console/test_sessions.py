"""Sessions: keys in memory for as long as somebody is there."""

from __future__ import annotations

import pytest

from agent.errors import KeyFileError, Refused
from agent.keyfile import Keys
from agent.owner.console.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from tests.support.clock import SimulatedClock


@pytest.fixture
def sessions(clock: SimulatedClock, keys: Keys) -> Sessions:
    def unlock(passphrase: str) -> Keys:
        if passphrase != "right":
            raise KeyFileError("wrong passphrase")
        return keys

    return Sessions(clock, unlock)


def test_a_session_lasts_while_it_is_used(sessions: Sessions, clock: SimulatedClock) -> None:
    session = sessions.begin("phone", "right")
    for _ in range(5):
        clock.advance(IDLE_SECONDS)
        assert sessions.find(session.id, "phone") is session
    clock.advance(IDLE_SECONDS + 1)
    assert sessions.find(session.id, "phone") is None


def test_a_session_ends_after_twelve_hours_of_use(
    sessions: Sessions, clock: SimulatedClock
) -> None:
    session = sessions.begin("phone", "right")
    for _ in range(int(LONGEST_SECONDS / 600)):
        clock.advance(600)
        assert sessions.find(session.id, "phone") is session
    clock.advance(1)
    assert sessions.find(session.id, "phone") is None


def test_work_in_the_background_keeps_no_session_alive(
    sessions: Sessions, clock: SimulatedClock
) -> None:
    sessions.begin("phone", "right")
    for _ in range(3):
        clock.advance(IDLE_SECONDS / 2)
        sessions.newest()
    assert sessions.newest() is None


def test_a_look_that_does_not_count_keeps_no_session_alive(
    sessions: Sessions, clock: SimulatedClock
) -> None:
    session = sessions.begin("phone", "right")
    clock.advance(IDLE_SECONDS / 2)
    assert sessions.find(session.id, "phone", counts=False) is session
    clock.advance(IDLE_SECONDS / 2 + 1)
    assert sessions.find(session.id, "phone", counts=False) is None


def test_a_session_is_of_one_browser(sessions: Sessions) -> None:
    session = sessions.begin("phone", "right")
    assert sessions.find(session.id, "laptop") is None


def test_the_lock_forgets_the_keys_and_what_was_seen(sessions: Sessions) -> None:
    session = sessions.begin("phone", "right")
    memory = session.memory
    memory["clip"] = b"plain"
    other = sessions.begin("laptop", "right")
    sessions.lock("phone")
    assert sessions.find(session.id, "phone") is None
    assert memory == {}
    with pytest.raises(Refused, match="locked meanwhile"):  # as a job that still runs sees it
        assert session.keys
    with pytest.raises(Refused, match="locked meanwhile"):
        session.memory["clip"] = b"plain"
    assert sessions.find(other.id, "laptop") is other


def test_wrong_passphrases_wait_longer_and_longer(
    sessions: Sessions, clock: SimulatedClock
) -> None:
    waits = []
    for _ in range(12):
        waited = 0
        with pytest.raises(KeyFileError):
            while True:
                try:
                    sessions.begin("phone", "wrong")
                except Refused:
                    clock.advance(1)
                    waited += 1
        waits.append(waited)
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_the_right_passphrase_ends_the_waiting(sessions: Sessions, clock: SimulatedClock) -> None:
    for _ in range(3):
        with pytest.raises(KeyFileError):
            sessions.begin("phone", "wrong")
    with pytest.raises(Refused, match="too many wrong passphrases; wait 2 seconds"):
        sessions.begin("phone", "right")
    clock.advance(2)
    sessions.begin("phone", "right")
    with pytest.raises(KeyFileError):
        sessions.begin("phone", "wrong")
    sessions.begin("phone", "right")
