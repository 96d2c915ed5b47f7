"""What may have left a house: the careful person beside the gateway.

Knows nothing of the gateway's code. It writes down, at the moment a message is
delivered, whether a careful person would honour it, and what the record must then say.
All of it is forgotten again but for what matters later: which release may hold which
clips, for whom, until when, and whether somebody stopped it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from agent.consent import signing
from agent.consent.statements import Window
from agent.vault.index import Clip
from tests.support.house import Person


@dataclass(eq=False)
class Posted:
    """A request on the feed."""

    jws: str
    jti: str
    window: Window
    expires_at: float
    flaw: str
    state: str = ""  # until it is judged, at its first delivery
    withdrawn: bool = False  # perhaps before it was delivered

    @property
    def digest(self) -> str:
        return signing.digest(self.jws)

    def covers(self, clip: Clip) -> bool:
        return clip.started_at <= self.window.end and clip.ended_at >= self.window.start


@dataclass(eq=False)
class Mail:
    """A letter from an owner, or from somebody who would like to be one.

    ``about`` is a request, a release's id, or whom a clip is shared with.
    """

    payload: bytes
    kind: str
    about: Posted | Person | str | None
    owner: str
    flaw: str
    expires_at: float
    clips: tuple[Clip, ...] = ()
    release: str = ""
    mute: bool = False

    @property
    def content(self) -> tuple[object, ...]:
        """What another owner must say exactly as well."""
        return (self.about, self.clips)


@dataclass(eq=False)
class Consented:
    """A release that enough owners want; ``stopped`` when somebody no longer does."""

    clips: frozenset[str]
    about: Posted | Person
    deadline: float
    stopped: bool = False


@dataclass
class Oracle:
    """Hears every message when it is delivered; see the module."""

    needed: int
    posts: list[Posted] = field(default_factory=list)
    consented: dict[str, Consented] = field(default_factory=dict)
    proposed: list[Mail] = field(default_factory=list)
    muted: bool = False
    paused: bool = False
    record: Counter[str] = field(default_factory=Counter)  # lines there must be
    _heard: set[object] = field(default_factory=set)

    # The feed

    def post(self, post: Posted, now: float) -> None:
        """A request is delivered; it is judged once."""
        if post.state or post.flaw == "stranger":
            return
        edited = any(one.jti == post.jti for one in self.posts)
        self.posts.append(post)
        refused = post.flaw != "none" or self.muted or edited or now >= post.expires_at
        post.state = "REFUSED" if refused else "WITHDRAWN" if post.withdrawn else "OPEN"
        self.record["request.refused" if refused else "request.opened"] += 1
        if post.state == "WITHDRAWN":
            self.record["request.withdrawn"] += 1

    def withdrawal(self, post: Posted, of_author: bool, key: object) -> None:
        """The author no longer asks, before or after the request itself arrives."""
        if not of_author or not self._first(key):
            return
        self.record["withdrawal.received"] += 1
        post.withdrawn = True
        if post.state == "OPEN":
            self._close(post, "WITHDRAWN")
        self._stop(post)

    def alert(self, key: object) -> None:
        """Information from a known requester."""
        if self._first(key):
            self.record["alert.refused" if self.muted else "alert.received"] += 1

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
            self._silence()
        return True

    def _mute(self, letter: Mail) -> bool:
        self._silence()
        return True

    def _unmute(self, letter: Mail) -> bool:
        if not self.muted:
            return False
        self.muted = False
        self.record["requester.unmuted"] += 1
        return True

    def _silence(self) -> None:
        self.muted = True
        self.record["requester.muted"] += 1
        for post in self.posts:
            if post.state == "OPEN":
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
        return bool(waiting or release)

    # Time

    def expire(self, now: float) -> None:
        """What is over at ``now``."""
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
        """Whether ``key`` was not heard before; it is, now."""
        new = key not in self._heard
        self._heard.add(key)
        return new


def _both_shares(one: Mail, other: Mail) -> bool:
    return one.kind == other.kind == "share"
