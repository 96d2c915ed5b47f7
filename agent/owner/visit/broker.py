"""Talk to the broker: collect letters, send a decision, follow its outcome, receive a clip.

Each function takes an open :class:`~agent.mqtt.session.Session` with the subscriptions that
it needs (:func:`connect`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import msgspec

from agent.clock import Clock
from agent.config import Broker
from agent.consent import letters, lifecycle
from agent.consent.cards import DeviceCard
from agent.consent.statements import LedgerPage, Listing, Moment, Outcome, Statement
from agent.errors import MalformedStatement, NetworkFault, Refused
from agent.keyfile import Keys
from agent.mqtt import link, topics
from agent.mqtt.link import Received
from agent.mqtt.session import Session
from agent.owner.decisions.sign import Decision
from agent.owner.inbox import verify
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import Presence
from agent.owner.inbox.placing import CLIPS
from agent.owner.wording import clocks

QUIET_SECONDS = 0.7  # silence after which all retained letters have arrived
_COLLECT_SECONDS = 20.0
ONLINE_AGAIN = "Is the camera powered and on the network? Then ask again"
_CHUNK_SECONDS = 30.0  # longest silence of a camera that sends a clip
_MISSED_SECONDS = 15  # keepalive: the broker misses us after half as long again
_ANSWER_SECONDS = 20.0  # longest silence of a camera that lists its clips, or its ledger

PROPOSED = "PROPOSED"  # another owner must agree, which may take days
AGREED = "AGREED"  # the decision completed another owner's release
_LAST_EVENTS = frozenset(
    {*lifecycle.LEFT, "FAILED", "REFUSED", "REVOKED", "DONE", PROPOSED, AGREED}
)


def connect(
    broker: Broker, subscriptions: Sequence[str], *, will: Decision | None = None
) -> Session:
    """A session to be entered with ``with``; raises ConfigError for broker settings.

    ``will``: a decision that the broker sends, if this computer goes away without a word.
    """
    if will is not None:
        soon = min(broker.keepalive_seconds, _MISSED_SECONDS)
        broker = msgspec.structs.replace(broker, keepalive_seconds=soon)
    client_id = f"clip-owner-{secrets.token_hex(6)}"
    return Session(
        link.connect_broker(
            broker,
            client_id=client_id,
            subscriptions=subscriptions,
            will=None if will is None else (topics.owner(will.device.name), will.letter),
            will_retained=False,
            clean_session=True,
        )
    )


def letter_filters(devices: Iterable[str], me: str) -> list[str]:
    """Subscriptions to all that the cameras say, and write to their owners or the owner ``me``."""
    return [
        pattern
        for device in devices
        for pattern in (
            topics.inbox(device, topics.ANY),
            topics.release(device, topics.ANY),
            topics.notices(device),
            topics.status(device, me),
            topics.availability(device),
            topics.state(device),
        )
    ]


def _messages(session: Session, seconds: float) -> Iterator[Received]:
    """Messages as they arrive within ``seconds``."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        message = session.receive(left)
        if message is not None:
            yield message


def _state_at(payload: bytes) -> int | None:
    """The time of a state; nothing signs it, so only a person may rely on it."""
    try:
        return msgspec.json.decode(payload, type=_State).at
    except msgspec.DecodeError:
        return None


class _State(msgspec.Struct):
    at: Moment | None = None


def collect(
    session: Session, inbox: Inbox, devices: Collection[str], keys: Keys, clock: Clock
) -> dict[str, Presence]:
    """Bring ``inbox`` up to date with the broker; returns what it holds of each camera.

    Letters that are refused become warnings of ``inbox``. A camera of which the broker does not
    say that it is offline counts as there.
    """
    for device in devices:
        inbox.closed_to_us.pop(device, None)
    received = session.collect(quiet_seconds=QUIET_SECONDS, at_most_seconds=_COLLECT_SECONDS)
    said = {device: Presence() for device in devices}
    for message in received:
        take(inbox, message, keys, clock)
        topic = topics.parse(message.topic, feed="")
        if topic is None or topic.device not in said:
            continue
        before = replace(said[topic.device], heard=True)
        match topic.kind:
            case "availability":
                before = replace(before, offline=message.payload == topics.OFFLINE)
            case "state":
                before = replace(before, state_at=_state_at(message.payload))
        said[topic.device] = before
    for device in devices:
        inbox.settle(device, {name for item in received if (name := _open_name(item, device))})
        if count := inbox.closed_to_us[device]:
            inbox.warn(f"{device}: {count} of its messages are sealed to other keys than yours")
    return said


def wait_for_request(
    session: Session, inbox: Inbox, keys: Keys, clock: Clock, seconds: float
) -> None:
    """Take letters into ``inbox`` for up to ``seconds``, until a request is open."""
    if not inbox.requests():
        for message in _messages(session, seconds):
            take(inbox, message, keys, clock)
            if inbox.requests():
                break


def send(session: Session, decision: Decision) -> None:
    """Publish a decision, never retained; NetworkFault unless the broker took it."""
    session.publish(topics.owner(decision.device.name), decision.letter, retained=False)


def follow(
    session: Session,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    report: Callable[[Outcome], object],
    others: Callable[[Received], object],
    joins: str | None = None,
) -> Outcome | None:
    """Report each outcome of ``decision`` until the last one, or None when time is up.

    PROPOSED is a last one too, since only another owner can go on. ``joins`` is another
    owner's release; once ``decision`` has completed it, the outcomes are about that. ``others``
    gets each message that arrives meanwhile, whatever it is about.
    """
    device = decision.device.name
    subjects = {topics.release(device, one): one for one in (decision.subject, joins) if one}
    for message in _messages(session, wait_seconds):
        others(message)
        if not message.payload or message.topic not in subjects:
            continue
        subject = subjects[message.topic]
        outcome = outcome_of(message, decision.device, subject, keys)
        if subject == joins and outcome.event == PROPOSED:
            continue  # its state before this decision
        report(outcome)
        goes_on = joins is not None and outcome.event == AGREED
        if outcome.event in _LAST_EVENTS and not goes_on:
            return outcome
    return None


def listing(session: Session, command: Decision, inbox: Inbox, keys: Keys, *, now: float) -> bool:
    """Take the answer to ``command``, which asks for a list of clips, into ``inbox``.

    False if the camera does not answer. Raises :class:`Refused` if it refuses.
    """
    message = list_letter(session, command, keys)
    place = None if message is None else topics.parse(message.topic, feed="")
    if message is None or place is None:
        return False
    inbox.take(place, message.payload, keys, now=now)
    inbox.mark_shown(place.device, CLIPS)
    return True


def list_letter(session: Session, command: Decision, keys: Keys) -> Received | None:
    """The answer to ``command``, which asks for a list; None if the camera does not answer.

    Raises :class:`Refused` if it refuses.
    """
    return _reply(session, command, Listing, keys)


def ledger_page(
    session: Session, command: Decision, inbox: Inbox, keys: Keys, *, now: float
) -> LedgerPage | None:
    """The answer to ``command``, which asks for lines of the ledger, once ``inbox`` has taken it.

    None if the camera does not answer. Raises :class:`Refused` if it refuses.
    """
    message = _reply(session, command, LedgerPage, keys)
    place = None if message is None else topics.parse(message.topic, feed="")
    if message is None or place is None:
        return None
    inbox.take(place, message.payload, keys, now=now)
    jws = letters.open_letter(message.payload, keys.identity).jws
    page = verify.read_statement(jws, command.device)
    assert isinstance(page, LedgerPage)
    return page


def _reply(
    session: Session, command: Decision, kind: type[Statement], keys: Keys
) -> Received | None:
    """The message with the answer to ``command``, if it is of a ``kind``."""
    topic = topics.release(command.device.name, command.subject)
    for message in _messages(session, _ANSWER_SECONDS):
        if message.topic != topic or not message.payload:
            continue
        jws = letters.open_letter(message.payload, keys.identity).jws
        if not isinstance(verify.read_statement(jws, command.device), kind):
            why = _answer(message, command, keys)
            raise Refused("camera-refused", f"{command.device.name}: {why}")
        return message
    return None


def chunks(
    session: Session, command: Decision, name: str, keys: Keys
) -> Iterator[tuple[int, bytes]]:
    """The chunks under ``name`` as they arrive, until the camera is silent for too long.

    Raises :class:`Refused` if the camera refuses ``command``, :class:`NetworkFault` once the broker
    says that it is offline.
    """
    device, heard = command.device, time.monotonic()
    while (left := heard + _CHUNK_SECONDS - time.monotonic()) > 0:  # others say what they like
        if (message := session.receive(left)) is None:
            return
        topic = topics.parse(message.topic, feed="")
        if topic is None or topic.device != device.name:
            continue
        if topic.kind == "availability" and message.payload == topics.OFFLINE:
            raise NetworkFault(f"{device.name} is offline", advice=ONLINE_AGAIN)
        if message.retained:
            continue
        if topic.kind == "release" and topic.ids == (command.subject,):
            raise Refused("camera-refused", f"{device.name}: {_answer(message, command, keys)}")
        if topic.kind == "preview" and topic.ids[0] == name and topic.ids[1].isdecimal():
            yield int(topic.ids[1]), message.payload
            heard = time.monotonic()


def _answer(message: Received, decision: Decision, keys: Keys) -> str:
    outcome = outcome_of(message, decision.device, decision.subject, keys)
    return f"{outcome.event} {outcome.detail}".rstrip()


def outcome_of(message: Received, device: DeviceCard, subject: str, keys: Keys) -> Outcome:
    """The outcome of ``subject`` by ``device``; Refused if it is of or about another."""
    jws = letters.open_letter(message.payload, keys.identity).jws
    outcome = verify.read_outcome(jws, device)
    if outcome.subject != subject:
        raise MalformedStatement("wrong-release", "the letter is about another release")
    return clocks.named(outcome, now=time.time())


def take(inbox: Inbox, message: Received, keys: Keys, clock: Clock) -> None:
    """Take a letter into ``inbox``; a refused one becomes a warning there."""
    topic = topics.parse(message.topic, feed="")
    if topic is None or topic.kind in ("availability", "state"):
        return
    try:
        inbox.take(topic, message.payload, keys, now=clock.now())
    except Refused as error:
        if error.rule == "not-sealed-to-us":  # told as one line
            inbox.closed_to_us[topic.device] += 1
            return
        inbox.warn(f"{message.topic}: message refused ({error.rule}): {error.message}")


def _open_name(message: Received, device: str) -> str | None:
    """The name of the open request that ``message`` of ``device`` is about."""
    topic = topics.parse(message.topic, feed="")
    if topic is None or topic.kind != "inbox" or topic.device != device or not message.payload:
        return None
    return topic.ids[0]
