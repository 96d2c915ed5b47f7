"""The owner's decisions so far, as they signed them, beside the cameras' reports on them.

Approvals and shares name their clips; a camera's outcome does not. Mutes, pauses and
declines last, and a camera does not repeat them: it only sends no more. So each decision
is kept without its clip keys once the broker has it. The owner then sees who got a clip
before, and why no requests come. A decision that its camera refused has no effect.

Only decisions from this folder are known here. Another owner of the household may have
decided otherwise; a camera's own lists are on the camera (``clip-agent requests``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from agent.consent import signing
from agent.consent.statements import Approval, Command, Decline, Mute, PauseRequests, Share
from agent.errors import Refused
from agent.owner.decisions.sign import PAUSE, Decision, Plan, ReleasePlan
from agent.owner.folder import OwnerFolder, StoredStatement
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import OpenRequest, RequestStatus, SentDecision

S = TypeVar("S", Approval, Share, Command, Decline)

_RELEASES = "given"
_LASTING = "decided"  # the last one of each sort, by what it is about


class SentDecisions:
    """The decisions that an owner has sent."""

    def __init__(self, folder: OwnerFolder, inbox: Inbox) -> None:
        self._folder = folder
        self._inbox = inbox

    def keep(self, decision: Decision, plan: Plan, *, now: float) -> None:
        """Remember a decision, if there is a reason to."""
        letter, device = StoredStatement(jws=decision.jws, received_at=now), plan.device.name
        if isinstance(plan, ReleasePlan):
            self._folder.keep(_RELEASES, device, decision.subject, letter)
        for name in plan.remember:
            self._folder.keep(_LASTING, device, name, letter)

    # Releases

    def of(self, device: str) -> list[SentDecision]:
        """All releases of clips of ``device``, the newest first."""
        return sorted(self._releases(device), key=lambda sent: -sent.at)

    def names(self) -> dict[str, str]:
        """The requesters' names by the digests of all known requests."""
        return {item.digest: item.report.record.name for item in self._inbox.all_requests()}

    def _releases(self, device: str) -> Iterator[SentDecision]:
        names, outcomes = self.names(), self._inbox.outcomes(device)
        for subject, letter in self._folder.kept(_RELEASES, device):
            said = self._verify(letter, Approval) or self._verify(letter, Share)
            if said is None:
                continue
            request = said.request if isinstance(said, Approval) else None
            to = said.recipient.name if isinstance(said, Share) else ""
            outcome = outcomes.get(subject)
            if outcome is not None and outcome.event == "AGREED":  # it completed another release
                outcome = outcomes.get(outcome.detail, outcome)
            yield SentDecision(
                device=device,
                release=subject,
                to=to or names.get(request or "", f"request {(request or '')[:8]}"),
                request=request,
                clips=tuple(clip.id for clip in said.clips),
                at=said.iat,
                event="" if outcome is None else outcome.event,
                detail="" if outcome is None else outcome.detail,
            )

    # Decisions that last

    def paused_at(self, device: str) -> int | None:
        """The time since which ``device`` shows no requests; None if it does."""
        said = self._lasting(device, PAUSE, Command)
        return said.iat if said is not None and isinstance(said.command, PauseRequests) else None

    def muted_at(self, device: str, requester: str) -> int | None:
        """The time since which ``device`` has muted ``requester``; None if it has not."""
        said = self._lasting(device, requester, Decline)
        if said is not None:
            return said.iat if said.mute else None
        match self._lasting(device, requester, Command):
            case Command(command=Mute(requester=key, muted=True), iat=at) if key == requester:
                return at
        return None

    def declines(self, device: str) -> Iterator[tuple[str, str, int]]:
        """Subject, request digest and time of all declines."""
        for name, letter in self._folder.kept(_LASTING, device):
            said = self._verify(letter, Decline)
            if said is not None and said.request[:16] == name:
                yield signing.digest(letter.jws)[:16], said.request, said.iat

    def commands(self, device: str) -> dict[str, Command]:
        """The lasting commands to ``device`` by their subjects, whatever became of them."""
        found = {}
        for _, letter in self._folder.kept(_LASTING, device):
            said = self._verify(letter, Command)
            if said is not None:
                found[signing.digest(letter.jws)[:16]] = said
        return found

    def about(self, item: OpenRequest) -> RequestStatus:
        """The decisions that concern this request."""
        declined = self._lasting(item.device, item.digest[:16], Decline)
        same = declined is not None and declined.request == item.digest
        return RequestStatus(
            muted_at=self.muted_at(item.device, item.request.iss),
            declined_at=declined.iat if same and declined else None,
            paused_at=self.paused_at(item.device),
        )

    def _lasting(self, device: str, name: str, kind: type[S]) -> S | None:
        """The last decision under ``name`` if it is a ``kind`` and was not refused."""
        letter = self._folder.letter(_LASTING, device, name)
        if letter is None or self._inbox.refusal(device, signing.digest(letter.jws)[:16]):
            return None
        return self._verify(letter, kind)

    def _verify(self, letter: StoredStatement, kind: type[S]) -> S | None:
        """The statement, if it is a ``kind`` that this owner signed; None for other keys."""
        card = self._folder.card()
        try:
            return signing.verify(letter.jws, kind, {card.fingerprint: card.key})
        except Refused:
            return None
