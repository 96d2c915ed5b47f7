"""Oracle: the bundles that may have left the house, told by a careful person.

Knows nothing of the gateway's code. It writes down, at the moment a message is
delivered, whether a careful person would honour it, and what the record must then say.
All of it is forgotten again but for what matters later: which release may hold which
clips, for whom, until when, and whether somebody stopped it.

A camera that was taken over may keep the gateway from honouring a letter, and can make it honour
none. So a consent to clips that it touched is *unsure*: its release may leave, and need not.

Where the gateway is set back to an image, the oracle is set back too, but for what was ever
consented to and stopped.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.vault.database.gateway import Clip
from tests.gateway.model.messages import KEYLESS, Consented, Mail, Posted
from tests.support.house import Person

_MAX_PROPOSALS = 8
# All that the gateway would forget with its folder.
_KEPT = (
    "posts", "consented", "proposed", "muted", "paused", "record", "lines", "_heard", "_never",
    "_said_at", "withdrawn",
)  # fmt: skip


@dataclass
class Oracle:
    """Hears every message when it is delivered; see the module."""

    needed: int
    open_at_most: int  # of one requester
    posts: list[Posted] = field(default_factory=list)
    withdrawn: set[Posted] = field(default_factory=set)  # perhaps before they were delivered
    consented: list[Consented] = field(default_factory=list)
    proposed: list[Mail] = field(default_factory=list)
    muted: set[str] = field(default_factory=set)
    paused: bool = False
    record: Counter[str] = field(default_factory=Counter)  # lines there must be
    lines: set[tuple[str, str]] = field(default_factory=set)  # event, release: those of releases
    touched: set[str] = field(default_factory=set)  # clips that the camera may have changed
    unsure: set[str] = field(default_factory=set)  # releases of them
    ever: list[Consented] = field(default_factory=list)  # also what an image does not know
    _consents: list[Mail] = field(default_factory=list)
    _heard: set[object] = field(default_factory=set)
    _never: set[str] = field(default_factory=set)  # revoked before they came
    _said_at: dict[str, float] = field(default_factory=dict)  # last word on a muted requester
    _now: float = 0.0

    # Images of the gateway

    def image(self) -> dict[str, Any]:
        """All that the gateway knows now."""
        states = {post: post.state for post in self.posts}
        keys = {release: release.has_keys for release in self.consented}
        return {"states": states, "keys": keys} | {
            name: copy.copy(getattr(self, name)) for name in _KEPT
        }

    def set_back(self, image: dict[str, Any], now: float) -> None:
        """The gateway knows no more than at the time of ``image``."""
        for post in self.posts:
            post.state = image["states"].get(post, "")
        for name in _KEPT:
            setattr(self, name, copy.copy(image[name]))
        for release, has_keys in image["keys"].items():
            release.has_keys = has_keys
        self.expire(now)

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
        post.state = "REFUSED" if refused else "WITHDRAWN" if post in self.withdrawn else "OPEN"
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
        self.withdrawn.add(post)
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
        self._now = now
        keyless = letter.flaw == KEYLESS and self.needed > 1
        if (letter.flaw != "none" and not keyless) or now >= letter.expires_at:
            return
        if letter.identity in self._heard:
            self._bring_keys(letter)
            return
        self._heard.add(letter.identity)  # what was refused stays refused
        letter.obeyed = getattr(self, f"_{letter.kind}")(letter)

    def heard(self, letter: Mail) -> bool:
        """True if the gateway heard ``letter`` before, as far as it knows."""
        return letter.identity in self._heard

    def _approval(self, letter: Mail) -> bool:
        request = letter.about
        assert isinstance(request, Posted)
        covered = all(clip.id in self.touched or request.covers(clip) for clip in letter.clips)
        return request.state == "OPEN" and covered and self._consent(letter)

    def _share(self, letter: Mail) -> bool:
        return self._consent(letter)

    def _consent(self, letter: Mail) -> bool:
        if letter.release in self._never:
            return False
        same = [one for one in self._consents if one.content == letter.content]
        beside = [one for one in self.proposed if _side_by_side(one, letter)]
        doubted = [one for one in self._consents if one.release in self.unsure]
        crowded = len(beside) + sum(_side_by_side(one, letter) for one in doubted) >= _MAX_PROPOSALS
        self._consents.append(letter)
        if not self.touched.isdisjoint(clip.id for clip in letter.clips) or (crowded and doubted):
            self._doubt(letter, same)
        elif self.needed == 1:
            self._release(letter, letter, (letter.release,))
        elif first := next((one for one in self.proposed if one.content == letter.content), None):
            if first.owner == letter.owner:
                return False
            self.proposed.remove(first)
            self._release(first, letter, (first.release, letter.release))
        elif crowded:
            return False
        else:
            self.proposed.append(letter)
            self.lines.add(("release.proposed", letter.release))
        return True

    def _doubt(self, letter: Mail, same: list[Mail]) -> None:
        """It may be refused. If not, it is a release, or agrees with any of another owner."""
        self.unsure.add(letter.release)
        if self.needed == 1:
            self._release(letter, letter, (letter.release,), sure=False)
        for one in same:
            if self.needed > 1 and one.owner != letter.owner:
                self.unsure.add(one.release)
                self.proposed = [other for other in self.proposed if other is not one]
                for first, second in ((one, letter), (letter, one)):
                    names = (first.release, second.release)
                    self._release(first, second, names, sure=False)

    def _release(
        self, first: Mail, last: Mail, names: tuple[str, ...], *, sure: bool = True
    ) -> None:
        deadline = min(first.expires_at, last.expires_at)
        release = Consented(first, names, deadline, last.has_keys, sure)
        self.consented.append(release)
        self.ever.append(release)
        self.lines.add(("release.approved", first.release))

    def _bring_keys(self, letter: Mail) -> None:
        """Either of two owners whose letters crossed sends theirs again, with the keys."""
        for release in self.consented:
            release.has_keys |= letter.has_keys and letter.release in release.names

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

    def repeat(self, requester: str, now: float, *, muted: bool, at: float) -> None:
        """A computer's last word on a requester, said ``at``; a later one is known or is not."""
        self._now = now
        if muted == (requester in self.muted) or self._said_at.get(requester, at - 1) >= at:
            return
        if muted:
            self._silence(requester)
        else:
            self._hear(requester)

    def _mute(self, letter: Mail) -> bool:
        assert isinstance(letter.about, str)
        self._silence(letter.about)
        return True

    def _unmute(self, letter: Mail) -> bool:
        if letter.about not in self.muted:
            return False
        self._hear(str(letter.about))
        return True

    def _hear(self, requester: str) -> None:
        self.muted.discard(requester)
        self._said_at[requester] = self._now
        self.record["requester.unmuted"] += 1

    def _silence(self, requester: str) -> None:
        """Nothing more of them, but that a court's order is not declined unread."""
        self.muted.add(requester)
        self._said_at[requester] = self._now
        self.record["requester.muted"] += 1
        for post in self.posts:
            if post.state == "OPEN" and post.author.id == requester and not post.is_order:
                self._close(post, "DECLINED")
                self._stop(post)

    def _stop(self, post: Posted) -> None:
        for release in self.ever:
            if release.about is post:
                release.stop()

    def _pause(self, letter: Mail) -> bool:
        self.paused = True
        self.record["requests.paused"] += 1
        return True

    def _resume(self, letter: Mail) -> bool:
        self.paused = False
        self.record["requests.resumed"] += 1
        return True

    def _revoke(self, letter: Mail) -> bool:
        self.revoke(str(letter.about))
        return True

    def revoke(self, name: str) -> None:
        """An owner stops a release, by the name of either owner's letter."""
        waiting = [one for one in self.proposed if one.release == name]
        for one in waiting:
            self.proposed.remove(one)
        agreed = [release for release in self.ever if name in release.names]
        for release in agreed:
            release.stop(name)
        known = any(release.sure and release in self.consented for release in agreed)
        if not waiting and not known:
            self._never.add(name)

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
        return waiting + [one.names[0] for one in self.consented if one.names[0] not in finished]

    def may_leave(self, name: str) -> Iterator[Consented]:
        """The agreements by which a release of this name may leave, or might have."""
        return (release for release in self.ever if name in release.names)

    def stopped(self) -> set[str]:
        """The names of releases that nothing lets go on."""
        names = {name for release in self.ever for name in release.names}
        return {name for name in names if all(name in one.gone for one in self.may_leave(name))}

    def shown(self, clips: list[Clip]) -> set[str]:
        """The requests whose letters must lie in the owners' inbox, and no others."""
        if self.paused:
            return set()
        return {
            post.digest[:16]
            for post in self.posts
            if post.state == "OPEN" and any(map(post.covers, clips))
        }

    def may_show(self) -> set[str]:
        """The requests that a camera may have shown by clips that it made up."""
        if self.paused:
            return set()
        return {post.digest[:16] for post in self.posts if post.state == "OPEN"}

    def _first(self, key: object) -> bool:
        """True if ``key`` was not heard before; it is, now."""
        new = key not in self._heard
        self._heard.add(key)
        return new


def _side_by_side(one: Mail, other: Mail) -> bool:
    """True if both are about one request, or both are shares."""
    return one.about is other.about or one.kind == other.kind == "share"
