"""One request, or one notice, as its owner reads it: what it is, who asks, what to do.

Whatever must not be overlooked stands first, in a box of its own: that this is a legal
demand, that the text was changed, that the owner muted who asks, that nobody asks any
more. How texts of strangers are shown is said in :mod:`.view`, how to answer in
:mod:`.answering`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.consent.statements import LegalOrder, RequesterRecord
from agent.owner import text as words
from agent.owner.decisions.sent import SentDecision
from agent.owner.inbox.items import NoticeItem, OpenRequest
from agent.owner.standing import RequestStatus
from agent.owner.terminal import agreement_view as answering
from agent.owner.terminal import diff_view as edits
from agent.owner.terminal import inbox_view as view

_RED = "bold red"
_NOTHING_SAID = RequestStatus()
_NOTICES = {
    "alert": "Information only. Nobody can answer an alert, and nobody learns that you read it.",
    "withdrawn": "Nobody asks for this any more. There is nothing to do.",
    "edited": (
        "A request was posted again under its id with another text. Your camera refused the "
        "new text; an answer is to the first one. See both: clip-agent owner show {request}"
    ),
    "muted-order": (
        "Nobody can answer this from here: your camera refused it, since you muted who asks. "
        "To ignore a real order can have consequences."
    ),
    "flood": "Too many posts came to record each. There is nothing to do.",
    "log": "The list that makes requests public cannot be trusted as it is.",
}

_FORKED = (
    "The public log {log}, in which this request was shown to stand, was caught since with two "
    "different pasts: it shows different people different lists. Other people may never have "
    "seen this request. Ask whoever asks, by a number that you looked up yourself, before you "
    "answer."
)


def request(
    item: OpenRequest,
    now: float,
    *,
    standing: RequestStatus = _NOTHING_SAID,
    withdrawn: NoticeItem | None = None,
    me: str = "",
    gifts: Sequence[SentDecision] = (),
) -> Group:
    """A request in full, its clips, and how to answer it.

    ``standing`` is what the owner has told the camera about it, ``withdrawn`` the notice
    that it was withdrawn, ``me`` the owner's fingerprint, and ``gifts`` what they let go so far.
    """
    parts: list[RenderableType] = [
        *_boxes(item, standing, withdrawn),
        Panel(_facts(item, now), title=Text(item.request.title), title_align="left"),
        Panel(Text(item.request.text), title="What they write", title_align="left"),
        Panel(_record(item.report.record), title="Their record", title_align="left"),
    ]
    if item.reposts:
        parts += edits.compared(item)
    parts.append(Text())
    parts.append(view.clips(item.report.clips, title="Matching clips"))
    if more := item.report.more_clips:
        parts.append(Text(f"{more} older clips match too; the letter had no room for them."))
    parts += answering.given(item, gifts)
    if not item.closed:
        parts += [*answering.agreement(item, me), Text(), answering.how_to_answer(item)]
    return Group(*parts)


def notice(told: NoticeItem) -> Group:
    """A notice in full."""
    one = told.notice
    facts = [
        ("What", view.NOTICE_KINDS[one.kind]),
        ("From", one.who),
        ("When", words.moment(one.at)),
        *([("Until", words.moment(one.until))] if one.until is not None else []),
        ("Your camera", told.device),
        *([("Digest", one.subject)] if one.subject else []),
    ]
    return Group(
        Panel(_grid(facts), title=Text(one.title), title_align="left"),
        *([Panel(Text(one.text), title="What it says", title_align="left")] if one.text else []),
        Text(_NOTICES[one.kind].format(request=one.subject[:8])),
    )


# What must not be overlooked


def _boxes(
    item: OpenRequest, standing: RequestStatus, withdrawn: NoticeItem | None
) -> Iterator[Panel]:
    if item.request.order is not None:
        yield _legal_demand(item, item.request.order)
    if item.changed:
        yield _changed(item)
    if item.report.log is not None and item.report.log.forked:
        yield _box("CAREFUL: PERHAPS NOT PUBLIC", _FORKED.format(log=item.report.log.origin), _RED)
    if standing.muted_at is not None:
        yield _muted(item, standing.muted_at)
    if withdrawn is not None:
        yield _box(
            "WITHDRAWN",
            f"{withdrawn.notice.who} no longer asks for this, since "
            f"{words.moment(withdrawn.notice.at)}. What was not sent before is not sent. "
            "There is nothing to do.",
        )
    elif item.closed:
        yield _box("CLOSED", _why_closed(standing))


def _legal_demand(item: OpenRequest, order: LegalOrder) -> Panel:
    who = item.report.record.name
    text = Text(f"{who} says that a court has ordered this:\n\n")
    for name, value in (
        ("Court", order.court),
        ("Docket", order.docket),
        ("Document", f"its SHA-256 is\n            {order.document_sha256}"),
    ):
        text.append(f"  {name:10}", style="bold").append(f"{value}\n")
    text.append(
        "\nYour camera has checked who signed this request. It cannot check that the court "
        "has ordered anything.\n\n"
        "Nothing was fetched and nothing is sent by itself. You still decide, clip by clip, "
        "as with any request; until you approve, nobody has anything.\n\n"
        "Before you decide, ask the court named above, by a telephone number that you looked "
        "up yourself, or a lawyer: is the order real, what exactly must you hand over, and by "
        "when? Ask to see the document: on a copy of it, `sha256sum FILE` must print the "
        "digits above. To ignore a real order can have consequences."
    )
    return Panel(text, title="THIS IS A LEGAL DEMAND", title_align="left", border_style=_RED)


def _changed(item: OpenRequest) -> Panel:
    if item.reposts:
        text = (
            f"{item.report.record.name} posted this request again under the same id, with "
            "another text. Below, both stand side by side. If you approve, you answer the "
            "first text only: your camera refused the other. A requester in good faith posts "
            "a new request instead of changing one."
        )
    else:
        text = (
            f"{item.report.record.name} sent two different texts under one id to your cameras. "
            "See `clip-agent owner inbox` for the other one, and read both before you answer."
        )
    return _box("CAREFUL: THE TEXT WAS CHANGED", text, _RED)


def _muted(item: OpenRequest, since: int) -> Panel:
    return _box(
        "MUTED",
        f"You muted {item.report.record.name} on {words.moment(since)}. What they have asked "
        "since, you get no letter about: your camera refuses it by your wish (requester-muted), "
        "tells nobody, and keeps it on its record, which `clip-agent requests` prints on the "
        "camera. Of a legal demand you still get a notice. This is one of their requests from "
        "before.\n"
        f"To hear of them again: clip-agent owner unmute {item.name}",
    )


def _why_closed(standing: RequestStatus) -> str:
    if standing.declined_at is not None:
        why = f"You declined it on {words.moment(standing.declined_at)}."
    elif standing.muted_at is not None:
        why = "It was closed when you muted who asks."
    elif standing.paused_at is not None:
        why = (
            f"You paused requests on {words.moment(standing.paused_at)}. If it is still open "
            "when you resume, it comes back; it may run out meanwhile."
        )
    else:
        why = "It ended, or another owner of your household declined it."
    return f"This request can no longer be answered. {why} This is what was last known of it."


def _box(title: str, text: str, style: str = "bold") -> Panel:
    return Panel(Text(text), title=Text(title), title_align="left", border_style=style)


# What it says


def kind_of(item: OpenRequest) -> str:
    """What sort of request it is, in plain words."""
    if item.request.order is None:
        return "voluntary request: nothing obliges you to answer"
    return "legal demand: they say that a court has ordered it"


def _facts(item: OpenRequest, now: float) -> Table:
    request = item.request
    until = "" if item.closed else f" ({words.remaining(request.exp - now)})"
    return _grid(
        [
            ("Kind", kind_of(item)),
            ("Who asks", item.report.record.name),
            ("Their key", request.iss),
            ("Reference", request.reference),
            ("Incident", request.incident),
            ("Contact", request.contact),
            (
                "They ask about",
                f"{words.moment(request.window.start)}\nto {words.moment(request.window.end)}",
            ),
            ("Area", words.place(request.area)),
            ("Goes to", request.upload.url),
            ("Open until", f"{words.moment(request.exp)}{until}"),
            ("Public log", _log_place(item)),
            ("Your camera", item.device),
            ("Digest", item.digest),
        ]
    )


def _log_place(item: OpenRequest) -> str:
    place = item.report.log
    if place is None:
        return "not shown to stand in one: your camera was not set up to check (feed.log)"
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
    since = words.month(record.first_seen)
    lines = [f"has asked {words.times(record.requests)} since {since}"]
    refused = f"{record.refused} refused by your camera"
    if record.refusals:
        refused += f" ({words.refusals(record.refusals)})"
    lines.append(f"{record.withdrawn} withdrawn; {refused}")
    if record.counted:
        lines.append(
            f"at least {record.counted:,} more posts were too many for one day: not read, "
            "only counted"
        )
    if record.edited:
        lines.append(f"{words.times(record.edited)} with a text changed after it was posted")
    if record.kinds or record.incidents:
        usual = [words.tallies(record.kinds), words.tallies(record.incidents[:4])]
        lines.append(f"usually {'; '.join(filter(None, usual))}")
    if record.median_square_miles is not None and record.median_window_seconds is not None:
        lines.append(
            f"typical area {record.median_square_miles:.2g} square miles, "
            f"typical time asked about {words.span(record.median_window_seconds)} (medians)"
        )
    return Text("\n".join(lines))


def _grid(facts: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, Text(value))
    return table
