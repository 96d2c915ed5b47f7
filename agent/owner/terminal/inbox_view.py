"""What the owner gets to see in lists. One request is in :mod:`.page`, what is said before
a decision in :mod:`.asking`.

All that a requester wrote is shown as data: as :class:`rich.text.Text`, in which
square brackets are square brackets. Control and direction characters never got
through decoding, and only a ``text`` may break lines: each of its lines stands behind
a bar, so that none can pass for a line of ours.

Nothing here reads files or decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent.consent.statements import ClipOffer, Notice
from agent.owner import text as words
from agent.owner.decisions.history import AnsweredItem
from agent.owner.inbox.items import ListedClips, NoticeItem, OpenRequest

_RED = "bold red"
NOTICE_KINDS: dict[str, str] = {
    "alert": "alert",
    "withdrawn": "withdrawn",
    "edited": "edited",
    "muted-order": "legal demand",
    "flood": "flood of posts",
    "log": "public log",
}
_SHOWN_NOTICES = 10
_SHOWN_ANSWERS = 10


# The inbox


def inbox(
    requests: Sequence[OpenRequest],
    answers: Sequence[AnsweredItem],
    now: float,
    *,
    notices: Sequence[NoticeItem] = (),
    paused: Mapping[str, int] | None = None,
    offline: Mapping[str, str] | None = None,
) -> Group:
    """All open requests, what became of the owner's answers, and what needs none.

    ``paused``: since when the owner wants no requests, by camera; ``offline``: which are
    away, and the sentence that says so.
    """
    parts: list[RenderableType] = []
    for device, since in (paused or {}).items():  # nothing is known to be open or not, then
        parts.append(
            Text(f"{device}: requests paused since {words.moment(since)}", style="bold").append(
                f" ({words.ago(now - since)}): requests are not shown, legal demands and alerts"
                " among them, and may run out meanwhile. To see what is still open:"
                " clip-agent owner resume-requests",
                style="not bold",
            )
        )
    for sentence in (offline or {}).values():
        parts.append(
            Text(f"{sentence}.", style="bold").append(
                " What it has to say, and what you tell it, waits until it is back.",
                style="not bold",
            )
        )
    if requests:
        parts += [*([Text()] if parts else []), *_requests(requests, answers, now)]
    elif not paused:
        parts.append(Text("No open requests."))
    if answers:
        parts += [Text(), *_answers(answers)]
    current = [one for one in notices if not _is_over(one.notice, now)]
    if current:
        parts += [Text(), *_notices_table(current)]
    return Group(*parts)


def _is_over(notice: Notice, now: float) -> bool:
    return notice.until is not None and notice.until <= now


def _requests(
    requests: Sequence[OpenRequest], answers: Sequence[AnsweredItem], now: float
) -> Iterator[RenderableType]:
    """Each request in a few labelled lines, legal demands first.

    What strangers wrote stands behind a label of ours, so it cannot pass for one.
    """
    yield Text("Open requests", style="italic")
    for item in sorted(requests, key=lambda one: one.request.order is None):
        yield Text()
        yield labelled(list(_request(item, answers, now)), indent=2)
    first = min(requests, key=lambda one: one.request.order is None)
    yield Text(f"\nTo read one in full: clip-agent owner show {first.name}")


def _request(
    item: OpenRequest, answers: Sequence[AnsweredItem], now: float
) -> Iterator[tuple[str, Text]]:
    request, report = item.request, item.report
    kind = "voluntary request" if request.order is None else "LEGAL DEMAND"
    changed = ", posted twice, with different texts" if item.changed else ""
    yield item.name, Text(kind, style="" if request.order is None else _RED).append(changed, _RED)
    yield "Who asks", Text(report.record.name)
    yield "For what", Text(request.title)
    yield "Incident", Text(request.incident)
    until = f"{words.moment(request.exp)} ({words.remaining(request.exp - now)})"
    yield "Open until", Text(until)
    matching = words.clips(len(report.clips) + report.more_clips)
    yield "Matching", Text(f"{matching} of {item.device}")
    yield from (("You said", Text(line)) for line in _said(item, answers))
    if report.proposals:
        yield "Waits for", Text("a second owner of your household", style="bold")


def _said(item: OpenRequest, answers: Sequence[AnsweredItem]) -> Iterator[str]:
    """The newest answer to this request, and how many were before it."""
    given = [one for one in answers if (one.request, one.device) == (item.digest, item.device)]
    if given:
        newest = given[0]
        more = f", and {len(given) - 1} more" if len(given) > 1 else ""
        which = f" ({newest.short})" if newest.release else ", declined"
        yield f"{words.outcome(newest.event, newest.detail)}{which}{more}"


def _answers(answers: Sequence[AnsweredItem]) -> Iterator[RenderableType]:
    table = _table("Your answers, and what became of them")
    table.add_column("Answer", no_wrap=True, min_width=8)  # ids are typed again
    table.add_column("What became of it", overflow="fold", min_width=17)
    table.add_column("To", overflow="fold", min_width=12)
    for one in answers[:_SHOWN_ANSWERS]:
        about = "a share" if one.request is None else f"request {one.request[:8]}"
        table.add_row(
            Text(one.short or "decline"),
            Text(words.outcome(one.event, one.detail), style="bold").append(
                f"\n{words.brief(one.at)}", style="not bold"
            ),
            Text(f"{one.to or '(not known here)'}\n{about}, {one.device}"),
        )
    yield table
    if (left := len(answers) - _SHOWN_ANSWERS) > 0:
        yield Text(f"{left} older answers: clip-agent owner inbox --json")


def _notices_table(notices: Sequence[NoticeItem]) -> list[RenderableType]:
    table = _table("For your information: nothing here can be answered")
    table.add_column("Post", no_wrap=True, min_width=8)
    table.add_column("When", no_wrap=True)
    table.add_column("What", no_wrap=True, min_width=9)
    table.add_column("Who, and about what", overflow="fold")
    for told in notices[:_SHOWN_NOTICES]:
        notice = told.notice
        serious = notice.kind in ("edited", "muted-order", "log")
        until = f"\nuntil {words.brief(notice.until)}" if notice.until is not None else ""
        table.add_row(
            Text(notice.subject[:8]),
            Text(words.brief(notice.at)),
            Text(NOTICE_KINDS[notice.kind], style=_RED if serious else ""),
            Text(f"{notice.who}:\n{notice.title}{until}"),
        )
    shown = notices[:_SHOWN_NOTICES]
    nameless = [one.notice for one in shown if not one.notice.subject]
    texts = [Text(f"{notice.text}\n") for notice in nameless if notice.text]
    named = next((one.notice for one in shown if one.notice.subject), None)
    how = [Text(f"To read one in full: clip-agent owner show {named.subject[:8]}")] if named else []
    left = len(notices) - _SHOWN_NOTICES
    more = [Text(f"{left} older notices: clip-agent owner inbox --json")] if left > 0 else []
    return [table, *texts, *more, *how]


# Clips


def listing(listed: ListedClips) -> Group:
    """The clips that a camera has, numbered as other commands may name them."""
    if not listed.listing.clips:
        return Group(Text(f"{listed.device}: no clips of that time"))
    parts: list[RenderableType] = [clips(listed.listing.clips, title=f"Clips of {listed.device}")]
    if more := listed.listing.more_clips:
        parts.append(Text(f"{more} older clips did not fit in here: ask for an earlier --to."))
    first = listed.listing.clips[0].id
    parts.append(Text(f"To see one: clip-agent owner preview {first}"))
    return Group(*parts)


def clips(offers: Sequence[ClipOffer], *, title: str) -> Table:
    """Clips, numbered as an approval may name them; what is odd about one stands below it."""
    table = _table(title)
    table.add_column("No.", justify="right")
    table.add_column("Clip", no_wrap=True, min_width=22)  # ids are typed again
    table.add_column("Starts", no_wrap=True)
    table.add_column("Length", justify="right", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    for number, offer in enumerate(offers, 1):
        notes = [
            *(["end is missing"] if offer.truncated else []),
            *(["time uncertain"] if not offer.clock_synced else []),
        ]
        table.add_row(
            str(number),
            "\n".join([offer.id, *notes]),
            words.second(offer.started_at),
            words.length(offer.duration_seconds),
            words.size(offer.bytes),
        )
    return table


# Around it


def labelled(rows: Sequence[tuple[str, Text]], *, indent: int = 0) -> RenderableType:
    """Labels in one column, what they say in another."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, value)
    return Padding(table, (0, 0, 0, indent))


@contextlib.contextmanager
def progress(what: str, total_bytes: int) -> Iterator[Callable[[int, int], None]]:
    """A bar for bytes, when a terminal is there; call what it gives with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    screen = console(error=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def console(*, error: bool = False) -> Console:
    """A console that takes texts as they are: no markup, no emoji names, no guessing."""
    return Console(stderr=error, markup=False, emoji=False, highlight=False)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
