"""The owner's talk with the broker: collect letters, send a decision, hear the outcome.

Each function takes an open :class:`~agent.link.Session` with the subscriptions it
needs (:func:`connect`). What a message says is for :mod:`.inbox` and :mod:`.fetch`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from agent import link, topics
from agent.clock import Clock
from agent.config import Broker
from agent.consent import mail
from agent.consent.signing import DeviceCard
from agent.consent.statements import Outcome
from agent.errors import MalformedStatement, Refused
from agent.keyfile import Keys
from agent.link import Received, Session
from agent.owner.decide import Decision
from agent.owner.inbox import Inbox, read_outcome

QUIET_SECONDS = 0.7  # silence after which the retained letters are taken for complete
_COLLECT_SECONDS = 20.0
_CHUNK_SECONDS = 30.0  # longest silence of a camera that is asked for a clip

FINAL_EVENTS = frozenset({"SENT", "FAILED", "REFUSED", "REVOKED"})


def connect(broker: Broker, subscriptions: Sequence[str]) -> Session:
    """A session that is yet to be entered; raises ConfigError for broker settings."""
    client_id = f"clip-owner-{secrets.token_hex(6)}"
    return Session(
        link.connect_broker(
            broker, client_id=client_id, subscriptions=subscriptions, will=None, clean_session=True
        )
    )


def letter_filters(devices: Iterable[str]) -> list[str]:
    """Subscriptions to everything that the cameras write to their owners."""
    return [
        pattern
        for device in devices
        for pattern in (topics.inbox_filter(device), topics.release_filter(device))
    ]


def collect(
    session: Session,
    inbox: Inbox,
    devices: Iterable[str],
    keys: Keys,
    *,
    clock: Clock,
    wait_seconds: float = 0.0,
) -> None:
    """Bring ``inbox`` up to what the broker holds.

    When no request is open, wait up to ``wait_seconds`` for one to come. Letters
    that are refused become warnings of ``inbox``.
    """
    received = session.collect(quiet_seconds=QUIET_SECONDS, at_most_seconds=_COLLECT_SECONDS)
    for message in received:
        _take(inbox, message, keys, clock)
    for device in devices:
        inbox.settle(device, {name for item in received if (name := _open_name(item, device))})
    deadline = time.monotonic() + wait_seconds
    while not inbox.requests() and (left := deadline - time.monotonic()) > 0:
        if (late := session.receive(left)) is not None:
            _take(inbox, late, keys, clock)


def send(session: Session, decision: Decision) -> None:
    """Give a decision to the broker, never retained; NetworkFault unless it took it."""
    session.publish(topics.owner(decision.device.name), decision.letter, retained=False)


def follow(
    session: Session,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    tell: Callable[[Outcome], None],
) -> Outcome | None:
    """Tell each word of the camera on ``decision`` until the last, or None when time is up."""
    topic = topics.release(decision.device.name, decision.subject)
    deadline = time.monotonic() + wait_seconds
    while (left := deadline - time.monotonic()) > 0:
        message = session.receive(left)
        if message is None or message.topic != topic or not message.payload:
            continue
        outcome = _outcome(message, decision, keys)
        tell(outcome)
        if outcome.event in FINAL_EVENTS:
            return outcome
    return None


def chunks(
    session: Session, command: Decision, clip: str, keys: Keys
) -> Iterator[tuple[int, bytes]]:
    """The chunks of ``clip`` as they come, until the camera is silent for too long.

    Raises :class:`Refused` when the camera answers ``command`` with a refusal.
    """
    device = command.device
    while (message := session.receive(_CHUNK_SECONDS)) is not None:
        topic = topics.parse(message.topic, feed="")
        if topic is None or topic.device != device.name or message.retained:
            continue
        if topic.kind == "release" and topic.ids == (command.subject,):
            raise Refused("camera-refused", f"{device.name}: {_answer(message, command, keys)}")
        if topic.kind == "preview" and topic.ids[0] == clip and topic.ids[1].isdecimal():
            yield int(topic.ids[1]), message.payload


def _answer(message: Received, decision: Decision, keys: Keys) -> str:
    outcome = _outcome(message, decision, keys)
    return f"{outcome.event} {outcome.detail}".rstrip()


def _outcome(message: Received, decision: Decision, keys: Keys) -> Outcome:
    """The camera's word on ``decision``; raises Refused if it is another's or about another."""
    jws = mail.open_letter(message.payload, keys.identity).jws
    outcome = read_outcome(jws, decision.device)
    if outcome.subject != decision.subject:
        raise MalformedStatement("wrong-release", "the letter is about another release")
    return outcome


def device_of(devices: Mapping[str, DeviceCard], name: str) -> DeviceCard:
    """The enrolled camera ``name``; Refused when it was taken off the list meanwhile."""
    try:
        return devices[name]
    except KeyError:
        raise Refused("unknown-device", f"the camera {name!r} is not enrolled") from None


def _take(inbox: Inbox, message: Received, keys: Keys, clock: Clock) -> None:
    topic = topics.parse(message.topic, feed="")
    if topic is None:
        return
    try:
        inbox.take(topic, message.payload, keys, now=clock.now())
    except Refused as error:
        inbox.warnings.append(f"{message.topic}: letter refused ({error.rule}): {error.message}")


def _open_name(message: Received, device: str) -> str | None:
    """The name of the open request that ``message`` of ``device`` is about."""
    topic = topics.parse(message.topic, feed="")
    if topic is None or topic.kind != "inbox" or topic.device != device or not message.payload:
        return None
    return topic.ids[0]
