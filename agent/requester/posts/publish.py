"""Publishing: a signed post goes to the feed with its proof and links of a public log.

Owners get the JWS, and in the lines below it the proof that a public log holds it. Links, on
topics of their own, show how that log grew. The proof comes from

- **in production** an existing log (Tessera, or another with C2SP tlog-tiles): sign, submit, fetch
  the proof, and post it (:func:`with_proof`); :mod:`agent.requester.demo_log.log` says how;
- **in the demo and in tests** the small log in that module (:func:`through_log`).

If this requester has pinned the log's key (``feed.log_key``), a proof that owners would refuse is
refused here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import Broker, Feed
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.statements import Alert, Request, Withdrawal
from agent.consent.transparency.proof import MAX_BYTES, LogPolicy, read_proof
from agent.errors import ConfigError, MalformedStatement, NetworkFault, NotPublic
from agent.mqtt import link, topics
from agent.mqtt.session import Session
from agent.requester.demo_log.log import Log

Post = Request | Alert | Withdrawal
_KINDS: dict[str, type[Post]] = {kind.TYP: kind for kind in (Request, Alert, Withdrawal)}
_OLD = "old "
_READ_BACK_SECONDS = 2.0  # without a message that the broker retains
_PAUSES_SECONDS = (0.0, 1.0, 2.0, 4.0)  # before each try: a cluster elects in some seconds


@dataclass(frozen=True)
class Publication:
    """One post for the feed: its topic, JWS and log proof, and the log's links by topic."""

    topic: str
    jws: str
    proof: bytes = b""
    links: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        """The JWS, and the proof in the lines below."""
        return b"\n".join(filter(None, (self.jws.encode("ascii"), self.proof)))


def read(jws: str, card: RequesterCard) -> Post:
    """The post in ``jws``; Refused if this requester did not sign it, or it is no post."""
    kind = _KINDS.get(signing.claimed_typ(jws))
    if kind is None:
        raise MalformedStatement("wrong-typ", "is not a request, alert or withdrawal")
    return signing.verify(jws, kind, {card.fingerprint: card.key})


def topic_of(post: Post, feed: Feed) -> str:
    """The topic of ``post`` on the feed."""
    match post:
        case Request():
            return topics.request(feed.topic, post.jti)
        case Alert():
            return topics.alert(feed.topic, post.jti)
        case _:
            return topics.withdrawal(feed.topic, post.jti)


def unproven(jws: str, post: Post, feed: Feed) -> Publication:
    """``jws`` alone. ConfigError when owners of this feed would ask for a proof."""
    needs_log = feed.log == "required" or (feed.log is None and feed.log_key is not None)
    if needs_log and not isinstance(post, Withdrawal):
        raise ConfigError(
            "owners of this feed accept only posts in its public log",
            advice="Give --proof with the log's proof, or in a demo --log",
        )
    return Publication(topic_of(post, feed), jws)


def through_log(jws: str, post: Post, feed: Feed, folder: Path) -> Publication:
    """``jws`` with its proof and links, after adding it to the small log in ``folder``."""
    with Log.open(folder) as log:
        proof = log.publish(jws.encode("ascii")).encode()
        links = {
            topics.log_link(feed.topic, old): text.encode() for old, text in log.links().items()
        }
    _check(jws, proof, feed)
    return Publication(topic_of(post, feed), jws, proof, links)


def with_proof(
    jws: str, post: Post, feed: Feed, proof: bytes, links: Sequence[bytes]
) -> Publication:
    """``jws`` with the proof and the links of another log."""
    _check(jws, proof, feed)
    named = {topics.log_link(feed.topic, _old_size(text)): text for text in links}
    return Publication(topic_of(post, feed), jws, proof, named)


def send(
    publication: Publication, broker: Broker, *, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Send everything to the feed's broker, retained, until a new subscriber would get it.

    A cluster that has lost a node may confirm messages and lose them, or not show them to new
    subscribers while the node is away (measured with NATS 2.15). So all topics are read back, and
    missing messages are sent again. NetworkFault unless the broker accepts and keeps all.
    """
    missing = {**publication.links, publication.topic: publication.payload}
    for pause_seconds in _PAUSES_SECONDS:
        sleep(pause_seconds)
        with _session(broker) as session:
            for topic, payload in missing.items():
                session.publish(topic, payload, retained=True)
        kept = _kept(publication, broker, missing)
        missing = {topic: payload for topic, payload in missing.items() if topic not in kept}
        if not missing:
            return
    raise NetworkFault(
        "the feed's broker confirms the post, but does not show it to new subscribers",
        advice="Post it again later",
    )


def _kept(publication: Publication, broker: Broker, wanted: Iterable[str]) -> set[str]:
    """The topics of ``wanted`` that the broker retains; another's link is as good as ours."""
    kept: set[str] = set()
    wanted = set(wanted)
    with _session(broker, *wanted) as session:
        while kept != wanted and (received := session.receive(_READ_BACK_SECONDS)) is not None:
            is_ours = received.payload == publication.payload
            if received.topic not in wanted:
                continue  # amqtt sends a new client all that others have subscribed to
            if received.retained and (is_ours or received.topic != publication.topic):
                kept.add(received.topic)
    return kept


def _session(broker: Broker, *subscriptions: str) -> Session:
    connection = link.connect_broker(
        broker,
        client_id=f"clip-requester-{secrets.token_hex(6)}",
        subscriptions=subscriptions,
        clean_session=True,
    )
    return Session(connection)


def _check(jws: str, proof: bytes, feed: Feed) -> None:
    """Check a proof against the log key that this requester has pinned, if any."""
    if len(proof) > MAX_BYTES:
        raise NotPublic("proof-malformed", f"the proof has {len(proof)} bytes, at most {MAX_BYTES}")
    if feed.log_key is None:
        return
    policy = LogPolicy.pin(feed.log_key, feed.witness_keys, feed.witnesses_needed)
    if not read_proof(proof, policy).holds(jws.encode("ascii")):
        raise NotPublic("not-included", "the proof is for another post")


def _old_size(text: bytes) -> int:
    first = text.split(b"\n", 1)[0].decode("ascii", "replace")
    if not first.startswith(_OLD) or not first.removeprefix(_OLD).isdecimal():
        raise NotPublic("link-malformed", "a link begins with `old` and a size")
    return int(first.removeprefix(_OLD))
