"""Find the request, release or clip that a person names by first characters, number or id."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from agent.consent import signing
from agent.consent.statements import ClipOffer, Proposal, Share
from agent.errors import Refused
from agent.owner.inbox import items, verify
from agent.owner.inbox.closed_clips import NONE_CLOSED, ClosedClips
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import (
    ListedClips,
    NoticeItem,
    OpenRequest,
    ReleaseUpdate,
    is_number,
    pick,
)
from agent.owner.inbox.placing import CLIPS

_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_ADVICE = "See `clip-agent owner inbox`"


def open_request(
    inbox: Inbox, prefix: str, *, numbers: Sequence[str] = (), camera: str | None = None
) -> OpenRequest:
    """The open request whose digest starts with ``prefix``; Refused if not exactly one.

    Of several cameras that report it, the one that offers the clips ``numbers``, named by their
    ids, or ``camera``. Also refused unless each number among ``numbers`` is of the clip that it was
    when last shown.
    """
    found = open_requests(inbox, prefix, camera=camera)
    if len(found) > 1:
        ids = [one for one in numbers if not is_number(one)]
        found = [one for one in found if ids and all(pick(one.report.clips, clip) for clip in ids)]
    if len(found) != 1:
        raise Refused(
            "several-cameras",
            f"several cameras have clips for request {prefix!r}, and each numbers its own",
            advice="Answer for each camera by itself: give --camera, or the ids of its clips",
        )
    (item,) = found
    _check_numbers(inbox, item.device, item.digest[:16], item.report.clips, numbers)
    return item


def open_requests(inbox: Inbox, prefix: str, *, camera: str | None = None) -> list[OpenRequest]:
    """The open request whose digest starts with ``prefix``, as each camera reported it."""
    found = reports(inbox, prefix, camera=camera)
    able = [one for one in found if isinstance(one, OpenRequest) and not one.closed]
    if able:
        return able
    if isinstance(found[0], NoticeItem):
        why = f"{prefix!r} is a notice: information, which nobody can answer"
        raise Refused("not-a-request", why, advice=_ADVICE)
    raise Refused(
        "request-closed",
        f"no open request {prefix!r}: it is closed",
        advice=f"`clip-agent owner show {found[0].name}` says why",
    )


def anything(inbox: Inbox, prefix: str, *, camera: str | None = None) -> OpenRequest | NoticeItem:
    """The first of :func:`reports`."""
    return reports(inbox, prefix, camera=camera)[0]


def reports(
    inbox: Inbox, prefix: str, *, camera: str | None = None
) -> Sequence[OpenRequest | NoticeItem]:
    """The request or notice whose digest starts with ``prefix``, as each camera reported it.

    Refused if there is not exactly one, or ``camera`` has not reported it. Open requests come
    before closed ones, and these before notices: a person who names a withdrawn request wants to
    see the request.
    """
    groups: list[Sequence[OpenRequest | NoticeItem]] = [
        inbox.requests(),
        inbox.closed_requests(),
        _newest_of_each(inbox.notices()),
    ]
    for group in groups:
        from_all = [one for one in group if camera in (None, one.device)]
        each = list({_digest(one): one for one in from_all}.values())
        found = items.find(each, prefix, name=_digest, about=_about)
        if found is not None:
            same = [one for one in from_all if _digest(one) == _digest(found)]
            return sorted(same, key=lambda one: one.device)
    able = list({_digest(one): one for one in groups[0]}.values())
    there_are = (
        f"open are {items.listed(able, name=_digest, about=_about)}" if able else "none is open"
    )
    of = "" if camera is None else f" of {camera}"
    why = f"no open request {prefix!r}{of}: {there_are}"
    raise Refused("no-such-request", why, advice=_ADVICE)


def clip(
    inbox: Inbox, name: str, *, request: str | None = None, camera: str | None = None
) -> tuple[str, ClipOffer]:
    """Camera and offer of a clip: by id, or by its number in a request or a camera's list.

    Refused if there is not exactly one.
    """
    if request is not None:
        item = open_request(inbox, request, numbers=[name], camera=camera)
        return item.device, item.clip(name)
    offered = [(one.device, one.listing.clips) for one in inbox.listings()]
    if not is_number(name):
        offered += [(item.device, item.report.clips) for item in inbox.requests()]
    offered = [(device, clips) for device, clips in offered if camera in (None, device)]
    if is_number(name) and len(offered) > 1:
        raise Refused(
            "ambiguous", f"several cameras have a clip {name}", advice="Give its id, or --camera"
        )
    found = [
        (device, offer, offers)
        for device, offers in offered
        if (offer := pick(offers, name)) is not None
    ]
    if len({device for device, _, _ in found}) > 1:
        raise Refused("ambiguous", f"several cameras offer a clip {name}", advice="Give --camera")
    for device, offer, offers in found:
        _check_numbers(inbox, device, CLIPS, offers, [name])
        return device, offer
    for device in inbox.devices if not is_number(name) else ():
        if camera in (None, device) and (paged := inbox.paged(device, name)) is not None:
            return device, paged
    raise Refused(
        "no-such-clip",
        f"no clip {name!r} is known",
        advice="See `clip-agent owner clips`; the number of a request's clip needs --request",
    )


def closed_clips(inbox: Inbox, device: str) -> ClosedClips:
    """The clips in all letters of ``device`` that this owner cannot open."""
    letters: list[OpenRequest | ListedClips] = [*inbox.all_requests(), *inbox.listings()]
    found = [one.closed_clips for one in letters if one.device == device and one.closed_clips.ids]
    found += inbox.paged_closed(device)
    ids = frozenset(clip for one in found for clip in one.ids)
    return ClosedClips(ids, found[0].others) if found else NONE_CLOSED


def _check_numbers(
    inbox: Inbox, device: str, letter: str, offers: Sequence[ClipOffer], names: Sequence[str]
) -> None:
    """The first use of a number binds the numbers of that letter, as showing it does."""
    numbers = [name for name in names if is_number(name)]
    shown = inbox.shown(device, letter) if numbers else None
    if numbers and shown is None:
        inbox.mark_shown(device, letter)
        return
    for number in numbers:
        before, now = pick(shown or (), number), pick(offers, number)
        if _identity(before) == _identity(now):
            continue
        was, is_now = (one.id if one is not None else "no clip" for one in (before, now))
        listing = "owner clips" if letter == CLIPS else f"owner show {letter[:8]}"
        raise Refused(
            "numbers-changed",
            f"{number} was {was} when the clips were listed, and is {is_now} now",
            advice=f"List them again with `clip-agent {listing}`, or give the clip's id",
        )


def _identity(offer: ClipOffer | None) -> tuple[str, str] | None:
    return None if offer is None else (offer.id, offer.sha256)


def check_all_name(
    inbox: Inbox, names: Sequence[str], offer: ClipOffer, *, request: str | None, camera: str | None
) -> None:
    """Refused unless all ``names`` are of the clip ``offer``."""
    for name in names:
        found = clip(inbox, name, request=request, camera=camera)[1]
        if found.id != offer.id:
            raise Refused("not-chosen", f"clip {name} is to be changed, but {offer.id} is shown")


def listed(
    inbox: Inbox, names: Sequence[str], *, camera: str | None = None
) -> dict[str, tuple[ClipOffer, ...]]:
    """The cameras of the clips ``names``, each with its offers.

    Numbers are those of the camera's list, and of no use for clips of several cameras.
    """
    found: dict[str, list[ClipOffer]] = {}
    for name in names:
        device, offer = clip(inbox, name, camera=camera)
        found.setdefault(device, []).append(offer)
    lists = {one.device: one.listing.clips for one in inbox.listings()}
    return {device: _joined(lists.get(device, ()), named) for device, named in found.items()}


def _joined(offers: Sequence[ClipOffer], more: Sequence[ClipOffer]) -> tuple[ClipOffer, ...]:
    known = {offer.id for offer in offers}
    new = {offer.id: offer for offer in more if offer.id not in known}
    return (*offers, *new.values())


def proposal(found: Sequence[OpenRequest], prefix: str, *, me: str) -> tuple[OpenRequest, Proposal]:
    """Another owner's approval that waits for a second one, and the report that tells of it.

    ``found`` are the cameras' reports of one request; ``me`` cannot agree.
    """
    waiting = [(item, one) for item in found for one in item.report.proposals]
    chosen = items.find(
        waiting,
        prefix,
        name=lambda one: one[1].release,
        about=lambda one: f"by the key {one[1].owner}",
    )
    if chosen is None:
        raise Refused(
            "no-such-release",
            f"no owner has approved anything as {prefix!r}",
            advice=f"See `clip-agent owner show {found[0].name}`",
        )
    if chosen[1].owner == me:
        raise Refused("own-proposal", "this is your own approval: another owner must agree to it")
    return chosen


def proposed_share(inbox: Inbox, prefix: str, *, me: str) -> tuple[str, str, Share]:
    """Camera, release id and content of another owner's share that waits for a second one."""
    found = items.find(
        _proposed(inbox.releases()),
        prefix,
        name=lambda one: one.outcome.subject,
        about=lambda one: one.device,
    )
    if found is None:
        why = f"no share {prefix!r} waits for a second owner"
        raise Refused("no-such-release", why, advice=_ADVICE)
    said = verify.read_share(found.outcome.decision)
    if said.iss == me:
        raise Refused("own-proposal", "this is your own share: another owner must agree to it")
    return found.device, found.outcome.subject, said


def waiting_shares(
    releases: Sequence[ReleaseUpdate], *, me: str
) -> list[tuple[ReleaseUpdate, Share]]:
    """Other owners' shares that wait for a second owner, who may be ``me``."""
    found = []
    for one in _proposed(releases):
        with contextlib.suppress(Refused):  # a camera quotes what is no share: nothing to agree to
            found.append((one, verify.read_share(one.outcome.decision)))
    return [(one, said) for one, said in found if said.iss != me]


def _proposed(releases: Sequence[ReleaseUpdate]) -> list[ReleaseUpdate]:
    return [one for one in releases if _is_proposed_share(one)]


def _is_proposed_share(update: ReleaseUpdate) -> bool:
    outcome = update.outcome
    try:
        return outcome.event == "PROPOSED" and signing.claimed_typ(outcome.decision) == Share.TYP
    except Refused:
        return False


def requester(inbox: Inbox, text: str) -> tuple[str, str]:
    """Fingerprint and name of a requester, by fingerprint or by one of their requests."""
    if _FINGERPRINT.fullmatch(text):
        known = inbox.all_requests()
        names = (item.report.record.name for item in known if item.request.iss == text)
        return text, next(names, "a requester without a request here")
    found = anything(inbox, text)
    if isinstance(found, NoticeItem):
        raise Refused(
            "not-a-request",
            f"{text!r} is a notice, which does not name a key",
            advice="Give the requester's fingerprint",
        )
    return found.request.iss, found.report.record.name


def _digest(one: OpenRequest | NoticeItem) -> str:
    return one.notice.subject if isinstance(one, NoticeItem) else one.digest


def _about(one: OpenRequest | NoticeItem) -> str:
    if isinstance(one, NoticeItem):
        return f"notice: {one.notice.title}"
    return f"{one.request.title}, {one.device}"


def _newest_of_each(told: Sequence[NoticeItem]) -> list[NoticeItem]:
    """One notice, the newest, of each post on each device."""
    newest: dict[tuple[str, str], NoticeItem] = {}
    for one in told:
        newest.setdefault((one.device, one.notice.subject), one)
    return list(newest.values())
