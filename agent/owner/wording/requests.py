"""Sentences about a request or a notice.

A :class:`Box` is a warning that stands before all else: a legal order, a changed text, a log that
lied, a muted requester, a withdrawn or closed request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.consent.cards import format_fingerprint
from agent.consent.statements import LegalOrder, Notice, RequesterRecord
from agent.owner.inbox.items import OpenRequest, RequestPage, RequestStatus
from agent.owner.wording import text
from agent.owner.wording.words import _

Fact = tuple[str, str]  # a label and its value

ORDER, CHANGED, FORKED = "order", "changed", "forked"  # kinds of boxes that are serious
MUTED, WITHDRAWN, CLOSED = "muted", "withdrawn", "closed"
SERIOUS_NOTICES = ("edited", "muted-order", "log")


@dataclass(frozen=True)
class Box:
    """A warning of a kind, with its facts between two paragraphs or more."""

    kind: str
    title: str
    paragraphs: tuple[str, ...]
    facts: tuple[Fact, ...] = ()

    @property
    def is_serious(self) -> bool:
        """True if the owner could be harmed by passing over it."""
        return self.kind in (ORDER, CHANGED, FORKED)


def boxes(page: RequestPage) -> Iterator[Box]:
    """All warnings about a request, the most serious first."""
    item, status = page.item, page.status
    if item.request.order is not None:
        yield _legal_order(item, item.request.order)
    if item.changed:
        yield _changed(item)
    if item.report.log is not None and item.report.log.forked:
        yield _forked(item.report.log.origin)
    if status.muted_at is not None:
        yield _muted(item, status.muted_at)
    if page.withdrawn is not None:
        notice = page.withdrawn.notice
        said = _(
            "{who} withdrew this request on {when}. Clips that were not sent before are not sent."
            " There is nothing to do."
        )
        said = said.format(who=notice.who, when=text.moment(notice.at))
        yield Box(WITHDRAWN, _("WITHDRAWN"), (said,))
    elif item.closed:
        yield Box(CLOSED, _("CLOSED"), (_closed(status),))


def _legal_order(item: OpenRequest, order: LegalOrder) -> Box:
    document = _("its SHA-256 is\n{digest}").format(digest=order.document_sha256)
    return Box(
        ORDER,
        _("THIS IS A LEGAL ORDER"),
        (
            _("{who} says that a court has ordered this:").format(who=item.report.record.name),
            _(
                "Your camera has checked who signed this request. It cannot check that the court "
                "has ordered anything."
            ),
            _(
                "Nothing was fetched and nothing is sent by itself. You still decide, clip by clip,"
                " as with any request; until you approve, nobody has anything."
            ),
            _(
                "Before you decide, ask the court named above, by a telephone number that you"
                " looked up yourself, or a lawyer: is the order real, what exactly must you hand"
                " over, and by when? Ask to see the document: on a copy of it, `sha256sum FILE`"
                " must print the digits above. Ignoring a real order can have consequences."
            ),
        ),
        ((_("Court"), order.court), (_("Docket"), order.docket), (_("Document"), document)),
    )


def _changed(item: OpenRequest) -> Box:
    if item.reposts:
        said = _(
            "{who} posted this request again under the same id, with another text. Below, both "
            "stand side by side. If you approve, you answer the first text only: your camera "
            "refused the other. A requester in good faith posts a new request instead of "
            "changing one."
        )
    else:
        said = _(
            "{who} sent two different texts under one id to your cameras. See the other one in"
            " your inbox, and read both before you answer."
        )
    title = _("CAREFUL: THE TEXT WAS CHANGED")
    return Box(CHANGED, title, (said.format(who=item.report.record.name),))


def _forked(log: str) -> Box:
    said = _(
        "The public log {log} was shown to list this request. Since then it was caught showing "
        "different lists to different people, so others may never have seen this request. Call "
        "the requester, by a number that you looked up yourself, before you answer."
    )
    return Box(FORKED, _("CAREFUL: PERHAPS NOT PUBLIC"), (said.format(log=log),))


def _muted(item: OpenRequest, since: int) -> Box:
    said = _(
        "You muted {who} on {when}. Your camera refuses their requests since then"
        " (requester-muted) without telling anybody, and keeps them in its ledger;"
        " `clip-agent requests` prints them on the camera. You still get a notice of a legal"
        " order. This is one of their requests from before."
    )
    said = said.format(who=item.report.record.name, when=text.moment(since))
    return Box(MUTED, _("MUTED"), (said,))


def _closed(status: RequestStatus) -> str:
    if status.declined_at is not None:
        why = _("You declined it on {when}.").format(when=text.moment(status.declined_at))
    elif status.muted_at is not None:
        why = _("It was closed when you muted the requester.")
    elif status.paused_at is not None:
        why = _(
            "You paused requests on {when}. If it is still open when you resume, it comes back; it"
            " may run out meanwhile."
        ).format(when=text.moment(status.paused_at))
    else:
        why = _("It ended, or another owner of your household declined it.")
    can_no_more = _("This request can no longer be answered. {why} Below is its last known state.")
    return can_no_more.format(why=why)


# Contents


def kind_of(item: OpenRequest) -> str:
    """The kind of a request in plain words."""
    if item.request.order is None:
        return _("voluntary request: nothing obliges you to answer")
    return _("legal order: they say that a court has ordered it")


def facts(item: OpenRequest, now: float) -> list[Fact]:
    """All that a request says, but for its title and text, and who has it."""
    request = item.request
    until = text.moment(request.exp)
    left = "" if item.closed else f" ({text.remaining(request.exp - now)})"
    return [
        (_("Kind"), kind_of(item)),
        (_("Who asks"), item.report.record.name),
        (_("Their key"), format_fingerprint(request.iss)),
        (_("Reference"), request.reference),
        (_("Incident"), request.incident),
        (_("Contact"), request.contact),
        (_("They ask about"), window(item)),
        (_("Area"), text.place(request.area)),
        (_("Goes to"), request.upload.url),
        (_("Open until"), f"{until}{left}"),
        (_("Public log"), log_place(item)),
        (_("Your camera"), item.device),
        (_("Id"), item.digest),
    ]


def window(item: OpenRequest) -> str:
    """The time that a request asks about, in two lines."""
    start, end = text.moment(item.request.window.start), text.moment(item.request.window.end)
    return _("{start}\nto {end}").format(start=start, end=end)


def log_place(item: OpenRequest) -> str:
    """The place of a request in a public log, as the camera has checked it."""
    place = item.report.log
    if place is None:
        return _("unknown: your camera was not set up to check (feed.log)")
    if place.forked:
        said = _("entry {index} of {size} in {log}, which proves nothing now")
    else:
        said = _(
            "entry {index} of {size} in {log}; your camera has checked that everybody can see it"
            " there"
        )
    return said.format(index=place.index, size=place.size, log=place.origin)


def record(record: RequesterRecord) -> list[str]:
    """The history of a requester as a camera has seen it, a line each."""
    more = record.withdrawn or record.counted or record.edited or record.refused
    if record.requests <= 1 and not more:
        return [_("Your camera has seen nothing else of them so far.")]
    asked = _("has asked {times} since {month}")
    lines = [asked.format(times=text.times(record.requests), month=text.month(record.first_seen))]
    refused = _("{withdrawn} withdrawn; {refused} refused by your camera").format(
        withdrawn=record.withdrawn, refused=record.refused
    )
    lines.append(f"{refused} ({text.refusals(record.refusals)})" if record.refusals else refused)
    if record.counted:
        many = _("at least {count} more posts were too many for one day: not read, only counted")
        lines.append(many.format(count=f"{record.counted:,}"))
    if record.edited:
        changed = _("{times} with a text changed after it was posted")
        lines.append(changed.format(times=text.times(record.edited)))
    if record.kinds or record.incidents:
        usual = [text.tallies(record.kinds), text.tallies(record.incidents[:4])]
        lines.append(_("usually {what}").format(what="; ".join(filter(None, usual))))
    if record.median_square_miles is not None and record.median_window_seconds is not None:
        typical = _(
            "typical area {size:.2g} square miles, typical time asked about {time} (medians)"
        )
        time = text.span(record.median_window_seconds)
        lines.append(typical.format(size=record.median_square_miles, time=time))
    return lines


# Notices


def notice_kind(notice: Notice) -> str:
    """The kind of a notice in a word or two."""
    return {
        "alert": _("alert"),
        "withdrawn": _("withdrawn"),
        "edited": _("edited"),
        "muted-order": _("legal order"),
        "flood": _("flood of posts"),
        "log": _("public log"),
    }[notice.kind]


def notice_meaning(notice: Notice) -> str:
    """The meaning of a notice for its owner."""
    return {
        "alert": _(
            "Information only. Nobody can answer an alert, and nobody learns that you read it."
        ),
        "withdrawn": _("Nobody asks for this any more. There is nothing to do."),
        "edited": _(
            "A request was posted again under its id with another text. Your camera refused the "
            "new text; an answer is to the first one."
        ),
        "muted-order": _(
            "It cannot be answered from here: your camera refused it, since you muted who asks. "
            "Ignoring a real order can have consequences."
        ),
        "flood": _("Too many posts came to record each. There is nothing to do."),
        "log": _("The list that makes requests public cannot be trusted at present."),
    }[notice.kind]


def is_over(notice: Notice, now: float) -> bool:
    """True if a notice tells of nothing that goes on."""
    return notice.until is not None and notice.until <= now
