"""The last page before a release is signed, in words: all that the signature does.

It says which clips leave, how much of each, to whom, for what, until when, which data of
the owner goes along, who else must agree, and who has the same clips already. Terminal and console
show the same facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.consent.cards import format_fingerprint
from agent.consent.statements import ApprovedClip
from agent.owner.decisions.sign import ReleasePlan
from agent.owner.inbox.closed_clips import cannot_agree
from agent.owner.wording import text
from agent.owner.wording.words import _

Weight = Literal["plain", "strong", "careful"]


@dataclass(frozen=True)
class Line:
    """A line of a fact. ``careful`` ones warn, and open with CAREFUL."""

    text: str
    weight: Weight = "plain"


@dataclass(frozen=True)
class Fact:
    """A label and its lines."""

    label: str
    lines: tuple[Line, ...]


def heading(plan: ReleasePlan) -> str:
    """The sentence above the facts."""
    return _("If you sign, {camera} sends this, and nothing else:").format(camera=plan.device.name)


def final() -> str:
    """The sentence below them."""
    return _("What was sent cannot be called back.")


def facts(plan: ReleasePlan) -> list[Fact]:
    """Exactly what leaves, and to whom."""
    found = [*_recipient(plan)]
    if (item := plan.request) is not None:
        for_what = _("their request {name}").format(name=item.name)
        if item.request.order is not None:
            for_what = _("their request {name}, a legal order as they say").format(name=item.name)
        found.append(_fact(_("For"), for_what, item.request.title))
    found += [_clip(plan, clip) for clip in plan.clips]
    told = text.disclosed(plan.terms.disclose)
    about = _("{told}, and nothing else").format(told=told) if told else text.nothing_told()
    found.append(_fact(_("About you"), about))
    left = text.remaining(plan.until - plan.terms.now)
    late = _("what is not sent by then is not sent at all")
    found.append(_fact(_("Until"), f"{text.moment(plan.until)} ({left})", late))
    if plan.two_owners:
        found.append(_fact(_("Two owners"), _agreement(plan)))
    return found


def number(plan: ReleasePlan, clip: ApprovedClip) -> int:
    """The number of a clip among those that the plan's request or list offers, from 1."""
    return [offer.id for offer in plan.offers].index(clip.id) + 1


def _fact(label: str, *lines: str) -> Fact:
    return Fact(label, tuple(Line(one) for one in lines))


def _recipient(plan: ReleasePlan) -> Iterator[Fact]:
    to = plan.to
    if plan.request is None:
        to = _("{name}, who has not asked").format(name=plan.to)
    yield _fact(_("To"), to)
    upload = _("by upload to {url}").format(url=plan.url)
    yield _fact(_("Their key"), format_fingerprint(plan.fingerprint), upload)


def _clip(plan: ReleasePlan, clip: ApprovedClip) -> Fact:
    label = _("Clip {number}").format(number=number(plan, clip))
    return Fact(label, (Line(clip.id), *_about(plan, clip)))


def _about(plan: ReleasePlan, clip: ApprovedClip) -> Iterator[Line]:
    offer = plan.offers[number(plan, clip) - 1]
    begin, length = text.exact(offer.started_at), text.length(offer.duration_seconds)
    yield Line(_("from {begin}, length {length}, without sound").format(begin=begin, length=length))
    seen = plan.seen(clip)
    if seen is None:
        yield Line(_("not seen on this computer"))
    else:
        yield Line(_("seen on {time}").format(time=text.brief(seen.at)))
        if seen.pictures is not None and seen.clip == clip:
            yield Line(text.pictures(offer, seen.pictures))
    begins = plan.two_owners and plan.joins is None
    if begins and (why := cannot_agree(offer, plan.household, plan.terms.me)):
        yield Line(_("CAREFUL: {why}").format(why=why), "careful")
    for change in text.changes(clip) or [_("whole, with nothing redacted")]:
        yield Line(change)
    for one in plan.terms.sent_before:
        if clip.id in one.clips and one.may_be_out:
            state = text.outcome(one.event, one.detail)
            said = f"{one.to}, {text.brief(one.at)}: {state} ({one.release[:8]})"
            yield Line(_("released before: {said}").format(said=said), "strong")


def _agreement(plan: ReleasePlan) -> str:
    """Say that this completes another owner's approval, or for whom it waits."""
    if plan.joins is not None:
        owner, release = plan.joins
        who = text.named(plan.household, owner)
        return _("{who} has signed the same, as {release}: it is sent at once").format(
            who=who, release=release[:8]
        )
    whom = text.awaited(plan.household, {plan.terms.me})
    return _("nothing is sent before {whom} has agreed to exactly this").format(whom=whom)
