"""What the owner answered so far, and what became of each: the list below the inbox.

It is put together from the owner's own signed words (:mod:`.given`, :mod:`.standing`) and
the cameras' last words on them. What another owner of the household let go has only the
second; what was said a moment ago has only the first, and can be revoked all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.consent import signing
from agent.consent.statements import Outcome, Share
from agent.errors import Refused
from agent.owner.decisions.sent import SentDecisions
from agent.owner.inbox import short_ids as ids
from agent.owner.inbox import verify as letters
from agent.owner.inbox.inbox import Inbox
from agent.owner.standing import StandingDecisions

DECLINED = "DECLINED"  # a decline, once its request is closed


@dataclass(frozen=True)
class AnsweredItem:
    """One answer: to whom, and the camera's last word on it.

    ``release`` is its id, empty for a decline, of which nothing is left to stop. ``event`` is
    a state of a release, :data:`DECLINED`, or empty while the camera has said nothing.
    ``short`` is as much of the id as tells it from all others.
    """

    device: str
    release: str
    to: str
    request: str | None
    event: str
    detail: str
    at: float
    short: str = ""


def read(inbox: Inbox, given: SentDecisions, decided: StandingDecisions) -> list[AnsweredItem]:
    """All that is known, the newest first."""
    found: list[AnsweredItem] = []
    for device in inbox.devices:
        declined = list(_declined(inbox, decided, device))
        found += [answer for _, answer in declined]
        found += _released(inbox, given, device, without={subject for subject, _ in declined})
    names = {one.release for one in found}
    found = [replace(one, short=ids.short(one.release, names)) for one in found]
    return sorted(found, key=lambda one: -one.at)


def find(answers: Sequence[AnsweredItem], prefix: str) -> AnsweredItem:
    """The release whose id starts with ``prefix``; Refused if there is not exactly one."""
    releases = [one for one in answers if one.release]
    found = ids.pick(releases, prefix, name=_name, about=_about)
    if found is None:
        known = f" Known are {ids.listed(releases, name=_name, about=_about)}" if releases else ""
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
    inbox: Inbox, given: SentDecisions, device: str, *, without: set[str]
) -> Iterator[AnsweredItem]:
    """Approvals and shares: the owner's own, and those of which only the camera told."""
    outcomes = {
        one.outcome.subject: one.outcome for one in inbox.releases() if one.device == device
    }
    mine = set()
    for gift in given.of(device):
        mine.add(gift.release)
        word = outcomes.get(gift.release)
        at = gift.at if word is None else word.iat
        yield AnsweredItem(device, gift.release, gift.to, gift.request, gift.event, gift.detail, at)
    names = given.names()
    told_already = mine | without | set(_completed(outcomes, mine))
    for subject, word in outcomes.items():
        if subject not in told_already:
            to = names.get(word.request or "") or _shared_with(word)
            yield AnsweredItem(device, subject, to, word.request, word.event, word.detail, word.iat)


def _completed(outcomes: Mapping[str, Outcome], mine: set[str]) -> Iterator[str]:
    """Of two owners' words that made one release, those that are not to be listed again."""
    for subject, word in outcomes.items():
        if word.event == "AGREED" and word.detail in outcomes:
            yield word.detail if subject in mine else subject


def _shared_with(outcome: Outcome) -> str:
    """With whom another owner wants to share, while that waits for us."""
    try:
        if signing.claimed_typ(outcome.decision) != Share.TYP:
            return ""
        return letters.read_share(outcome.decision).recipient.name
    except Refused:
        return ""


def _declined(
    inbox: Inbox, decided: StandingDecisions, device: str
) -> Iterator[tuple[str, AnsweredItem]]:
    """Subject of the decision, and the answer."""
    is_open = {item.digest for item in inbox.requests() if item.device == device}
    names = {item.digest: item.report.record.name for item in inbox.all_requests()}
    for subject, digest, at in decided.declines(device):
        refusal = inbox.refusal(device, subject)
        event = "" if digest in is_open else DECLINED
        detail = ""
        if refusal is not None:
            event, detail = "REFUSED", refusal.detail
        to = names.get(digest, "")
        yield subject, AnsweredItem(device, "", to, digest, event, detail, at)
