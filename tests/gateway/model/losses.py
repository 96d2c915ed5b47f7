"""Rules of the model: what the broker or the card forgets, and how the owners' tools repeat it."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from agent.consent import letters, signing
from agent.consent.lifecycle import LEFT
from agent.consent.statements import HeldDecision, HeldMute, LedgerHead, Revoke, Status, Sync
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from agent.vault.records.releases import ReleaseTable
from tests.gateway.model.base import DAY
from tests.gateway.model.messages import Posted
from tests.gateway.model.owners import Owners
from tests.gateway.model.weather import Weather
from tests.support.gateway_world import DEVICE
from tests.support.house import Person

_OVER = (*LEFT, "FAILED", "REVOKED", "REFUSED")
_OBEYED = re.compile(r"release|requester|requests")  # lines of the ledger about owners' decisions
_LARGEST = 2**26  # no file of the model, only one of holes
_FOLDERS = ("camera", "gateway", "wishes")


@dataclass(frozen=True)
class Image:
    """A copy of the card, and all that was true of it."""

    folder: Path
    oracle: dict[str, Any]


class Losses(Owners, Weather):
    """A broker that forgets, a card that is set back; whoever was not heard is heard first."""

    def __init__(self) -> None:
        super().__init__()
        self.image: Image | None = None
        self.over: dict[str, str] = {}  # what the owners' tools were told of releases

    @rule(owner=st.integers(0, 1), back=st.integers(-1, 3))
    def broker_forgets(self, owner: int, back: int) -> None:
        """It loses its sessions, perhaps with an owner's revocation that it had confirmed."""
        unsent = self.oracle.unsent(self.finished())
        self.world.clock.advance(2)
        self.world.kill()
        if unsent and back >= 0:
            release, who = unsent[-1 - back % len(unsent)], self.owners[owner]
            self.revoked.append((who.id, self.computer(), release))
            if release not in self.finished():  # before the card was set back
                self.never.add(release)
            self.told["revocation lost"] += 1
        self.world.broker.forget()
        before = self.received()
        self.world.restart()
        self.told["forgotten"] += 1
        if unsent:
            self.nothing_leaves_before_the_owners_sync(before)

    # Images

    @rule()
    def image_is_taken(self) -> None:
        if self.image is not None:
            shutil.rmtree(self.image.folder)
        folder = self.root / "image"
        _copy(self.house.config.state_dir, folder)
        self.image = Image(folder, self.oracle.image())

    @rule(folders=st.sets(st.sampled_from(_FOLDERS), min_size=1))
    def image_is_restored(self, folders: Collection[str]) -> None:
        """All of the card, or one process's part of it."""
        if self.image is not None:
            self.set_back(self.image, folders)

    @rule(back=st.integers(0, 3), owner=st.integers(0, 1))
    def image_of_before_a_revocation_is_restored(self, back: int, owner: int) -> None:
        known = self.oracle.unsent(self.finished())
        if not known:
            return
        self.image_is_taken()
        release = known[-1 - back % len(known)]
        self.write_command(Revoke(release=release), "revoke", release, owner, late=False)
        if self.image is not None:
            self.set_back(self.image, _FOLDERS)

    def set_back(self, image: Image, folders: Collection[str]) -> None:
        """Put ``folders`` of ``image`` in the place of today's, while the device is off."""
        self.world.run()
        self.world.kill()
        self.oracle.expire(self.world.clock.now())
        news, head = self.news(), self.head_at_the_broker()
        for name in folders:
            place = self.house.config.state_dir / name
            shutil.rmtree(place, ignore_errors=True)
            if (image.folder / name).exists():
                _copy(image.folder / name, place)
        self.told["restored"] += 1
        if "camera" in folders:
            kept = {path.stem for path in image.folder.glob("camera/clips/*/*.json")}
            lost = {clip.id for clip in self.clips if clip.id.partition("-")[2] not in kept}
            self.oracle.touched |= lost
        is_noticed = "gateway" in folders and head is not None and not self.knows(head)
        if "gateway" in folders:
            assert is_noticed or news == self.news(), "no letter of the device tells of its news"
            self.unconfirmed |= self.finished() - self.confirmed()
            self.oracle.set_back(image.oracle, self.world.clock.now())
            self.stale |= {topic.rpartition("/")[2] for topic in self.world.inbox}
        before = self.received()
        if is_noticed:
            self.world.receiver.faults = []  # it is there: what may leave leaves at once
        self.world.restart()
        self.the_feed_delivers_again()
        if is_noticed:
            self.told["restored and noticed"] += 1
            self.nothing_leaves_before_the_owners_sync(before)

    def news(self) -> object:
        """News that no image may forget unnoticed: lines about decisions, and releases' states."""
        with self.house.open_database() as database:
            states = {row.id: row.state for row in ReleaseTable(database).all()}
            lines = [one.seq for one in Ledger(database).entries() if _OBEYED.match(one.event)]
            return lines, states

    def knows(self, head: LedgerHead) -> bool:
        """True if the gateway's ledger has grown from ``head``, or is just that."""
        with self.house.open_database() as database:
            return Ledger(database).holds(head)

    def head_at_the_broker(self) -> LedgerHead | None:
        """The ledger's head in the status letter that waits there for an owner."""
        owner, card = self.owners[0], self.house.device_card()
        payload = self.world.broker.retained.get(topics.status(DEVICE, owner.id))
        if payload is None:
            return None
        letter = letters.open_letter(payload, owner.identity)
        return signing.verify(letter.jws, Status, {card.fingerprint: card.key}).ledger

    # The owners' tools

    def nothing_leaves_before_the_owners_sync(self, before: dict[str, int]) -> None:
        """Then the owners' tools name what stands, and what was revoked."""
        self.let_pass(600)
        assert self.received() == before, "a byte left while its release was held"
        self.owners_sync()

    def owners_sync(self) -> None:
        """Each owner's tool reads its letters, then names what it holds that is not over."""
        for topic, event, first in self.outcomes():
            if self.over.get(topic) not in LEFT:  # which stays so, whatever an older state says
                agreed = self.over.get(first, "") if event == "AGREED" else ""
                self.over[topic] = event if event in _OVER else agreed
        for computer in (0, 1, 0):  # what one names may go on when all were heard
            for owner in (*self.owners, self.owners[0]):
                decisions = self.decisions_of(owner, computer)
                for one in decisions:
                    if not one.standing:
                        self.oracle.revoke(one.decision)
                mutes = self.mutes_of(owner, computer)
                for mute in mutes:  # the gateway knows nobody else
                    if mute.requester not in {one.id for one in self.requesters}:
                        continue
                    self.oracle.repeat(
                        mute.requester, self.world.clock.now(), muted=mute.muted, at=mute.at
                    )
                sync = Sync(decisions=tuple(decisions), mutes=mutes, computer=f"{computer:016x}")
                self.world.to_device(self.house.command(sync, by=owner))
                self.note_what_was_stopped()
                self.repeat_declines(owner, computer)

    def mutes_of(self, owner: Person, computer: int) -> tuple[HeldMute, ...]:
        """The last word on each requester that was said on this computer."""
        here = (owner.id, computer)
        said = [
            HeldMute(requester=requester, muted=muted, at=int(at))
            for (*where, requester), (muted, at) in self.mutes.items()
            if tuple(where) == here
        ]
        said += [
            HeldMute(requester=one.about.author.id, muted=True, at=int(one.expires_at - DAY))
            for one in self.declines
            if one.mute and (one.owner, one.computer) == here and isinstance(one.about, Posted)
            if one.obeyed or one in self.on_the_way  # what was refused has no effect
        ]
        last = {one.requester: one for one in sorted(said, key=lambda one: one.at)}
        return tuple(last.values())

    def repeat_declines(self, owner: Person, computer: int) -> None:
        """A decline goes again while its request is shown as open; the same letter counts once."""
        for letter in list(self.declines):
            about = letter.about
            assert isinstance(about, Posted)
            shown = {topic.rpartition("/")[2] for topic in self.world.inbox}
            is_due = about.digest[:16] in shown and self.world.clock.now() < letter.expires_at
            if is_due and (letter.owner, letter.computer) == (owner.id, computer):
                self.hand_over(letter)

    def decisions_of(self, owner: Person, computer: int) -> list[HeldDecision]:
        """The decisions in an owner's folder that may matter: 100 at most, the revoked first."""
        now, here = self.world.clock.now(), (owner.id, computer)
        mine = [
            one
            for one in self.written
            if (one.owner, one.computer) == here and now < one.expires_at
        ]
        declined = [
            one.about
            for one in self.declines
            if (one.owner, one.computer) == here and (one.obeyed or one in self.on_the_way)
        ]
        gone = {one.release for one in mine if any(one.about is post for post in declined)}
        revoked = gone | {release for *where, release in self.revoked if tuple(where) == here}
        names = [*sorted(revoked), *(one.release for one in mine if one.release not in revoked)]
        due = [
            name
            for name in names
            if self.over.get(name) not in (LEFT if name in revoked else _OVER)
        ]
        return [HeldDecision(decision=name, standing=name not in revoked) for name in due[:100]]

    def outcomes(self) -> list[tuple[str, str, str]]:
        """Release, event and detail of the letters at the broker; agreements come last."""
        told = [(name, one.event, one.detail) for name, one in self.world.outcomes().items()]
        return sorted(told, key=lambda one: one[1] == "AGREED")

    def confirmed(self) -> set[str]:
        """The releases of which the owners can read that they were sent."""
        return {name for name, event, _ in self.outcomes() if event in LEFT}

    def received(self) -> dict[str, int]:
        """The bytes of each upload."""
        return {url: len(upload.data) for url, upload in self.world.receiver.uploads.items()}


def _copy(folder: Path, to: Path) -> None:
    """All of ``folder`` but the traps that a camera laid there."""
    shutil.copytree(folder, to, symlinks=True, ignore=_traps)


def _traps(folder: str, names: list[str]) -> list[str]:
    found = {name: (Path(folder) / name).lstat() for name in names}
    return [
        name
        for name, one in found.items()
        if stat.S_ISFIFO(one.st_mode) or (stat.S_ISREG(one.st_mode) and one.st_size > _LARGEST)
    ]
