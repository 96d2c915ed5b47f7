"""The owner notices a camera's ledger that is shorter, forked or restored, and since when."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agent.consent.statements import ConsistencyProof, LedgerHead
from agent.consent.transparency.merkle import leaf_hash
from agent.consent.transparency.tree import Tree
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox.inbox import Inbox
from agent.owner.wording import text
from tests.owner.camera import NOW, FakeCamera


class Lines:
    """The lines of a ledger; those from ``at`` on are of another ``past``."""

    def __init__(self, count: int, *, at: int = 0, past: str = "") -> None:
        self._tree = Tree(
            leaf_hash(f"{past if number >= at else ''} {number}".encode())
            for number in range(count)
        )

    def head(self, size: int) -> LedgerHead:
        return LedgerHead(size=size, root=self._tree.root(size).hex())

    def proofs(self, *sizes: int, to: int) -> tuple[ConsistencyProof, ...]:
        paths = {old: self._tree.consistency(old, to) for old in sizes}
        return tuple(
            ConsistencyProof(from_size=old, path=tuple(node.hex() for node in path))
            for old, path in paths.items()
        )


@dataclass
class Camera:
    """Sends letters, each a minute after the one before."""

    inbox: Inbox
    fake: FakeCamera
    keys: Keys
    minutes: int = 0

    def says(self, lines: Lines, size: int, *proved: int) -> bytes:
        """A letter with the head of ``size`` lines, and proofs from ``proved``."""
        self.minutes += 1
        letter = self.fake.notices(
            ledger=lines.head(size),
            proofs=lines.proofs(*proved, to=size),
            iat=NOW + 60 * self.minutes,
        )
        self.put(topics.notices(self.fake.name), letter)
        return letter

    def answers_a_sync(self, lines: Lines, size: int, *proved: int) -> None:
        """The answer to a sync with all heads that the owner's folder holds."""
        self.minutes += 1
        subject = f"{self.minutes:016x}"
        self.inbox.expect_proof(self.fake.name, subject, self.heads)
        letter = self.fake.outcome(
            subject,
            "DONE",
            ledger=lines.head(size),
            proofs=lines.proofs(*proved, to=size),
            iat=NOW + 60 * self.minutes,
        )
        self.put(topics.release(self.fake.name, subject), letter)

    def put(self, topic: str, letter: bytes) -> None:
        parsed = topics.parse(topic, feed="")
        assert parsed is not None
        self.inbox.take(parsed, letter, self.keys, now=NOW)

    @property
    def heads(self) -> tuple[LedgerHead, ...]:
        return self.inbox.ledger_heads(self.fake.name)

    @property
    def warnings(self) -> list[str]:
        return self.inbox.warnings

    def warnings_tomorrow(self, home: OwnerFolder) -> list[str]:
        return Inbox(home, {self.fake.name: self.fake.card}).warnings


@pytest.fixture
def told(inbox: Inbox, camera: FakeCamera, keys: Keys) -> Camera:
    return Camera(inbox, camera, keys)


LINES = Lines(60)
RECHAINED = Lines(60, at=7, past="other")  # a line was taken out, the others written anew


def test_a_ledger_that_grows_is_believed_and_its_newest_head_is_named(told: Camera) -> None:
    told.says(LINES, 12)
    told.says(LINES, 20, 12)
    assert told.heads == (LINES.head(20),)
    told.answers_a_sync(LINES, 20, 20)
    told.answers_a_sync(LINES, 33, 20)
    assert told.heads == (LINES.head(33),)
    assert told.warnings == []


def test_heads_are_named_until_growth_is_proved_from_each(told: Camera) -> None:
    for size in (12, 20, 21):
        told.says(LINES, size)
    assert told.heads == tuple(LINES.head(size) for size in (12, 20, 21))
    told.says(LINES, 30, 12, 21)
    assert told.heads == (LINES.head(20), LINES.head(30))
    assert told.warnings == []


def test_no_more_heads_are_named_than_a_sync_can_hold(told: Camera) -> None:
    for size in range(10, 30):
        told.says(LINES, size)
    assert told.heads == tuple(LINES.head(size) for size in (*range(10, 17), 29))


def test_lines_removed_at_rest_and_rechained_past_the_owners_head_are_told(
    told: Camera, home: OwnerFolder
) -> None:
    told.says(LINES, 20)
    told.answers_a_sync(RECHAINED, 40, 20)
    (warning,) = told.warnings
    assert "does not begin any more with the 20 lines of before" in warning
    assert f"It first said so {text.moment(NOW + 120)}" in warning
    told.says(RECHAINED, 41, 20)
    told.says(RECHAINED, 42)
    assert told.warnings_tomorrow(home) == told.warnings == [warning]


@pytest.mark.parametrize("at", [0, 6, 18, 19])
@pytest.mark.parametrize("size", [20, 21, 32, 60])
def test_an_older_state_that_was_restored_and_has_grown_is_told(
    told: Camera, at: int, size: int
) -> None:
    told.says(LINES, 20)
    told.answers_a_sync(Lines(60, at=at, past="since"), size, 20)
    (warning,) = told.warnings
    assert "set back to an older state and went on from there" in warning
    assert told.heads == (LINES.head(20),)


def test_lines_forked_between_two_syncs_are_told(told: Camera) -> None:
    told.says(LINES, 5)
    told.answers_a_sync(LINES, 5, 5)
    told.says(LINES, 20, 5)  # and then without the line that it showed
    told.says(RECHAINED, 21, 5)
    assert told.warnings == []
    told.answers_a_sync(RECHAINED, 22, 20, 21)
    assert "the 20 lines of before" in told.warnings[0]


def test_a_camera_that_does_not_prove_growth_when_asked_is_told(told: Camera) -> None:
    told.says(LINES, 20)
    told.says(RECHAINED, 40)  # it may not have heard of a sync
    assert told.warnings == []
    told.answers_a_sync(RECHAINED, 41, 40)
    assert "was asked to prove that its ledger still begins" in told.warnings[0]


def test_a_shorter_ledger_is_told_until_it_is_the_one_of_before(
    told: Camera, home: OwnerFolder
) -> None:
    kept = told.says(LINES, 20, 20)
    told.says(LINES, 13)
    told.says(LINES, 14, 13)
    (warning,) = told.warnings
    assert "went back from line 20 to 13" in warning and text.moment(NOW + 120) in warning
    told.put(topics.notices(told.fake.name), kept)  # the broker repeats the old letter
    assert told.warnings_tomorrow(home) == told.warnings == [warning]
    told.answers_a_sync(LINES, 22, 20)
    assert told.warnings == told.warnings_tomorrow(home) == []


def test_a_proof_for_another_owner_is_no_contradiction(told: Camera) -> None:
    told.says(LINES, 20, 3, 11)
    told.says(LINES, 25, 11, 19)
    assert told.warnings == []
    assert told.heads == (LINES.head(20), LINES.head(25))
