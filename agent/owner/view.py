"""What the owner gets to see in lists, and before a decision. One request is in :mod:`.page`.

All that a requester wrote is shown as data: as :class:`rich.text.Text`, in which
square brackets are square brackets. Control and direction characters never got
through decoding, and only a ``text`` may break lines: each of its lines stands behind
a bar, so that none can pass for a line of ours.

Nothing here reads files or decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent.consent.statements import ApprovedClip, ClipOffer, Disclosure, Notice
from agent.owner import words
from agent.owner.decide import SharePlan
from agent.owner.entries import ListedClips, OpenRequest, ReleaseWord, Told
from agent.owner.given import Gift

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


# The inbox


def inbox(
    requests: Sequence[OpenRequest],
    releases: Sequence[ReleaseWord],
    now: float,
    *,
    notices: Sequence[Told] = (),
    paused: Mapping[str, int] | None = None,
    offline: Sequence[str] = (),
) -> Group:
    """All open requests, the state of all releases, and what needs no answer.

    ``paused``: since when the owner wants no requests, by camera; ``offline``: which are away.
    """
    parts: list[RenderableType] = []
    if requests:
        parts.append(_requests_table(requests, now))
    elif not paused:
        parts.append(Text("No open requests."))
    for device, since in (paused or {}).items():  # nothing is known to be open or not, then
        parts.append(
            Text(f"{device}: paused since {words.moment(since)}.", style="bold").append(
                " It shows no requests, legal demands and alerts among them, and they may run"
                " out meanwhile. To see what is still open: clip-agent owner resume",
                style="not bold",
            )
        )
    for device in offline:
        parts.append(
            Text(f"{device}: offline.", style="bold").append(
                " What it has to say, and what you tell it, waits until it is back.",
                style="not bold",
            )
        )
    if releases:
        parts += [Text(), _releases_table(releases)]
    current = [one for one in notices if not _is_over(one.notice, now)]
    if current:
        parts += [Text(), *_notices_table(current)]
    return Group(*parts)


def _is_over(notice: Notice, now: float) -> bool:
    return notice.until is not None and notice.until <= now


def _requests_table(requests: Iterable[OpenRequest], now: float) -> Table:
    table = _table("Open requests")
    for heading, least in (("Request", 10), ("Who asks", 11), ("For what", 9)):
        table.add_column(heading, overflow="fold", min_width=least)
    for heading in ("Why", "Until"):
        table.add_column(heading, overflow="fold")
    table.add_column("Clips", justify="right", min_width=5)
    for item in requests:
        request = item.request
        why = Text(request.incident)
        if request.order is not None:
            why.append("\nLEGAL DEMAND", style=_RED)
        if item.changed:
            why.append("\nposted twice, with different texts", style=_RED)
        if item.report.proposals:
            why.append("\nwaits for a second owner", style="bold")
        table.add_row(
            Text(item.digest[:8], style="bold").append(f"\n{item.device}", style="not bold"),
            Text(item.report.record.name),
            Text(request.title),
            why,
            Text(f"{words.brief(request.exp)}\n{words.remaining(request.exp - now)}"),
            Text(str(len(item.report.clips) + item.report.more_clips)),
        )
    return table


def _releases_table(releases: Iterable[ReleaseWord]) -> Table:
    table = _table("Releases")
    table.add_column("Release", no_wrap=True, min_width=16)  # ids are typed again
    for heading in ("Camera", "Request", "State", "Since", "Detail"):
        table.add_column(heading, overflow="fold")
    for word in releases:
        outcome = word.outcome
        table.add_row(
            Text(outcome.subject),
            Text(word.device),
            Text((outcome.request or "")[:8]),
            Text(outcome.event, style="bold"),
            Text(words.brief(outcome.iat)),
            Text(outcome.detail),
        )
    return table


def _notices_table(notices: Sequence[Told]) -> list[RenderableType]:
    table = _table("For your information: nothing here can be answered")
    table.add_column("Post", no_wrap=True, min_width=8)
    table.add_column("When", overflow="fold")
    table.add_column("What", overflow="fold", min_width=9)
    table.add_column("Who", overflow="fold")
    table.add_column("Title", overflow="fold")
    for told in notices[:_SHOWN_NOTICES]:
        notice = told.notice
        serious = notice.kind in ("edited", "muted-order", "log")
        table.add_row(
            Text(notice.subject[:8]),
            Text(words.brief(notice.at)),
            Text(NOTICE_KINDS[notice.kind], style=_RED if serious else ""),
            Text(notice.who),
            Text(notice.title),
        )
    nameless = [one.notice for one in notices[:_SHOWN_NOTICES] if not one.notice.subject]
    texts = [Text(f"{notice.text}\n") for notice in nameless if notice.text]
    left = len(notices) - _SHOWN_NOTICES
    more = [Text(f"{left} older notices: clip-agent owner inbox --json")] if left > 0 else []
    return [table, *texts, *more]


# Clips


def listing(listed: ListedClips) -> Group:
    """The clips that a camera has, numbered as other commands may name them."""
    if not listed.listing.clips:
        return Group(Text(f"{listed.device}: no clips of that time"))
    parts: list[RenderableType] = [clips(listed.listing.clips, title=f"Clips of {listed.device}")]
    if more := listed.listing.more_clips:
        parts.append(Text(f"{more} older clips did not fit in here: ask for an earlier --to."))
    return Group(*parts)


def clips(offers: Sequence[ClipOffer], *, title: str) -> Table:
    """Clips, numbered as an approval may name them."""
    table = _table(title)
    table.add_column("No.", justify="right")
    table.add_column("Clip", no_wrap=True, min_width=22)  # ids are typed again
    table.add_column("Starts")
    table.add_column("Length", justify="right", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Note")
    for number, offer in enumerate(offers, 1):
        notes = [
            *(["end is missing"] if offer.truncated else []),
            *(["time not certain"] if not offer.clock_synced else []),
        ]
        table.add_row(
            str(number),
            offer.id,
            words.exact(offer.started_at),
            words.length(offer.duration_seconds),
            words.size(offer.bytes),
            ", ".join(notes),
        )
    return table


# Before a decision


def approval(
    item: OpenRequest,
    chosen: Sequence[ApprovedClip],
    disclose: Disclosure,
    until: float,
    *,
    gifts: Sequence[Gift] = (),
) -> Group:
    """Exactly what leaves, and to whom. ``gifts``: what left before."""
    lines = [
        f"To:        {item.report.record.name}",
        f"           the key {item.request.iss}",
        f"           by upload to {item.request.upload.url}",
        f"Request:   {item.request.title} ({item.digest[:16]})",
        f"Camera:    {item.device}",
        *_leaving(item.report.clips, chosen, disclose, until, gifts),
    ]
    notes = [Text("What was sent cannot be called back.", style="bold")]
    if item.report.approvals_needed > 1:
        notes.insert(0, Text("Nothing is sent before another owner has agreed to exactly this."))
    return Group(Text("\n".join(lines)), *notes)


def share(plan: SharePlan, key_id: str, until: float, *, gifts: Sequence[Gift] = ()) -> Group:
    """The same for a share: nobody has asked."""
    lines = [
        f"To:        {plan.to.name}, who has not asked",
        f"           the key {key_id}",
        f"           by upload to {plan.target.url}",
        f"Camera:    {plan.device}",
        *_leaving(plan.offers, plan.clips, plan.disclose, until, gifts),
    ]
    return Group(Text("\n".join(lines)), Text("What was sent cannot be called back.", style="bold"))


def _leaving(
    offers: Sequence[ClipOffer],
    chosen: Sequence[ApprovedClip],
    disclose: Disclosure,
    until: float,
    gifts: Sequence[Gift],
) -> Iterator[str]:
    offered = {offer.id: offer for offer in offers}
    for clip in chosen:
        offer = offered[clip.id]
        yield (
            f"Leaves:    {clip.id}, {words.exact(offer.started_at)}, "
            f"length {words.length(offer.duration_seconds)}, without sound"
        )
        yield from (f"           {change}" for change in changes(clip))
        yield from (f"           {line}" for line in given_before(clip.id, gifts))
    yield f"Of you:    {disclosed(disclose) or 'nothing: no name, no address, no e-mail'}"
    yield f"Until:     {words.moment(until)}, then the camera stops trying"


def given_before(clip: str, gifts: Sequence[Gift]) -> Iterator[str]:
    """To whom this clip was given before, a line each."""
    for gift in gifts:
        if clip in gift.clips and gift.may_be_out:
            state = f", {gift.event}" if gift.event else ""
            yield f"given before: {gift.to}, {words.brief(gift.at)} ({gift.release[:8]}{state})"


def changes(clip: ApprovedClip) -> Iterator[str]:
    """What is done to a clip before it leaves, a line each."""
    if clip.cut is not None:
        yield f"only {clip.cut.from_seconds:g} s to {clip.cut.to_seconds:g} s"
    for area in clip.blur:
        yield (
            f"blurred: {area.width:.0%} x {area.height:.0%} of the picture, "
            f"from {area.x:.0%}, {area.y:.0%}"
        )


def disclosed(disclose: Disclosure) -> str:
    """What the owner tells of themselves; empty if nothing."""
    told = msgspec.to_builtins(disclose)
    return ", ".join(f"{key} {value}" for key, value in told.items() if value)


# Around it


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
