"""Plans of all that an owner can decide, made from what the cameras told.

>>> (plan,) = client.plans.approvals("3f9a2c1b", Choice(["1"]))   # show it, and ask
>>> client.send(plan, keys)

A plan holds all that a confirmation page must show; :mod:`.sign` signs and seals it.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.clock import Clock
from agent.consent import lifecycle
from agent.consent.cards import DeviceCard, RequesterCard
from agent.consent.statements import (
    Disclosure,
    Mute,
    NoteExport,
    PauseRequests,
    ResumeRequests,
    Revoke,
)
from agent.errors import Refused
from agent.owner.decisions import seen, sent, sign
from agent.owner.decisions.choice import Choice, choose, repeat
from agent.owner.decisions.sent import SentDecisions
from agent.owner.decisions.sign import DEFAULT_DAYS, Plan, ReleasePlan, Terms
from agent.owner.home.folder import OwnerFolder
from agent.owner.inbox import lookup
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import Answer, OpenRequest


class Plans:
    """Plans the decisions of the owner whose ``folder`` this is."""

    def __init__(
        self,
        folder: OwnerFolder,
        devices: Mapping[str, DeviceCard],
        inbox: Inbox,
        given: SentDecisions,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._devices = devices
        self._inbox = inbox
        self._given = given
        self._clock = clock

    # Releases

    def approvals(
        self,
        request: str,
        choice: Choice,
        *,
        camera: str | None = None,
        days: float = DEFAULT_DAYS,
    ) -> tuple[ReleasePlan, ...]:
        """Release the chosen clips to the author of a request: a plan for each of their cameras."""
        items = lookup.open_requests(self._inbox, request, camera=camera)
        if len(items) == 1:
            numbers = choice.names
            items = [lookup.open_request(self._inbox, request, numbers=numbers, camera=camera)]
        offers = [item.report.clips for item in items]
        return tuple(
            sign.approval(
                item,
                choose(item.report.clips, part),
                self._terms(item.device, choice.disclose, days),
            )
            for item, part in zip(items, choice.split(offers), strict=True)
            if part is not None
        )

    def agreement(self, request: str, release: str, *, days: float = DEFAULT_DAYS) -> ReleasePlan:
        """Agree to exactly the approval of another owner."""
        items = lookup.open_requests(self._inbox, request)
        item, proposal = lookup.proposal(items, release, me=self._me())
        clips = repeat(item.report.clips, proposal.clips)
        return sign.approval(item, clips, self._terms(item.device, proposal.disclose, days))

    def shares(
        self,
        choice: Choice,
        card: RequesterCard,
        url: str,
        *,
        camera: str | None = None,
        days: float = DEFAULT_DAYS,
        allow_loopback_http: bool = False,
    ) -> tuple[ReleasePlan, ...]:
        """Release the chosen clips to the holder of ``card``: a plan for each of their cameras."""
        to, target = sign.recipient(card, url, allow_loopback_http=allow_loopback_http)
        by_camera = lookup.listed(self._inbox, choice.clips, camera=camera)
        return tuple(
            sign.share(
                to,
                target,
                offers,
                choose(offers, part),
                self._terms(device, choice.disclose, days),
                self._inbox.household(device),
            )
            for (device, offers), part in zip(
                by_camera.items(), choice.split([*by_camera.values()]), strict=True
            )
            if part is not None
        )

    def share_agreement(self, release: str, *, days: float = DEFAULT_DAYS) -> ReleasePlan:
        """Agree to exactly the share of another owner."""
        device, joins, said = lookup.proposed_share(self._inbox, release, me=self._me())
        offers = tuple(lookup.clip(self._inbox, clip.id, camera=device)[1] for clip in said.clips)
        return sign.share(
            said.recipient,
            said.upload,
            offers,
            repeat(offers, said.clips),
            self._terms(device, said.disclose, days),
            self._inbox.household(device),
            joins=(said.iss, joins),
        )

    # Refusals and commands

    def decline(
        self, request: str, *, mute: bool = False, camera: str | None = None
    ) -> tuple[OpenRequest, list[Plan]]:
        """Close a request for good, on each camera that reported it, without telling anybody.

        ``mute``: also mute its author there.
        """
        found, now = lookup.open_requests(self._inbox, request, camera=camera), self._clock.now()
        plans = [sign.decline(one, self.camera(one.device), now=now, mute=mute) for one in found]
        return found[0], plans

    def mute(self, requester: str, *, muted: bool = True, camera: str | None = None) -> list[Plan]:
        """Mute a requester, by fingerprint, or end that."""
        return self.command(Mute(requester=requester, muted=muted), camera)

    def pause(self, *, paused: bool = True, camera: str | None = None) -> list[Plan]:
        """Pause requests, or resume them. Recording goes on."""
        return self.command(PauseRequests() if paused else ResumeRequests(), camera)

    def revoke(self, release: str) -> tuple[Answer, Plan]:
        """Stop a release that has not been sent."""
        answer = sent.find(self._given.answers(), release)
        if answer.event in lifecycle.LEFT:
            raise Refused("was-sent", "it was sent, and cannot be called back")
        card = self.camera(answer.device)
        return answer, sign.command(Revoke(release=answer.release), card, now=self._clock.now())

    def command(self, what: sign.Lasting, camera: str | None) -> list[Plan]:
        """Tell one camera, or all of them; it obeys ``Arm``, ``Delete`` and ``Keep`` itself."""
        return [sign.command(what, card, now=self._clock.now()) for card in self.cameras(camera)]

    def note_export(self, note: NoteExport, camera: str) -> Plan:
        """Write in the ledger of a camera that a clip is taken out by hand."""
        return sign.command(note, self.camera(camera), now=self._clock.now())

    # Cameras

    def camera(self, name: str) -> DeviceCard:
        """The card of an enrolled camera."""
        if name not in self._devices:
            raise Refused("unknown-device", f"the camera {name!r} is not enrolled")
        return self._devices[name]

    def cameras(self, name: str | None) -> list[DeviceCard]:
        """The card of one camera, or those of all."""
        return list(self._devices.values()) if name is None else [self.camera(name)]

    def _terms(self, device: str, disclose: Disclosure, days: float) -> Terms:
        return Terms(
            device=self.camera(device),
            disclose=disclose,
            now=self._clock.now(),
            days=days,
            me=self._me(),
            sent_before=self._given.releases(device),
            seen=seen.of(self._folder, device),
            closed=lookup.closed_clips(self._inbox, device),
        )

    def _me(self) -> str:
        return self._folder.card().fingerprint
