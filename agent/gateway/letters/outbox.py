"""Letters that must arrive: written with the change they tell of, sent after it.

A letter is put into its table in the transaction of its cause, so it exists if and only if
its cause does. The outbox sends what the broker has not confirmed, and after a reconnection
everything that is still retained, since a broker may have lost it. Receivers bear duplicates.
paho's own queue is memory only and is not relied on.

Each topic holds its last payload: an older one that never left is of no use.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final

from agent.consent import signing
from agent.errors import NetworkFault
from agent.mqtt import topics
from agent.mqtt.link import Link
from agent.vault.database.index import Index
from agent.vault.records.table import Table

log = logging.getLogger(__name__)

MAX_LETTER_BYTES: Final = 2_000_000
_TOLD_SECONDS = 60 * 86_400.0
_TIDY_SECONDS = 3_600.0
_NAME = re.compile(r"[0-9a-f]{16}")  # of a letter, below the device's topics
# A number that was forged so high that no other can follow begins anew.
_NEXT_REVISION = (
    "revision = iif(max(revision, acked) < 1 << 53, revision + 1, 1),"
    " acked = iif(max(revision, acked) < 1 << 53, acked, 0)"
)


class LetterTable(Table):
    """Writes the table ``letter``: what each outgoing topic holds."""

    def put(self, topic: str, payload: bytes, *, at: float) -> None:
        """Replace what ``topic`` holds."""
        self._execute(
            "INSERT INTO letter (topic, payload, revision, at) VALUES (?, ?, 1, ?)"  # noqa: S608
            " ON CONFLICT (topic) DO UPDATE"
            f" SET payload = excluded.payload, {_NEXT_REVISION}, at = excluded.at",
            *(topic, payload, at),
        )

    def clear(self, topic: str) -> None:
        """Empty a retained topic; nothing happens if nothing was ever put there."""
        self._execute(
            f"UPDATE letter SET payload = x'', {_NEXT_REVISION}"  # noqa: S608 - our own text
            " WHERE topic = ? AND length(payload) > 0",
            topic,
        )

    def clear_outcomes(self, prefix: str, *, before: float) -> None:
        """Empty the topics below ``prefix`` that were confirmed and are so old.

        The release's id follows on ``prefix``; one that is under way keeps its letter.
        """
        self._execute(
            f"UPDATE letter SET payload = x'', {_NEXT_REVISION}"  # noqa: S608 - our own text
            " WHERE topic GLOB ?1 || '*' AND at < ?2 AND revision = acked AND length(payload) > 0"
            " AND NOT EXISTS (SELECT 1 FROM release WHERE ?1 || id = topic"
            "  AND state IN ('PROPOSED', 'APPROVED', 'SEALED'))",
            *(prefix, before),
        )


def letters_about_requests(index: Index) -> int:
    """The number of letters about open requests."""
    query = "SELECT count(*) FROM letter WHERE topic LIKE '%/inbox/%' AND length(payload) > 0"
    return int(index.rows(query)[0][0])


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


class Outbox:
    """Brings the letters to the broker, over one link.

    Outcomes stay for :data:`_TOLD_SECONDS`. Only the device's own letter topics are written:
    the camera can write to the table, and must not speak through the gateway.
    """

    def __init__(self, index: Index, link: Link, *, device_name: str) -> None:
        self._index = index
        self._outcomes = topics.release(device_name, "")
        self._prefixes = (topics.inbox(device_name, ""), self._outcomes)
        self._next_tidy = 0.0  # wall time
        self._notices = topics.notices(device_name)
        self._link = link
        self._connected = False
        self._in_flight: dict[int, tuple[str, int]] = {}
        self._foreign_seen = False

    def reconnected(self) -> None:
        """Send everything again over a new connection, confirmed or not."""
        self._connected = True
        self._in_flight.clear()
        self._send("SELECT topic, payload, revision FROM letter")

    def disconnected(self) -> None:
        """Forget what is in flight: it will not be confirmed any more."""
        self._connected = False
        self._in_flight.clear()

    def flush(self) -> None:
        """Send the letters that the broker has not confirmed and that are not under way."""
        if self._connected:
            self._send("SELECT topic, payload, revision FROM letter WHERE revision > acked")

    def published(self, token: int) -> None:
        """The broker confirmed the message with this token."""
        sent = self._in_flight.pop(token, None)
        if sent is None:
            return
        topic, revision = sent
        # Revisions of an emptied topic begin anew with its next row: the confirmation of an
        # older message must not be taken for one of those.
        self._in_flight = {
            other: (its_topic, its_revision)
            for other, (its_topic, its_revision) in self._in_flight.items()
            if its_topic != topic or its_revision > revision
        }
        news = "SELECT 1 FROM letter WHERE topic = ? AND acked < ?"
        if not self._index.rows(news, sent):
            return  # it was sent again at a new connection: nothing to write down
        with self._index.transaction() as db:
            db.execute("UPDATE letter SET acked = ? WHERE topic = ?", (revision, topic))
            db.execute(
                "DELETE FROM letter WHERE topic = ? AND length(payload) = 0 AND revision = ?",
                (topic, revision),
            )

    def tidy(self, now: float) -> None:
        """Empty the topics of old outcomes; the clock must be synced."""
        if now < self._next_tidy:
            return
        self._next_tidy = now + _TIDY_SECONDS
        with self._index.transaction():
            LetterTable(self._index).clear_outcomes(self._outcomes, before=now - _TOLD_SECONDS)

    def _send(self, query: str) -> None:
        on_the_way = set(self._in_flight.values())
        for topic, payload, revision in self._index.rows(query):
            if (topic, revision) in on_the_way:
                continue
            if not self._is_ours(topic) or len(payload) > MAX_LETTER_BYTES:
                self._report_foreign(topic)
                continue
            try:
                token = self._link.publish(topic, payload, retained=True)
            except NetworkFault:
                self.disconnected()  # the link says so too in a moment, and then comes back
                return
            self._in_flight[token] = (topic, revision)

    def _is_ours(self, topic: str) -> bool:
        if topic == self._notices:
            return True
        return any(
            topic.startswith(prefix) and _NAME.fullmatch(topic.removeprefix(prefix))
            for prefix in self._prefixes
        )

    def _report_foreign(self, topic: str) -> None:
        """Log it once: rows are read many times a minute, and the log is on the SD card."""
        if not self._foreign_seen:
            self._foreign_seen = True
            log.error("a letter for the topic %r is not of ours and not sent", topic[:100])
