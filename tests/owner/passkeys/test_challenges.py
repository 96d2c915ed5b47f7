"""Challenges name what an answer is for, beside a number that makes each of them unique."""

from __future__ import annotations

import itertools
import threading

import pytest

from agent.errors import Refused
from agent.owner.passkeys.challenges import LIFE_SECONDS, Challenges, Purpose
from tests.owner.passkeys.conftest import ORIGIN, asker
from tests.support.clock import SimulatedClock

PURPOSES: tuple[Purpose, ...] = ("enrol", "confirm", "unlock", "approve")


def test_purpose_subject_session_and_site_are_in_the_challenge(clock: SimulatedClock) -> None:
    """With the same number for all, so that nothing else tells them apart."""
    challenges = Challenges[None](clock, random=bytes)
    origins = (ORIGIN, "http://localhost:1", "https://localhost", "https://home.example")
    asked = [
        challenges.ask(asker(session, origin), purpose, None, subject=subject)
        for session, origin, purpose, subject in itertools.product(
            ("one", "two"), origins, PURPOSES[:2], ("", "a")
        )
    ] + [challenges.ask(asker("three"), purpose, None) for purpose in PURPOSES]
    assert len(set(asked)) == len(asked)
    assert {len(one) for one in asked} == {32}


def test_the_number_makes_each_challenge_new(clock: SimulatedClock) -> None:
    challenges = Challenges[None](clock)
    assert len({challenges.ask(asker(), "unlock", None) for _ in range(10)}) == 10


def test_a_challenge_is_what_it_was_asked_as_and_carries_its_value(clock: SimulatedClock) -> None:
    challenges = Challenges[str](clock)
    asked = challenges.ask(asker(), "approve", "carried", subject="a")
    assert challenges.take(asker(), "approve", subject="a") == (asked, "carried")


def test_of_threads_that_bring_one_answer_a_single_one_is_heard(clock: SimulatedClock) -> None:
    challenges = Challenges[None](clock)
    challenges.ask(asker(), "unlock", None)
    heard: list[bytes] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait(30)
        try:
            heard.append(challenges.take(asker(), "unlock")[0])
        except Refused as error:
            assert error.rule == "no-challenge"

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(heard) == 1


def test_old_questions_and_quiet_sessions_take_no_memory(clock: SimulatedClock) -> None:
    challenges = Challenges[None](clock)
    for number in range(100):
        challenges.ask(asker(f"session {number}"), "unlock", None)
    clock.advance(LIFE_SECONDS)
    with pytest.raises(Refused):
        challenges.take(asker("session 1"), "unlock")
    held = [one for one in vars(challenges).values() if isinstance(one, dict)]
    assert held and not any(held)
