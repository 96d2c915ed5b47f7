"""What the owner told the cameras that lasts: muted requesters, a pause, declined requests.

Cameras do not repeat what they were told: they just send no more. So the owner's tool
keeps the owner's own signed words, the last one of each sort for each camera, and
reads them again when it has to explain why nothing comes. A word that its camera
refused never held.

Only what was said from this folder is known here. Another owner of the household may
have muted or paused as well, and a camera's own list is on the camera
(``clip-agent requests``, ``clip-agent ledger show``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import Command, Decline, Mute, PauseRequests
from agent.errors import Refused
from agent.owner.decisions.sign import Decision
from agent.owner.folder import OwnerFolder, StoredStatement
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import OpenRequest

_DECIDED = "decided"
_PAUSE = "pause"


@dataclass(frozen=True)
class RequestStatus:
    """What the owner told a camera that concerns one request, each with its time."""

    muted_at: int | None = None
    declined_at: int | None = None
    paused_at: int | None = None


class StandingDecisions:
    """The owner's lasting decisions."""

    def __init__(self, home: OwnerFolder, inbox: Inbox) -> None:
        self._home = home
        self._inbox = inbox

    def keep_mute(self, decision: Decision, requester: str, *, now: float) -> None:
        """Remember a mute, or its end, or a decline with a mute."""
        self._keep(decision, requester, now)

    def keep_pause(self, decision: Decision, *, now: float) -> None:
        """Remember a pause, or its end."""
        self._keep(decision, _PAUSE, now)

    def keep_decline(self, decision: Decision, request: str, *, now: float) -> None:
        """Remember that a request (by its digest) was declined."""
        self._keep(decision, request[:16], now)

    def paused_at(self, device: str) -> int | None:
        """Since when ``device`` shows no requests; None if it does."""
        said = self._said(device, _PAUSE)
        if isinstance(said, Command) and isinstance(said.command, PauseRequests):
            return said.iat
        return None

    def muted_at(self, device: str, requester: str) -> int | None:
        """Since when ``device`` hears nothing of ``requester``; None if it does."""
        match self._said(device, requester):
            case Command(command=Mute(requester=key, muted=True), iat=at) if key == requester:
                return at
            case Decline(mute=True, iat=at):
                return at
        return None

    def declines(self, device: str) -> Iterator[tuple[str, str, int]]:
        """The subject, the request's digest and the time of all that was declined."""
        for name in self._home.names(_DECIDED, device):
            said = self._read(device, name)
            if isinstance(said, Decline) and said.request[:16] == name:
                letter = self._home.letter(_DECIDED, device, name)
                assert letter is not None
                yield signing.digest(letter.jws)[:16], said.request, said.iat

    def about(self, item: OpenRequest) -> RequestStatus:
        """What concerns this request."""
        declined = self._said(item.device, item.digest[:16])
        same = isinstance(declined, Decline) and declined.request == item.digest
        return RequestStatus(
            muted_at=self.muted_at(item.device, item.request.iss),
            declined_at=declined.iat if same and declined else None,
            paused_at=self.paused_at(item.device),
        )

    def _keep(self, decision: Decision, name: str, now: float) -> None:
        letter = StoredStatement(jws=decision.jws, received_at=now)
        self._home.keep(_DECIDED, decision.device.name, name, letter)

    def _said(self, device: str, name: str) -> Decline | Command | None:
        """The owner's last word under ``name``, unless the camera refused it."""
        letter = self._home.letter(_DECIDED, device, name)
        if letter is None or self._inbox.refusal(device, signing.digest(letter.jws)[:16]):
            return None
        return self._read(device, name)

    def _read(self, device: str, name: str) -> Decline | Command | None:
        """The owner's last word under ``name``, whatever became of it."""
        letter = self._home.letter(_DECIDED, device, name)
        if letter is None:
            return None
        card = self._home.card()
        kind: type[Decline] | type[Command]
        kind = Decline if signing.claimed_typ(letter.jws) == Decline.TYP else Command
        try:
            return signing.verify(letter.jws, kind, {card.fingerprint: card.key})
        except Refused:
            return None  # of keys that this owner had before, or changed by somebody
