"""Time, power, the network and the camera: what nobody asks for."""

from __future__ import annotations

import shutil

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from agent.consent.statements import HeldDecision, Revoke, Sync
from tests.gateway.model.base import DAY, Base
from tests.gateway.model.messages import Mail
from tests.support.status import leave_status


class Weather(Base):
    """The process dies after any commit, the receiver loses requests and answers."""

    @rule(seconds_ago=st.integers(5, 3000))
    @precondition(lambda self: len(self.clips) < 6)
    def camera_records(self, seconds_ago: int) -> None:
        self.clips.append(self.house.record(seconds_ago=seconds_ago))
        self.world.run()

    @rule(seconds=st.sampled_from([1, 60, 60, 600, 3600, 20 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.let_pass(seconds)

    def let_pass(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.oracle.expire(self.world.clock.now())
        self.world.run()

    @rule()
    def power_fails(self) -> None:
        self.world.restart()

    @rule(commits=st.integers(0, 6), uncommitted=st.booleans())
    def process_will_die(self, commits: int, uncommitted: bool) -> None:
        self.world.crash_after = commits
        self.world.crash_uncommitted = uncommitted

    @rule(
        faults=st.lists(
            st.sampled_from(["", "request-lost", "answer-lost", "sender-dies"]), max_size=4
        )
    )
    def network_will_fail(self, faults: list[str]) -> None:
        self.world.receiver.faults = self.world.receiver.faults or faults

    @rule()
    def receiver_goes_away(self) -> None:
        if not self.world.receiver.faults:
            self.send_receiver_away()

    @rule()
    def receiver_forgets(self) -> None:
        """An unfinished upload ran out at the receiver."""
        uploads = self.world.receiver.uploads
        for url in [url for url, upload in uploads.items() if not upload.finished]:
            del uploads[url]

    @rule()
    def broker_forgets(self) -> None:
        """It loses its sessions. At rest no letter waits there, but who can know that."""
        self.world.kill()
        self.world.broker.forget()
        self.world.restart()
        self.told["forgotten"] += 1
        self.nothing_leaves_before_the_owners_sync()

    @rule(back=st.integers(0, 3), owner=st.integers(0, 1))
    def image_is_restored(self, back: int, owner: int) -> None:
        """It was taken just before an owner revoked a release."""
        known = self.oracle.unsent(self.finished())
        if not known:
            return
        release = known[-1 - back % len(known)]
        state, image = self.house.config.state_dir, self.root / "image"
        self.world.kill()
        shutil.copytree(state, image)
        self.world.restart()
        payload = self.house.command(Revoke(release=release), by=self.owners[owner])
        until = self.world.clock.now() + DAY
        self.hand_over(Mail(payload, "revoke", release, self.owners[owner].id, "none", until))
        leave_status(self.house, self.world.broker)
        self.world.kill()
        shutil.rmtree(state)
        image.rename(state)
        self.world.restart()
        self.told["restored"] += 1
        self.nothing_leaves_before_the_owners_sync(revoked=release)

    def nothing_leaves_before_the_owners_sync(self, revoked: str = "") -> None:
        """Then the owners' tools name what stands, and what was revoked."""
        before = self.received()
        self.let_pass(600)
        assert self.received() == before, "a byte left while its release was held"
        self.owners_sync(revoked)

    def owners_sync(self, revoked: str = "") -> None:
        """Each owner's tool names all that it ever sent as standing, but ``revoked``."""
        for owner in self.owners:
            mine = [one.release for one in self.written if one.owner == owner.id]
            decisions = [HeldDecision(decision=one, standing=one != revoked) for one in mine]
            if revoked and revoked not in mine:
                decisions.append(HeldDecision(decision=revoked, standing=False))
            command = self.house.command(Sync(decisions=tuple(decisions[-100:])), by=owner)
            self.world.to_device(command)

    def received(self) -> dict[str, int]:
        """The bytes of each upload."""
        return {url: len(upload.data) for url, upload in self.world.receiver.uploads.items()}
