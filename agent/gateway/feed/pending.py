"""Posts of the feed, and those that wait until something shows how their log has grown.

They come again from the broker after a restart, so they wait in memory alone, and
:data:`MAX_WAITING` at most: if there are more, the oldest of the author that has most of
them goes. Of one post, of which anybody may bring copies with other proofs, the first few
and the last wait.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.mqtt.topics import Topic

MAX_WAITING: Final = 200
PATIENCE_SECONDS: Final = 600.0  # after which a post is overdue
_MAX_COPIES = 4


@dataclass(frozen=True, slots=True)
class Post:
    """A message of the feed: the JWS, and what stands in the lines after it."""

    topic: Topic
    jws: bytes
    proof: bytes

    @classmethod
    def read(cls, topic: Topic, payload: bytes) -> Post:
        """``payload`` parted at its first line feed.

        A withdrawal needs no proof: what stands behind one is nothing of its author's.
        """
        jws, _, proof = payload.partition(b"\n")
        return cls(topic, jws, b"" if topic.kind == "withdrawals" else proof)

    @property
    def place(self) -> str:
        """Where it was posted, below the feed's topic."""
        return f"{self.topic.kind}/{self.topic.ids[0]}"

    @property
    def digest(self) -> str:
        """What names the statement: see :func:`agent.consent.signing.digest`."""
        return hashlib.sha256(self.jws).hexdigest()

    @property
    def key(self) -> str:
        """What names this very message, with its place and its proof."""
        text = self.place.encode() + b"\n" + self.jws + b"\n" + self.proof
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A verified post of ``source`` in a few copies, each for a size of the log."""

    source: str
    since: float  # monotonic
    copies: tuple[tuple[Post, int], ...] = ()
    told: bool = False

    def with_copy(self, post: Post, size: int) -> _Waiting:
        """``post`` once more; if there are too many then, the one before goes."""
        if any(copy.key == post.key for copy, _ in self.copies):
            return self
        if self.copies:
            post = replace(post, jws=self.copies[0][0].jws)  # the same text, kept once
        return replace(self, copies=(*self.copies[: _MAX_COPIES - 1], (post, size)))


class PendingPosts:
    """The posts that wait, by their digest; the one that came last, or again, is the newest."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def add(self, post: Post, source: str, size: int, *, now: float) -> tuple[Post, str] | None:
        """Keep a post of ``source`` until the log of ``size`` entries is known.

        The post that had to go for it, and whose that was, if there are too many now.
        """
        waiting = self._waiting.pop(post.digest, _Waiting(source, now))
        self._waiting[post.digest] = waiting.with_copy(post, size)
        if len(self._waiting) <= MAX_WAITING:
            return None
        counts = Counter(waiting.source for waiting in self._waiting.values())
        busiest = counts.most_common(1)[0][0]
        oldest = next(w.copies[0][0] for w in self._waiting.values() if w.source == busiest)
        self.forget(oldest.digest)
        return oldest, busiest

    def forget(self, digest: str) -> None:
        """The post with this digest need not wait any longer."""
        self._waiting.pop(digest, None)

    def take(self, knows: Callable[[int], bool]) -> list[Post]:
        """The posts, with their copies, for a size of the log that is known now."""
        ready = []
        for digest, waiting in list(self._waiting.items()):
            copies = [post for post, size in waiting.copies if knows(size)]
            ready += copies
            if copies:
                self.forget(digest)
        return ready

    def overdue(self, now: float) -> Iterator[tuple[Post, str]]:
        """Each post that has waited for too long, with its source, once."""
        for digest, waiting in self._waiting.items():
            if not waiting.told and now - waiting.since >= PATIENCE_SECONDS:
                self._waiting[digest] = replace(waiting, told=True)
                yield waiting.copies[0][0], waiting.source
