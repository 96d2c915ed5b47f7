"""Everything that an owner can do, as calls that return values and print nothing.

>>> client = OwnerClient(OwnerFolder(path))
>>> keys = client.unlock(passphrase)
>>> overview = client.collect(keys)
>>> plan = client.plan_approval("3f9a2c1b", Choice(["1"]))   # show it, and ask
>>> client.send(plan, keys, wait_seconds=60, on_outcome=print).last.event
'SENT'

A decision is planned, shown to the owner, and only then signed and sent: a plan holds
all that a confirmation page must show. The terminal and the web console are two faces of
this module. They ask for passphrases and confirmations; nothing here does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from agent import keyfile
from agent.clock import Clock, SystemClock
from agent.consent.cards import DeviceCard, RequesterCard
from agent.consent.statements import (
    ApprovedClip,
    ClipOffer,
    Disclosure,
    ListClips,
    Mute,
    Outcome,
    PauseRequests,
    Preview,
    ResumeRequests,
    Revoke,
    Window,
)
from agent.errors import ConfigError, NetworkFault, Refused
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.mqtt.link import Received
from agent.owner import broker, clip_transfer
from agent.owner.clip_transfer import Progress
from agent.owner.decisions import seen, sent, sign
from agent.owner.decisions.choice import Choice, choose, repeat
from agent.owner.decisions.repeat import Repeats
from agent.owner.decisions.seen import SeenClip
from agent.owner.decisions.sign import DEFAULT_DAYS, Plan, ReleasePlan, Terms
from agent.owner.folder import OwnerFolder
from agent.owner.inbox import cameras, items, lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import Answer, Away, NoticeItem, OpenRequest, Presence, RequestPage

ONLINE_AGAIN = "Is the camera powered and on the network? Then ask again"


class OwnerClient:
    """An owner with keys and enrolled cameras. Raises KeyFileError or ConfigError without."""

    def __init__(self, folder: OwnerFolder, *, clock: Clock | None = None) -> None:
        keyfile.require(folder.key_path, "owner")
        self.folder = folder
        self.devices = folder.devices()
        if not self.devices:
            raise ConfigError(
                "no camera is enrolled",
                advice="Copy its device.card.yaml here and run "
                "`clip-agent owner card --add device.card.yaml`",
            )
        self.inbox = Inbox(folder, self.devices)
        self.sent = sent.SentDecisions(folder, self.inbox)
        self._repeats = Repeats(folder, self.inbox)
        self._clock = clock if clock is not None else SystemClock(synced_marker=None)

    def now(self) -> float:
        """The time of this computer's clock."""
        return self._clock.now()

    def unlock(self, passphrase: str) -> Keys:
        """The owner's keys; raises KeyFileError. Takes about a second."""
        return self.folder.unlock(passphrase)

    # Read

    def collect(self, keys: Keys, *, wait_seconds: float = 0.0) -> items.Overview:
        """Fetch all letters; if no request is open, wait up to ``wait_seconds`` for one."""
        filters = broker.letter_filters(self.devices, self._me())
        with broker.connect(self.folder.settings().mqtt, filters) as session:
            said = broker.collect(
                *(session, self.inbox, self.devices, keys, self._clock),
                wait_seconds=wait_seconds,
                collected=partial(self._repeats.send, session, self.devices, keys, self.now()),
            )
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

    def show(self, prefix: str) -> RequestPage | NoticeItem:
        """A request or notice in full, by the first characters of its id."""
        found = lookup.anything(self.inbox, prefix)
        if isinstance(found, NoticeItem):
            return found
        self.inbox.mark_shown(found.device, found.digest[:16])
        notices = self.inbox.notices() if found.closed else []
        about = ("withdrawn", found.digest)
        withdrawn = (one for one in notices if (one.notice.kind, one.notice.subject) == about)
        return RequestPage(
            item=found,
            status=self.sent.about(found),
            withdrawn=next(withdrawn, None),
            sent=self.sent.releases(found.device),
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
        cards, silent = self._cameras(camera), dict[str, Away | None]()
        for card in cards:
            command = sign.sign(sign.command(what, card, now=now), keys, now=now)
            answers = [*broker.answer_topics(command), *broker.presence_topics(card.name)]
            with broker.connect(self.folder.settings().mqtt, answers) as session:
                away = self._away(card.name, broker.presence(session, card.name))
                if away is None:
                    broker.send(session, command)
                    if broker.listing(session, command, self.inbox, keys, now=now):
                        continue
                silent[card.name] = away
        asked = {card.name for card in cards} - set(silent)
        return items.ClipLists(
            [one for one in self.inbox.listings() if one.device in asked], silent
        )

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
    ) -> None:
        """Ask the camera for a clip and write it to ``target``, opened with the clip's own key.

        ``sealed``: still encrypted; ``shown``: as it would be sent, remembered as seen.
        """
        card, now = self._camera(device), self.now()
        lookup.closed_clips(self.inbox, device).check(() if sealed else (offer,))
        key = None if sealed else seen.open_key(offer, keys.identity)
        command = sign.sign(sign.command(Preview(clip=offer.id), card, now=now), keys, now=now)
        filters = [
            topics.preview(device, offer.id, topics.ANY),
            *broker.answer_topics(command),
            *broker.presence_topics(device),
        ]
        with broker.connect(self.folder.settings().mqtt, filters) as session:
            if broker.presence(session, device).offline:
                raise NetworkFault(f"{device} is offline", advice=ONLINE_AGAIN)
            broker.send(session, command)
            chunks = broker.chunks(session, command, offer.id, keys)
            clip_transfer.receive(offer, chunks, key, target, shown, progress)
        if key is not None and shown is not None:
            seen.keep(self.folder, device, SeenClip(shown, key.recipient, self.now()))

    # Plan

    def plan_approval(
        self, request: str, choice: Choice, *, days: float = DEFAULT_DAYS
    ) -> ReleasePlan:
        """Release the chosen clips to the author of a request."""
        item = lookup.open_request(self.inbox, request, numbers=choice.names)
        terms = self._terms(item.device, choice.disclose, days)
        return sign.approval(item, choose(item.report.clips, choice), terms)

    def plan_agreement(
        self, request: str, release: str, *, days: float = DEFAULT_DAYS
    ) -> ReleasePlan:
        """Agree to exactly the approval of another owner."""
        item = lookup.open_request(self.inbox, request)
        proposal = lookup.proposal(item, release, me=self._me())
        clips = repeat(item.report.clips, proposal.clips)
        return sign.approval(item, clips, self._terms(item.device, proposal.disclose, days))

    def plan_share(
        self,
        choice: Choice,
        card: RequesterCard,
        url: str,
        *,
        camera: str | None = None,
        days: float = DEFAULT_DAYS,
        allow_loopback_http: bool = False,
    ) -> ReleasePlan:
        """Release the chosen clips to the holder of ``card``, who has not asked."""
        to, target = sign.recipient(card, url, allow_loopback_http=allow_loopback_http)
        device, offers = lookup.listed(self.inbox, choice.clips, camera=camera)
        clips = choose(offers, choice)
        terms = self._terms(device, choice.disclose, days)
        return sign.share(to, target, offers, clips, terms, self.inbox.household(device))

    def plan_share_agreement(self, release: str, *, days: float = DEFAULT_DAYS) -> ReleasePlan:
        """Agree to exactly the share of another owner."""
        device, joins, said = lookup.proposed_share(self.inbox, release, me=self._me())
        offers = tuple(self.find_clip(clip.id, camera=device)[1] for clip in said.clips)
        return sign.share(
            said.recipient,
            said.upload,
            offers,
            repeat(offers, said.clips),
            self._terms(device, said.disclose, days),
            self.inbox.household(device),
            joins=(said.iss, joins),
        )

    def plan_decline(self, request: str, *, mute: bool = False) -> tuple[OpenRequest, Plan]:
        """Close a request for good without telling anybody; also mute its author."""
        item = lookup.open_request(self.inbox, request)
        return item, sign.decline(item, self._camera(item.device), now=self.now(), mute=mute)

    def plan_mute(
        self, requester: str, *, muted: bool = True, camera: str | None = None
    ) -> list[Plan]:
        """Mute a requester, by fingerprint, or end that."""
        return self.plan_command(Mute(requester=requester, muted=muted), camera)

    def plan_pause(self, *, paused: bool = True, camera: str | None = None) -> list[Plan]:
        """Pause requests, or resume them. Recording goes on."""
        return self.plan_command(PauseRequests() if paused else ResumeRequests(), camera)

    def plan_revoke(self, release: str) -> tuple[Answer, Plan]:
        """Stop a release that has not been sent."""
        answer = sent.find(self.answers(), release)
        if answer.event == "SENT":
            raise Refused("was-sent", "it was sent, and cannot be called back")
        card = self._camera(answer.device)
        return answer, sign.command(Revoke(release=answer.release), card, now=self.now())

    def plan_command(self, what: sign.Lasting, camera: str | None) -> list[Plan]:
        """Tell one camera, or all of them; it obeys ``Arm``, ``Delete`` and ``Keep`` itself."""
        return [sign.command(what, card, now=self.now()) for card in self._cameras(camera)]

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

        def report(message: Received, outcome: Outcome) -> None:
            broker.take(self.inbox, message, keys, self._clock)
            if on_outcome is not None:
                on_outcome(outcome)

        decision = sign.sign(plan, keys, now=self.now())
        device, last = plan.device.name, None
        joins = plan.joins[1] if isinstance(plan, ReleasePlan) and plan.joins else None
        filters = [*broker.answer_topics(decision, joins), *broker.presence_topics(device)]
        with broker.connect(self.folder.settings().mqtt, filters) as session:
            broker.send(session, decision)
            self.sent.keep(decision, plan, now=self.now())
            if on_sent is not None:
                on_sent(decision.subject)
            away = self._away(device, broker.presence(session, device))
            if away is None:
                last = broker.follow(
                    session, decision, keys, wait_seconds=wait_seconds, report=report, joins=joins
                )
        return items.Delivery(device, decision.subject, away, last)

    def _terms(self, device: str, disclose: Disclosure, days: float) -> Terms:
        return Terms(
            device=self._camera(device),
            disclose=disclose,
            now=self.now(),
            days=days,
            me=self._me(),
            sent_before=self.sent.releases(device),
            seen=seen.of(self.folder, device),
            closed=lookup.closed_clips(self.inbox, device),
        )

    def _me(self) -> str:
        return self.folder.card().fingerprint

    def _camera(self, name: str) -> DeviceCard:
        if name not in self.devices:
            raise Refused("unknown-device", f"the camera {name!r} is not enrolled")
        return self.devices[name]

    def _cameras(self, name: str | None) -> list[DeviceCard]:
        return list(self.devices.values()) if name is None else [self._camera(name)]

    def _away(self, device: str, presence: Presence) -> Away | None:
        if not presence.offline:
            return None
        times = [at for at in (self.inbox.heard_at(device), presence.state_at) if at is not None]
        return Away(device, max(times, default=None))
