"""Camera, requesters, two owners, network, clock and power, against the real gateway core.

A hypothesis state machine; what it asks of a gateway from its own ``build()`` stands in
:mod:`.oracle`. Messages are delivered late, twice and in any order; the process dies after
any commit; the receiver loses requests and answers; letters come with every flaw that a
forger, a mistake or a broker may give them. Here is what must hold, after each step and at
the end.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
from hypothesis.stateful import invariant

from agent.consent.cards import decode_base64url
from agent.consent.statements import Release
from agent.mqtt import topics
from agent.vault.records.ledger import Entry, Ledger
from tests.gateway.model.camera import TakenOverCamera
from tests.gateway.model.crossings import Crossings
from tests.gateway.model.losses import Losses
from tests.gateway.model.messages import Consented, Posted
from tests.gateway.model.recipients import Recipients
from tests.support.gateway_world import DEVICE
from tests.support.house import Person
from tests.support.peers import open_bundle, validate_bag


class GatewayModel(Crossings, Losses, Recipients, TakenOverCamera):
    """See the module."""

    @invariant()
    def only_what_was_consented_to_has_left(self) -> None:
        if not self.started:
            return
        self.told["steps"] += 1
        for upload in self.world.receiver.uploads.values():
            assert any(self.oracle.may_leave(upload.release)), "a byte left without a valid consent"

    @invariant()
    def what_was_stopped_in_time_never_arrives(self) -> None:
        if self.started:
            assert not self.never & self.finished(), "a stopped release was finished"

    @invariant()
    def nothing_was_said_outside_the_devices_topics(self) -> None:
        if not self.started:
            return
        assert all(
            topic.startswith(f"clip-agent/{DEVICE}/") for topic, _ in self.world.broker.published
        )
        assert topics.owner(DEVICE) not in self.world.broker.retained

    @invariant()
    def the_inbox_shows_what_waits_for_an_answer_and_nothing_else(self) -> None:
        if self.started:
            shown = {topic.rpartition("/")[2] for topic in self.world.inbox}
            honest = [clip for clip in self.clips if clip.id not in self.oracle.touched]
            assert self.oracle.shown(honest) <= shown, "a request is not shown"
            may_show = self.oracle.may_show() if self.oracle.touched else self.oracle.shown(honest)
            assert shown <= may_show | self.stale, (
                "a request is shown that nobody asked, or that is over"
            )

    @invariant()
    def the_ledger_holds_together(self) -> None:
        if self.started and self.world.gateway is not None:
            Ledger(self.world.gateway.database).verify()

    # At the end

    def settle(self) -> None:
        """Late letters arrive, the network heals: each release is over, sent at most once."""
        for letter in list(self.on_the_way):
            self.hand_over(letter)
            self.the_inbox_shows_what_waits_for_an_answer_and_nothing_else()
            self.what_was_stopped_in_time_never_arrives()
        self.world.crash_after = None
        self.world.receiver.faults = []
        self.owners_sync()  # an approval of before a restored state is held when it comes
        for _ in range(12):
            self.let_pass(120)
        self.only_what_was_consented_to_has_left()
        self.what_was_stopped_in_time_never_arrives()
        self.told["steps"] -= 1  # that was none
        self.check_uploads()
        finished = self.finished()
        for release in self.oracle.consented:
            clips = {clip.id for clip in release.first.clips}
            goes_on = release.sure and release.has_keys and not release.stopped
            if goes_on and self.world.clock.now() < release.deadline:
                arrived = release.names[0] in finished or clips & self.oracle.touched
                assert arrived, "what was consented to did not arrive"
        self.check_record(finished)

    def check_uploads(self) -> None:
        """Each bundle arrived once, and holds what was approved."""
        finished = self.world.receiver.finished
        for name, times in Counter(upload.release for upload in finished).items():
            assert times == 1 or name in self.unconfirmed, "a bundle was delivered twice"
        for upload in finished:
            self.check_bundle(bytes(upload.data), next(self.oracle.may_leave(upload.release)))

    def check_record(self, finished: set[str]) -> None:
        """Each action is one line of the ledger."""
        entries = self.entries()
        said = Counter(entry.event for entry in entries)
        for event, count in self.oracle.record.items():
            assert said[event] == count, f"{event}: {said[event]} lines for {count}"
            self.told[event] += count
        for event in ("release.proposed", "release.approved"):
            lines = [entry.subject for entry in entries if entry.event == event]
            due = {name for line, name in self.oracle.lines if line == event}
            assert len(lines) == len(set(lines)) and set(lines) <= due | self.oracle.unsure
            assert due - self.oracle.unsure <= set(lines), f"{event}: a line is missing"
            self.told[event] += len(lines)
        sent = [entry.subject for entry in entries if entry.event == "release.sent"]
        assert len(sent) == len(set(sent)) and set(sent) <= finished
        self.check_receipts([(entry.event, entry.subject) for entry in entries])
        unknown = {event for event in said if event.startswith("request")} - set(self.oracle.record)
        assert unknown <= {"request.matched"}, f"nobody did what the record says: {unknown}"
        for entry in entries:
            self.told[str(entry.detail.get("rule", ""))] += entry.event == "request.refused"

    def entries(self) -> list[Entry]:
        with self.house.open_database() as database:
            return list(Ledger(database).entries())

    def check_bundle(self, bundle: bytes, release: Consented) -> None:
        """It is for whom was said, and holds the very clips that their owner approved."""
        about = release.about
        reader = about if isinstance(about, Person) else about.author
        files = open_bundle(bundle, reader.identity)
        videos = {Path(name).stem: file for name, file in files.items() if name.endswith(".mp4")}
        approved = {clip.id: self.contents[clip.id, clip.sha256] for clip in release.first.clips}
        assert videos == approved, "a clip left that was not the one approved"
        validate_bag(files)
        payload = decode_base64url(files["data/release.jws"].decode().split(".")[1])
        said = msgspec.json.decode(payload, type=Release)
        assert said.aud == reader.id
        assert (said.second_approval is not None) == (self.oracle.needed == 2)
        if isinstance(about, Posted):
            assert files["data/request.jws"].decode() == about.jws
            assert said.request == about.digest
            self.told["second requester"] += reader is self.requesters[1]
        else:
            assert "data/request.jws" not in files and said.request is None
            self.told["shared"] += 1
