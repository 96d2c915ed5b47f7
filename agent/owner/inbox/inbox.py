"""The letters from the cameras, kept in the owner's folder and verified whenever they are read.

:mod:`.verify` says what a letter must be, :mod:`.placing` where it is kept, and if it may replace
the one that is there. A refused letter changes nothing.

A request cannot change unseen: its digest is its name, and a second text under the
same author and id is marked, whether the camera quotes it or another letter has it. A
closed request stays readable: its last letter is kept aside.

:mod:`.ledger_watch` compares the ledger's head in each letter with the earlier ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from agent.consent import letters
from agent.consent.cards import DeviceCard
from agent.consent.statements import (
    ClipOffer,
    HouseholdOwner,
    InboxReport,
    LedgerHead,
    Listing,
    Notices,
    Outcome,
    Status,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt.topics import Topic
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox import closed_clips, items, ledger_watch, pages, placing, verify
from agent.owner.inbox.closed_clips import NONE_CLOSED, ClosedClips
from agent.owner.inbox.items import ListedClips, NoticeItem, OpenRequest, ReleaseUpdate
from agent.owner.inbox.ledger_watch import LedgerWatch
from agent.owner.inbox.placing import CLIPS, LETTERS, LISTINGS, NOTICES, RELEASES, STATUS
from agent.owner.inbox.verify import CameraStatement

S = TypeVar("S", Outcome, Listing, Notices, Status)

_CLOSED = "closed"  # the last letter of requests that are no longer open
_FOLDERS = (LETTERS, _CLOSED, RELEASES, NOTICES, LISTINGS, STATUS, ledger_watch.FOLDER)
AWAITED = "awaited"  # commands that the camera obeys itself and has not answered
_SHOWN = "shown"  # the letters by whose numbers the owner names clips
_MAX_CLOSED = 200  # of a device, the newest


class Inbox:
    """Requests, outcomes, notices and lists of clips, as the cameras signed them."""

    def __init__(self, folder: OwnerFolder, devices: Mapping[str, DeviceCard]) -> None:
        self._folder = folder
        self._devices = devices
        self._ledgers = {name: LedgerWatch(folder, device) for name, device in devices.items()}
        self._answers: dict[tuple[str, str], tuple[LedgerHead, ...]] = {}
        self.warnings = [
            warning for ledger in self._ledgers.values() for warning in ledger.warnings()
        ]
        self._verified: dict[tuple[str, str], verify.Report] = {}  # by camera and text
        self.closed_to_us: Counter[str] = Counter()  # letters to other readers, by camera

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of the enrolled cameras."""
        return tuple(self._devices)

    # Receiving

    def take(self, topic: Topic, payload: bytes, keys: Keys, *, now: float) -> None:
        """Take one message in; raises :class:`Refused` and changes nothing if it does not count."""
        device = self._devices.get(topic.device)
        if device is None or topic.kind not in ("inbox", "release", "notices", "status"):
            raise Refused("wrong-topic", "the message is on no topic of an enrolled camera")
        if not payload:
            self._emptied(topic)
            return
        jws = letters.open_letter(payload, keys.identity).jws
        statement = verify.read_statement(jws, device)
        folder, name = placing.place(statement, jws, topic, device, self._folder)
        self._watch_ledger(device, jws, statement, now=now)
        if isinstance(statement, Outcome):
            self._folder.drop(AWAITED, device.name, statement.subject)
            if statement.event == "DONE":
                return  # only the command that waits for this answer needs it
        kept = self._folder.letter(folder, device.name, name)
        before = None if kept is None else placing.kept_statement(kept, device)
        if not placing.may_follow(statement, before):
            return
        closed = closed_clips.ids(statement, keys)
        stored = StoredStatement(jws=jws, received_at=now, closed=closed)
        self._folder.keep(folder, device.name, name, stored)
        if folder == LETTERS:
            self._folder.drop(_CLOSED, device.name, name)

    def take_page(self, device: str, payload: bytes, keys: Keys, *, now: float) -> Listing:
        """Take one of several lists of clips, and return it; raises :class:`Refused`."""
        card = self._devices[device]
        jws = letters.open_letter(payload, keys.identity).jws
        listing = verify.read_statement(jws, card)
        if not isinstance(listing, Listing):
            raise Refused("wrong-typ", f"{device} answers with another letter than a list")
        self._watch_ledger(card, jws, listing, now=now)
        closed = closed_clips.ids(listing, keys)
        letter = StoredStatement(jws=jws, received_at=now, closed=closed)
        pages.keep(self._folder, device, listing, letter)
        return listing

    def mark_shown(self, device: str, name: str) -> None:
        """Note that the owner now sees a request by its name, or the list ``clips``."""
        letter = self._folder.letter(LISTINGS if name == CLIPS else LETTERS, device, name)
        if letter is not None:
            self._folder.keep(_SHOWN, device, name, letter)

    def shown(self, device: str, name: str) -> tuple[ClipOffer, ...] | None:
        """The clips of that letter as they were numbered when the owner last saw it."""
        letter = self._folder.letter(_SHOWN, device, name)
        said = None if letter is None else placing.kept_statement(letter, self._devices[device])
        return said.clips if isinstance(said, InboxReport | Listing) else None

    def settle(self, device: str, open_names: set[str]) -> None:
        """Close the requests of ``device`` that its broker no longer holds."""
        for name, _ in list(self._folder.kept(LETTERS, device)):
            if name not in open_names:
                self._close(device, name)

    def ledger_heads(self, device: str) -> tuple[LedgerHead, ...]:
        """The heads of the ledger of ``device`` for a ``sync`` to name."""
        return self._ledgers[device].heads()

    def expect_proof(self, device: str, subject: str, heads: tuple[LedgerHead, ...]) -> None:
        """Note that a ``sync`` with ``heads`` was sent, which ``subject`` answers."""
        self._answers[device, subject] = heads

    # Reading

    def requests(self) -> list[OpenRequest]:
        """All open requests, the one that expires first comes first."""
        return sorted(
            _mark_changed(list(self._read_requests(LETTERS))),
            key=lambda item: (item.request.exp, item.digest),
        )

    def closed_requests(self) -> list[OpenRequest]:
        """Requests that are no longer open, as last reported."""
        return list(self._read_requests(_CLOSED))

    def all_requests(self) -> list[OpenRequest]:
        """All requests, the open ones first."""
        return [*self.requests(), *self.closed_requests()]

    def household(self, device: str) -> tuple[HouseholdOwner, ...]:
        """The owners of whom two must agree, as ``device`` last named them; empty if it has not."""
        status = self.status(device)
        if status is not None:
            return status.owners if status.approvals_needed > 1 else ()
        reports = [item.report for item in self.all_requests() if item.device == device]
        return max(reports, key=lambda report: report.iat).owners if reports else ()

    def status(self, device: str) -> Status | None:
        """The last status that ``device`` signed for this owner."""
        said = (status for name, status in self._read(STATUS, Status) if name == device)
        return next(said, None)

    def releases(self) -> list[ReleaseUpdate]:
        """The last outcome of each release, the newest first."""
        found = [ReleaseUpdate(device, one) for device, one in self._read(RELEASES, Outcome)]
        return sorted(found, key=lambda one: -one.outcome.iat)

    def outcomes(self, device: str) -> dict[str, Outcome]:
        """The last outcomes that ``device`` reported, by subject, the newest first."""
        return {one.outcome.subject: one.outcome for one in self.releases() if one.device == device}

    def notices(self) -> list[NoticeItem]:
        """All notices, the newest first."""
        found = [
            NoticeItem(device, notice)
            for device, letter in self._read(NOTICES, Notices)
            for notice in letter.notices
        ]
        return sorted(found, key=lambda one: -one.notice.at)

    def older_notices(self) -> int:
        """The number of notices that did not fit into the cameras' letters."""
        return sum(letter.more for _, letter in self._read(NOTICES, Notices))

    def listings(self) -> list[ListedClips]:
        """The clips that each camera last listed."""
        return [
            ListedClips(device, listing, self._closed(device, LISTINGS, CLIPS))
            for device, listing in self._read(LISTINGS, Listing)
        ]

    def paged(self, device: str, clip: str) -> ClipOffer | None:
        """The offer of a clip on the pages of long lists, by its id."""
        for _, letter in pages.likely(self._folder, device, clip):
            said = placing.kept_statement(letter, self._devices[device])
            offers = said.clips if isinstance(said, Listing) else ()
            if (found := items.pick(offers, clip)) is not None:
                return found
        return None

    def paged_closed(self, device: str) -> list[ClosedClips]:
        """The clips on those pages that are closed to this owner."""
        names = [name for name, letter in self._folder.kept(pages.FOLDER, device) if letter.closed]
        return [self._closed(device, pages.FOLDER, name) for name in names]

    def refusal(self, device: str, subject: str) -> Outcome | None:
        """The outcome by which ``device`` refused this decision; None if it did not."""
        card, kept = self._devices.get(device), self._folder.letter(RELEASES, device, subject)
        said = None if card is None or kept is None else placing.kept_statement(kept, card)
        return said if isinstance(said, Outcome) and said.event == "REFUSED" else None

    def heard_at(self, device: str) -> int | None:
        """The time at which ``device`` signed its newest kept letter; None without one."""
        card = self._devices[device]
        said = (
            placing.kept_statement(letter, card)
            for folder in _FOLDERS
            for _, letter in self._folder.kept(folder, device)
        )
        return max((one.iat for one in said if one is not None), default=None)

    # Inside

    def _closed(self, device: str, folder: str, name: str) -> ClosedClips:
        letter = self._folder.letter(folder, device, name)
        if letter is None or not letter.closed:
            return NONE_CLOSED
        return closed_clips.of(letter, self.status(device), self._folder.card())

    def _emptied(self, topic: Topic) -> None:
        if topic.kind == "inbox":
            self._close(topic.device, topic.ids[0])
        elif topic.kind == "release":
            self._folder.drop(RELEASES, topic.device, topic.ids[0])
        elif topic.kind == "notices":
            self._folder.drop(NOTICES, topic.device, "notices")

    def _close(self, device: str, name: str) -> None:
        """Move the letter of a request aside, and forget the oldest of too many."""
        letter = self._folder.letter(LETTERS, device, name)
        if letter is None:
            return
        self._folder.keep(_CLOSED, device, name, letter)
        self._folder.drop(LETTERS, device, name)
        self._folder.drop(_SHOWN, device, name)
        aside = sorted(self._folder.kept(_CLOSED, device), key=lambda one: one[1].received_at)
        for old, _ in aside[:-_MAX_CLOSED]:
            self._folder.drop(_CLOSED, device, old)

    def _read(self, folder: str, kind: type[S]) -> Iterator[tuple[str, S]]:
        """Device and statement of all kept letters that still verify."""
        for device in self._devices.values():
            for name, letter in self._folder.kept(folder, device.name):
                try:
                    statement = verify.read_statement(letter.jws, device)
                except Refused as error:
                    self._cannot_read(device, folder, name, error)
                    continue
                if isinstance(statement, kind):
                    yield device.name, statement

    def _read_requests(self, folder: str) -> Iterator[OpenRequest]:
        names = {
            name
            for device in self._devices
            for kind in (LETTERS, _CLOSED)
            for name in self._folder.names(kind, device)
        }
        for device in self._devices.values():
            for name, letter in self._folder.kept(folder, device.name):
                try:
                    report = self._report(letter.jws, device)
                except Refused as error:
                    self._cannot_read(device, folder, name, error)
                    continue
                yield OpenRequest(
                    device=device.name,
                    digest=report.digest,
                    report=report.statement,
                    request=report.request,
                    received_at=letter.received_at,
                    reposts=report.reposts,
                    changed=bool(report.reposts),
                    closed=folder == _CLOSED,
                    short=items.short(report.digest[:16], names),
                    closed_clips=self._closed(device.name, folder, name),
                )

    def _report(self, jws: str, device: DeviceCard) -> verify.Report:
        """A kept report, verified once by this object: the same text stays as good as it was."""
        key = (device.name, jws)
        if (known := self._verified.get(key)) is None:
            known = self._verified[key] = verify.read_report(jws, device)
        return known

    def _cannot_read(self, device: DeviceCard, folder: str, name: str, error: Refused) -> None:
        """Warn of a card that was replaced, or a file that was changed."""
        self.warn(f"{device.name}: kept letter {folder}/{name}: {error}")

    def _watch_ledger(
        self, device: DeviceCard, jws: str, statement: CameraStatement, *, now: float
    ) -> None:
        """Compare the ledger's head with the earlier ones; a change is a warning, or ends one."""
        ledger, subject = self._ledgers[device.name], getattr(statement, "subject", "")
        before = set(ledger.warnings())
        answers = self._answers.pop((device.name, subject), ())
        if warning := ledger.take(statement, jws, now=now, answers=answers):
            self.warn(warning)
        after = list(ledger.warnings())
        self.warnings[:] = (one for one in self.warnings if one in after or one not in before)
        for one in after:
            self.warn(one)

    def warn(self, text: str) -> None:
        """Add to the warnings, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def _mark_changed(items: list[OpenRequest]) -> Iterator[OpenRequest]:
    """Mark requests whose author and id belong to more than one text."""
    texts: dict[tuple[str, str], set[str]] = {}
    for item in items:
        texts.setdefault((item.request.iss, item.request.jti), set()).add(item.digest)
    for item in items:
        several = len(texts[item.request.iss, item.request.jti]) > 1
        yield replace(item, changed=item.changed or several)
