"""Posts that wait until a link shows how their log has grown.

They come again from the broker after a restart, so they wait in memory alone, and
:data:`MAX_WAITING` at most: if there are more, the oldest of the author that has most of
them goes. Anybody may bring copies of a post with other proofs: the first few and the last
wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.gateway.feed.post import Post

MAX_WAITING: Final = 200
PATIENCE_SECONDS: Final = 600.0  # after which a post is overdue
_MAX_COPIES = 4


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A verified post of ``source`` in a few copies, each for a size of the log."""

    source: str
    since: float  # monotonic
    copies: tuple[tuple[Post, int], ...] = ()
    told: bool = False

    def with_copy(self, post: Post, size: int) -> _Waiting:
        """Add a copy; if there are too many, the one before goes."""
        if any(copy.key == post.key for copy, _ in self.copies):
            return self
        if self.copies:
            post = replace(post, jws=self.copies[0][0].jws)  # the same text, kept once
        return replace(self, copies=(*self.copies[: _MAX_COPIES - 1], (post, size)))


class PendingPosts:
    """The posts that wait, by digest, the one that came last, or again, at the end."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def add(self, post: Post, source: str, size: int, *, now: float) -> tuple[Post, str] | None:
        """Keep a post of ``source`` until the log of ``size`` entries is known.

        If there are too many, returns the post that was dropped, and its source.
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
        """Drop the post with this digest."""
        self._waiting.pop(digest, None)

    def take(self, knows: Callable[[int], bool]) -> list[Post]:
        """Remove and return the copies for sizes of the log that are known now."""
        ready = []
        for digest, waiting in list(self._waiting.items()):
            copies = [post for post, size in waiting.copies if knows(size)]
            ready += copies
            if copies:
                self.forget(digest)
        return ready

    def overdue(self, now: float) -> Iterator[tuple[Post, str]]:
        """Yield each post that has waited too long, with its source, once."""
        for digest, waiting in self._waiting.items():
            if not waiting.told and now - waiting.since >= PATIENCE_SECONDS:
                self._waiting[digest] = replace(waiting, told=True)
                yield waiting.copies[0][0], waiting.source
