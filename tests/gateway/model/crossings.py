"""Rules of the model: two owners who decide at once, and know nothing of each other's letter."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from agent.consent.statements import Revoke
from tests.gateway.model.base import Base
from tests.gateway.model.messages import KEYLESS, Mail, Posted
from tests.gateway.model.owners import Owners

_WHO = st.integers(0, 1)


class Crossings(Owners):
    """Of letters that cross neither brings keys; whoever unlocks their tool sends them later."""

    @rule(
        target=Base.letters,
        post=Base.posts,
        first=_WHO,
        skipped=st.sets(st.integers(0, 5)),
        late=st.sets(_WHO),
        between=st.sampled_from(["", "", "power", "other keys", "other clips"]),
        then=st.sampled_from(["keys", "keys", "keys twice", "revoke", "revoke and keys", ""]),
        by=_WHO,
    )
    def approvals_cross(
        self,
        post: Posted,
        first: int,
        skipped: set[int],
        late: set[int],
        between: str,
        then: str,
        by: int,
    ) -> object:
        clips = tuple(
            clip for n, clip in enumerate(self.clips) if n not in skipped and post.covers(clip)
        )
        if not clips or self.oracle.needed == 1:
            return multiple()
        mails = []
        for number, owner in enumerate((first, 1 - first)):
            named = clips[1:] or clips if number and between == "other clips" else clips
            flaw = "none" if number and between == "other keys" else KEYLESS
            mails.append(self.write_approval(post, named, flaw, self.owners[owner]))
        for number, letter in enumerate(mails):
            self.sent(letter, late=number in late)
            if between == "power":
                self.world.restart()
        name = mails[by].release
        if "revoke" in then:
            # Either owner knows the release by the name of their own letter.
            owner = first if by == 0 else 1 - first
            self.write_command(Revoke(release=name), "revoke", name, owner, late=False)
        if "keys" in then and name in self.with_keys:
            for _ in range(2 if then == "keys twice" else 1):
                self.hand_over(self.with_keys[name])
                self.told["keys came later"] += 1
        return multiple(*mails)

    @rule(letter=Base.letters)
    def owner_sends_the_keys(self, letter: Mail) -> None:
        """Of a letter without them, however long ago that was."""
        if letter.release in self.with_keys:
            self.hand_over(self.with_keys[letter.release])
