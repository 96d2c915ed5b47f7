"""The inbox: open requests, the household's answers, notices. One request: :mod:`.request_view`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from agent.owner.inbox.items import Answer, CameraReport, NoticeItem, OpenRequest, Overview
from agent.owner.terminal.layout import RED, labelled, new_table
from agent.owner.wording import cameras, requests, text

_SHOWN_NOTICES = 10
_SHOWN_ANSWERS = 10


def inbox(overview: Overview, now: float) -> Group:
    """All open requests, the outcomes of answers, and notices."""
    parts: list[RenderableType] = []
    for camera in overview.cameras:
        parts += _camera(camera, overview, now)
    for away in overview.away.values():
        parts.append(
            Text(f"{text.away(away)}.", style="bold").append(
                " Its messages, and yours to it, wait until it is back.", style="not bold"
            )
        )
    if overview.requests:
        parts += [*([Text()] if parts else []), *_requests(overview, now)]
    elif all(cameras.says_nothing_is_open(camera) for camera in overview.cameras):
        parts.append(Text("No open requests."))
    if overview.answers:
        parts += [Text(), *_answers(overview)]
    current = [one for one in overview.notices if not requests.is_over(one.notice, now)]
    if current or overview.older_notices:
        parts += [Text(), *_notices(current, overview.older_notices)]
    return Group(*parts)


def _camera(camera: CameraReport, overview: Overview, now: float) -> Iterator[RenderableType]:
    """Its pause, its silence, and what is wrong with it."""
    if (pause := cameras.paused(camera, now)) is not None:
        said, more = pause
        yield Text(said, style="bold").append(f" {more}", style="not bold")
    if camera.pause is not None and camera.pause.confirmed:
        yield Text("To see what is still open: clip-agent owner resume-requests")
    if camera.silence and camera.device not in overview.away:
        yield Text(f"{text.unheard(camera)}.", style="bold").append(
            " It may hold open requests.", style="not bold"
        )
    for remark in camera.remarks:
        yield Text(f"{camera.device}: {remark}.", style=RED)


def _requests(overview: Overview, now: float) -> Iterator[RenderableType]:
    """Each request in a few labelled lines, legal orders first.

    Texts of strangers stand behind a label of ours, so they cannot pass for one.
    """
    shown = sorted(overview.requests, key=lambda one: one.request.order is None)
    yield Text("Open requests", style="italic")
    for item in shown:
        yield Text()
        yield labelled(list(_request(item, overview, now)), indent=2)
    yield Text(f"\nTo read one in full: clip-agent owner show {shown[0].name}")


def _request(item: OpenRequest, overview: Overview, now: float) -> Iterator[tuple[str, Text]]:
    request, report = item.request, item.report
    kind = "voluntary request" if request.order is None else "LEGAL ORDER"
    changed = ", posted twice, with different texts" if item.changed else ""
    yield item.name, Text(kind, style="" if request.order is None else RED).append(changed, RED)
    yield "Who asks", Text(report.record.name)
    yield "For what", Text(request.title)
    yield "Incident", Text(request.incident)
    until = f"{text.moment(request.exp)} ({text.remaining(request.exp - now)})"
    yield "Open until", Text(until)
    matching = text.clips(len(report.clips) + report.more_clips)
    yield "Matching", Text(f"{matching} of {item.device}")
    given = [one for one in overview.answers if (one.request, one.device) == _place(item)]
    for who, is_mine in (("You said", True), ("Household", False)):
        said = [one for one in given if one.is_mine == is_mine]
        yield from ((who, Text(line)) for line in _newest(said))
    for proposal in report.proposals:
        whom = text.awaited(report.owners, {proposal.owner})
        if proposal.owner != overview.me:
            whom = f"you, to agree: clip-agent owner approve {item.name} --with "
            whom += proposal.release[: len(item.name)]
        yield "Waits for", Text(whom, style="bold")


def _place(item: OpenRequest) -> tuple[str, str]:
    return item.digest, item.device


def _newest(given: list[Answer]) -> Iterator[str]:
    """The newest of these answers, and the number of those before it."""
    if given:
        newest = given[0]
        more = f", and {len(given) - 1} more" if len(given) > 1 else ""
        which = f" ({newest.short})" if newest.release else ", declined"
        yield f"{text.outcome(newest.event, newest.detail)}{which}{more}"


def _answers(overview: Overview) -> Iterator[RenderableType]:
    table = new_table("Answers of your household")
    table.add_column("Answer", no_wrap=True, min_width=8)  # ids are typed again
    table.add_column("Outcome", overflow="fold", min_width=17)
    table.add_column("To", overflow="fold", min_width=12)
    shown = overview.answers[:_SHOWN_ANSWERS]
    for one in shown:
        to = f"{one.to}\n" if one.to else ""
        table.add_row(
            Text(one.short or "decline"),
            Text(text.outcome(one.event, one.detail), style="bold").append(
                f"\n{text.brief(one.at)}", style="not bold"
            ),
            Text(f"{to}{text.subject(one)}, {one.device}"),
        )
    yield table
    files = [line for one in shown for line in text.left(one.event, one.files)]
    if files:
        yield Text("What left; `preview` with the same options shows the same digests:")
        yield from (Text(f"  {line}", overflow="fold") for line in files)
    if (left := len(overview.answers) - _SHOWN_ANSWERS) > 0:
        yield Text(f"{left} older answers: clip-agent owner inbox --json")


def _notices(notices: list[NoticeItem], older: int) -> Iterator[RenderableType]:
    shown, left = notices[:_SHOWN_NOTICES], len(notices) - _SHOWN_NOTICES
    if shown:
        yield _notices_table(shown)
    for notice in (one.notice for one in shown):
        if not notice.subject and notice.text:  # without an id, `show` cannot name it
            yield Text(f"{notice.text}\n")
    if left > 0:
        yield Text(f"{left} older notices: clip-agent owner inbox --json")
    if older:
        yield Text(f"{older} older notices did not fit into your cameras' messages.")
    named = next((one.notice for one in shown if one.notice.subject), None)
    if named is not None:
        yield Text(f"To read one in full: clip-agent owner show {named.subject[:8]}")


def _notices_table(shown: list[NoticeItem]) -> RenderableType:
    table = new_table("For your information: nothing here can be answered")
    table.add_column("Post", no_wrap=True, min_width=8)
    table.add_column("When", no_wrap=True)
    table.add_column("What", no_wrap=True, min_width=9)
    table.add_column("Who, and about what", overflow="fold")
    for notice in (one.notice for one in shown):
        is_serious = notice.kind in requests.SERIOUS_NOTICES
        until = f"\nuntil {text.brief(notice.until)}" if notice.until is not None else ""
        table.add_row(
            Text(notice.subject[:8]),
            Text(text.brief(notice.at)),
            Text(requests.notice_kind(notice), style=RED if is_serious else ""),
            Text(f"{notice.who}:\n{notice.title}{until}"),
        )
    return table
