"""A byte reaches the requester only after a valid approval of that clip for that request.

A hypothesis state machine plays camera, requesters, owner, network, clock and power
against a gateway from its own ``build()``. Messages are delivered late, twice and in
any order; the process dies after any commit; the receiver loses requests and answers.

The model beside it is small and knows nothing of the gateway's code: it writes down,
at the moment an approval is delivered, whether a careful person would honour it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent import config, topics
from agent.consent import signing
from agent.consent.statements import Release, Window
from agent.vault.index import Clip
from agent.vault.ledger import Ledger
from tests.support.house import Person
from tests.support.peers import open_bundle
from tests.support.world import FEED, World

DEVICE = "front-door"
DAY = 86_400
FLAWS = (
    "stranger", "other-device", "wrong-key", "no-key", "wrong-digest", "expired", "retained",
    "outside",
)  # fmt: skip


@dataclass
class Posted:
    """A request, as the model sees it."""

    jws: str
    jti: str
    window: Window
    expires_at: float
    admissible: bool
    delivered_at: float | None = None
    declined: bool = False

    @property
    def digest(self) -> str:
        return signing.digest(self.jws)

    def open_at(self, now: float) -> bool:
        return (
            self.admissible
            and self.delivered_at is not None
            and not self.declined
            and now < self.expires_at
        )

    def covers(self, clip: Clip) -> bool:
        return clip.started_at <= self.window.end and clip.ended_at >= self.window.start


@dataclass(eq=False)
class Mail:
    """A letter from the owner (or from somebody who would like to be)."""

    payload: bytes
    kind: str
    request: Posted
    clips: tuple[Clip, ...]
    flaw: str
    release: str
    expires_at: float


class GatewayModel(RuleBasedStateMachine):
    """See the module."""

    posts = Bundle("posts")
    letters = Bundle("letters")
    delivered = 0  # bundles over all examples: a model in which nothing leaves shows nothing
    crashes = 0

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="clip-model-"))
        many = config.Requests(
            max_open_per_requester=1000, max_daily_per_requester=1000, max_per_reference=1000
        )
        self.world = World(self.root, requests=many)
        self.clips: list[Clip] = []
        self.allowed: dict[str, tuple[set[str], Posted]] = {}  # by release id
        self.deadline: dict[str, float] = {}
        self.on_the_way: list[Mail] = []

    def teardown(self) -> None:
        try:
            self.settle()
            GatewayModel.delivered += len(self.world.receiver.finished)
            GatewayModel.crashes += self.world.crashes
        finally:
            self.world.kill()
            shutil.rmtree(self.root)

    # What happens in the world

    @initialize(target=posts)
    def an_evening(self) -> Posted:
        for seconds_ago in (900, 300):
            self.clips.append(self.world.house.record(seconds_ago=seconds_ago))
        post = self.write_post("none", hours_open=24, minutes=30, late=False)
        self.write_approval(post, (self.clips[0],), "none")  # and its letter is on the way
        return post

    @rule(seconds_ago=st.integers(5, 3000))
    @precondition(lambda self: len(self.clips) < 6)
    def camera_records(self, seconds_ago: int) -> None:
        self.clips.append(self.world.house.record(seconds_ago=seconds_ago))
        self.world.run()

    @rule(
        target=posts,
        flaw=st.sampled_from(["none", "none", "none", "protest", "stranger"]),
        hours_open=st.integers(1, 48),
        minutes=st.integers(16, 50),
        late=st.booleans(),
    )
    def requester_posts(self, flaw: str, hours_open: int, minutes: int, late: bool) -> Posted:
        return self.write_post(flaw, hours_open=hours_open, minutes=minutes, late=late)

    def write_post(self, flaw: str, *, hours_open: int, minutes: int, late: bool) -> Posted:
        house, now = self.world.house, int(self.world.clock.now())
        author = Person() if flaw == "stranger" else house.requester
        request = house.request(
            iss=author.id,
            exp=now + hours_open * 3600,
            window=Window(start=now - minutes * 60, end=now + 120),
            incident="protest" if flaw == "protest" else "burglary",
        )
        jws = author.signing.sign(request)
        post = Posted(jws, request.jti, request.window, request.exp, flaw == "none")
        if not late:
            self.feed_delivers(post)
        return post

    @rule(post=posts)
    def feed_delivers(self, post: Posted) -> None:
        now = self.world.clock.now()
        if post.delivered_at is None and now < post.expires_at:
            post.delivered_at = now
        self.world.to_feed(post.jws, post.jti)

    @rule(target=letters, post=posts, skipped=st.sets(st.integers(0, 5)), late=st.booleans(),
          flaw=st.one_of(st.just("none"), st.sampled_from(FLAWS)))  # fmt: skip
    def owner_approves(self, post: Posted, skipped: set[int], late: bool, flaw: str) -> object:
        clips = tuple(clip for n, clip in enumerate(self.clips) if n not in skipped)
        if flaw != "outside":
            clips = tuple(clip for clip in clips if post.covers(clip))
        if not clips:
            return multiple()
        letter = self.write_approval(post, clips, flaw)
        if not late:
            self.broker_delivers(letter)
        return letter

    def write_approval(self, post: Posted, clips: tuple[Clip, ...], flaw: str) -> Mail:
        house, now = self.world.house, int(self.world.clock.now())
        keys = house.clip_keys(list(clips))
        approval = house.approval(post.jws, list(clips))
        if flaw == "stranger":
            stranger = Person()
            jws = stranger.signing.sign(msgspec.structs.replace(approval, iss=stranger.id))
        else:
            if flaw == "other-device":
                approval = msgspec.structs.replace(approval, aud=Person().id)
            if flaw == "expired":
                approval = msgspec.structs.replace(approval, iat=now - 600, exp=now - 1)
            if flaw == "wrong-digest":
                wrong = msgspec.structs.replace(approval.clips[0], sha256="0" * 64)
                approval = msgspec.structs.replace(approval, clips=(wrong, *approval.clips[1:]))
            jws = house.owner.signing.sign(approval)
        if flaw == "wrong-key":
            keys[clips[0].id] = Person().identity
        if flaw == "no-key":
            keys.pop(clips[0].id)
        if flaw == "outside" and all(map(post.covers, clips)):
            flaw = "none"  # there was nothing outside to name
        letter = Mail(
            house.seal_letter(jws, keys), "approval", post, clips, flaw,
            signing.digest(jws)[:16], approval.exp,
        )  # fmt: skip
        self.on_the_way.append(letter)
        return letter

    @rule(target=letters, post=posts)
    def owner_declines(self, post: Posted) -> Mail:
        letter = self.world.house.decline(post.jws)
        expires_at = self.world.clock.now() + DAY
        return Mail(letter, "decline", post, (), "none", "", expires_at)

    @rule(letter=letters)
    def broker_delivers(self, letter: Mail) -> None:
        if letter in self.on_the_way:
            self.on_the_way.remove(letter)
        self.note(letter)
        self.world.to_device(letter.payload, retained=letter.flaw == "retained")

    def note(self, letter: Mail) -> None:
        """What a careful person would make of this letter, here and now."""
        now, request = self.world.clock.now(), letter.request
        if letter.flaw != "none" or now >= letter.expires_at or not request.open_at(now):
            return
        if letter.kind == "decline":
            request.declined = True
        elif all(request.covers(clip) for clip in letter.clips):
            self.allowed[letter.release] = ({clip.id for clip in letter.clips}, request)
            self.deadline[letter.release] = letter.expires_at

    @rule(seconds=st.sampled_from([1, 60, 60, 600, 3600, 20 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
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
    def receiver_forgets(self) -> None:
        """An unfinished upload ran out at the receiver."""
        uploads = self.world.receiver.uploads
        for url in [url for url, upload in uploads.items() if not upload.finished]:
            del uploads[url]

    # What must hold

    @invariant()
    def only_what_was_allowed_has_left(self) -> None:
        for upload in self.world.receiver.uploads.values():
            assert upload.release in self.allowed, "a byte left without a valid approval"

    @invariant()
    def nothing_was_said_outside_the_devices_topics(self) -> None:
        assert all(
            topic.startswith(f"clip-agent/{DEVICE}/") for topic, _ in self.world.broker.published
        )
        assert not any(topic.startswith(FEED) for topic, _ in self.world.broker.published)
        assert topics.owner(DEVICE) not in self.world.broker.retained

    def settle(self) -> None:
        """Late letters arrive, the network heals: each release is over, sent at most once."""
        for letter in list(self.on_the_way):
            self.broker_delivers(letter)
        self.world.crash_after = None
        self.world.receiver.faults = []
        for _ in range(12):
            self.world.clock.advance(120)
            self.world.run()
        self.only_what_was_allowed_has_left()
        finished = [upload.release for upload in self.world.receiver.finished]
        assert len(finished) == len(set(finished)), "a bundle was delivered twice"
        for upload in self.world.receiver.finished:
            self.check_bundle(bytes(upload.data), *self.allowed[upload.release])
        now = self.world.clock.now()
        for release, deadline in self.deadline.items():
            if now < deadline:
                assert release in finished, "what the owner approved did not arrive"
        index = self.world.house.open_index()
        Ledger(index).verify()
        index.close()

    def check_bundle(self, bundle: bytes, clips: Iterable[str], request: Posted) -> None:
        files = open_bundle(bundle, self.world.house.requester.identity)
        videos = {Path(name).stem for name in files if name.endswith(".mp4")}
        assert videos == set(clips)
        assert files["data/request.jws"].decode() == request.jws
        payload = signing.decode_base64url(files["data/release.jws"].decode().split(".")[1])
        assert msgspec.json.decode(payload, type=Release).request == request.digest


def test_only_valid_approvals_release_whatever_happens() -> None:
    GatewayModel.delivered = GatewayModel.crashes = 0
    run_state_machine_as_test(
        GatewayModel,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            derandomize=True,  # the counts below must not depend on the day
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert GatewayModel.delivered > 20, "the model hardly ever releases anything"
    assert GatewayModel.crashes > 5, "the model hardly ever crashes"
