"""One request, or one notice, as its owner reads it.

Warnings stand first, each in a box: a legal order, a changed text, a muted requester, a
withdrawn or closed request. :mod:`.layout` says how texts of strangers are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.consent.cards import format_fingerprint
from agent.consent.statements import LegalOrder, RequesterRecord
from agent.owner import text
from agent.owner.inbox.items import NoticeItem, OpenRequest, RequestPage, RequestStatus
from agent.owner.terminal import agreement_view, diff_view
from agent.owner.terminal.inbox_view import NOTICE_KINDS
from agent.owner.terminal.layout import RED, clips

_NOTICES = {
    "alert": "Information only. Nobody can answer an alert, and nobody learns that you read it.",
    "withdrawn": "Nobody asks for this any more. There is nothing to do.",
    "edited": (
        "A request was posted again under its id with another text. Your camera refused the "
        "new text; an answer is to the first one. See both: clip-agent owner show {request}"
    ),
    "muted-order": (
        "It cannot be answered from here: your camera refused it, since you muted who asks. "
        "Ignoring a real order can have consequences."
    ),
    "flood": "Too many posts came to record each. There is nothing to do.",
    "log": "The list that makes requests public cannot be trusted at present.",
}

_FORKED = (
    "The public log {log} was shown to list this request. Since then it was caught showing "
    "different lists to different people, so others may never have seen this request. Call "
    "the requester, by a number that you looked up yourself, before you answer."
)


def request(page: RequestPage, now: float) -> Group:
    """A request in full, its clips, and how to answer it."""
    item = page.item
    parts: list[RenderableType] = [
        *_boxes(page),
        Panel(_facts(item, now), title=Text(item.request.title), title_align="left"),
        Panel(Text(item.request.text), title="What they write", title_align="left"),
        Panel(_record(item.report.record), title="Their record", title_align="left"),
        *diff_view.compared(item),
        Text(),
        *clips(item.report.clips, title="Matching clips", closed=item.closed_clips),
    ]
    if more := item.report.more_clips:
        parts.append(Text(f"{more} older clips match too; the message had no room for them."))
    parts += agreement_view.released(item, page.sent)
    if not item.closed:
        parts += [
            *agreement_view.agreement(item, page.me),
            Text(),
            agreement_view.how_to_answer(item),
        ]
    return Group(*parts)


def notice(told: NoticeItem) -> Group:
    """A notice in full."""
    one = told.notice
    facts = [
        ("What", NOTICE_KINDS[one.kind]),
        ("From", one.who),
        ("When", text.moment(one.at)),
        *([("Until", text.moment(one.until))] if one.until is not None else []),
        ("Your camera", told.device),
        *([("Id", one.subject)] if one.subject else []),
    ]
    return Group(
        Panel(_grid(facts), title=Text(one.title), title_align="left"),
        *([Panel(Text(one.text), title="What it says", title_align="left")] if one.text else []),
        Text(_NOTICES[one.kind].format(request=one.subject[:8])),
    )


# Warnings


def _boxes(page: RequestPage) -> Iterator[Panel]:
    item, status = page.item, page.status
    if item.request.order is not None:
        yield _legal_order(item, item.request.order)
    if item.changed:
        yield _changed(item)
    if item.report.log is not None and item.report.log.forked:
        yield _box("CAREFUL: PERHAPS NOT PUBLIC", _FORKED.format(log=item.report.log.origin), RED)
    if status.muted_at is not None:
        yield _muted(item, status.muted_at)
    if page.withdrawn is not None:
        notice = page.withdrawn.notice
        yield _box(
            "WITHDRAWN",
            f"{notice.who} withdrew this request on {text.moment(notice.at)}. Clips that were "
            "not sent before are not sent. There is nothing to do.",
        )
    elif item.closed:
        yield _box("CLOSED", _why_closed(status))


def _legal_order(item: OpenRequest, order: LegalOrder) -> Panel:
    who = item.report.record.name
    said = Text(f"{who} says that a court has ordered this:\n\n")
    for name, value in (
        ("Court", order.court),
        ("Docket", order.docket),
        ("Document", f"its SHA-256 is\n            {order.document_sha256}"),
    ):
        said.append(f"  {name:10}", style="bold").append(f"{value}\n")
    said.append(
        "\nYour camera has checked who signed this request. It cannot check that the court "
        "has ordered anything.\n\n"
        "Nothing was fetched and nothing is sent by itself. You still decide, clip by clip, "
        "as with any request; until you approve, nobody has anything.\n\n"
        "Before you decide, ask the court named above, by a telephone number that you looked "
        "up yourself, or a lawyer: is the order real, what exactly must you hand over, and by "
        "when? Ask to see the document: on a copy of it, `sha256sum FILE` must print the "
        "digits above. Ignoring a real order can have consequences."
    )
    return Panel(said, title="THIS IS A LEGAL ORDER", title_align="left", border_style=RED)


def _changed(item: OpenRequest) -> Panel:
    who = item.report.record.name
    if item.reposts:
        warning = (
            f"{who} posted this request again under the same id, with another text. Below, both "
            "stand side by side. If you approve, you answer the first text only: your camera "
            "refused the other. A requester in good faith posts a new request instead of "
            "changing one."
        )
    else:
        warning = (
            f"{who} sent two different texts under one id to your cameras. See `clip-agent owner "
            "inbox` for the other one, and read both before you answer."
        )
    return _box("CAREFUL: THE TEXT WAS CHANGED", warning, RED)


def _muted(item: OpenRequest, since: int) -> Panel:
    return _box(
        "MUTED",
        f"You muted {item.report.record.name} on {text.moment(since)}. Your camera refuses their "
        "requests since then (requester-muted) without telling anybody, and keeps them in its "
        "ledger; `clip-agent requests` prints them on the camera. You still get a notice of a "
        "legal order. This is one of their requests from before.\n"
        f"To get their requests again: clip-agent owner unmute {item.name}",
    )


def _why_closed(status: RequestStatus) -> str:
    if status.declined_at is not None:
        why = f"You declined it on {text.moment(status.declined_at)}."
    elif status.muted_at is not None:
        why = "It was closed when you muted the requester."
    elif status.paused_at is not None:
        why = (
            f"You paused requests on {text.moment(status.paused_at)}. If it is still open "
            "when you resume, it comes back; it may run out meanwhile."
        )
    else:
        why = "It ended, or another owner of your household declined it."
    return f"This request can no longer be answered. {why} Below is its last known state."


def _box(title: str, warning: str, style: str = "bold") -> Panel:
    return Panel(Text(warning), title=Text(title), title_align="left", border_style=style)


# Contents


def kind_of(item: OpenRequest) -> str:
    """The kind of a request in plain words."""
    if item.request.order is None:
        return "voluntary request: nothing obliges you to answer"
    return "legal order: they say that a court has ordered it"


def _facts(item: OpenRequest, now: float) -> Table:
    request = item.request
    until = "" if item.closed else f" ({text.remaining(request.exp - now)})"
    return _grid(
        [
            ("Kind", kind_of(item)),
            ("Who asks", item.report.record.name),
            ("Their key", format_fingerprint(request.iss)),
            ("Reference", request.reference),
            ("Incident", request.incident),
            ("Contact", request.contact),
            (
                "They ask about",
                f"{text.moment(request.window.start)}\nto {text.moment(request.window.end)}",
            ),
            ("Area", text.place(request.area)),
            ("Goes to", request.upload.url),
            ("Open until", f"{text.moment(request.exp)}{until}"),
            ("Public log", _log_place(item)),
            ("Your camera", item.device),
            ("Id", item.digest),
        ]
    )


def _log_place(item: OpenRequest) -> str:
    place = item.report.log
    if place is None:
        return "unknown: your camera was not set up to check (feed.log)"
    if place.forked:
        return f"entry {place.index} of {place.size} in {place.origin}, which proves nothing now"
    return (
        f"entry {place.index} of {place.size} in {place.origin}; "
        "your camera has checked that everybody can see it there"
    )


def _record(record: RequesterRecord) -> Text:
    more = record.withdrawn or record.counted or record.edited or record.refused
    if record.requests <= 1 and not more:
        return Text("Your camera has seen nothing else of them so far.")
    since = text.month(record.first_seen)
    lines = [f"has asked {text.times(record.requests)} since {since}"]
    refused = f"{record.refused} refused by your camera"
    if record.refusals:
        refused += f" ({text.refusals(record.refusals)})"
    lines.append(f"{record.withdrawn} withdrawn; {refused}")
    if record.counted:
        lines.append(
            f"at least {record.counted:,} more posts were too many for one day: not read, "
            "only counted"
        )
    if record.edited:
        lines.append(f"{text.times(record.edited)} with a text changed after it was posted")
    if record.kinds or record.incidents:
        usual = [text.tallies(record.kinds), text.tallies(record.incidents[:4])]
        lines.append(f"usually {'; '.join(filter(None, usual))}")
    if record.median_square_miles is not None and record.median_window_seconds is not None:
        lines.append(
            f"typical area {record.median_square_miles:.2g} square miles, "
            f"typical time asked about {text.span(record.median_window_seconds)} (medians)"
        )
    return Text("\n".join(lines))


def _grid(facts: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, Text(value))
    return table
