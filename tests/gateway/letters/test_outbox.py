"""Letters that must arrive: each topic's last payload, until the broker has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.errors import StorageFault
from agent.gateway.letters.outbox import LetterTable, Outbox
from agent.mqtt import topics
from agent.mqtt.link import Published
from agent.vault.database.gateway import GatewayDatabase
from tests.support.clock import SimulatedClock
from tests.support.peers import FakeBroker, FakeLink
from tests.vault.support import folder_in_memory

DEVICE = "front-door"
INBOX = topics.inbox(DEVICE, "0123456789abcdef")
RELEASE = topics.release(DEVICE, "fedcba9876543210")


class Post:
    """An outbox between a real index and a broker whose confirmations a test lets through."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.sqlite"
        self.database = GatewayDatabase.open(self.path)
        self.letters = LetterTable(self.database)
        self.broker = FakeBroker()
        self.clock = SimulatedClock()
        self.shrunk: list[tuple[str, int]] = []
        self.restart()

    def restart(self) -> None:
        """A new process: nothing but the file is left."""
        self.link = FakeLink(self.broker)
        self.outbox = Outbox(
            self.database,
            self.link,
            device_name=DEVICE,
            clock=self.clock,
            shrink=lambda topic, size: self.shrunk.append((topic, size)),
        )

    def connect(self) -> None:
        self.broker.client = self.link
        self.outbox.reconnected()
        self.outbox.heard()

    def disconnect(self) -> None:
        self.broker.client = None
        self.outbox.disconnected()
        while not self.link.events.empty():
            self.link.events.get()  # confirmations that were on their way

    def put(self, topic: str, payload: bytes) -> None:
        with self.database.transaction():
            self.letters.put(topic, payload, at=0.0)

    def clear(self, topic: str) -> None:
        with self.database.transaction():
            self.letters.clear(topic)

    def confirm(self) -> None:
        """Everything the broker has to say."""
        while not self.link.events.empty():
            event = self.link.events.get()
            assert isinstance(event, Published)
            self.outbox.published(event.token)

    @property
    def waiting(self) -> int:
        """The number of messages that the broker has not confirmed."""
        return int(self.database.rows("SELECT count(*) FROM letter WHERE revision > acked")[0][0])

    def rows(self) -> list[tuple[str, bytes, int, int]]:
        return self.database.rows(
            "SELECT topic, payload, revision, acked FROM letter ORDER BY topic"
        )


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    post = Post(tmp_path)
    yield post
    post.database.close()


def test_a_letter_waits_for_the_connection_and_for_its_confirmation(post: Post) -> None:
    post.put(INBOX, b"letter")
    post.outbox.flush()
    assert post.broker.published == []
    post.connect()
    assert post.broker.retained == {INBOX: b"letter"}
    assert post.waiting == 1
    post.confirm()
    assert post.waiting == 0
    assert post.rows() == [(INBOX, b"letter", 1, 1)]


def test_a_letter_under_way_is_not_sent_twice(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"letter")
    for _ in range(3):
        post.outbox.flush()
    assert post.broker.published == [(INBOX, b"letter")]


def test_a_newer_letter_waits_for_one_that_is_still_under_way(post: Post) -> None:
    post.connect()
    for payload in (b"first", b"second"):
        post.put(INBOX, payload)
        post.outbox.flush()
    assert [payload for _, payload in post.broker.published] == [b"first"]
    post.outbox.published(1)
    assert [payload for _, payload in post.broker.published] == [b"first", b"second"]
    assert post.waiting == 1, "the confirmation of the first is not one of the second"
    post.outbox.published(2)
    assert post.waiting == 0


def test_an_older_letter_that_never_left_is_not_sent(post: Post) -> None:
    post.put(INBOX, b"first")
    post.put(INBOX, b"second")
    post.connect()
    assert post.broker.published == [(INBOX, b"second")]


def test_a_late_confirmation_of_an_older_letter_takes_nothing_back(post: Post) -> None:
    post.connect()
    for payload in (b"first", b"second"):
        post.put(INBOX, payload)
        post.clock.advance(61)
        post.outbox.flush()
    post.outbox.published(2)
    post.outbox.published(1)
    assert post.rows() == [(INBOX, b"second", 2, 2)]


def test_a_late_confirmation_is_not_one_of_a_letter_written_since(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"first")
    post.outbox.flush()
    post.clear(INBOX)
    post.clock.advance(61)
    post.outbox.flush()
    post.outbox.published(2)  # the broker confirms the emptying first
    post.put(INBOX, b"second")
    post.outbox.flush()
    post.outbox.published(1)
    assert post.broker.retained == {INBOX: b"second"}
    assert post.waiting == 1


def test_an_emptied_topic_is_forgotten_once_the_broker_knows(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"letter")
    post.outbox.flush()
    post.confirm()
    post.clear(INBOX)
    post.outbox.flush()
    assert post.broker.retained == {}
    assert post.rows() == [(INBOX, b"", 2, 1)]
    post.confirm()
    assert post.rows() == []


def test_an_outcome_stays_for_two_months(post: Post) -> None:
    post.connect()
    post.put(RELEASE, b"sent")
    post.put(INBOX, b"letter")
    post.outbox.flush()
    post.confirm()
    post.outbox.tidy(59 * 86_400)
    post.outbox.flush()
    assert set(post.broker.retained) == {RELEASE, INBOX}
    post.outbox.tidy(61 * 86_400)
    post.outbox.flush()
    post.confirm()
    assert set(post.broker.retained) == {INBOX}
    assert [topic for topic, *_ in post.rows()] == [INBOX]


def test_an_outcome_never_confirmed_or_under_way_stays(post: Post) -> None:
    post.put(RELEASE, b"sent")
    post.outbox.tidy(61 * 86_400)
    assert post.rows() == [(RELEASE, b"sent", 1, 0)]
    with post.database.transaction() as db:
        db.execute(
            "INSERT INTO release (id, approval, state, detail, approved_at, expires_at)"
            " VALUES ('fedcba9876543210', '', 'SEALED', '', 0, 0)"
        )
    post.connect()
    post.confirm()
    post.outbox.tidy(122 * 86_400)
    assert [payload for _, payload, *_ in post.rows()] == [b"sent"]


def test_emptying_a_topic_that_never_held_anything_says_nothing(post: Post) -> None:
    post.connect()
    post.clear(INBOX)
    post.outbox.flush()
    assert post.broker.published == []
    assert post.rows() == []


def test_a_letter_whose_transaction_fails_was_never_written(post: Post) -> None:
    post.connect()
    with pytest.raises(ZeroDivisionError), post.database.transaction():
        post.letters.put(INBOX, b"letter", at=0.0)
        raise ZeroDivisionError
    post.outbox.flush()
    assert post.broker.published == []


def test_a_new_connection_says_everything_again(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"letter")
    post.put(RELEASE, b"outcome")
    post.outbox.flush()
    post.confirm()
    post.disconnect()
    post.broker.retained.clear()  # a broker that forgot
    post.connect()
    post.confirm()
    assert post.broker.retained == {INBOX: b"letter", RELEASE: b"outcome"}


def test_a_reconnect_after_everything_was_confirmed_writes_nothing(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"letter")
    post.outbox.flush()
    post.confirm()
    post.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    before = post.path.read_bytes()
    changes = post.database.connection.total_changes
    for _ in range(3):
        post.disconnect()
        post.connect()
        post.confirm()
        post.outbox.flush()
    assert len(post.broker.published) == 4
    assert post.database.connection.total_changes == changes
    assert post.path.read_bytes() == before
    assert post.path.with_name("gateway.sqlite-wal").stat().st_size == 0


def test_a_connection_lost_while_sending_loses_no_letter(post: Post) -> None:
    post.connect()
    post.put(INBOX, b"letter")
    post.broker.client = None  # gone, and nobody said so yet
    post.outbox.flush()
    post.outbox.flush()
    assert post.waiting == 1
    post.disconnect()
    post.connect()
    assert post.broker.retained == {INBOX: b"letter"}


def test_a_confirmation_of_somebody_elses_message_is_nothing(post: Post) -> None:
    post.connect()
    post.outbox.published(99)
    assert post.rows() == []


@pytest.mark.parametrize(
    "topic",
    [
        topics.owner(DEVICE),
        topics.state(DEVICE),
        topics.inbox("back-door", "0123456789abcdef"),
        topics.request("clip-feed", "x"),
        f"x/{INBOX}",
        "#",
    ],
)
def test_a_topic_that_the_camera_slipped_in_is_not_written(
    post: Post, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    post.connect()
    post.put(topic, b"forged")
    post.put(INBOX, b"letter")
    for _ in range(5):
        post.outbox.flush()
        post.confirm()
    assert post.broker.published == [(INBOX, b"letter")]
    assert [record.levelname for record in caplog.records] == ["ERROR"], "told once, not for ever"


def test_a_file_that_cannot_be_read_is_a_storage_fault(post: Post) -> None:
    post.connect()
    post.database.connection.close()
    post.path.with_name("other.sqlite").write_bytes(b"something else " * 100)
    post.database.connection = sqlite3.connect(post.path.with_name("other.sqlite"))
    with pytest.raises(StorageFault, match="file is not a database"):
        post.outbox.flush()


LETTERS = {topics.inbox(DEVICE, f"{number:016x}"): bytes(size) for number, size in
           enumerate((50_000, 300, 7_000, 40_000, 4_000))}  # fmt: skip


def test_one_letter_at_a_time_is_unconfirmed_the_smallest_first(post: Post) -> None:
    for topic, payload in LETTERS.items():
        post.put(topic, payload)
    post.connect()
    for sent in range(1, len(LETTERS)):
        assert len(post.broker.published) == sent
        post.outbox.flush()
        post.outbox.published(sent)
    sizes = [len(payload) for _, payload in post.broker.published]
    assert sizes == sorted(map(len, LETTERS.values()))


def carry(post: Post, limit: int, *, connections: int, denied: str = "") -> list[int]:
    """Let a broker that hangs up on what it does not take come and go; sizes that it took."""
    for _ in range(connections):
        post.connect()
        while post.broker.client is not None and not post.link.events.empty():
            topic, payload = post.broker.published[-1]
            if len(payload) > limit or topic == denied:
                post.broker.retained.pop(topic, None)
                post.disconnect()
                break
            event = post.link.events.get()
            assert isinstance(event, Published)
            post.outbox.published(event.token)
    return sorted(map(len, post.broker.retained.values()))


def test_a_letter_larger_than_the_broker_takes_holds_up_no_other(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    large = topics.inbox(DEVICE, f"{0:016x}")
    for topic, payload in LETTERS.items():
        post.put(topic, payload)
    assert carry(post, 45_000, connections=4) == [300, 4_000, 7_000, 40_000]
    assert post.broker.client is not None, "the broker has no more reason to hang up"
    assert post.shrunk == [(large, 25_000)]
    assert f"the letter of 50,000 bytes on {large}" in caplog.text
    post.put(RELEASE, b"a new letter")
    post.outbox.flush()
    assert RELEASE in post.broker.retained
    post.put(large, bytes(20_000))
    post.confirm()
    assert len(post.broker.retained[large]) == 20_000


def test_a_smaller_letter_that_is_still_too_large_is_halved_at_once(post: Post) -> None:
    post.put(INBOX, bytes(50_000))
    assert carry(post, 15_000, connections=3) == []
    assert post.shrunk == [(INBOX, 25_000)]
    post.put(INBOX, bytes(25_000))
    assert carry(post, 15_000, connections=1) == []
    assert post.shrunk == [(INBOX, 25_000), (INBOX, 12_500)]
    post.put(INBOX, bytes(12_500))
    assert carry(post, 15_000, connections=1) == [12_500]


def test_a_topic_on_which_the_broker_hangs_up_holds_up_no_other(post: Post) -> None:
    denied = topics.inbox(DEVICE, f"{1:016x}")
    for topic, payload in LETTERS.items():
        post.put(topic, payload)
    sizes = carry(post, 1_000_000, connections=4, denied=denied)
    assert sizes == [4_000, 7_000, 40_000, 50_000]
    assert post.shrunk == [], "a larger letter came through: it is not the size"


def test_a_letter_that_was_set_aside_is_tried_again_each_hour(post: Post) -> None:
    post.put(INBOX, bytes(10_000))
    assert carry(post, 5_000, connections=4) == []
    post.outbox.repeat()
    assert post.broker.client is not None
    post.clock.advance(3_601)
    post.outbox.repeat()
    assert carry(post, 5_000, connections=2) == [], "one lost connection, not three"
    assert post.broker.client is not None
    post.clock.advance(3_601)
    post.outbox.repeat()
    assert carry(post, 1_000_000, connections=1) == [10_000]


def test_a_letter_that_is_never_confirmed_holds_up_no_other(post: Post) -> None:
    post.put(INBOX, b"one")
    post.put(RELEASE, b"other")
    post.connect()
    post.clock.advance(61)
    post.outbox.flush()
    assert set(post.broker.retained) == {INBOX, RELEASE}


class AnyOrder(RuleBasedStateMachine):
    """However letters, confirmations, breaks and restarts follow: the last one arrives."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = folder_in_memory()
        self.post = Post(self._folder.__enter__())
        self.wanted: dict[str, bytes] = {}
        self.connected = False

    def teardown(self) -> None:
        self.settle()
        self.post.database.close()
        self._folder.__exit__(None, None, None)

    @rule(topic=st.sampled_from([INBOX, RELEASE]), payload=st.binary(min_size=1, max_size=3))
    def put(self, topic: str, payload: bytes) -> None:
        self.post.put(topic, payload)
        self.wanted[topic] = payload

    @rule(topic=st.sampled_from([INBOX, RELEASE]))
    def clear(self, topic: str) -> None:
        self.post.clear(topic)
        self.wanted.pop(topic, None)

    @rule()
    def flush(self) -> None:
        self.post.outbox.flush()

    @rule(choose=st.randoms())
    def some_confirmations(self, choose: Random) -> None:
        events = []
        while not self.post.link.events.empty():
            events.append(self.post.link.events.get())
        choose.shuffle(events)
        for event in events:
            assert isinstance(event, Published)
            if choose.random() < 0.5:
                self.post.link.events.put(event)  # this one takes longer
            else:
                self.post.outbox.published(event.token)

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.post.connect()
        self.connected = True

    @precondition(lambda self: self.connected)
    @rule(restarted=st.booleans())
    def disconnect(self, restarted: bool) -> None:
        self.post.disconnect()
        self.connected = False
        if restarted:
            self.post.restart()

    @invariant()
    def the_broker_holds_only_what_was_written(self) -> None:
        assert set(self.post.broker.retained) <= {INBOX, RELEASE}

    def settle(self) -> None:
        if not self.connected:
            self.post.connect()
        for _ in range(3):
            self.post.clock.advance(3_601)
            self.post.outbox.repeat()
            self.post.confirm()
        assert self.post.broker.retained == self.wanted
        assert self.post.waiting == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_letter_that_was_set_aside_is_named_until_it_arrives_or_is_not_needed(
    post: Post,
) -> None:
    large, other = (topics.inbox(DEVICE, f"{number:016x}") for number in (0, 1))
    for topic in (large, other):
        post.put(topic, bytes(50_000))
    carry(post, 45_000, connections=2)
    assert list(post.outbox.warnings()) == []
    carry(post, 45_000, connections=6)
    (warning,) = post.outbox.warnings()
    assert warning.startswith("2 messages do not get through to you: the connection")
    assert "50,000 bytes" in warning
    post.clock.advance(3_700)
    assert list(post.outbox.warnings()) == [warning], "it is tried again, not forgotten"
    post.clear(other)
    assert next(iter(post.outbox.warnings())).startswith("1 message does")
    post.put(large, bytes(20_000))
    carry(post, 45_000, connections=1)
    assert list(post.outbox.warnings()) == []
