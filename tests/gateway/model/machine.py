"""Camera, requesters, two owners, network, clock and power, against the real gateway core.

A hypothesis state machine; what it asks of a gateway from its own ``build()`` stands in
:mod:`.oracle`. Messages are delivered late, twice and in any order; the process dies after
any commit; the receiver loses requests and answers; letters come with every flaw that a
forger, a mistake or a broker may give them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from agent import config, topics
from agent.consent import signing
from agent.consent.statements import (
    Alert,
    Approval,
    Mute,
    Pause,
    Release,
    Resume,
    Revoke,
    Share,
    Window,
    Withdrawal,
)
from agent.vault.index import Clip
from agent.vault.ledger import Ledger
from tests.gateway.model.oracle import Consented, Mail, Oracle, Posted
from tests.support.house import Person
from tests.support.peers import open_bundle
from tests.support.world import DEVICE, FEED, World

DAY = 86_400
FLAWS = (
    "stranger", "other-device", "wrong-key", "no-key", "wrong-digest", "expired", "retained",
    "outside",
)  # fmt: skip
COMMANDS = ("pause", "resume", "mute", "unmute")
_PLENTY = 1_000_000
RULES = config.Requests(
    max_open_per_requester=_PLENTY,
    max_daily_per_requester=_PLENTY,
    max_per_reference=_PLENTY,
    max_kept_daily_per_requester=1_000,
)


class GatewayModel(RuleBasedStateMachine):
    """See the module. ``told`` counts over all examples: steps, bundles, crashes and more."""

    posts = Bundle("posts")
    letters = Bundle("letters")
    told: ClassVar[Counter[str]] = Counter()  # a model in which nothing leaves shows nothing

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="clip-model-"))
        self.clips: list[Clip] = []
        self.on_the_way: list[Mail] = []
        self.never: set[str] = set()  # stopped before the last byte: may not be finished
        self.started = False

    def teardown(self) -> None:
        if not self.started:
            return
        try:
            self.settle()
            self.told["examples"] += 1
            self.told["delivered"] += len(self.world.receiver.finished)
            self.told["crashes"] += self.world.crashes
        finally:
            self.world.kill()
            shutil.rmtree(self.root)

    @initialize(target=posts, needed=st.sampled_from([1, 2]), away=st.booleans())
    def an_evening(self, needed: int, away: bool) -> Posted:
        self.world = World(self.root, partner=True, approvals_needed=needed, requests=RULES)
        self.house = self.world.house
        self.owners = (self.house.owner, self.house.partner)
        self.neighbour = Person()
        self.oracle = Oracle(needed)
        self.started = True
        self.told["steps"] -= 1  # this one is not counted
        for seconds_ago in (900, 300):
            self.clips.append(self.house.record(seconds_ago=seconds_ago))
        post = self.write_post("none", hours_open=24, minutes=30)
        self.deliver_post(post)
        first, second = self.owners
        # On the way already: one owner's letter, or one's, the same one's again, and the other's.
        for owner in (first,) if needed == 1 else (first, first, second):
            self.write_approval(post, (self.clips[0],), "none", owner)
        if away:
            self.receiver_goes_away()
        return post

    # The camera and the feed

    @rule(seconds_ago=st.integers(5, 3000))
    @precondition(lambda self: len(self.clips) < 6)
    def camera_records(self, seconds_ago: int) -> None:
        self.clips.append(self.house.record(seconds_ago=seconds_ago))
        self.world.run()

    @rule(
        target=posts,
        flaw=st.sampled_from(["none", "none", "none", "protest", "stranger"]),
        hours_open=st.integers(1, 48),
        minutes=st.integers(16, 50),
        late=st.booleans(),
    )
    def requester_posts(self, flaw: str, hours_open: int, minutes: int, late: bool) -> Posted:
        post = self.write_post(flaw, hours_open=hours_open, minutes=minutes)
        if not late:
            self.deliver_post(post)
        return post

    @rule(target=posts, post=posts, late=st.booleans())
    def requester_edits(self, post: Posted, late: bool) -> Posted:
        """The same id, another text. Whichever arrives first is the request."""
        edited = self.write_post(post.flaw, hours_open=24, minutes=40, jti=post.jti)
        if not late:
            self.deliver_post(edited)
        return edited

    def write_post(self, flaw: str, *, hours_open: int, minutes: int, **changes: Any) -> Posted:
        now = int(self.world.clock.now())
        author = Person() if flaw == "stranger" else self.house.requester
        request = self.house.request(
            iss=author.id,
            exp=now + hours_open * 3600,
            window=Window(start=now - minutes * 60, end=now + 120),
            incident="protest" if flaw == "protest" else "burglary",
            **changes,
        )
        jws = author.signing.sign(request)
        return Posted(jws, request.jti, request.window, request.exp, flaw)

    @rule(post=posts)
    def deliver_post(self, post: Posted) -> None:
        self.oracle.post(post, self.world.clock.now())
        self.world.to_feed(post.jws, post.jti)

    @rule(post=posts, by_author=st.booleans(), times=st.integers(1, 2))
    def requester_withdraws(self, post: Posted, by_author: bool, times: int) -> None:
        author = self.house.requester if by_author else Person()
        jti, now = signing.new_jti(os.urandom(16)), int(self.world.clock.now())
        withdrawal = Withdrawal(iss=author.id, jti=jti, iat=now, request=post.digest)
        jws = author.signing.sign(withdrawal)
        for _ in range(times):
            self.oracle.withdrawal(post, by_author, jws)
            self.world.broker.send(topics.withdrawal(FEED, jti), jws.encode(), retained=True)
            self.world.run()
        self.note_what_was_stopped()

    @rule(times=st.integers(1, 2))
    def requester_informs(self, times: int) -> None:
        jti, now = signing.new_jti(os.urandom(16)), int(self.world.clock.now())
        alert = Alert(
            iss=self.house.requester.id, jti=jti, iat=now, exp=now + DAY, title="Flood",
            text="Stay away from the river.", area=self.house.request().area,
        )  # fmt: skip
        jws = self.house.post(alert)  # type: ignore[arg-type]
        for _ in range(times):
            self.oracle.alert(jws)
            self.world.broker.send(topics.alert(FEED, jti), jws.encode(), retained=True)
            self.world.run()

    # The owners

    @rule(
        target=letters,
        post=posts,
        skipped=st.sets(st.integers(0, 5)),
        late=st.booleans(),
        owner=st.integers(0, 1),
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
        target=letters,
        chosen=st.sets(st.integers(0, 5), min_size=1),
        late=st.booleans(),
        owner=st.integers(0, 1),
        flaw=st.one_of(st.just("none"), st.sampled_from(FLAWS[:-1])),
    )
    def owner_shares(self, chosen: set[int], late: bool, owner: int, flaw: str) -> object:
        clips = tuple(clip for n, clip in enumerate(self.clips) if n in chosen)
        if not clips:
            return multiple()
        return self.sent(self.write_share(clips, flaw, self.owners[owner]), late)

    @rule(target=letters, letter=letters, late=st.booleans(), same=st.booleans())
    def other_owner_says_the_same(self, letter: Mail, late: bool, same: bool) -> object:
        """Or the same owner once more, which must not count."""
        first = 0 if letter.owner == self.owners[0].id else 1
        owner = self.owners[first if same else 1 - first]
        if isinstance(letter.about, Posted) and letter.clips:
            return self.sent(self.write_approval(letter.about, letter.clips, "none", owner), late)
        if isinstance(letter.about, Person):
            return self.sent(self.write_share(letter.clips, "none", owner), late)
        return multiple()

    def write_approval(
        self, post: Posted, clips: tuple[Clip, ...], flaw: str, owner: Person
    ) -> Mail:
        if flaw == "outside" and all(map(post.covers, clips)):
            flaw = "none"  # there was nothing outside to name
        consent = self.house.approval(post.jws, list(clips))
        return self.write_consent("approval", consent, post, clips, flaw, owner)

    def write_share(self, clips: tuple[Clip, ...], flaw: str, owner: Person) -> Mail:
        consent = self.house.sharing(list(clips), self.neighbour)
        return self.write_consent("share", consent, self.neighbour, clips, flaw, owner)

    def write_consent(
        self,
        kind: str,
        consent: Approval | Share,
        about: Posted | Person,
        clips: tuple[Clip, ...],
        flaw: str,
        owner: Person,
    ) -> Mail:
        now, keys = int(self.world.clock.now()), self.house.clip_keys(list(clips))
        signer = Person() if flaw == "stranger" else owner
        changes: dict[str, Any] = {"iss": signer.id}
        if flaw == "other-device":
            changes["aud"] = Person().id
        if flaw == "expired":
            changes |= {"iat": now - 600, "exp": now - 1}
        if flaw == "wrong-digest":
            wrong = msgspec.structs.replace(consent.clips[0], sha256="0" * 64)
            changes["clips"] = (wrong, *consent.clips[1:])
        if flaw == "wrong-key":
            keys[clips[0].id] = Person().identity
        if flaw == "no-key":
            keys.pop(clips[0].id)
        consent = msgspec.structs.replace(consent, **changes)
        jws = signer.signing.sign(consent)
        letter = Mail(
            self.house.seal_letter(jws, keys), kind, about, owner.id, flaw, consent.exp,
            clips=clips, release=signing.digest(jws)[:16],
        )  # fmt: skip
        self.on_the_way.append(letter)
        return letter

    @rule(
        target=letters,
        post=posts,
        owner=st.integers(0, 1),
        late=st.booleans(),
        mute=st.sampled_from([False, False, True]),
    )
    def owner_declines(self, post: Posted, owner: int, late: bool, mute: bool) -> Mail:
        who, until = self.owners[owner], self.world.clock.now() + DAY
        payload = self.house.decline(post.jws, by=who, mute=mute)
        letter = Mail(payload, "decline", post, who.id, "none", until, mute=mute)
        self.on_the_way.append(letter)
        return self.sent(letter, late)

    @rule(target=letters, back=st.integers(0, 3), owner=st.integers(0, 1), late=st.booleans())
    @precondition(lambda self: self.oracle.unsent(self.finished()))
    def owner_revokes(self, back: int, owner: int, late: bool) -> Mail:
        """One of the last releases that can still be stopped, and perhaps no more on arrival."""
        known = self.oracle.unsent(self.finished())
        release = known[-1 - back % len(known)]
        return self.write_command(Revoke(release=release), "revoke", release, owner, late)

    @rule(post=posts, owner=st.integers(0, 1), revoke=st.booleans())
    def somebody_thinks_again_in_time(self, post: Posted, owner: int, revoke: bool) -> None:
        """A consent whose receiver is away, and the word that stops it."""
        clips = tuple(clip for clip in self.clips if post.covers(clip))
        if not clips or self.world.receiver.faults:
            return
        self.receiver_goes_away()
        letter = self.write_approval(post, clips, "none", self.owners[owner])
        self.broker_delivers(letter)
        if revoke:
            self.write_command(
                Revoke(release=letter.release), "revoke", letter.release, 1 - owner, late=False
            )
        else:
            self.requester_withdraws(post, by_author=True, times=1)

    @rule()
    def what_was_late_arrives(self) -> None:
        for letter in list(self.on_the_way):
            self.broker_delivers(letter)

    @rule(target=letters, kind=st.sampled_from(COMMANDS), owner=st.integers(0, 1),
          late=st.booleans())  # fmt: skip
    def owner_commands(self, kind: str, owner: int, late: bool) -> object:
        requester = self.house.requester.id
        command = {
            "pause": Pause(),
            "resume": Resume(),
            "mute": Mute(requester=requester, muted=True),
            "unmute": Mute(requester=requester, muted=False),
        }[kind]
        return self.write_command(command, kind, None, owner, late)

    def write_command(
        self, command: Any, kind: str, about: str | None, owner: int, late: bool
    ) -> Mail:
        who, until = self.owners[owner], self.world.clock.now() + DAY
        payload = self.house.command(command, by=who)
        letter = Mail(payload, kind, about, who.id, "none", until)
        self.on_the_way.append(letter)
        return self.sent(letter, late)

    def sent(self, letter: Mail, late: bool) -> Mail:
        if not late:
            self.broker_delivers(letter)
        return letter

    @rule(letter=letters)
    def broker_delivers(self, letter: Mail) -> None:
        if letter in self.on_the_way:
            self.on_the_way.remove(letter)
        self.oracle.letter(letter, self.world.clock.now())
        self.world.to_device(letter.payload, retained=letter.flaw == "retained")
        self.note_what_was_stopped()

    # Time, power and the network

    @rule(seconds=st.sampled_from([1, 60, 60, 600, 3600, 20 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.oracle.expire(self.world.clock.now())
        self.world.run()

    @rule()
    def power_fails(self) -> None:
        self.world.restart()

    @rule(commits=st.integers(0, 6))
    def process_will_die(self, commits: int) -> None:
        self.world.crash_after = commits

    @rule(
        faults=st.lists(
            st.sampled_from(["", "request-lost", "answer-lost", "sender-dies"]), max_size=4
        )
    )
    @precondition(lambda self: not self.world.receiver.faults)
    def network_will_fail(self, faults: list[str]) -> None:
        self.world.receiver.faults = faults

    @rule()
    @precondition(lambda self: not self.world.receiver.faults)
    def receiver_goes_away(self) -> None:
        """For a while: what is approved now waits, and can still be stopped."""
        self.world.receiver.faults = ["request-lost"] * 8

    @rule()
    def receiver_forgets(self) -> None:
        """An unfinished upload ran out at the receiver."""
        uploads = self.world.receiver.uploads
        for url in [url for url, upload in uploads.items() if not upload.finished]:
            del uploads[url]

    # What must hold

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
            index = self.house.open_index()
            try:
                Ledger(index).verify()
            finally:
                index.close()

    def finished(self) -> set[str]:
        return {upload.release for upload in self.world.receiver.finished}

    def note_what_was_stopped(self) -> None:
        stopped = {name for name, one in self.oracle.consented.items() if one.stopped}
        self.told["stopped in time"] += len(stopped - self.finished() - self.never)
        self.never |= stopped - self.finished()

    def settle(self) -> None:
        """Late letters arrive, the network heals: each release is over, sent at most once."""
        for letter in list(self.on_the_way):
            self.broker_delivers(letter)
            self.the_inbox_shows_what_waits_for_an_answer_and_nothing_else()
            self.what_was_stopped_in_time_never_arrives()
        self.world.crash_after = None
        self.world.receiver.faults = []
        for _ in range(12):
            self.time_passes(120)
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
        index = self.house.open_index()
        try:
            entries = list(Ledger(index).entries())
        finally:
            index.close()
        said = Counter(entry.event for entry in entries)
        for event, count in self.oracle.record.items():
            assert said[event] == count, f"{event}: {said[event]} lines for {count}"
            self.told[event] += count
        sent = [entry.subject for entry in entries if entry.event == "release.sent"]
        assert len(sent) == len(set(sent)) and set(sent) <= finished
        unknown = {event for event in said if event.startswith("request")} - set(self.oracle.record)
        assert unknown <= {"request.matched"}, f"nobody did what the record says: {unknown}"

    def check_bundle(self, bundle: bytes, release: Consented) -> None:
        shared = isinstance(release.about, Person)
        reader = release.about if isinstance(release.about, Person) else self.house.requester
        files = open_bundle(bundle, reader.identity)
        videos = {Path(name).stem for name in files if name.endswith(".mp4")}
        assert videos == release.clips
        payload = signing.decode_base64url(files["data/release.jws"].decode().split(".")[1])
        said = msgspec.json.decode(payload, type=Release)
        assert said.aud == reader.id
        assert (said.second_approval is not None) == (self.oracle.needed == 2)
        if isinstance(release.about, Posted):
            assert files["data/request.jws"].decode() == release.about.jws
            assert said.request == release.about.digest
        else:
            assert shared and "data/request.jws" not in files and said.request is None
            self.told["shared"] += 1
