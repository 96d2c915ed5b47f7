"""The letters from the cameras, kept in the owner's folder and read again from there.

What a letter must be is said in :mod:`.letters`. One is kept when, beyond that, it is
about what its topic names (``request-exchanged``, ``wrong-release``) and is not older
than the one that is kept: brokers bring old letters again. A letter that is refused
changes nothing.

A request may not change unseen: its digest is its name, and a second text under the
same author and id is marked, be it quoted by the camera or met in another letter. A
request that was closed stays readable: its last letter is kept aside.

Every letter carries the head of its camera's ledger. One that stands before where it
stood, or at the same line with another digest, is told (:attr:`Inbox.warnings`).

Which of all this somebody means is for :mod:`.finding`, whether to believe a clip's bytes
for :mod:`.fetch`, what to answer for :mod:`.decide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.consent import letters as mail
from agent.consent.cards import DeviceCard
from agent.consent.statements import HouseholdOwner, InboxReport, Listing, Notices, Outcome
from agent.errors import ConfigError, MalformedStatement, Refused
from agent.keyfile import Keys
from agent.mqtt.topics import Topic
from agent.owner.folder import OwnerFolder, StoredStatement
from agent.owner.inbox import short_ids as ids
from agent.owner.inbox import verify as letters
from agent.owner.inbox.items import ListedClips, NoticeItem, OpenRequest, ReleaseUpdate
from agent.owner.inbox.verify import Word

_LETTERS = "letters"
_CLOSED = "closed"  # the last letter of requests that are no longer open
_RELEASES = "releases"
_NOTICES = "notices"
_LISTINGS = "listings"
_LEDGER = "ledger"  # the signed word with the highest ledger line, one a device
_MAX_CLOSED = 200  # of a device, the newest


class Inbox:
    """What the cameras told: requests, releases, notices and lists of clips."""

    def __init__(self, home: OwnerFolder, devices: Mapping[str, DeviceCard]) -> None:
        self._home = home
        self._devices = devices
        self.warnings: list[str] = []

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of the enrolled cameras."""
        return tuple(self._devices)

    # What comes in

    def take(self, topic: Topic, payload: bytes, keys: Keys, *, now: float) -> None:
        """Take in one message; raises :class:`Refused` and keeps nothing if it does not count."""
        device = self._devices.get(topic.device)
        if device is None or topic.kind not in ("inbox", "release", "notices"):
            raise Refused("wrong-topic", "the message is on no topic of an enrolled camera")
        if not payload:
            self._emptied(topic)
            return
        jws = mail.open_letter(payload, keys.identity).jws
        word = letters.read_word(jws, device)
        folder, name = self._place(word, jws, topic, device)
        self._watch_ledger(device, jws, word, now=now)
        if isinstance(word, Outcome) and word.event == "DONE":
            return  # an answer for whoever waits for it, and nothing to keep
        kept = self._home.letter(folder, device.name, name)
        if kept is not None and _is_older(word, self._kept_word(kept, device)):
            return
        self._home.keep(folder, device.name, name, StoredStatement(jws=jws, received_at=now))
        if folder == _LETTERS:
            self._home.drop(_CLOSED, device.name, name)

    def settle(self, device: str, open_names: set[str]) -> None:
        """Close the requests of ``device`` that its broker no longer holds."""
        for name, _ in list(self._home.kept(_LETTERS, device)):
            if name not in open_names:
                self._close(device, name)

    # What there is

    def requests(self) -> list[OpenRequest]:
        """All open requests, the one that expires first at the head."""
        return sorted(
            _mark_changed(list(self._read_requests(_LETTERS))),
            key=lambda item: (item.request.exp, item.digest),
        )

    def closed_requests(self) -> list[OpenRequest]:
        """Requests that are no longer open, as they were last told of."""
        return list(self._read_requests(_CLOSED))

    def all_requests(self) -> list[OpenRequest]:
        """Both of them, the open ones first."""
        return [*self.requests(), *self.closed_requests()]

    def household(self, device: str) -> tuple[HouseholdOwner, ...]:
        """The owners of whom two must agree, as ``device`` last named them; empty if not told."""
        reports = [item.report for item in self.all_requests() if item.device == device]
        return max(reports, key=lambda report: report.iat).owners if reports else ()

    def releases(self) -> list[ReleaseUpdate]:
        """The last word on each release, the newest first."""
        words = [
            ReleaseUpdate(device, word, at)
            for device, word, at in self._read(_RELEASES)
            if isinstance(word, Outcome)
        ]
        return sorted(words, key=lambda word: -word.outcome.iat)

    def notices(self) -> list[NoticeItem]:
        """What cannot be answered, the newest first."""
        told = [
            NoticeItem(device, notice)
            for device, word, _ in self._read(_NOTICES)
            if isinstance(word, Notices)
            for notice in word.notices
        ]
        return sorted(told, key=lambda one: -one.notice.at)

    def older_notices(self) -> int:
        """How many more notices the cameras have than fitted into their letters."""
        words = (word for _, word, _ in self._read(_NOTICES))
        return sum(word.more for word in words if isinstance(word, Notices))

    def listings(self) -> list[ListedClips]:
        """The clips that each camera last listed."""
        return [
            ListedClips(device, word)
            for device, word, _ in self._read(_LISTINGS)
            if isinstance(word, Listing)
        ]

    def refusal(self, device: str, subject: str) -> Outcome | None:
        """What ``device`` said when it refused the decision with this subject, if it did."""
        card, kept = self._devices.get(device), self._home.letter(_RELEASES, device, subject)
        if card is None or kept is None:
            return None
        word = self._kept_word(kept, card)
        return word if isinstance(word, Outcome) and word.event == "REFUSED" else None

    def heard_at(self, device: str) -> int | None:
        """When ``device`` signed the newest of its letters that are kept; None without one."""
        folders = (_LETTERS, _CLOSED, _RELEASES, _NOTICES, _LISTINGS, _LEDGER)
        words = (
            self._kept_word(letter, card)
            for folder in folders
            if (card := self._devices.get(device)) is not None
            for _, letter in self._home.kept(folder, device)
        )
        return max((word.iat for word in words if word is not None), default=None)

    # Inside

    def _place(self, word: Word, jws: str, topic: Topic, device: DeviceCard) -> tuple[str, str]:
        """Where to keep ``word``; Refused if it did not come where it belongs."""
        match topic.kind, word:
            case "inbox", InboxReport():
                self._check_request(jws, device, topic.ids[0])
                return _LETTERS, topic.ids[0]
            case "release", Outcome(subject=subject):
                if subject != topic.ids[0]:
                    raise MalformedStatement("wrong-release", "the letter is about another release")
                return _RELEASES, subject
            case "release", Listing():
                return _LISTINGS, "clips"
            case "notices", Notices():
                return _NOTICES, "notices"
        raise MalformedStatement("wrong-typ", f"{word.TYP} does not belong on this topic")

    def _check_request(self, jws: str, device: DeviceCard, name: str) -> None:
        digest = letters.read_report(jws, device).digest
        if digest[:16] != name:
            raise MalformedStatement(
                "request-exchanged", "the quoted request is not the one its topic names"
            )
        kept = self._home.letter(_LETTERS, device.name, name)
        if kept is None or self._kept_word(kept, device) is None:
            return
        if letters.read_report(kept.jws, device).digest != digest:
            raise MalformedStatement("request-exchanged", "another request had this name")

    def _kept_word(self, kept: StoredStatement, device: DeviceCard) -> Word | None:
        """What a kept letter says; None if that is of a camera that had other keys."""
        try:
            return letters.read_word(kept.jws, device)
        except Refused:
            return None

    def _emptied(self, topic: Topic) -> None:
        if topic.kind == "inbox":
            self._close(topic.device, topic.ids[0])
        elif topic.kind == "release":
            self._home.drop(_RELEASES, topic.device, topic.ids[0])
        else:
            self._home.drop(_NOTICES, topic.device, "notices")

    def _close(self, device: str, name: str) -> None:
        """Lay the letter of a request aside, and forget the oldest of too many."""
        letter = self._home.letter(_LETTERS, device, name)
        if letter is None:
            return
        self._home.keep(_CLOSED, device, name, letter)
        self._home.drop(_LETTERS, device, name)
        aside = sorted(self._home.kept(_CLOSED, device), key=lambda one: one[1].received_at)
        for old, _ in aside[:-_MAX_CLOSED]:
            self._home.drop(_CLOSED, device, old)

    def _read(self, folder: str) -> Iterator[tuple[str, Word, float]]:
        """Device, word and time of receipt of all kept letters that still verify."""
        for device in self._devices.values():
            for name, letter in self._home.kept(folder, device.name):
                try:
                    word = letters.read_word(letter.jws, device)
                except Refused as error:
                    self._cannot_read(device, folder, name, error)
                else:
                    yield device.name, word, letter.received_at

    def _read_requests(self, folder: str) -> Iterator[OpenRequest]:
        names = {
            name
            for device in self._devices
            for kind in (_LETTERS, _CLOSED)
            for name in self._home.names(kind, device)
        }
        for device in self._devices.values():
            for name, letter in self._home.kept(folder, device.name):
                try:
                    report = letters.read_report(letter.jws, device)
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
                    short=ids.short(report.digest[:16], names),
                )

    def _cannot_read(self, device: DeviceCard, folder: str, name: str, error: Refused) -> None:
        """A card that was replaced, or a file that was changed."""
        self._warn(f"{device.name}: kept letter {folder}/{name}: {error}")

    def _watch_ledger(self, device: DeviceCard, jws: str, word: Word, *, now: float) -> None:
        """Remember the highest line of the device's ledger, and tell when it went back."""
        head = word.ledger
        kept = self._home.letter(_LEDGER, device.name, "head")
        if kept is not None:
            before = self._kept_word(kept, device)
            if before is None:
                self._warn(f"{device.name}: has other keys than before; its record begins anew")
            elif head.seq == before.ledger.seq and head.sha256 != before.ledger.sha256:
                self._warn(
                    f"{device.name}: line {head.seq} of its ledger is not the line that it was "
                    "before: its record was forked, that is, changed"
                )
            elif head.seq < before.ledger.seq and word.iat > before.iat:
                self._warn(
                    f"{device.name}: its ledger stood at line {before.ledger.seq} before and now "
                    f"says {head.seq}: the camera was set back to an older state, or changed"
                )
            if before is not None and head.seq <= before.ledger.seq:
                return
        self._home.keep(_LEDGER, device.name, "head", StoredStatement(jws=jws, received_at=now))

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _is_older(word: Word, kept: Word | None) -> bool:
    """Whether ``kept`` was written after ``word``."""
    return kept is not None and (word.iat, word.ledger.seq) < (kept.iat, kept.ledger.seq)


def _mark_changed(items: list[OpenRequest]) -> Iterator[OpenRequest]:
    """Mark requests whose author and id stand over more than one text."""
    texts: dict[tuple[str, str], set[str]] = {}
    for item in items:
        texts.setdefault((item.request.iss, item.request.jti), set()).add(item.digest)
    for item in items:
        several = len(texts[item.request.iss, item.request.jti]) > 1
        yield replace(item, changed=item.changed or several)


def devices_or_advice(home: OwnerFolder) -> dict[str, DeviceCard]:
    """The enrolled cameras; ConfigError with the cure when there are none."""
    devices = home.devices()
    if not devices:
        raise ConfigError(
            "no camera is enrolled",
            advice="Copy its device.card.yaml here and run "
            "`clip-agent owner card --add device.card.yaml`",
        )
    return devices
