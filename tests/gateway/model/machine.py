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
from tests.gateway.model.messages import Consented, Posted
from tests.gateway.model.owners import Owners
from tests.gateway.model.weather import Weather
from tests.support.gateway_world import DEVICE
from tests.support.house import Person
from tests.support.peers import open_bundle


class GatewayModel(Owners, Weather):
    """See the module."""

    @invariant()
    def only_what_was_consented_to_has_left(self) -> None:
        if not self.started:
            return
        self.told["steps"] += 1
        for upload in self.world.receiver.uploads.values():
            assert upload.release in self.oracle.consented, "a byte left without a valid consent"

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
            assert shown == self.oracle.shown(self.clips)

    @invariant()
    def the_ledger_holds_together(self) -> None:
        if self.started:
            with self.house.open_database() as database:
                Ledger(database).verify()

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
        finished = [upload.release for upload in self.world.receiver.finished]
        assert len(finished) == len(set(finished)), "a bundle was delivered twice"
        for upload in self.world.receiver.finished:
            self.check_bundle(bytes(upload.data), self.oracle.consented[upload.release])
        now = self.world.clock.now()
        for name, release in self.oracle.consented.items():
            if now < release.deadline and not release.stopped:
                assert name in finished, "what was consented to did not arrive"
        self.check_record(set(finished))

    def check_record(self, finished: set[str]) -> None:
        """Each action is one line of the ledger."""
        entries = self.record()
        said = Counter(entry.event for entry in entries)
        for event, count in self.oracle.record.items():
            assert said[event] == count, f"{event}: {said[event]} lines for {count}"
            self.told[event] += count
        sent = [entry.subject for entry in entries if entry.event == "release.sent"]
        assert len(sent) == len(set(sent)) and set(sent) <= finished
        unknown = {event for event in said if event.startswith("request")} - set(self.oracle.record)
        assert unknown <= {"request.matched"}, f"nobody did what the record says: {unknown}"
        for entry in entries:
            self.told[str(entry.detail.get("rule", ""))] += entry.event == "request.refused"

    def record(self) -> list[Entry]:
        with self.house.open_database() as database:
            return list(Ledger(database).entries())

    def check_bundle(self, bundle: bytes, release: Consented) -> None:
        shared = isinstance(release.about, Person)
        reader = release.about if isinstance(release.about, Person) else release.about.author
        files = open_bundle(bundle, reader.identity)
        videos = {Path(name).stem for name in files if name.endswith(".mp4")}
        assert videos == release.clips
        payload = decode_base64url(files["data/release.jws"].decode().split(".")[1])
        said = msgspec.json.decode(payload, type=Release)
        assert said.aud == reader.id
        assert (said.second_approval is not None) == (self.oracle.needed == 2)
        if isinstance(release.about, Posted):
            assert files["data/request.jws"].decode() == release.about.jws
            assert said.request == release.about.digest
            self.told["second requester"] += reader is self.requesters[1]
        else:
            assert shared and "data/request.jws" not in files and said.request is None
            self.told["shared"] += 1
