"""Everything that an owner can do, as calls that return values and print nothing.

>>> client = OwnerClient(OwnerFolder(path))
>>> keys = client.unlock(passphrase)
>>> overview = client.collect(keys)
>>> (plan,) = client.plans.approvals("3f9a2c1b", Choice(["1"]))   # show it, and ask
>>> client.send(plan, keys, wait_seconds=60, on_outcome=print).last.event
'SENT'

A decision is planned, shown to the owner, and only then signed and sent. Each call that connects
also reads the letters and repeats to the cameras what they may have missed (:mod:`.visit`).
The terminal and the web console are two faces of this module. They ask for passphrases and
confirmations; nothing here does.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from agent import keyfile
from agent.clock import Clock, SystemClock
from agent.consent.statements import (
    ApprovedClip,
    ClipOffer,
    Delete,
    ListClips,
    Outcome,
    Preview,
    Window,
)
from agent.keyfile import Keys
from agent.media.editing.content import Prepared
from agent.mqtt import topics
from agent.mqtt.session import Session
from agent.owner.decisions import seen, sent, sign
from agent.owner.decisions.choice import Choice, choose
from agent.owner.decisions.plans import Plans
from agent.owner.decisions.seen import SeenClip
from agent.owner.decisions.sign import Decision, Plan, ReleasePlan
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox import cameras, items, lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import (
    Answer,
    Away,
    NoticeItem,
    OpenRequest,
    Presence,
    RequestPage,
    TimelineClip,
)
from agent.owner.inbox.lister import Lister
from agent.owner.ledger.ledgers import Ledgers
from agent.owner.pairing import run as pairing
from agent.owner.pairing.broker_access import Way
from agent.owner.pairing.run import Paired
from agent.owner.pictures import footage
from agent.owner.pictures.cache import ThumbnailCache
from agent.owner.pictures.footage import Footage, Rendering
from agent.owner.pictures.pictures import Pictures
from agent.owner.visit import broker, clip_transfer
from agent.owner.visit.clip_transfer import Progress
from agent.owner.visit.visits import Visits
from agent.pairing.code import PairingCode


class OwnerClient:
    """An owner with keys and enrolled cameras. Raises KeyFileError or ConfigError without."""

    def __init__(self, folder: OwnerFolder, *, clock: Clock | None = None) -> None:
        keyfile.require(folder.key_path, "owner")
        self.folder = folder
        self.devices = folder.enrolled()
        self.inbox = Inbox(folder, self.devices)
        self.sent = sent.SentDecisions(folder, self.inbox)
        self._clock = clock if clock is not None else SystemClock(synced_marker=None)
        self.plans = Plans(folder, self.devices, self.inbox, self.sent, self._clock)
        self._visits = Visits(folder, self.devices, self.inbox, self._clock)
        cache = ThumbnailCache(folder.path)
        self.ledgers = Ledgers(folder, self.plans, self.inbox, self._visits, self._clock)
        self.pictures = Pictures(self.plans, self._visits, cache, self._clock)

    def now(self) -> float:
        """The time of this computer's clock."""
        return self._clock.now()

    def unlock(self, passphrase: str) -> Keys:
        """The owner's keys; raises KeyFileError. Takes about a second."""
        return self.folder.unlock(passphrase)

    def pair(self, code: str) -> Paired:
        """Enrol another camera at the broker of the others, by the ``code`` that it shows.

        Raises what :func:`agent.owner.pairing.run.pair` raises, and Refused for no code.
        """
        way = Way.known(self.folder.settings().mqtt)
        return pairing.pair(self.folder, PairingCode.parse(code), way)

    # Read

    def collect(self, keys: Keys, *, wait_seconds: float = 0.0) -> items.Overview:
        """Fetch all letters; if no request is open, wait up to ``wait_seconds`` for one."""
        with self._visits.begin(keys, self.devices) as visit:
            visit.repeat()
            visit.wait_for_request(wait_seconds)
        return self._overview(visit.presence)

    def known(self) -> items.Overview:
        """All that was collected before, without a visit to the broker."""
        return self._overview({})

    def _overview(self, said: Mapping[str, Presence]) -> items.Overview:
        away = {name: one for name in sorted(said) if (one := self._away(name, said[name]))}
        card, now, pause = self.folder.card(), self.now(), self.sent.pause
        return items.Overview(
            requests=self.inbox.requests(),
            answers=self.answers(),
            notices=self.inbox.notices(),
            older_notices=self.inbox.older_notices(),
            releases=self.inbox.releases(),
            cameras=[
                cameras.report(name, self.inbox, said.get(name), card, pause(name), now=now)
                for name in self.devices
            ],
            away=away,
            warnings=self.inbox.warnings,
            me=self._me(),
        )

    def answers(self) -> list[Answer]:
        """The household's answers and what became of them, the newest first."""
        return self.sent.answers()

    def show(self, prefix: str, *, camera: str | None = None) -> RequestPage | NoticeItem:
        """A request or notice in full, by the first characters of its id.

        Of several cameras that report it, ``camera`` or the first; :meth:`show_all` has all.
        """
        found = lookup.anything(self.inbox, prefix, camera=camera)
        return found if isinstance(found, NoticeItem) else self._page(found)

    def show_all(self, prefix: str) -> list[RequestPage]:
        """A request as each camera reports it, with that camera's clips."""
        found = lookup.reports(self.inbox, prefix)
        return [self._page(one) for one in found if not isinstance(one, NoticeItem)]

    def _page(self, item: OpenRequest) -> RequestPage:
        self.inbox.mark_shown(item.device, item.digest[:16])
        notices = self.inbox.notices() if item.closed else []
        about = ("withdrawn", item.digest)
        withdrawn = (one for one in notices if (one.notice.kind, one.notice.subject) == about)
        return RequestPage(
            item=item,
            status=self.sent.about(item),
            withdrawn=next(withdrawn, None),
            sent=self.sent.releases(item.device),
            me=self._me(),
        )

    def requester(self, text: str) -> tuple[str, str]:
        """Fingerprint and name of a requester, by fingerprint or by one of their requests."""
        return lookup.requester(self.inbox, text)

    # Clips

    def list_clips(
        self, keys: Keys, window: Window, *, camera: str | None = None
    ) -> items.ClipLists:
        """Ask the cameras which clips of that time they hold."""
        now, what = self.now(), ListClips(window=window)
        cards, silent = self.plans.cameras(camera), dict[str, Away | None]()
        with self._visits.begin(keys, [card.name for card in cards]) as visit:
            visit.repeat()
            for card in cards:
                away = self._away(card.name, visit.presence[card.name])
                if away is None:
                    command = sign.sign(sign.command(what, card, now=now), keys, now=now)
                    broker.send(visit.session, command)
                    if broker.listing(visit.session, command, self.inbox, keys, now=now):
                        continue
                silent[card.name] = away
        asked = {card.name for card in cards} - set(silent)
        return items.ClipLists(
            [one for one in self.inbox.listings() if one.device in asked], silent
        )

    def timeline(
        self,
        keys: Keys,
        window: Window,
        *,
        camera: str | None = None,
        progress: Progress | None = None,
    ) -> items.Timeline:
        """All clips that the cameras hold of that time, asked for in several letters if need be.

        ``progress`` gets the number of clips so far, and of those known to be there.
        """
        cards, silent = self.plans.cameras(camera), dict[str, Away | None]()
        found: list[TimelineClip] = []
        lister = Lister(self.inbox, keys, self._clock, progress)
        with self._visits.begin(keys, [card.name for card in cards]) as visit:
            visit.repeat()
            for card in cards:
                away = self._away(card.name, visit.presence[card.name])
                listed = None if away is not None else lister.all(visit.session, card, window)
                if listed is None:
                    silent[card.name] = away
                else:
                    found += listed
        in_order = sorted(found, key=lambda one: (one.offer.started_at, one.offer.start_ms))
        return items.Timeline(in_order, silent, lister.cut)

    def find_clip(
        self, name: str, *, request: str | None = None, camera: str | None = None
    ) -> tuple[str, ClipOffer]:
        """Camera and offer of a clip, by id or by its number in a request or a list."""
        return lookup.clip(self.inbox, name, request=request, camera=camera)

    def edit_clip(
        self,
        offer: ClipOffer,
        choice: Choice,
        *,
        request: str | None = None,
        camera: str | None = None,
    ) -> ApprovedClip:
        """The clip as an approval with these edits would release it."""
        lookup.check_all_name(self.inbox, choice.names, offer, request=request, camera=camera)
        return choose([offer], choice.of_one(offer))[0]

    def fetch(
        self,
        device: str,
        offer: ClipOffer,
        keys: Keys,
        target: BinaryIO,
        *,
        sealed: bool = False,
        shown: ApprovedClip | None = None,
        progress: Progress | None = None,
        brief: bool = False,
    ) -> Prepared | None:
        """Ask the camera for a clip and write it to ``target``, opened with the clip's own key.

        ``sealed``: still encrypted; ``shown``: as it would be sent, remembered as seen with the
        pictures that are returned. ``brief``: read no letters first, which takes most of a second;
        for a tool that reads them all the time.
        """
        card, now = self.plans.camera(device), self.now()
        lookup.closed_clips(self.inbox, device).check(() if sealed else (offer,))
        key = None if sealed else seen.open_key(offer, keys.identity)
        command = sign.sign(sign.command(Preview(clip=offer.id), card, now=now), keys, now=now)
        with self._asking(
            device, keys, topics.preview(device, offer.id, topics.ANY), command, brief=brief
        ) as session:
            broker.send(session, command)
            received = broker.chunks(session, command, offer.id, keys)
            pictures = clip_transfer.receive(offer, received, key, target, shown, progress)
        if key is not None and shown is not None:
            seen.keep(self.folder, device, SeenClip(shown, key.recipient, self.now(), pictures))
        return pictures

    @contextlib.contextmanager
    def _asking(
        self, device: str, keys: Keys, answer: str, command: Decision, *, brief: bool
    ) -> Iterator[Session]:
        """A connection for one question to a camera, whose ``answer`` is a topic."""
        if brief:
            with self._visits.brief(command, answer) as session:
                yield session
            return
        with self._visits.begin(keys, [device], answer) as visit:
            visit.require(device)
            visit.repeat()
            yield visit.session

    def open_clip(
        self,
        device: str,
        offer: ClipOffer,
        keys: Keys,
        progress: Progress | None = None,
        *,
        brief: bool = False,
    ) -> Footage:
        """Ask the camera for a clip, and open it in memory; Refused if it is too large for that."""
        footage.check_size(offer)
        key, memory = seen.open_key(offer, keys.identity), io.BytesIO()
        self.fetch(device, offer, keys, memory, progress=progress, brief=brief)
        return Footage(device, offer, key.recipient, memory.getvalue())

    def mark_seen(self, rendering: Rendering) -> None:
        """Remember that the owner has seen these pictures."""
        opened, shown, pictures = rendering.footage, rendering.shown, rendering.pictures
        seen.keep(self.folder, opened.device, SeenClip(shown, opened.key, self.now(), pictures))

    # Send

    def send(
        self,
        plan: Plan,
        keys: Keys,
        *,
        wait_seconds: float = 0.0,
        on_sent: Callable[[str], None] | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> items.Delivery:
        """Sign a plan, send it, and follow its outcome for up to ``wait_seconds``.

        ``on_sent`` gets its id once the broker has it, ``on_outcome`` each report of the camera.
        """

        decision = sign.sign(plan, keys, now=self.now())
        device, last = plan.device.name, None
        if isinstance(what := plan.content.get("command"), Delete):
            self.pictures.forget(device, what.clip)
        joins = plan.joins[1] if isinstance(plan, ReleasePlan) and plan.joins else None
        with self._visits.begin(keys, [device]) as visit:
            broker.send(visit.session, decision)
            self.sent.keep(decision, plan, now=self.now())
            if on_sent is not None:
                on_sent(decision.subject)
            visit.repeat(but=decision.subject)  # with this decision: it may be a revocation
            away = self._away(device, visit.presence[device])
            if away is None:
                last = visit.follow(
                    decision, wait_seconds=wait_seconds, report=on_outcome, joins=joins
                )
        return items.Delivery(device, decision.subject, away, last)

    def _me(self) -> str:
        return self.folder.card().fingerprint

    def _away(self, device: str, presence: Presence) -> Away | None:
        if not presence.offline:
            return None
        times = [at for at in (self.inbox.heard_at(device), presence.state_at) if at is not None]
        return Away(device, max(times, default=None))
