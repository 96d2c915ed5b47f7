"""Oracle: the bundles that may have left the house, told by a careful person.

Knows nothing of the gateway's code. It writes down, at the moment a message is
delivered, whether a careful person would honour it, and what the record must then say.
All of it is forgotten again but for what matters later: which release may hold which
clips, for whom, until when, and whether somebody stopped it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from agent.vault.database.gateway import Clip
from tests.gateway.model.messages import Consented, Mail, Posted
from tests.support.house import Person


@dataclass
class Oracle:
    """Hears every message when it is delivered; see the module."""

    needed: int
    open_at_most: int  # of one requester
    posts: list[Posted] = field(default_factory=list)
    consented: dict[str, Consented] = field(default_factory=dict)
    proposed: list[Mail] = field(default_factory=list)
    muted: set[str] = field(default_factory=set)
    paused: bool = False
    record: Counter[str] = field(default_factory=Counter)  # lines there must be
    _heard: set[object] = field(default_factory=set)
    _never: set[str] = field(default_factory=set)  # revoked before they came

    # The feed

    def post(self, post: Posted, now: float) -> None:
        """A request is delivered; it is judged once."""
        if post.state or post.flaw == "stranger":
            return
        self.expire(now)
        theirs = [one for one in self.posts if one.author is post.author]
        refused = (
            post.flaw != "none"
            or post.author.id in self.muted
            or any(one.jti == post.jti for one in theirs)
            or sum(one.state == "OPEN" for one in theirs) >= self.open_at_most
            or now >= post.expires_at
        )
        self.posts.append(post)
        post.state = "REFUSED" if refused else "WITHDRAWN" if post.withdrawn else "OPEN"
        self.record["request.refused" if refused else "request.opened"] += 1
        if post.state == "WITHDRAWN":
            self.record["request.withdrawn"] += 1

    def withdrawal(self, post: Posted, author: Person, known: bool, key: object) -> None:
        """Somebody no longer asks, before or after the request itself arrives."""
        if not known or not self._first(key) or (post.state and author is not post.author):
            return
        self.record["withdrawal.received"] += 1
        if author is not post.author:
            return  # who knows what they once asked themselves, or will
        post.withdrawn = True
        if post.state == "OPEN":
            self._close(post, "WITHDRAWN")
        self._stop(post)

    def alert(self, author: Person, key: object) -> None:
        """Information from a known requester."""
        if self._first(key):
            muted = author.id in self.muted
            self.record["alert.refused" if muted else "alert.received"] += 1

    # The owners

    def letter(self, letter: Mail, now: float) -> None:
        """A decision is delivered."""
        self.expire(now)
        if letter.flaw != "none" or now >= letter.expires_at or letter in self._heard:
            return
        self._heard.add(letter)  # what was refused stays refused
        getattr(self, f"_{letter.kind}")(letter)

    def _approval(self, letter: Mail) -> bool:
        request = letter.about
        assert isinstance(request, Posted)
        if request.state != "OPEN" or not all(map(request.covers, letter.clips)):
            return False
        return self._consent(letter)

    def _share(self, letter: Mail) -> bool:
        return self._consent(letter)

    def _consent(self, letter: Mail) -> bool:
        if letter.release in self._never:
            return False
        if self.needed == 1:
            self._release(letter, letter.expires_at)
            return True
        for first in self.proposed:
            if first.content == letter.content:
                if first.owner == letter.owner:
                    return False
                self.proposed.remove(first)
                self._release(first, min(first.expires_at, letter.expires_at))
                return True
        if sum(one.about is letter.about or _both_shares(one, letter) for one in self.proposed) > 7:
            return False
        self.proposed.append(letter)
        self.record["release.proposed"] += 1
        return True

    def _release(self, letter: Mail, deadline: float) -> None:
        assert isinstance(letter.about, Posted | Person)
        clips = frozenset(clip.id for clip in letter.clips)
        self.consented[letter.release] = Consented(clips, letter.about, deadline)
        self.record["release.approved"] += 1

    def _decline(self, letter: Mail) -> bool:
        request = letter.about
        assert isinstance(request, Posted)
        if request.state != "OPEN":
            return False
        self._close(request, "DECLINED")
        self._stop(request)
        if letter.mute:
            self._silence(request.author.id)
        return True

    def _mute(self, letter: Mail) -> bool:
        assert isinstance(letter.about, str)
        self._silence(letter.about)
        return True

    def _unmute(self, letter: Mail) -> bool:
        if letter.about not in self.muted:
            return False
        self.muted.discard(str(letter.about))
        self.record["requester.unmuted"] += 1
        return True

    def _silence(self, requester: str) -> None:
        """Nothing more of them, but that a court's order is not declined unread."""
        self.muted.add(requester)
        self.record["requester.muted"] += 1
        for post in self.posts:
            if post.state == "OPEN" and post.author.id == requester and not post.is_order:
                self._close(post, "DECLINED")
                self._stop(post)

    def _stop(self, post: Posted) -> None:
        for release in self.consented.values():
            release.stopped |= release.about is post

    def _pause(self, letter: Mail) -> bool:
        self.paused = True
        self.record["requests.paused"] += 1
        return True

    def _resume(self, letter: Mail) -> bool:
        self.paused = False
        self.record["requests.resumed"] += 1
        return True

    def _revoke(self, letter: Mail) -> bool:
        waiting = [one for one in self.proposed if one.release == letter.about]
        for one in waiting:
            self.proposed.remove(one)
        release = self.consented.get(str(letter.about))
        if release is not None:
            release.stopped = True
        if not waiting and release is None:
            self._never.add(str(letter.about))
        return True

    # Time

    def expire(self, now: float) -> None:
        """The approvals that are over at ``now``."""
        for post in self.posts:
            if post.state == "OPEN" and now >= post.expires_at:
                self._close(post, "EXPIRED")
        self.proposed = [one for one in self.proposed if now < one.expires_at]

    def _close(self, post: Posted, state: str) -> None:
        post.state = state
        self.record[f"request.{state.lower()}"] += 1
        self.proposed = [one for one in self.proposed if one.about is not post]

    def unsent(self, finished: set[str]) -> list[str]:
        """The releases that somebody can still stop."""
        waiting = [one.release for one in self.proposed]
        return waiting + [name for name in self.consented if name not in finished]

    def shown(self, clips: list[Clip]) -> set[str]:
        """The requests whose letters must lie in the owners' inbox, and no others."""
        if self.paused:
            return set()
        return {
            post.digest[:16]
            for post in self.posts
            if post.state == "OPEN" and any(map(post.covers, clips))
        }

    def _first(self, key: object) -> bool:
        """True if ``key`` was not heard before; it is, now."""
        new = key not in self._heard
        self._heard.add(key)
        return new


def _both_shares(one: Mail, other: Mail) -> bool:
    return one.kind == other.kind == "share"
