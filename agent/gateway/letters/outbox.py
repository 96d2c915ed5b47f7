"""Letters that must arrive: written with the change they tell of, sent after it.

A letter is put into its table in the transaction of its cause, so it exists if and only if
its cause does. The outbox sends what the broker has not confirmed; after a reconnection, and
every hour, it sends everything that is still retained, since a broker may have lost it.
Receivers bear duplicates. paho's own queue is memory only and is not relied on.

Each topic holds its last payload: an older one that never left is of no use. One letter at a
time is unconfirmed, the smallest first, so a letter that the broker does not take is known
and cannot hold up the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock
from agent.consent import signing
from agent.errors import NetworkFault
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.records.table import Table

log = logging.getLogger(__name__)

MAX_LETTER_BYTES: Final = 2_000_000
_TOLD_SECONDS = 60 * 86_400.0
_TIDY_SECONDS = 3_600.0
_CONFIRM_SECONDS = 60.0  # a letter that is not confirmed for so long holds up no other
_MAX_FAILURES = 3  # on a topic, one after the other
_ASIDE_SECONDS = 3_600.0  # until a letter that was set aside is tried once more
_SMALL_BYTES = 6_000  # a letter of this size is not refused for its size
_KINDS = ("inbox", "release", "notices", "status")  # of topics that hold letters to owners


class LetterTable(Table):
    """Writes the table ``letter``: what each outgoing topic holds."""

    def put(self, topic: str, payload: bytes, *, at: float) -> None:
        """Replace what ``topic`` holds."""
        self._execute(
            "INSERT INTO letter (topic, payload, revision, at) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (topic) DO UPDATE"
            " SET payload = excluded.payload, revision = revision + 1, at = excluded.at",
            *(topic, payload, at),
        )

    def clear(self, topic: str) -> None:
        """Empty a retained topic; nothing happens if nothing was ever put there."""
        self._execute(
            "UPDATE letter SET payload = x'', revision = revision + 1"
            " WHERE topic = ? AND length(payload) > 0",
            topic,
        )

    def forget(self, topic: str) -> None:
        """Leave what the broker holds as it is, and send it no more."""
        self._execute("DELETE FROM letter WHERE topic = ?", topic)

    def clear_outcomes(self, prefix: str, *, before: float) -> None:
        """Empty the topics below ``prefix`` that were confirmed and are so old.

        The release's id follows on ``prefix``; one that is under way keeps its letter.
        """
        self._execute(
            "UPDATE letter SET payload = x'', revision = revision + 1"
            " WHERE topic GLOB ?1 || '*' AND at < ?2 AND revision = acked AND length(payload) > 0"
            " AND NOT EXISTS (SELECT 1 FROM release WHERE ?1 || id = topic"
            "  AND state IN ('PROPOSED', 'APPROVED', 'SEALED'))",
            *(prefix, before),
        )


def letters_about_requests(database: GatewayDatabase) -> int:
    """The number of letters about open requests."""
    query = "SELECT count(*) FROM letter WHERE topic LIKE '%/inbox/%' AND length(payload) > 0"
    return int(database.rows(query)[0][0])


@dataclass(frozen=True, eq=False)
class Replies:
    """Answers an owner's command once, if the broker is there.

    A reply is not retained and may be lost: a command is of use at once or not at all, and
    the owner asks again.
    """

    link: Link
    device_name: str

    def send(self, jws: str, letter: bytes) -> None:
        """Answer the decision in ``jws`` with a sealed ``letter``."""
        topic = topics.release(self.device_name, signing.digest(jws)[:16])
        try:
            self.link.publish(topic, letter, retained=False)
        except NetworkFault:
            log.info("not connected: the owner gets no answer, and may ask again")


@dataclass(frozen=True, slots=True)
class _Sending:
    """The letter that the broker has not confirmed yet."""

    token: int
    topic: str
    revision: int
    bytes: int
    since: float  # monotonic

    def __str__(self) -> str:
        return f"the letter of {self.bytes:,} bytes on {self.topic}"


@dataclass(frozen=True, slots=True)
class _Failures:
    """The failures on a topic, one after the other; ``why`` and ``bytes`` are of the last."""

    count: int
    why: str
    bytes: int


class Outbox:
    """Brings the letters to the broker, over one link.

    When a topic has failed :data:`_MAX_FAILURES` times, its letter is set aside, and ``shrink``
    may write a smaller one, which is halved again at its first failure; the others go on. A
    letter fails when the connection ends, or :data:`_CONFIRM_SECONDS` pass, before the broker
    confirms it.

    Outcomes stay for :data:`_TOLD_SECONDS`. Only the topics of the device under
    its present name are written.
    """

    def __init__(
        self,
        database: GatewayDatabase,
        link: Link,
        *,
        device_name: str,
        clock: Clock,
        shrink: Callable[[str, int], object] = lambda _topic, _bytes: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._shrink = shrink
        self._outcomes = topics.release(device_name, "")
        self._next_tidy = 0.0  # wall time
        self._device_name = device_name
        self._link = link
        self._connected = False
        self._is_heard = False  # the owners, in this connection
        self._sending: _Sending | None = None
        self._offered: dict[str, int] = {}  # the revision that each topic got in this round
        self._round_ends = False  # everything was offered once
        self._failures: dict[str, _Failures] = {}  # by topic, since it was last confirmed
        self._aside: dict[tuple[str, int], float] = {}  # until when, monotonic
        self._largest_confirmed = 0
        self._foreign_seen = False

    def reconnected(self) -> None:
        """Send everything but outcomes again over a new connection, confirmed or not."""
        self._connected, self._is_heard = True, False
        self._sending = None
        self.repeat()

    def heard(self) -> None:
        """Send outcomes too: the owners were heard, and doubtful outcomes were forgotten.

        A restored state would replace the letter that says that a release was sent.
        """
        self._is_heard, self._round_ends = True, False
        self.flush()

    def repeat(self) -> None:
        """Begin a round: send everything again, confirmed or not."""
        self._offered.clear()
        self._round_ends = False
        self.flush()

    def disconnected(self) -> None:
        """Note that the letter under way, if there is one, will not be confirmed."""
        self._connected = False
        sending, self._sending = self._sending, None
        if sending is not None:
            self._failed(sending, "the connection to the broker ended")

    def flush(self) -> None:
        """Send the next letter, unless one is under way."""
        sending = self._sending
        if sending is not None and self._clock.monotonic() - sending.since > _CONFIRM_SECONDS:
            self._sending = None
            self._failed(sending, "the broker confirmed nothing")
        if self._connected and self._sending is None:
            self._send_next()

    def published(self, token: int) -> None:
        """The broker confirmed the message with this token."""
        sending = self._sending
        if sending is None or token != sending.token:
            return
        self._sending = None
        self._largest_confirmed = max(self._largest_confirmed, sending.bytes)
        self._failures.pop(sending.topic, None)
        self._confirm(sending.topic, sending.revision)
        self.flush()

    def _confirm(self, topic: str, revision: int) -> None:
        news = "SELECT 1 FROM letter WHERE topic = ? AND acked < ?"
        if not self._database.rows(news, (topic, revision)):
            return  # it was sent again: nothing to write down
        with self._database.transaction() as db:
            db.execute("UPDATE letter SET acked = ? WHERE topic = ?", (revision, topic))
            gone = db.execute(
                "DELETE FROM letter WHERE topic = ? AND length(payload) = 0 AND revision = ?",
                (topic, revision),
            )
        if gone.rowcount:
            self._offered.pop(topic, None)  # the revisions of its next row begin anew

    def warnings(self) -> Iterator[str]:
        """A sentence for the owners about letters that failed too often and wait."""
        failed = [
            (topic, one) for topic, one in self._failures.items() if one.count >= _MAX_FAILURES
        ]
        waiting = "SELECT 1 FROM letter WHERE topic = ? AND length(payload) > 0"
        failed = [one for one in failed if self._database.rows(waiting, one[:1])]
        if failed:
            _, last = failed[-1]
            messages = "1 message does" if len(failed) == 1 else f"{len(failed)} messages do"
            yield (
                f"{messages} not get through to you: {last.why} during one of {last.bytes:,} bytes."
                " `clip-agent check` there tells if it is too large, or denied"
            )

    def tidy(self, now: float) -> None:
        """Empty the topics of old outcomes; the clock must be synced."""
        if now < self._next_tidy:
            return
        self._next_tidy = now + _TIDY_SECONDS
        with self._database.transaction():
            LetterTable(self._database).clear_outcomes(self._outcomes, before=now - _TOLD_SECONDS)

    def _send_next(self) -> None:
        """Send the smallest letter that this round has not offered."""
        fresh = "WHERE revision > acked" if self._round_ends else ""
        waiting = self._database.rows(
            "SELECT topic, length(payload), revision FROM letter"  # noqa: S608 - our own text
            f" {fresh} ORDER BY length(payload), at, topic"
        )
        for topic, size, revision in waiting:
            if topic.startswith(self._outcomes) and not self._is_heard:
                continue
            if self._offered.get(topic) == revision or self._is_aside(topic, revision):
                continue
            self._offered[topic] = revision
            if (size and not self._is_ours(topic)) or size > MAX_LETTER_BYTES:
                self._report_foreign(topic)
                continue
            payload = self._database.rows("SELECT payload FROM letter WHERE topic = ?", (topic,))
            try:
                token = self._link.publish(topic, payload[0][0], retained=True)
            except NetworkFault:
                self._connected = False  # the link says so too in a moment, and then comes back
                return
            self._sending = _Sending(token, topic, revision, size, self._clock.monotonic())
            return
        self._round_ends = True

    def _failed(self, sending: _Sending, why: str) -> None:
        """Count it; set a letter aside that failed too often, and ask for a smaller one."""
        before = self._failures.get(sending.topic)
        failures = _Failures(1 + (before.count if before else 0), why, sending.bytes)
        self._failures[sending.topic] = failures
        if failures.count < _MAX_FAILURES:
            log.warning("%s during %s", why, sending)
            return
        self._aside[sending.topic, sending.revision] = self._clock.monotonic() + _ASIDE_SECONDS
        log.error(
            "%s again during %s: set aside for an hour. It may be too large for the broker, or"
            " its topic not allowed: see clip-agent check",
            *(why, sending),
        )
        if sending.bytes > max(self._largest_confirmed, _SMALL_BYTES):
            self._shrink(sending.topic, sending.bytes // 2)

    def _is_aside(self, topic: str, revision: int) -> bool:
        until = self._aside.get((topic, revision))
        if until is not None and until <= self._clock.monotonic():
            del self._aside[topic, revision]
            return False
        return until is not None

    def _is_ours(self, topic: str) -> bool:
        place = topics.parse(topic, feed="")
        return place is not None and place.device == self._device_name and place.kind in _KINDS

    def _report_foreign(self, topic: str) -> None:
        """Log it once: rows are read many times a minute, and the log is on the SD card."""
        if not self._foreign_seen:
            self._foreign_seen = True
            log.error("a letter for the topic %r is not of ours and not sent", topic[:100])
