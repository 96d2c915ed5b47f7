"""What the owner has let go so far: their own signed words, beside what the camera said last.

An approval or a share names its clips, an outcome does not. So each is kept as it was
signed, without its keys, once the broker has it; whoever is about to let a clip go is then
told that it went to somebody before. Only what was said from this folder is known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.consent import signing
from agent.consent.statements import Approval, Outcome, Share
from agent.errors import Refused
from agent.owner.decisions.sign import Decision
from agent.owner.folder import OwnerFolder, StoredStatement
from agent.owner.inbox.inbox import Inbox

_GIVEN = "given"
_UNSENT = ("REFUSED", "REVOKED", "FAILED")


@dataclass(frozen=True)
class SentDecision:
    """Clips that the owner let go: to whom, for which request, and what became of it.

    ``event`` is the camera's last word, empty while there is none.
    """

    device: str
    release: str
    to: str
    request: str | None
    clips: tuple[str, ...]
    at: int
    event: str
    detail: str = ""

    @property
    def may_be_out(self) -> bool:
        """Whether somebody has it, or may still get it."""
        return self.event not in _UNSENT


class SentDecisions:
    """The owner's approvals and shares."""

    def __init__(self, home: OwnerFolder, inbox: Inbox) -> None:
        self._home = home
        self._inbox = inbox

    def keep(self, decision: Decision, *, now: float) -> None:
        """Remember an approval or a share."""
        letter = StoredStatement(jws=decision.jws, received_at=now)
        self._home.keep(_GIVEN, decision.device.name, decision.subject, letter)

    def of(self, device: str) -> list[SentDecision]:
        """All that the owner let go of the clips of ``device``, the newest first."""
        outcomes = {
            word.outcome.subject: word.outcome
            for word in self._inbox.releases()
            if word.device == device
        }
        for name, outcome in list(outcomes.items()):
            if outcome.event == "AGREED":  # it completed another owner's release
                outcomes[name] = outcomes.get(outcome.detail, outcome)
        return sorted(self._read(device, outcomes), key=lambda gift: -gift.at)

    def names(self) -> dict[str, str]:
        """Who asks, by the digests of the requests that there are letters about."""
        return {item.digest: item.report.record.name for item in self._inbox.all_requests()}

    def _read(self, device: str, outcomes: dict[str, Outcome]) -> Iterator[SentDecision]:
        names = self.names()
        card = self._home.card()
        for subject, letter in self._home.kept(_GIVEN, device):
            kind: type[Approval] | type[Share]
            kind = Share if signing.claimed_typ(letter.jws) == Share.TYP else Approval
            try:
                said = signing.verify(letter.jws, kind, {card.fingerprint: card.key})
            except Refused:
                continue  # of keys that this owner had before, or changed by somebody
            request = said.request if isinstance(said, Approval) else None
            to = said.recipient.name if isinstance(said, Share) else ""
            word = outcomes.get(subject)
            yield SentDecision(
                device=device,
                release=subject,
                to=to or names.get(request or "", f"request {(request or '')[:8]}"),
                request=request,
                clips=tuple(clip.id for clip in said.clips),
                at=said.iat,
                event="" if word is None else word.event,
                detail="" if word is None else word.detail,
            )
