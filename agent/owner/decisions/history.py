"""The list of the household's answers, and what became of each.

It joins the owner's own signed decisions (:mod:`.sent`) with the cameras' reports. Another
owner's release has only the camera's report; a decision of a moment ago has none yet, and
can be revoked all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from agent.consent import signing
from agent.consent.statements import Command, Mute, Outcome, PauseRequests, ResumeRequests, Share
from agent.errors import Refused
from agent.owner.decisions.sent import SentDecisions
from agent.owner.inbox import items, verify
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import AnsweredItem

DECLINED = "DECLINED"  # a decline, once its request is closed


def read(inbox: Inbox, sent: SentDecisions) -> list[AnsweredItem]:
    """All answers that are known, the newest first."""
    found: list[AnsweredItem] = []
    for device in inbox.devices:
        declined = dict(_declined(inbox, sent, device))
        found += declined.values()
        found += _released(inbox, sent, device, without=set(declined))
    ids = {one.release for one in found}
    found = [replace(one, short=items.short(one.release, ids)) for one in found]
    return sorted(found, key=lambda one: -one.at)


def find(answers: Sequence[AnsweredItem], prefix: str) -> AnsweredItem:
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


def _name(answer: AnsweredItem) -> str:
    return answer.release


def _about(answer: AnsweredItem) -> str:
    return answer.to or answer.device


def _released(
    inbox: Inbox, sent: SentDecisions, device: str, *, without: set[str]
) -> Iterator[AnsweredItem]:
    """Approvals and shares of the household, and commands of this owner that were refused."""
    outcomes, mine = inbox.outcomes(device), set()
    for one in sent.of(device):
        mine.add(one.release)
        outcome = outcomes.get(one.release)
        yield AnsweredItem(
            device=device,
            release=one.release,
            to=one.to,
            request=one.request,
            event=one.event,
            detail=one.detail,
            at=one.at if outcome is None else outcome.iat,
            what="share" if one.request is None else "approval",
            is_mine=True,
        )
    names, commands = sent.names(), sent.commands(device)
    listed = mine | without | set(_completed(outcomes, mine))
    for subject, outcome in outcomes.items():
        if subject in listed:
            continue
        what, to = _of_another(outcome), names.get(outcome.request or "", "")
        if (command := commands.get(subject)) is not None:
            what = _command_name(command)
        yield AnsweredItem(
            device=device,
            release=subject,
            to=to or _shared_with(outcome),
            request=outcome.request,
            event=outcome.event,
            detail=outcome.detail,
            at=outcome.iat,
            what=what,
            is_mine=command is not None,
        )


def _of_another(outcome: Outcome) -> str:
    if outcome.request is not None:
        return "approval"
    return "command" if outcome.event == "REFUSED" else "share"


def _command_name(command: Command) -> str:
    match command.command:
        case Mute(muted=muted):
            return "mute" if muted else "unmute"
        case PauseRequests():
            return "pause-requests"
        case ResumeRequests():
            return "resume-requests"
    return "command"


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


def _declined(inbox: Inbox, sent: SentDecisions, device: str) -> Iterator[tuple[str, AnsweredItem]]:
    """Subject of each decline, and the answer."""
    is_open = {item.digest for item in inbox.requests() if item.device == device}
    names = sent.names()
    for subject, digest, at in sent.declines(device):
        refusal = inbox.refusal(device, subject)
        event = "" if digest in is_open else DECLINED
        yield (
            subject,
            AnsweredItem(
                device=device,
                release="",
                to=names.get(digest, ""),
                request=digest,
                event=event if refusal is None else "REFUSED",
                detail="" if refusal is None else refusal.detail,
                at=at,
                what="decline",
                is_mine=True,
            ),
        )
