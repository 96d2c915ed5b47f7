"""The house of the model, its peers, and how something is written and delivered in it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize

from agent import config
from agent.consent import signing
from agent.consent.statements import Approval, LegalOrder, Mute, Revoke, Share, Window
from agent.vault.database.gateway import Clip
from tests.gateway.model.messages import KEYLESS, Mail, Posted
from tests.gateway.model.oracle import Oracle
from tests.support.alarm import hanging_fails
from tests.support.feed import second_requester
from tests.support.footage import prepared
from tests.support.gateway_world import World
from tests.support.house import Person, fragmented_mp4

DAY = 86_400
_PLENTY = 1_000_000
_EXAMPLE_SECONDS = 900  # far more than any takes; a gateway that waits for a pipe waits for ever
_ORDER = LegalOrder(court="District Court", docket="24-CV-1", document_sha256="a" * 64)


def rules(open_at_most: int) -> config.Requests:
    """The policy, with no limit that this model does not draw."""
    return config.Requests(
        max_open_per_requester=open_at_most,
        max_daily_per_requester=_PLENTY,
        max_per_reference=_PLENTY,
        max_kept_daily_per_requester=1_000,
    )


_NO_CLIP = "20240124-000000-000000"


@cache
def footage(number: int) -> tuple[bytes, bytes]:
    """A recording unlike those of other numbers, and as it leaves when all of it is approved."""
    video = fragmented_mp4(seconds=1, shade=number)
    return video, prepared(video)


class Base(RuleBasedStateMachine):
    """``told`` counts over all examples: steps, bundles, crashes and more.

    Keys are new each time, and with them the order in which releases are worked on. So no
    rule has a precondition that asks what the gateway did: hypothesis could not play it again.
    """

    posts = Bundle("posts")
    letters = Bundle("letters")
    told: ClassVar[Counter[str]] = Counter()  # a model in which nothing leaves shows nothing

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="clip-model-"))
        self.clips: list[Clip] = []
        self.contents: dict[tuple[str, str], bytes] = {}  # id and digest of a clip, as it leaves
        self.on_the_feed: dict[str, Callable[[], None]] = {}  # retained there, by topic
        self.stale: set[str] = set()  # letters of before an image was restored
        self.stack = ExitStack()
        self.stack.enter_context(hanging_fails(_EXAMPLE_SECONDS))
        self.on_the_way: list[Mail] = []
        self.with_keys: dict[str, Mail] = {}  # by release: what was sent without them
        self.mutes: dict[tuple[str, int, str], tuple[bool, float]] = {}  # last words, by computer
        self.written: list[Mail] = []  # approvals and shares, as in the owners' folders
        self.declines: list[Mail] = []  # in their folders as well
        self.revoked: list[tuple[str, int, str]] = []  # owner, computer, release
        self.unconfirmed: set[str] = set()  # they arrived, and an image was restored before a word
        self.never: set[str] = set()  # stopped before the last byte: may not be finished
        self.turns = 0
        self.started = False

    def teardown(self) -> None:
        with self.stack:
            self.stack.callback(shutil.rmtree, self.root)
            if self.started:
                self.stack.callback(self.world.kill)
                self.settle()
                self.told["examples"] += 1
                self.told["delivered"] += len(self.world.receiver.finished)
                self.told["crashes"] += self.world.crashes

    def owners_sync(self) -> None:
        """Let the owners' tools repeat what they hold."""
        raise AssertionError("the machine itself knows how")

    def settle(self) -> None:
        """Let what is on the way arrive, and look at all there is."""
        raise AssertionError("the machine itself knows how")

    @initialize(
        target=posts,
        needed=st.sampled_from([1, 2]),
        open_at_most=st.sampled_from([_PLENTY, _PLENTY, 1]),
        by=st.integers(0, 1),
        is_order=st.booleans(),
        away=st.booleans(),
    )
    def an_evening(
        self, needed: int, open_at_most: int, by: int, is_order: bool, away: bool
    ) -> Posted:
        self.world = World(
            self.root, partner=True, approvals_needed=needed, requests=rules(open_at_most)
        )
        self.house = self.world.house
        self.owners = (self.house.owner, self.house.partner)
        self.requesters = (self.house.requester, second_requester(self.world))
        self.neighbour = Person()
        self.oracle = Oracle(needed, open_at_most)
        self.started = True
        self.told["steps"] -= 1  # this one is not counted
        self.owners_sync()
        for seconds_ago in (900, 300):
            self.record(seconds_ago)
        post = self.write_post("none", hours_open=24, minutes=30, by=by, is_order=is_order)
        self.deliver(post)
        first, second = self.owners
        # On the way already: one owner's letter, or one's, the same one's again, and the other's.
        for owner in (first,) if needed == 1 else (first, first, second):
            self.write_approval(post, (self.clips[0],), "none", owner)
        if away:
            self.send_receiver_away()
        return post

    # The camera

    def record(self, seconds_ago: float) -> None:
        """A clip like no other, as the camera writes it."""
        video, leaves = footage(len(self.contents))
        clip = self.house.record(seconds_ago=seconds_ago, video=video)
        self.clips.append(clip)
        self.contents[clip.id, clip.sha256] = leaves

    # The feed

    def write_post(
        self,
        flaw: str,
        *,
        hours_open: int,
        minutes: int,
        by: int = 0,
        is_order: bool = False,
        **changes: Any,
    ) -> Posted:
        now = int(self.world.clock.now())
        author = Person() if flaw == "stranger" else self.requesters[by]
        request = self.house.request(
            iss=author.id,
            exp=now + hours_open * 3600,
            window=Window(start=now - minutes * 60, end=now + 120),
            incident="protest" if flaw == "protest" else "burglary",
            kind="legal-order" if is_order else "voluntary",
            order=_ORDER if is_order else None,
            **changes,
        )
        jws = author.signing.sign(request)
        return Posted(jws, request.jti, author, is_order, request.window, request.exp, flaw)

    def deliver(self, post: Posted) -> None:
        self.on_the_feed[post.jti] = partial(self.deliver, post)
        self.oracle.post(post, self.world.clock.now())
        self.world.to_feed(post.jws, post.jti)

    def the_feed_delivers_again(self) -> None:
        """All that its broker keeps, as to each new connection."""
        for deliver in list(self.on_the_feed.values()):
            deliver()

    # The owners' letters

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
        if flaw == KEYLESS:
            keys = {}
        if flaw == "no-key":
            keys.pop(clips[0].id)
            if not keys:  # of two owners' letters, one that brings no key at all is in order
                keys[_NO_CLIP] = Person().identity
        consent = msgspec.structs.replace(consent, **changes)
        jws = signer.signing.sign(consent)
        letter = Mail(
            self.house.seal_letter(jws, keys), kind, about, owner.id, flaw, consent.exp,
            clips=clips, release=signing.digest(jws)[:16], computer=self.computer(),
        )  # fmt: skip
        if flaw == KEYLESS:
            keys = self.house.clip_keys(list(clips))
            self.with_keys[letter.release] = replace(
                letter, payload=self.house.seal_letter(jws, keys), flaw="none"
            )
        self.written.append(letter)
        self.on_the_way.append(letter)
        return letter

    def write_command(
        self, command: Any, kind: str, about: str | None, owner: int, late: bool
    ) -> Mail:
        who, until = self.owners[owner], self.world.clock.now() + DAY
        payload = self.house.command(command, by=who)
        if isinstance(command, Revoke):
            self.revoked.append((who.id, self.computer(), command.release))
        letter = Mail(payload, kind, about, who.id, "none", until)
        if isinstance(command, Mute):
            self.mutes[who.id, self.computer(), command.requester] = (command.muted, until - DAY)
        self.on_the_way.append(letter)
        return self.sent(letter, late)

    def sent(self, letter: Mail, late: bool) -> Mail:
        if not late:
            self.hand_over(letter)
        return letter

    def hand_over(self, letter: Mail) -> None:
        """The broker delivers ``letter``, perhaps once more."""
        if letter in self.on_the_way:
            self.on_the_way.remove(letter)
        if letter.release in self.finished() and not self.oracle.heard(letter):
            # Two losses: a state that was set back, and a broker that repeats what it was
            # acknowledged. The release is held, but its owner may name it once more.
            self.unconfirmed.add(letter.release)
        self.oracle.letter(letter, self.world.clock.now())
        self.world.to_device(letter.payload, retained=letter.flaw == "retained")
        self.note_what_was_stopped()

    # What left

    def computer(self) -> int:
        """One of an owner's two computers, in turn."""
        self.turns += 1
        return self.turns % 2

    def send_receiver_away(self) -> None:
        """For a while: what is approved now waits, and can still be stopped."""
        self.world.receiver.faults = ["request-lost"] * 8

    def finished(self) -> set[str]:
        return {upload.release for upload in self.world.receiver.finished}

    def note_what_was_stopped(self) -> None:
        unsent = self.oracle.stopped() - self.finished() - self.never
        self.told["stopped in time"] += len(unsent)
        self.never |= unsent
