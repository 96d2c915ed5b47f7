"""A message of the public feed, as it arrived and as it was verified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from agent.consent.statements import Alert, LogPlace, Request, Withdrawal
from agent.mqtt.topics import Topic

S = TypeVar("S", bound=Request | Alert | Withdrawal, covariant=True)


@dataclass(frozen=True)
class Post:
    """A message as it arrived: the JWS, and the log proof in the lines after it."""

    topic: Topic
    jws: bytes
    proof: bytes

    @classmethod
    def read(cls, topic: Topic, payload: bytes) -> Post:
        """Split ``payload`` at its first line feed.

        A withdrawal needs no proof, so anything after one is not its author's and ignored.
        """
        jws, _, proof = payload.partition(b"\n")
        return cls(topic, jws, b"" if topic.kind == "withdrawals" else proof)

    @property
    def place(self) -> str:
        """The topic of the post, below the feed's."""
        return f"{self.topic.kind}/{self.topic.ids[0]}"

    @cached_property
    def digest(self) -> str:
        """Names the statement: see :func:`agent.consent.signing.digest`."""
        return hashlib.sha256(self.jws).hexdigest()

    @cached_property
    def key(self) -> str:
        """Names this very message, with its place and its proof."""
        text = self.place.encode() + b"\n" + self.jws + b"\n" + self.proof
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True)
class Verified(Generic[S]):
    """A post whose signature is good, and its place in the public log if it needs one."""

    post: Post
    statement: S
    log_place: LogPlace | None = None

    @property
    def digest(self) -> str:
        """Names the statement."""
        return self.post.digest

    @property
    def author(self) -> str:
        """Fingerprint of the requester who signed it."""
        return self.statement.iss
