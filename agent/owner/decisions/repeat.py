"""Repeats to the cameras what the owner has said, at each visit of the owner's tool to the broker.

A broker can lose a letter that it confirmed, and a camera can be set back to an older state.
So each camera that is online gets

- a ``sync``: the ledger heads from which its letters must prove growth, this folder's
  approvals and shares that can still be sent, as standing or revoked, and the last word on
  each muted requester and on the pause;
- approvals and shares that it does not know, and the keys that it waits for
  (:mod:`.late_letters`);
- a decline whose request it still shows as open, and a command that it obeys itself, until it
  has answered that: the same letter again, which counts once.

An approval is named as standing only after the camera's letters were read: one of them may
say that it was sent. What another computer of the owner has said is not in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from agent.consent import letters, lifecycle, signing
from agent.consent.cards import DeviceCard
from agent.consent.letters import Letter
from agent.consent.statements import (
    Approval,
    Command,
    Decline,
    HeldDecision,
    HeldMute,
    HeldPause,
    Mute,
    PauseRequests,
    ResumeRequests,
    Revoke,
    Share,
    Sync,
)
from agent.errors import Refused
from agent.keyfile import Keys
from agent.mqtt.session import Session
from agent.owner.decisions import late_letters, sign
from agent.owner.decisions.sent import LASTING, RELEASES
from agent.owner.decisions.sign import Consent, Decision
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox.inbox import AWAITED, Inbox
from agent.owner.visit import broker

S = TypeVar("S", Approval, Share, Command, Decline)

_OVER: Final = (*lifecycle.LEFT, "FAILED", "REVOKED", "REFUSED")
_MAX_DECISIONS, _MAX_MUTES = 100, 50  # of a sync
_LONGEST_SECONDS: Final = 8 * 86_400  # after which no approval holds


@dataclass(eq=False)
class Repeats:
    """Sends each camera the sync, once until something in it changes or a release is held."""

    folder: OwnerFolder
    inbox: Inbox
    _sent: dict[str, Sync] = field(default_factory=dict)

    def send(
        self,
        session: Session,
        devices: Iterable[DeviceCard],
        keys: Keys,
        now: float,
        *,
        but: str = "",
    ) -> None:
        """Send each of ``devices`` what it may have missed, but for the decision ``but``."""
        for device in devices:
            sync = self.sync(device.name, now=now)
            if sync != self._sent.get(device.name) or self._any_held(device.name):
                heads = self.inbox.ledger_heads(device.name)
                named = msgspec.structs.replace(sync, heads=heads)
                command = sign.sign(sign.command(named, device, now=now), keys, now=now)
                self.inbox.expect_proof(device.name, command.subject, heads)
                broker.send(session, command)
                self._sent[device.name] = sync
            for jws in (
                *self._unheard_declines(device.name, now=now),
                *self._unanswered_commands(device.name, now=now),
            ):
                letter = letters.seal(Letter(jws=jws, keys={}), [device.seal])
                if (again := Decision(device, jws, letter)).subject != but:
                    broker.send(session, again)
            revoked = self._revoked(device.name, now=now)
            for again in late_letters.due(self.folder, self.inbox, device, keys, now=now):
                if again.subject not in revoked | {but}:
                    broker.send(session, again)

    def sync(self, device: str, *, now: float) -> Sync:
        """The sync for ``device``, but for the heads of its ledger."""
        decisions = {one.decision: one for one in self._decisions(device, now=now)}
        mutes = sorted(self._mutes(device), key=lambda one: -one.at)
        return Sync(
            decisions=tuple(decisions.values())[:_MAX_DECISIONS],
            mutes=tuple(mutes[:_MAX_MUTES]),
            pause=self._pause(device),
            computer=self.folder.computer(),
        )

    def _decisions(self, device: str, *, now: float) -> Iterator[HeldDecision]:
        """Revoked releases, then approvals and shares that the camera may still carry out."""
        outcomes, revoked = self.inbox.outcomes(device), self._revoked(device, now=now)
        mine = [subject for subject, one in self._consents(device) if one.exp > now]
        for subject in [*sorted(revoked), *mine]:
            outcome = outcomes.get(subject)
            if outcome is not None and outcome.event == "AGREED":  # it completed another release
                outcome = outcomes.get(outcome.detail, outcome)
            # A camera that is set back later may take an approval anew, so it is told what was
            # revoked for as long as that can matter, whatever it has answered.
            over = lifecycle.LEFT if subject in revoked else _OVER
            if outcome is None or outcome.event not in over:
                yield HeldDecision(decision=subject, standing=subject not in revoked)

    def _revoked(self, device: str, *, now: float) -> set[str]:
        """The releases that this owner has taken back, by a revocation or a decline."""
        revoked = {
            said.command.release
            for _, said in self._lasting(device, Command)
            if isinstance(said.command, Revoke) and said.iat > now - _LONGEST_SECONDS
        }
        declined = {said.request for _, said in self._lasting(device, Decline)}
        for subject, consent in self._consents(device):
            if isinstance(consent, Approval) and consent.request in declined and consent.exp > now:
                revoked.add(subject)
        return revoked

    def _consents(self, device: str) -> Iterator[tuple[str, Consent]]:
        for subject, kept in self.folder.kept(RELEASES, device):
            consent = self._verify(kept, Approval) or self._verify(kept, Share)
            if consent is not None:
                yield subject, consent

    def _mutes(self, device: str) -> Iterator[HeldMute]:
        for _, said in self._lasting(device, Command):
            if isinstance(said.command, Mute):
                key, muted = said.command.requester, said.command.muted
                yield HeldMute(requester=key, muted=muted, at=said.iat)
        for name, decline in self._lasting(device, Decline):
            if decline.mute and name != decline.request[:16]:  # kept under its requester
                yield HeldMute(requester=name, muted=True, at=decline.iat)

    def _pause(self, device: str) -> HeldPause | None:
        for name, said in self._lasting(device, Command):
            match name, said.command:
                case sign.PAUSE, PauseRequests() | ResumeRequests() as command:
                    return HeldPause(paused=isinstance(command, PauseRequests), at=said.iat)
        return None

    def _unheard_declines(self, device: str, *, now: float) -> Iterator[str]:
        """The declines of requests that ``device`` still shows as open."""
        is_open = {item.digest for item in self.inbox.requests() if item.device == device}
        for name, said in self._lasting(device, Decline):
            kept = self.folder.letter(LASTING, device, name)
            is_due = said.request in is_open and name == said.request[:16] and now < said.exp
            if is_due and kept is not None:
                yield kept.jws

    def _unanswered_commands(self, device: str, *, now: float) -> Iterator[str]:
        """The commands that the camera obeys itself, of each sort the last, without an answer."""
        last = {kept.jws for _, kept in self.folder.kept(LASTING, device)}
        for subject, kept in list(self.folder.kept(AWAITED, device)):
            said = self._verify(kept, Command)
            if said is None or said.exp <= now or kept.jws not in last:
                self.folder.drop(AWAITED, device, subject)
            else:
                yield kept.jws

    def _any_held(self, device: str) -> bool:
        return any(one.event == "HELD" for one in self.inbox.outcomes(device).values())

    def _lasting(self, device: str, kind: type[S]) -> Iterator[tuple[str, S]]:
        """Name and content of the lasting decisions of a ``kind`` that were not refused."""
        for name, kept in self.folder.kept(LASTING, device):
            said = self._verify(kept, kind)
            if said is not None and not self.inbox.refusal(device, signing.digest(kept.jws)[:16]):
                yield name, said

    def _verify(self, kept: StoredStatement, kind: type[S]) -> S | None:
        """The statement, if it is a ``kind`` that this owner's present keys signed."""
        card = self.folder.card()
        try:
            return signing.verify(kept.jws, kind, {card.fingerprint: card.key})
        except Refused:
            return None
