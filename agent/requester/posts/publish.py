"""From a signed post to the feed: its topic, its place in the public log, the links.

What owners get is the JWS, and in the lines below it the proof that a public log holds
it; on topics of their own, the links by which that log grew. Where the proof comes from:

- **in production**, from an existing log (Tessera, or another with C2SP tlog-tiles): sign
  first, submit, fetch the proof, and post it (:func:`with_proof`). How is said in
  :mod:`.log`;
- **in the demo and in tests**, from the small log of :mod:`.log` (:func:`through_log`).

If this requester has pinned the log's key itself (``feed.log_key``), a proof that owners
would not take is refused here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import Broker, Feed
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.statements import Alert, Request, Withdrawal
from agent.consent.transparency.proof import MAX_BYTES, LogPolicy, read_proof
from agent.errors import ConfigError, MalformedStatement, NotPublic
from agent.mqtt import link, topics
from agent.mqtt.session import Session
from agent.requester.demo_log.log import Log

Post = Request | Alert | Withdrawal
_KINDS: dict[str, type[Post]] = {kind.TYP: kind for kind in (Request, Alert, Withdrawal)}
_OLD = "old "


@dataclass(frozen=True)
class Publication:
    """What goes to the feed for one post: its topic and payload, and links of the log."""

    topic: str
    payload: bytes
    links: Mapping[str, bytes] = field(default_factory=dict)


def read(jws: str, card: RequesterCard) -> Post:
    """What this requester signed; Refused if it is another's, or nothing to post."""
    kind = _KINDS.get(signing.claimed_typ(jws))
    if kind is None:
        raise MalformedStatement("wrong-typ", "is nothing that is posted on a feed")
    return signing.verify(jws, kind, {card.fingerprint: card.key})


def topic_of(post: Post, feed: Feed) -> str:
    """Where ``post`` belongs on the feed."""
    match post:
        case Request():
            return topics.request(feed.topic, post.jti)
        case Alert():
            return topics.alert(feed.topic, post.jti)
        case _:
            return topics.withdrawal(feed.topic, post.jti)


def unproven(jws: str, post: Post, feed: Feed) -> Publication:
    """``jws`` alone. ConfigError when owners of this feed would ask for a proof."""
    if needs_log(feed) and not isinstance(post, Withdrawal):
        raise ConfigError(
            "owners of this feed hear only what stands in its public log",
            advice="Give --proof with the log's proof, or in a demo --log",
        )
    return Publication(topic_of(post, feed), jws.encode("ascii"))


def needs_log(feed: Feed) -> bool:
    """Whether this feed's posts must stand in a public log, by the requester's own settings."""
    return feed.log == "required" or (feed.log is None and feed.log_key is not None)


def through_log(jws: str, post: Post, feed: Feed, folder: Path) -> Publication:
    """``jws`` as the small log in ``folder`` holds it, from now on at least."""
    with Log.open(folder) as log:
        proof = log.publish(jws.encode("ascii")).encode()
        links = {
            topics.log_link(feed.topic, old): text.encode() for old, text in log.links().items()
        }
    _check(jws, proof, feed)
    return Publication(topic_of(post, feed), _joined(jws, proof), links)


def with_proof(
    jws: str, post: Post, feed: Feed, proof: bytes, links: Sequence[bytes]
) -> Publication:
    """``jws`` with the proof and the links of a log elsewhere."""
    _check(jws, proof, feed)
    named = {topics.log_link(feed.topic, _old_size(text)): text for text in links}
    return Publication(topic_of(post, feed), _joined(jws, proof), named)


def send(publication: Publication, broker: Broker) -> None:
    """Give everything to the feed's broker, retained; NetworkFault unless it took all."""
    connection = link.connect_broker(
        broker,
        client_id=f"clip-requester-{secrets.token_hex(6)}",
        subscriptions=[],
        will=None,
        clean_session=True,
    )
    with Session(connection) as session:
        for topic, payload in publication.links.items():
            session.publish(topic, payload, retained=True)
        session.publish(publication.topic, publication.payload, retained=True)


def _joined(jws: str, proof: bytes) -> bytes:
    return jws.encode("ascii") + b"\n" + proof


def _check(jws: str, proof: bytes, feed: Feed) -> None:
    """Hold a proof against the key that this requester has pinned, if it has."""
    if len(proof) > MAX_BYTES:
        raise NotPublic("proof-malformed", f"the proof has {len(proof)} bytes, at most {MAX_BYTES}")
    if feed.log_key is None:
        return
    policy = LogPolicy.pin(feed.log_key, feed.witness_keys, feed.witnesses_needed)
    if not read_proof(proof, policy).holds(jws.encode("ascii")):
        raise NotPublic("not-included", "the proof is not of what is to be posted")


def _old_size(text: bytes) -> int:
    first = text.split(b"\n", 1)[0].decode("ascii", "replace")
    if not first.startswith(_OLD) or not first.removeprefix(_OLD).isdecimal():
        raise NotPublic("link-malformed", "a link begins with `old` and a size")
    return int(first.removeprefix(_OLD))
