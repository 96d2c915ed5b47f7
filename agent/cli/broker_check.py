"""Checks a broker: is each topic of the device allowed, and are its letters not too large?

Connects with MQTT 5 where the broker speaks it, because its confirmations carry reasons. With
MQTT 3.1.1 a message that is not allowed is confirmed and dropped, so the device also publishes
to the topics that it may read too, and waits until these messages come back.

All messages are empty or marks that a gateway ignores, and none is retained.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, Literal

from agent.config import Broker, Config
from agent.errors import NetworkFault
from agent.gateway.app import feed_topics
from agent.gateway.homeassistant import bridge
from agent.gateway.release.last_word import MARK
from agent.mqtt import topics
from agent.mqtt.link import connect_broker
from agent.mqtt.session import Session
from agent.parties import load_owners

_SECONDS: Final = 10.0
_BACK_SECONDS: Final = 5.0
_PROBE: Final = "0" * 16  # the id of a letter that does not exist
_VAGUE: Final = ("without an answer", "version of MQTT", "does not keep to MQTT")


def check_owners_broker(config: Config) -> str:
    """Publish to and subscribe to all that the gateway uses; NetworkFault names what fails."""
    name = config.device.name
    heard = [topics.owner(name), topics.session(name), topics.deferred(name, _PROBE)]
    feed = [] if config.feed.broker else feed_topics(config.feed)
    owners = [owner.fingerprint for owner in load_owners(config.owners)]
    written = [
        topics.availability(name),
        topics.state(name),
        topics.inbox(name, _PROBE),
        topics.release(name, _PROBE),
        topics.notices(name),
        *(topics.status(name, owner) for owner in owners),
        *(topics.notice(name, owner) for owner in owners),
        *bridge.written(config.homeassistant, name),
    ]
    listened = bridge.subscriptions(config.homeassistant, name)
    will = topics.availability(name), topics.OFFLINE

    def ask(session: Session) -> str:
        _try_topics(session, written, name)
        _try_round_trips(session, heard, name)
        size = session.connected.max_packet_bytes
        _try_size(session, topics.preview(name, _PROBE, 0))
        return "" if size is None else f", messages of up to {size:,} bytes"

    return _connected(config.mqtt, [*heard, *feed, *listened], will, ask)


def check_feed_broker(broker: Broker, config: Config) -> str:
    """Subscribe to the feed on its own broker."""
    return _connected(broker, feed_topics(config.feed), None, lambda _: "")


def _connected(
    broker: Broker,
    subscriptions: Sequence[str],
    will: tuple[str, bytes] | None,
    ask: Callable[[Session], str],
) -> str:
    """Connect with MQTT 5, or else 3.1.1, and say where to and what ``ask`` found."""

    def connect(version: Literal[4, 5]) -> Session:
        link = connect_broker(
            broker,
            client_id=f"clip-check-{os.urandom(6).hex()}",
            subscriptions=subscriptions,
            will=will,
            clean_session=True,
            version=version,
        )
        return Session(link, seconds=_SECONDS)

    try:
        session = connect(5).__enter__()
    except NetworkFault as error:
        try:
            session = connect(4).__enter__()
        except NetworkFault as older:
            raise older if any(text in error.message for text in _VAGUE) else error from older
    try:
        return f"connected to {broker.host}:{broker.port}{ask(session)}"
    finally:
        session.__exit__()


def _try_topics(session: Session, written: Sequence[str], name: str) -> None:
    """Publish an empty message to each topic; it empties nothing, as it is not retained."""
    refused = []
    for topic in written:
        try:
            if session.offer(topic, b"", retained=False):
                refused.append(topic)
        except NetworkFault as error:
            raise NetworkFault(
                f"{error.message}, at a message to {topic}", advice=_rights(name)
            ) from error
    if refused:
        which = ", ".join(refused)
        if len(refused) == len(written):
            which = f"anything below {topics.ROOT}/{name}"
        raise NetworkFault(f"the broker does not let us write {which}", advice=_rights(name))


def _try_round_trips(session: Session, heard: Sequence[str], name: str) -> None:
    """Publish a mark to each topic and wait for it; gateways ignore marks of others."""
    mark = MARK + os.urandom(16).hex().encode()
    for topic in heard:
        if session.offer(topic, mark, retained=False) or not _comes_back(session, topic, mark):
            raise NetworkFault(
                f"what we publish to {topic} does not come back: the broker does not let us"
                " read and write it",
                advice=_rights(name),
            )


def _comes_back(session: Session, topic: str, mark: bytes) -> bool:
    while (received := session.receive(_BACK_SECONDS)) is not None:
        if (received.topic, received.payload) == (topic, mark):
            return True
    return False


def _try_size(session: Session, topic: str) -> None:
    """Publish as much as a preview does at a time."""
    try:
        why = session.offer(topic, bytes(topics.CHUNK_BYTES), retained=False)
    except NetworkFault as error:
        why = error.message
    if why:
        raise NetworkFault(
            f"the broker does not take {topics.CHUNK_BYTES:,} bytes at a time on {topic} ({why})",
            advice="Raise its limit (Mosquitto: max_packet_size, message_size_limit) to 1 MB:"
            " previews and long lists of clips do not get through",
        )


def _rights(name: str) -> str:
    return (
        f"Give the user of this device the topics of clip-agent/{name} in the broker's access"
        " list, or correct device.name: config/mosquitto/clip-agent.acl shows them"
    )
