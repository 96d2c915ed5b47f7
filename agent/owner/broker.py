"""The owner's talk with the broker: collect letters, send a decision, hear the outcome.

Each function takes an open :class:`~agent.mqtt.session.Session` with the subscriptions it
needs (:func:`connect`). What a message says is for :mod:`.inbox` and :mod:`.fetch`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from agent.clock import Clock
from agent.config import Broker
from agent.consent import letters as mail
from agent.consent.cards import DeviceCard
from agent.consent.statements import Listing, Moment, Outcome
from agent.errors import MalformedStatement, Refused
from agent.keyfile import Keys
from agent.mqtt import link, topics
from agent.mqtt.link import Received
from agent.mqtt.session import Session
from agent.mqtt.topics import Topic
from agent.owner.decisions.sign import Decision
from agent.owner.inbox import verify as letters
from agent.owner.inbox.inbox import Inbox

QUIET_SECONDS = 0.7  # silence after which the retained letters are taken for complete
_COLLECT_SECONDS = 20.0
_CHUNK_SECONDS = 30.0  # longest silence of a camera that is asked for a clip
_LISTING_SECONDS = 20.0  # the same of one that is asked which clips it has

PROPOSED = "PROPOSED"  # another owner must agree: it may be the last word for days
AGREED = "AGREED"  # the decision completed another owner's release
_LAST_EVENTS = frozenset({"SENT", "FAILED", "REFUSED", "REVOKED", "DONE", PROPOSED, AGREED})


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
        for pattern in (
            topics.inbox_filter(device),
            topics.release_filter(device),
            topics.notices(device),
            *presence_topics(device),
        )
    ]


@dataclass(frozen=True)
class Presence:
    """Whether the broker says that a camera is away, and when its state was said last."""

    offline: bool = False
    state_at: int | None = None


def presence_topics(device: str) -> list[str]:
    """What :func:`presence` must be subscribed to."""
    return [topics.availability(device), topics.state(device)]


def presence(session: Session, device: str) -> Presence:
    """Whether ``device`` is there; it counts as there while the broker says nothing of it.

    Known at once for one that is there. The session must expect nothing else that is
    retained yet.
    """
    offline, state_at = None, None
    deadline = time.monotonic() + QUIET_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        message = session.receive(left)
        if message is None:
            break
        if message.topic == topics.availability(device):
            offline = message.payload == topics.OFFLINE
        elif message.topic == topics.state(device):
            state_at = _state_at(message.payload)
        if offline is False or (offline and state_at is not None):
            break
    return Presence(bool(offline), state_at)


def _state_at(payload: bytes) -> int | None:
    """When this state was said: for a person to read, since nothing signs it."""
    try:
        return msgspec.json.decode(payload, type=_State).at
    except msgspec.DecodeError:
        return None


class _State(msgspec.Struct):
    at: Moment | None = None


def collect(
    session: Session,
    inbox: Inbox,
    devices: Iterable[str],
    keys: Keys,
    *,
    clock: Clock,
    wait_seconds: float = 0.0,
) -> dict[str, Presence]:
    """Bring ``inbox`` up to what the broker holds; what is known of those that are offline.

    When no request is open, wait up to ``wait_seconds`` for one to come. Letters
    that are refused become warnings of ``inbox``.
    """
    received = session.collect(quiet_seconds=QUIET_SECONDS, at_most_seconds=_COLLECT_SECONDS)
    said: dict[str, Presence] = {}
    for message in received:
        take(inbox, message, keys, clock)
        topic = topics.parse(message.topic, feed="")
        before = said.get(topic.device, Presence()) if topic is not None else Presence()
        match topic:
            case Topic(kind="availability", device=device):
                said[device] = replace(before, offline=message.payload == topics.OFFLINE)
            case Topic(kind="state", device=device):
                said[device] = replace(before, state_at=_state_at(message.payload))
    for device in devices:
        inbox.settle(device, {name for item in received if (name := _open_name(item, device))})
    deadline = time.monotonic() + wait_seconds
    while not inbox.requests() and (left := deadline - time.monotonic()) > 0:
        if (late := session.receive(left)) is not None:
            take(inbox, late, keys, clock)
    return {device: presence for device, presence in said.items() if presence.offline}


def send(session: Session, decision: Decision) -> None:
    """Give a decision to the broker, never retained; NetworkFault unless it took it."""
    session.publish(topics.owner(decision.device.name), decision.letter, retained=False)


def answer_topics(decision: Decision, joins: str | None = None) -> list[str]:
    """Where the camera says what became of ``decision``, and of a release that it joins."""
    subjects = [decision.subject, *([] if joins is None else [joins])]
    return [topics.release(decision.device.name, subject) for subject in subjects]


def follow(
    session: Session,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    tell: Callable[[Outcome], None],
    keep: Callable[[Received], None],
    joins: str | None = None,
) -> Outcome | None:
    """Tell each word of the camera on ``decision`` until the last, or None when time is up.

    ``keep`` gets the letter of each, so that the inbox need not be collected for it.
    PROPOSED is a last word too: what follows is up to another owner. ``joins`` is another
    owner's release; once ``decision`` has completed it, the words go on to be about that.
    """
    named = dict(zip(answer_topics(decision, joins), (decision.subject, joins), strict=False))
    deadline = time.monotonic() + wait_seconds
    while (left := deadline - time.monotonic()) > 0:
        message = session.receive(left)
        if message is None or not message.payload:
            continue
        subject = named.get(message.topic)
        if subject is None:
            continue
        outcome = _outcome(message, decision.device, subject, keys)
        if subject == joins and outcome.event == PROPOSED:
            continue  # what it was before this decision
        keep(message)
        tell(outcome)
        goes_on = joins is not None and outcome.event == AGREED
        if outcome.event in _LAST_EVENTS and not goes_on:
            return outcome
    return None


def listing(session: Session, command: Decision, inbox: Inbox, keys: Keys, *, now: float) -> bool:
    """Take the camera's answer to ``command``, a question for its clips, into ``inbox``.

    False when it does not answer. Raises :class:`Refused` when it refuses.
    """
    topic = topics.release(command.device.name, command.subject)
    deadline = time.monotonic() + _LISTING_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        message = session.receive(left)
        if message is None or message.topic != topic or not message.payload:
            continue
        jws = mail.open_letter(message.payload, keys.identity).jws
        word = letters.read_word(jws, command.device)
        if not isinstance(word, Listing):
            why = _answer(message, command, keys)
            raise Refused("camera-refused", f"{command.device.name}: {why}")
        place = topics.parse(message.topic, feed="")
        assert place is not None
        inbox.take(place, message.payload, keys, now=now)
        return True
    return False


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
    outcome = _outcome(message, decision.device, decision.subject, keys)
    return f"{outcome.event} {outcome.detail}".rstrip()


def _outcome(message: Received, device: DeviceCard, subject: str, keys: Keys) -> Outcome:
    """What ``device`` says of ``subject``; Refused if it is another's word or about another."""
    jws = mail.open_letter(message.payload, keys.identity).jws
    outcome = letters.read_outcome(jws, device)
    if outcome.subject != subject:
        raise MalformedStatement("wrong-release", "the letter is about another release")
    return outcome


def device_of(devices: Mapping[str, DeviceCard], name: str) -> DeviceCard:
    """The enrolled camera ``name``; Refused when it was taken off the list meanwhile."""
    try:
        return devices[name]
    except KeyError:
        raise Refused("unknown-device", f"the camera {name!r} is not enrolled") from None


def take(inbox: Inbox, message: Received, keys: Keys, clock: Clock) -> None:
    """Take a letter into ``inbox``; one that is refused becomes a warning there."""
    topic = topics.parse(message.topic, feed="")
    if topic is None or topic.kind in ("availability", "state"):
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
