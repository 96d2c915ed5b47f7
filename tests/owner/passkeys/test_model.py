"""Answers of passkeys in any order: one opens the keys only where, when and for what it was given.

A model of what may be answered stands beside the product: browsers ask, phones answer, answers are
kept, sent late, twice and elsewhere, passkeys are removed, time passes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.config import Broker
from agent.errors import Refused
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.passkeys.challenges import LIFE_SECONDS, Purpose
from agent.owner.passkeys.passkeys import Passkeys
from tests.owner.passkeys.conftest import ORIGIN, asker, enrol
from tests.support.authenticator import SoftAuthenticator
from tests.support.clock import SimulatedClock
from tests.support.models import play

OTHER_ORIGIN = "https://home.example"
SESSIONS = st.sampled_from(["one", "two"])
ORIGINS = st.sampled_from([ORIGIN, OTHER_ORIGIN])
PHONES = st.integers(0, 1)
# A purpose and its subject: the lock, and two plans.
MATTERS = st.sampled_from([("unlock", ""), ("approve", "a" * 64), ("approve", "b" * 64)])
Matter = tuple[Purpose, str]


@dataclass(frozen=True)
class Given:
    """An answer that a phone has given, and for which question."""

    session: str
    origin: str
    matter: Matter
    question: int
    phone: int
    count: int
    data: bytes


class PasskeyModel(RuleBasedStateMachine):
    """``open``: the newest question for each session and matter, with its origin and time."""

    told: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="passkeys-")
        owner = owner_keys.make("Ann", "correct horse", now=0)
        home = OwnerFolder.create(Path(self.folder.name) / "owner", owner, Settings(mqtt=Broker()))
        self.keys, self.clock = owner.keys, SimulatedClock()
        self.passkeys = Passkeys(home, self.clock)
        self.phones = {
            (origin, number): SoftAuthenticator(origin)
            for origin in (ORIGIN, OTHER_ORIGIN)
            for number in range(2)
        }
        self.ids: dict[tuple[str, int], str] = {}
        self.used: dict[tuple[str, int], int] = {}
        self.questions = 0
        self.open: dict[tuple[str, Matter], tuple[int, str, float]] = {}
        self.given: list[Given] = []
        for place in self.phones:
            self._enrol(place)

    def _enrol(self, place: tuple[str, int]) -> None:
        self.clock.advance(LIFE_SECONDS)  # no session asks too often in this model
        self.ids[place] = enrol(self.passkeys, self.phones[place], self.keys).id
        (made,) = self.phones[place].credentials.values()
        self.used[place] = made.count

    @rule(session=SESSIONS, origin=ORIGINS, matter=MATTERS, phone=PHONES)
    def ask_and_answer(self, session: str, origin: str, matter: Matter, phone: int) -> None:
        """A browser asks; the phone answers, but the answer is not sent yet."""
        at, place = asker(session, origin), (origin, phone)
        try:
            if matter[0] == "unlock":
                options = self.passkeys.begin_unlock(at)
            else:
                options = self.passkeys.begin_approval(at, matter[1])
        except Refused as error:
            if error.rule == "no-passkey":
                assert not any(one == origin for one, _ in self.ids)
            else:
                assert error.rule == "too-many-tries"
            return
        self.questions += 1
        self.open[session, matter] = (self.questions, origin, self.clock.monotonic())
        for made in self.phones[place].credentials.values():
            data = self.phones[place].assertion(options, made)
            self.given.append(
                Given(session, origin, matter, self.questions, phone, made.count, data)
            )

    @rule(
        pick=st.integers(0, 1 << 16),
        session=SESSIONS,
        origin=ORIGINS,
        matter=MATTERS,
        own=st.booleans(),
    )
    def send(self, pick: int, session: str, origin: str, matter: Matter, own: bool) -> None:
        """Send any answer, where it belongs (``own``) or anywhere else."""
        if not self.given:
            return
        answer = self.given[-1 - pick % min(len(self.given), 4)]
        if own:
            session, origin, matter = answer.session, answer.origin, answer.matter
        question, asked_at, when = self.open.pop((session, matter), (0, "", 0.0))
        place = (answer.origin, answer.phone)
        fits = (
            question == answer.question
            and origin == asked_at == answer.origin
            and self.clock.monotonic() - when < LIFE_SECONDS
            and place in self.ids
            and answer.count > self.used[place]
        )
        at = asker(session, origin)
        try:
            if matter[0] == "unlock":
                opened = self.passkeys.unlock(at, answer.data)
            else:
                opened = self.passkeys.approve(at, matter[1], answer.data)
        except Refused as error:
            assert not fits, str(error)
            self.told[error.rule] += 1
            return
        assert fits, "an answer opened the keys for something else"
        assert opened.identity == self.keys.identity
        self.used[place] = answer.count
        self.told["opened"] += 1

    @rule(seconds=st.sampled_from([1.0, LIFE_SECONDS / 2, LIFE_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(origin=ORIGINS, phone=PHONES, again=st.booleans())
    def remove(self, origin: str, phone: int, again: bool) -> None:
        """Remove a passkey; enrol the device again under a new one, or leave it."""
        place = (origin, phone)
        if place in self.ids:
            self.passkeys.remove(self.ids.pop(place))
            self.told["removed"] += 1
        elif again:
            self.phones[place].credentials.clear()
            self.given = [one for one in self.given if (one.origin, one.phone) != place]
            self._enrol(place)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


@pytest.mark.untraced
def test_an_answer_opens_once_where_when_and_for_what_it_was_given() -> None:
    least = {
        "opened": 20,
        "removed": 20,
        "no-challenge": 20,
        "passkey-refused": 10,
        "unknown-passkey": 5,
    }
    play(PasskeyModel, PasskeyModel.told, examples=25, steps=40, least=least)
