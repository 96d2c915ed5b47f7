"""Rules of the model: letters of two owners, and of a forger in their name."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from agent.consent.statements import Mute, PauseRequests, ResumeRequests, Revoke
from tests.gateway.model.base import DAY, Base
from tests.gateway.model.messages import FLAWS, Mail, Posted
from tests.gateway.model.requesters import Requesters
from tests.support.house import Person

COMMANDS = ("pause", "resume", "mute", "unmute")
_WHO = st.integers(0, 1)
_NO_RELEASE = "0" * 16


class Owners(Requesters):
    """Approvals, shares, refusals and commands, in time and late."""

    @rule(
        target=Base.letters,
        post=Base.posts,
        skipped=st.sets(st.integers(0, 5)),
        late=st.booleans(),
        owner=_WHO,
        flaw=st.one_of(st.just("none"), st.sampled_from(FLAWS)),
    )
    def owner_approves(
        self, post: Posted, skipped: set[int], late: bool, owner: int, flaw: str
    ) -> object:
        clips = tuple(clip for n, clip in enumerate(self.clips) if n not in skipped)
        if flaw != "outside":
            clips = tuple(clip for clip in clips if post.covers(clip))
        if not clips:
            return multiple()
        return self.sent(self.write_approval(post, clips, flaw, self.owners[owner]), late)

    @rule(
        target=Base.letters,
        chosen=st.sets(st.integers(0, 5), min_size=1),
        late=st.booleans(),
        owner=_WHO,
        flaw=st.one_of(st.just("none"), st.sampled_from(FLAWS[:-1])),
    )
    def owner_shares(self, chosen: set[int], late: bool, owner: int, flaw: str) -> object:
        clips = tuple(clip for n, clip in enumerate(self.clips) if n in chosen)
        if not clips:
            return multiple()
        return self.sent(self.write_share(clips, flaw, self.owners[owner]), late)

    @rule(target=Base.letters, letter=Base.letters, late=st.booleans(), same=st.booleans())
    def other_owner_says_the_same(self, letter: Mail, late: bool, same: bool) -> object:
        """Or the same owner once more, which must not count."""
        first = 0 if letter.owner == self.owners[0].id else 1
        owner = self.owners[first if same else 1 - first]
        if isinstance(letter.about, Posted) and letter.clips:
            return self.sent(self.write_approval(letter.about, letter.clips, "none", owner), late)
        if isinstance(letter.about, Person):
            return self.sent(self.write_share(letter.clips, "none", owner), late)
        return multiple()

    @rule(
        target=Base.letters,
        post=Base.posts,
        owner=_WHO,
        late=st.booleans(),
        mute=st.sampled_from([False, False, True]),
    )
    def owner_declines(self, post: Posted, owner: int, late: bool, mute: bool) -> Mail:
        return self.decline(post, owner, late=late, mute=mute)

    def decline(self, post: Posted, owner: int, *, late: bool, mute: bool = False) -> Mail:
        who, until = self.owners[owner], self.world.clock.now() + DAY
        payload = self.house.decline(post.jws, by=who, mute=mute)
        letter = Mail(
            payload, "decline", post, who.id, "none", until, mute=mute, computer=self.computer()
        )
        self.declines.append(letter)
        self.on_the_way.append(letter)
        return self.sent(letter, late)

    @rule(target=Base.letters, back=st.integers(0, 3), owner=_WHO, late=st.booleans())
    def owner_revokes(self, back: int, owner: int, late: bool) -> Mail:
        """One of the last releases that can still be stopped, and perhaps no more on arrival."""
        known = self.oracle.unsent(self.finished()) or [_NO_RELEASE]
        release = known[-1 - back % len(known)]
        return self.write_command(Revoke(release=release), "revoke", release, owner, late)

    @rule(back=st.integers(0, 3), owner=_WHO)
    def revocation_overtakes(self, back: int, owner: int) -> None:
        """It comes before the approval that it is about."""
        late = [letter.release for letter in self.on_the_way if letter.release]
        if not late:
            return
        release = late[-1 - back % len(late)]
        if release not in self.oracle.unsent(set()):
            self.told["revoked early"] += 1
        self.write_command(Revoke(release=release), "revoke", release, owner, late=False)

    @rule(
        target=Base.posts,
        owner=_WHO,
        by=_WHO,
        commits=st.integers(0, 2),
        uncommitted=st.booleans(),
    )
    def power_fails_at_an_approval(
        self, owner: int, by: int, commits: int, uncommitted: bool
    ) -> Posted:
        post = self.write_post("none", hours_open=24, minutes=50, by=by)
        self.deliver(post)
        clips = tuple(clip for clip in self.clips if post.covers(clip))
        if clips:
            letter = self.write_approval(post, clips, "none", self.owners[owner])
            self.world.crash_after, self.world.crash_uncommitted = commits, uncommitted
            self.hand_over(letter)
        return post

    @rule(target=Base.posts, owner=_WHO, by=_WHO)
    def approval_overtakes(self, owner: int, by: int) -> Posted:
        """It comes before its request, is refused, and is not believed when it comes again."""
        post = self.write_post("none", hours_open=24, minutes=50, by=by)
        clips = tuple(clip for clip in self.clips if post.covers(clip))
        if clips:
            letter = self.write_approval(post, clips, "none", self.owners[owner])
            self.hand_over(letter)
            self.deliver(post)
            self.hand_over(letter)
            self.told["approved early"] += post.state == "OPEN"
        return post

    @rule(
        target=Base.posts,
        owner=_WHO,
        by=_WHO,
        how=st.sampled_from(["revoke", "decline", "withdraw"]),
    )
    def somebody_thinks_again_in_time(self, owner: int, by: int, how: str) -> Posted:
        """A consent whose receiver is away, and the word that stops it."""
        post = self.write_post("none", hours_open=24, minutes=50, by=by)
        self.deliver(post)
        clips = tuple(clip for clip in self.clips if post.covers(clip))
        if not clips:
            return post
        self.send_receiver_away()
        letter = self.write_approval(post, clips, "none", self.owners[owner])
        self.hand_over(letter)
        if how == "revoke":
            self.write_command(
                Revoke(release=letter.release), "revoke", letter.release, 1 - owner, late=False
            )
        elif how == "decline":
            self.decline(post, 1 - owner, late=False)
        else:
            self.withdraw(post, post.author)
        return post

    @rule(
        target=Base.letters,
        kind=st.sampled_from(COMMANDS),
        requester=_WHO,
        owner=_WHO,
        late=st.booleans(),
    )
    def owner_commands(self, kind: str, requester: int, owner: int, late: bool) -> Mail:
        key = self.requesters[requester].id
        commands: dict[str, Any] = {
            "pause": PauseRequests(),
            "resume": ResumeRequests(),
            "mute": Mute(requester=key, muted=True),
            "unmute": Mute(requester=key, muted=False),
        }
        return self.write_command(commands[kind], kind, key, owner, late)

    @rule(letter=Base.letters)
    def broker_delivers(self, letter: Mail) -> None:
        self.hand_over(letter)

    @rule()
    def what_was_late_arrives(self) -> None:
        for letter in list(self.on_the_way):
            self.hand_over(letter)
