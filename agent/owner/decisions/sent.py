"""The household's decisions so far: what this owner signed, beside the cameras' reports.

Approvals and shares name their clips; a camera's outcome does not. Mutes, pauses and
declines last, and a camera does not repeat them: it only sends no more. So each decision
is kept without its clip keys once the broker has it. The owner then sees who got a clip
before, and why no requests come. A decision that its camera refused has no effect.

Another owner's release is known from the camera's report alone; a decision of a moment ago
has no report yet, and can be revoked all the same. A camera's own lists are on the camera
(``clip-agent requests``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from agent.consent import signing
from agent.consent.statements import (
    Approval,
    CameraCommand,
    Command,
    Decline,
    Mute,
    Outcome,
    PauseRequests,
    Share,
)
from agent.errors import Refused
from agent.owner.decisions.sign import PAUSE, Consent, Decision, Plan, ReleasePlan
from agent.owner.home.folder import OwnerFolder, StoredStatement
from agent.owner.inbox import items, verify
from agent.owner.inbox.inbox import AWAITED, Inbox
from agent.owner.inbox.items import Answer, OpenRequest, Pause, RequestStatus

S = TypeVar("S", Approval, Share, Command, Decline)

DECLINED = "DECLINED"  # a decline, once its request is closed
RELEASES = "given"  # folders of decisions, as signed
LASTING = "decided"  # the last one of each sort, by its subject


class SentDecisions:
    """The decisions of an owner, and the reports on those of the household."""

    def __init__(self, folder: OwnerFolder, inbox: Inbox) -> None:
        self._folder = folder
        self._inbox = inbox

    def keep(self, decision: Decision, plan: Plan, *, now: float) -> None:
        """Remember a decision, if there is a reason to."""
        letter, device = StoredStatement(jws=decision.jws, received_at=now), plan.device.name
        if isinstance(plan, ReleasePlan):
            self._folder.keep(RELEASES, device, decision.subject, letter)
        for name in plan.remember:
            self._folder.keep(LASTING, device, name, letter)
        if isinstance(plan.content.get("command"), CameraCommand):
            self._folder.keep(AWAITED, device, decision.subject, letter)

    # Answers

    def answers(self) -> list[Answer]:
        """All answers of the household, the newest first."""
        found = [
            answer
            for device in self._inbox.devices
            for answer in (
                *self._declines(device),
                *self._reported(device),
                *self._others(device),
            )
        ]
        ids = {one.release for one in found}
        found = [replace(one, short=items.short(one.release, ids)) for one in found]
        return sorted(found, key=lambda one: -one.at)

    def releases(self, device: str) -> list[Answer]:
        """This owner's releases of clips of ``device``, the newest first, with their times."""
        return sorted(self._releases(device), key=lambda one: -one.at)

    def _reported(self, device: str) -> Iterator[Answer]:
        outcomes = self._inbox.outcomes(device)
        for one in self._releases(device):
            outcome = outcomes.get(one.release)
            yield one if outcome is None else replace(one, at=outcome.iat)

    def consents(self, device: str) -> Iterator[tuple[str, Consent]]:
        """This owner's approvals and shares of clips of ``device``, with their texts."""
        for _, letter in self._folder.kept(RELEASES, device):
            said = self._verify(letter, Approval) or self._verify(letter, Share)
            if said is not None:
                yield letter.jws, said

    def _releases(self, device: str) -> Iterator[Answer]:
        names, outcomes = self._names(), self._inbox.outcomes(device)
        for jws, said in self.consents(device):
            subject = signing.digest(jws)[:16]
            outcome = outcomes.get(subject)
            if outcome is not None and outcome.event == "AGREED":  # it completed another release
                outcome = outcomes.get(outcome.detail, outcome)
            request = said.request if isinstance(said, Approval) else None
            to = said.recipient.name if isinstance(said, Share) else names.get(said.request, "")
            yield Answer(
                device=device,
                release=subject,
                to=to or f"request {(request or '')[:8]}",
                request=request,
                what="share" if request is None else "approval",
                at=said.iat,
                event="" if outcome is None else outcome.event,
                detail="" if outcome is None else outcome.detail,
                clips=tuple(clip.id for clip in said.clips),
                files=() if outcome is None else outcome.files,
            )

    def _others(self, device: str) -> Iterator[Answer]:
        """Releases of other owners, and commands of this one that were refused."""
        names, outcomes = self._names(), self._inbox.outcomes(device)
        mine = {one.release for one in self._releases(device)}
        listed = {subject for subject, _ in self._lasting_of(device, Decline)}
        listed |= mine | set(_completed(outcomes, mine))
        commands = dict(self._lasting_of(device, Command))
        for subject, outcome in outcomes.items():
            if subject in listed:
                continue
            command = commands.get(subject)
            yield Answer(
                device=device,
                release=subject,
                to=names.get(outcome.request or "") or _shared_with(outcome),
                request=outcome.request,
                what=outcome.what or (command.what if command else _of_another(outcome)),
                at=outcome.iat,
                event=outcome.event,
                detail=outcome.detail,
                files=outcome.files,
                is_mine=command is not None,
            )

    def _declines(self, device: str) -> Iterator[Answer]:
        is_open = {item.digest for item in self._inbox.requests() if item.device == device}
        names = self._names()
        for subject, said in self._lasting_of(device, Decline):
            refusal = self._inbox.refusal(device, subject)
            event = "" if said.request in is_open else DECLINED
            yield Answer(
                device=device,
                release="",
                to=names.get(said.request, ""),
                request=said.request,
                what="decline",
                at=said.iat,
                event=event if refusal is None else "REFUSED",
                detail="" if refusal is None else refusal.detail,
            )

    def _names(self) -> dict[str, str]:
        """The requesters' names by the digests of all known requests."""
        return {item.digest: item.report.record.name for item in self._inbox.all_requests()}

    # Decisions that last

    def about(self, item: OpenRequest) -> RequestStatus:
        """The decisions that concern this request."""
        declined = self._lasting(item.device, item.digest[:16], Decline)
        same = declined is not None and declined.request == item.digest
        return RequestStatus(
            muted_at=self._muted_at(item.device, item.request.iss),
            declined_at=declined.iat if same and declined else None,
            paused_at=None if (pause := self.pause(item.device)) is None else pause.at,
        )

    def pause(self, device: str) -> Pause | None:
        """The pause of requests by the camera's word, or by an owner's that is newer."""
        status, said = self._inbox.status(device), self._lasting(device, PAUSE, Command)
        told = None if status is None else status.pause
        asked = said is not None and isinstance(said.command, PauseRequests)
        answered = status is not None and (said is None or status.iat > said.iat)
        if told is not None and status is not None:
            names = {one.fingerprint: one.name for one in status.owners}
            return Pause(told.at, names.get(told.owner, "an owner who has left"))
        if asked and said is not None and not answered:
            return Pause(said.iat, self._folder.card().name, confirmed=False)
        return None

    def _muted_at(self, device: str, requester: str) -> int | None:
        said = self._lasting(device, requester, Decline)
        if said is not None:
            return said.iat if said.mute else None
        match self._lasting(device, requester, Command):
            case Command(command=Mute(requester=key, muted=True), iat=at) if key == requester:
                return at
        return None

    def _lasting(self, device: str, name: str, kind: type[S]) -> S | None:
        """The last decision under ``name`` if it is a ``kind`` and was not refused."""
        letter = self._folder.letter(LASTING, device, name)
        if letter is None or self._inbox.refusal(device, signing.digest(letter.jws)[:16]):
            return None
        return self._verify(letter, kind)

    def _lasting_of(self, device: str, kind: type[S]) -> Iterator[tuple[str, S]]:
        """Subject and content of all lasting decisions of a ``kind``, also of refused ones."""
        for name, letter in self._folder.kept(LASTING, device):
            said = self._verify(letter, kind)
            if said is None or (isinstance(said, Decline) and said.request[:16] != name):
                continue  # a decline with a mute is kept under both names
            yield signing.digest(letter.jws)[:16], said

    def _verify(self, letter: StoredStatement, kind: type[S]) -> S | None:
        """The statement, if it is a ``kind`` that this owner's present keys signed."""
        card = self._folder.card()
        try:
            return signing.verify(letter.jws, kind, {card.fingerprint: card.key})
        except Refused:
            return None


def find(answers: Sequence[Answer], prefix: str) -> Answer:
    """The release whose id starts with ``prefix``; Refused if there is not exactly one."""
    releases = [one for one in answers if one.release]
    found = items.find(releases, prefix, name=_name, about=_about)
    if found is None:
        known = f" Known are {items.listed(releases, name=_name, about=_about)}" if releases else ""
        raise Refused(
            "no-such-release",
            f"no release {prefix!r} is known",
            advice=f"See `clip-agent owner inbox`.{known}",
        )
    return found


def _name(answer: Answer) -> str:
    return answer.release


def _about(answer: Answer) -> str:
    return answer.to or answer.device


def _of_another(outcome: Outcome) -> str:
    if outcome.request is not None:
        return "approval"
    return "command" if outcome.event == "REFUSED" else "share"


def _completed(outcomes: Mapping[str, Outcome], mine: set[str]) -> Iterator[str]:
    """Of two owners' approvals that made one release, those that are not listed again."""
    for subject, outcome in outcomes.items():
        if outcome.event == "AGREED" and outcome.detail in outcomes:
            yield outcome.detail if subject in mine else subject


def _shared_with(outcome: Outcome) -> str:
    """The recipient of another owner's share that waits for us."""
    try:
        if signing.claimed_typ(outcome.decision) != Share.TYP:
            return ""
        return verify.read_share(outcome.decision).recipient.name
    except Refused:
        return ""
