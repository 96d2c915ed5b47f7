"""Rules of the model: time, power, the network and an honest camera."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.gateway.model.base import Base


class Weather(Base):
    """The process dies after any commit, the receiver loses requests and answers."""

    @rule(seconds_ago=st.integers(5, 3000))
    @precondition(lambda self: len(self.clips) < 6)
    def camera_records(self, seconds_ago: int) -> None:
        self.record(seconds_ago)
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
