"""Rules of the model: posts of requesters, and of strangers who pass for them."""

from __future__ import annotations

import os

from hypothesis import strategies as st
from hypothesis.stateful import rule

from agent.consent import signing
from agent.consent.statements import Alert, Withdrawal
from agent.mqtt import topics
from tests.gateway.model.base import DAY, Base
from tests.gateway.model.messages import Posted
from tests.support.gateway_world import FEED
from tests.support.house import Person

_WHO = st.integers(0, 1)


class Requesters(Base):
    """Two requesters; each is heard, muted and obeyed for itself alone."""

    @rule(
        target=Base.posts,
        flaw=st.sampled_from(["none", "none", "none", "protest", "stranger"]),
        hours_open=st.integers(1, 48),
        minutes=st.integers(16, 50),
        by=_WHO,
        is_order=st.sampled_from([False, False, True]),
        late=st.booleans(),
    )
    def requester_posts(
        self, flaw: str, hours_open: int, minutes: int, by: int, is_order: bool, late: bool
    ) -> Posted:
        post = self.write_post(
            flaw, hours_open=hours_open, minutes=minutes, by=by, is_order=is_order
        )
        if not late:
            self.deliver(post)
        return post

    @rule(target=Base.posts, is_order=st.booleans())
    def who_was_muted_posts(self, is_order: bool) -> Posted:
        by = 1 if self.requesters[1].id in self.oracle.muted else 0
        post = self.write_post("none", hours_open=24, minutes=20, by=by, is_order=is_order)
        self.deliver(post)
        return post

    @rule(target=Base.posts, post=Base.posts, late=st.booleans())
    def requester_edits(self, post: Posted, late: bool) -> Posted:
        """The same id, another text. Whichever arrives first is the request."""
        by = 1 if post.author is self.requesters[1] else 0
        edited = self.write_post(post.flaw, hours_open=24, minutes=40, by=by, jti=post.jti)
        if not late:
            self.deliver(edited)
        return edited

    @rule(post=Base.posts)
    def feed_delivers(self, post: Posted) -> None:
        self.deliver(post)

    @rule(
        post=Base.posts,
        signer=st.sampled_from(["author", "author", "other", "stranger"]),
        times=st.integers(1, 2),
    )
    def somebody_withdraws(self, post: Posted, signer: str, times: int) -> None:
        """Also somebody who has not asked: that changes nothing."""
        other = self.requesters[1 if post.author is self.requesters[0] else 0]
        author = {"author": post.author, "other": other, "stranger": Person()}[signer]
        self.withdraw(post, author, times)

    @rule(target=Base.posts, by=_WHO, others_too=st.booleans(), authors=st.booleans())
    def withdrawal_overtakes(self, by: int, others_too: bool, authors: bool) -> Posted:
        """It comes before the request that it is about, or that another one will post."""
        post = self.write_post("none", hours_open=24, minutes=30, by=by)
        if others_too:
            self.withdraw(post, self.requesters[1 - by])
        if authors:
            self.withdraw(post, self.requesters[by])
        self.deliver(post)
        self.told["withdrawn early"] += post in self.oracle.withdrawn
        return post

    def withdraw(self, post: Posted, author: Person, times: int = 1) -> None:
        jti, now = signing.new_jti(os.urandom(16)), int(self.world.clock.now())
        withdrawal = Withdrawal(iss=author.id, jti=jti, iat=now, request=post.digest)
        jws = author.signing.sign(withdrawal)

        def deliver() -> None:
            self.oracle.withdrawal(post, author, author in self.requesters, jws)
            self.world.broker.send(topics.withdrawal(FEED, jti), jws.encode(), retained=True)
            self.world.run()

        self.on_the_feed[jti] = deliver
        for _ in range(times):
            deliver()
        self.note_what_was_stopped()

    @rule(by=_WHO, times=st.integers(1, 2))
    def requester_informs(self, by: int, times: int) -> None:
        author = self.requesters[by]
        jti, now = signing.new_jti(os.urandom(16)), int(self.world.clock.now())
        alert = Alert(
            iss=author.id, jti=jti, iat=now, exp=now + DAY, title="Flood",
            text="Stay away from the river.", area=self.house.request().area,
        )  # fmt: skip
        jws = author.signing.sign(alert)
        for _ in range(times):
            self.oracle.alert(author, jws)
            self.world.broker.send(topics.alert(FEED, jti), jws.encode(), retained=True)
            self.world.run()
